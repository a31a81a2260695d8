"""What is measured beside the gateway, each written as somebody would who needed it."""
