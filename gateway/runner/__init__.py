"""Performs what the protocol decides, through ports."""
