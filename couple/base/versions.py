"""Versions of what determines the numbers of a run."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version


def versions() -> dict[str, str]:
    """Versions of what determines the numbers."""
    found = {"python": platform.python_version()}
    for package in ("couple", "neuron", "numba", "numpy", "h5py"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
