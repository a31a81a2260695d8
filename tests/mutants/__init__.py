"""Deliberate breaks of the real code, each of which the tests must notice: a proof that cannot fail proves nothing."""
