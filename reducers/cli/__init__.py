"""`couple train` and `couple model`."""
