"""HTTP/2 to an upstream: calls share connections, and a lost connection loses each of them."""
