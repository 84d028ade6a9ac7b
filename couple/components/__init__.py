"""The contract of everything that the loop advances: ports, engines, electrics, drives. Imports the rooms above

it: `base`, `rng`, `geometry`, `parallel`, `chemistry`.
"""
