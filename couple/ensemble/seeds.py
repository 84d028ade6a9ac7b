"""Seeds of the runs of an ensemble."""

from __future__ import annotations

import hashlib


def run_seed(seed: int, run: int) -> int:
    """Experiment seed of a run, in [0, 2^63): ensembles of different seeds share no run, whatever their sizes."""
    key = f"ensemble\x1f{int(seed)}\x1f{int(run)}".encode()
    return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "little") >> 1
