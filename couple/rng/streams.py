"""Random streams keyed by what they are for, so that results do not depend on what else runs.

A stream is a xoshiro256++ generator (Blackman & Vigna, ACM TOMS 47:36, 2021): four 64-bit words that
kernels advance in place and checkpoints store. Its seed is a hash of (experiment seed, component, site,
purpose): the number of sites, ranks or threads does not enter.
"""

from __future__ import annotations

import hashlib
import math

import numpy as np

from couple.base.arrays import Words
from couple.cache.kernels import njit

_R17, _R23, _R41, _R45, _R19 = (np.uint64(n) for n in (17, 23, 41, 45, 19))
_R11 = np.uint64(11)
_TO_UNIT = 1.0 / (1 << 53)


def stream(seed: int, component: str, site: str, purpose: str) -> Words:
    """State of the stream with this key, shape (4,)."""
    key = "\x1f".join((str(int(seed)), component, site, purpose)).encode()
    return np.frombuffer(hashlib.blake2b(key, digest_size=32).digest(), dtype="<u8").astype(np.uint64)


def branch_seed(seed: int, window: int) -> int:
    """Seed, in [1, 2^63), of what goes on from exchange window `window` with random numbers of another seed.

    No stream of it is one that began at t = 0, with whatever seed, nor one of another window.
    """
    key = f"branch\x1f{int(seed)}\x1f{int(window)}".encode()
    return max(1, int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "little") >> 1)


def generator(seed: int, component: str, site: str, purpose: str) -> np.random.Generator:
    """A NumPy generator with this key, for set-up work outside of kernels."""
    return np.random.Generator(np.random.PCG64([int(w) for w in stream(seed, component, site, purpose)]))


@njit(cache=True, inline="always")
def next_word(s: Words) -> np.uint64:
    """The next 64 random bits; advances `s` (4,) in place."""
    total = s[0] + s[3]
    result = ((total << _R23) | (total >> _R41)) + s[0]
    t = s[1] << _R17
    s[2] ^= s[0]
    s[3] ^= s[1]
    s[1] ^= s[2]
    s[0] ^= s[3]
    s[2] ^= t
    s[3] = (s[3] << _R45) | (s[3] >> _R19)
    return result  # type: ignore[no-any-return]


@njit(cache=True, inline="always")
def uniform(s: Words) -> float:
    """Uniform on the half-open interval (0, 1]: safe under a logarithm."""
    return (float(next_word(s) >> _R11) + 1.0) * _TO_UNIT


@njit(cache=True, inline="always")
def exponential(s: Words) -> float:
    """Exponential with mean 1."""
    return -math.log(uniform(s))


@njit(cache=True)
def below(s: Words, n: int) -> int:
    """Uniform integer in [0, n); the bias n/2^53 is below anything a simulation can see."""
    k = int((float(next_word(s) >> _R11)) * _TO_UNIT * n)
    return k if k < n else n - 1
