"""What the loop advances: ports, engines and their capabilities, the electrical model, drives.

Imports `base`, `rng`, `geometry`, `parallel`, `chemistry`.
"""
