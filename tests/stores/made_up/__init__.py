"""Revisions that no release has, on top of those that are: an addition, what it replaced, and the next addition."""
