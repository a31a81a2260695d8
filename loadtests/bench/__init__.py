"""Measures the gateway beside what people use instead of it, in turn, in one run."""
