"""A dynamic Boltzmann distribution as a file: its settings, what is built of them, the model on disk. Imports

`energy`, `laws`, `fit`.
"""
