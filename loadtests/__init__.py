"""Measures and loads: nothing here is part of the product."""
