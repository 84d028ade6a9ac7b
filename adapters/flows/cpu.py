"""JAX, on the CPU alone: no search for accelerators, and no warning that there are none."""

from __future__ import annotations

import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # no alarms of slow compilers on the terminal

import jax

__all__ = ["jax"]
