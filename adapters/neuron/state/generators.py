"""The generators of random numbers that all of NEURON shares: seeded from the experiment, their positions saved.

MOD files draw from one of them by `scop_random`, `normrand`, `exprand` and `poisrand`; `mcell_ran4` has an index that
all its streams share, as Random123 has.

experiment.seed  0: what NEURON and the model themselves set, in a process of their own. Any other: Random123's global
                 index is the seed (modulo 2^32); the others are a hash of the seed and of what the model has set.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from typing import NamedTuple

from adapters.neuron.hoc.h import h, library

WORD = 2**32
_FACTOR, _SUMMAND, _LARGEST = 0x7FFF4AF5, 0x1B0CB295, WORD - 1
"""Of the linear congruential generator behind scop_random, which gives its state divided by the last of them."""


class Generators(NamedTuple):
    """Positions: of scop_random (−1 if this NEURON does not let it be read), of mcell_ran4's index, whether scop_random
    draws from mcell_ran4, of Random123's global index.
    """

    scop: int = 1
    ran4: int = 0
    scop_is_ran4: int = 0
    random123: int = 0

    @classmethod
    def read(cls) -> Generators:
        """As they stand now; nothing is drawn."""
        is_ran4 = int(h.use_mcell_ran4())
        return cls(_scop_position(is_ran4), int(h.mcell_ran4_init()), is_ran4, int(h.Random().Random123_globalindex()))

    def set(self) -> None:
        """Make NEURON's stand like this."""
        functions = _scop_functions()
        if functions is not None and self.scop >= 0:
            functions[1](float(self.scop))
        h.use_mcell_ran4(self.scop_is_ran4)
        h.mcell_ran4_init(self.ran4)
        h.Random().Random123_globalindex(self.random123)

    def seeded(self, seed: int) -> Generators:
        """Those of an experiment with this seed, of a model that has left them like these."""
        if seed == 0:
            return self
        scop = self.scop if self.scop < 0 else hashed(seed, "scop_random", self.scop)
        return Generators(scop, hashed(seed, "mcell_ran4", self.ran4), self.scop_is_ran4, seed % WORD)


def hashed(seed: int, purpose: str, number: int) -> int:
    """A number from 1 to 2^32 − 1 that depends on all of these."""
    digest = hashlib.blake2b(f"{seed} {purpose} {number}".encode(), digest_size=8).digest()
    return 1 + int.from_bytes(digest) % (WORD - 1)


@functools.cache
def _scop_functions() -> tuple[Callable[[], float], Callable[[float], None]] | None:
    """scop_random and set_seed of this NEURON; None if it does not have them as they are known."""
    import ctypes

    draw, seed = (getattr(library(), name, None) for name in ("_Z11scop_randomv", "_Z8set_seedd"))
    if draw is None or seed is None:
        return None
    draw.restype, draw.argtypes = ctypes.c_double, []
    seed.restype, seed.argtypes = None, [ctypes.c_double]
    return draw, seed


def _scop_position(is_ran4: int) -> int:
    """State of scop_random: found by one draw, which is then undone. −1 if the generator is another than that."""
    functions = _scop_functions()
    if functions is None:
        return -1
    draw, seed = functions
    h.use_mcell_ran4(0)
    drawn = draw()
    position = (round(drawn * _LARGEST) - _SUMMAND) * pow(_FACTOR, -1, WORD) % WORD
    seed(float(position))
    again = draw()
    seed(float(position))
    h.use_mcell_ran4(is_ran4)
    return position if again == drawn else -1
