"""What becomes of a store that holds very many records."""
