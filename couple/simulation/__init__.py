"""A run from start to end: the loop, what it writes, how it goes on. Imports `wiring`, `storage` and what is below."""
