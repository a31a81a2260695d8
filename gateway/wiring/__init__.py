"""The only composition root: configuration in, stores and a running gateway out."""
