"""Kernels of machines in sites. Imports nothing of reducers but the noise of `copy_numbers`."""
