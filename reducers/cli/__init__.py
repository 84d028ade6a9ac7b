"""`couple train` and `couple model`. Imports `training`, which finds the kinds."""
