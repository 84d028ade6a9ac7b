"""A run from start to end: the loop, what it writes, how it stops and goes on. Imports `wiring`, `storage`,

`exchange` and what they import.
"""
