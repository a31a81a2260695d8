"""How the gateway finds out who calls: keys in files, tokens, and how often each has called."""
