"""Kernels of learned copy numbers: closed moments in time, and numbers drawn from them. Imports nothing of reducers."""
