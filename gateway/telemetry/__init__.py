"""Sinks for observations."""
