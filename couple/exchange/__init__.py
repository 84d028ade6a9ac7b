"""What crosses between components: ions and conductances, and the ledger that holds them to account.

Imports `base`, `components`, `rng`.
"""
