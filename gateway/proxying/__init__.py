"""The hop to the upstream."""
