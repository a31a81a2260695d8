"""Redis, or Valkey: records as strings, written by scripts that compare before they set."""
