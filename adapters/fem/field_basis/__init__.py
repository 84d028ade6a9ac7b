"""Finite-element bases of learned fields, for `reducers.fields`. Imports `mesh` and `solver`."""
