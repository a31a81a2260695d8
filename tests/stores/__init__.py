"""Laws of the stores."""
