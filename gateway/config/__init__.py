"""Configuration: parsed once into frozen values, every complaint at once."""
