"""Block Gibbs sampling of Boltzmann machines, many chains at a time; layers with bonds colour by colour.

Weights are shared, so a unit's conditional depends only on how many neighbours of each species it has: probabilities
are tabulated as 32-bit thresholds, and the sum of neighbour codes is the index. Chains are the fastest axis, each with
a random stream (xoshiro128++) of its own, so that a chain does not depend on which others run.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from couple.base.arrays import Floats, Ints
from couple.base.errors import InputError
from couple.cache.kernels import njit
from couple.rng.streams import generator, stream
from reducers.dbd.energy.dbm import DeepBoltzmann

Codes = npt.NDArray[np.uint16]
Words32 = npt.NDArray[np.uint32]

_7, _9, _11, _21, _23, _25 = (np.uint32(n) for n in (7, 9, 11, 21, 23, 25))


@njit(cache=True)
def _draw(words: Words32, out: Words32) -> None:
    """One random word per chain: xoshiro128++ (Blackman & Vigna 2021); words (4, chains)."""
    s0, s1, s2, s3 = words[0], words[1], words[2], words[3]
    for c in range(len(out)):
        a, b, x, d = s0[c], s1[c], s2[c], s3[c]
        total = np.uint32(a + d)
        out[c] = np.uint32(np.uint32(np.uint32(total << _7) | np.uint32(total >> _25)) + a)
        t = np.uint32(b << _9)
        x = np.uint32(x ^ a)
        d = np.uint32(d ^ b)
        s1[c] = np.uint32(b ^ x)
        s0[c] = np.uint32(a ^ d)
        s2[c] = np.uint32(x ^ t)
        s3[c] = np.uint32(np.uint32(d << _11) | np.uint32(d >> _21))


@njit(cache=True)
def update_units(
    units: Ints,
    own: Codes,
    below: Codes,
    above: Codes,
    near_below: npt.NDArray[np.int32],
    near_beside: npt.NDArray[np.int32],
    near_above: npt.NDArray[np.int32],
    stride_beside: int,
    stride: int,
    table: Words32,
    shift: npt.NDArray[np.int32],
    codes: Codes,
    words: Words32,
) -> None:
    """Draw some units of a layer, no two of them neighbours, from their conditionals.

    own (n + 1, chains), the last row empty; near_* (n, degree) rows of the neighbour layers, and of its own; table
    (n_species, entries) cumulative thresholds, entry = shift[chain] + (sum below × stride_beside + sum beside) × stride
    + sum above.
    """
    chains = own.shape[1]
    index, random = np.empty(chains, dtype=np.int32), np.empty(chains, dtype=np.uint32)
    width, width_beside = np.int32(stride), np.int32(stride_beside)
    species = len(table)
    alone = near_below.shape[1] + near_above.shape[1] == 0 and near_beside.shape[1] >= 4
    for i in units:
        if alone:
            r0, r1 = own[near_beside[i, 0]], own[near_beside[i, 1]]
            r2, r3 = own[near_beside[i, 2]], own[near_beside[i, 3]]
            for c in range(chains):
                index[c] = shift[c] + np.int32(r0[c]) + np.int32(r1[c]) + np.int32(r2[c]) + np.int32(r3[c])
            for k in range(4, near_beside.shape[1]):
                row = own[near_beside[i, k]]
                for c in range(chains):
                    index[c] += row[c]
        else:
            index[:] = 0
            for k in range(near_below.shape[1]):
                row = below[near_below[i, k]]
                for c in range(chains):
                    index[c] += row[c]
            if near_beside.shape[1] > 0:
                for c in range(chains):
                    index[c] *= width_beside
                for k in range(near_beside.shape[1]):
                    row = own[near_beside[i, k]]
                    for c in range(chains):
                        index[c] += row[c]
            for c in range(chains):
                index[c] = index[c] * width + shift[c]
            for k in range(near_above.shape[1]):
                row = above[near_above[i, k]]
                for c in range(chains):
                    index[c] += row[c]
        _draw(words, random)
        mine = own[i]
        if species == 1:
            one, c1 = table[0], codes[1]
            for c in range(chains):
                mine[c] = c1 if random[c] < one[index[c]] else np.uint16(0)
        elif species == 2:
            one, two, c1, c2 = table[0], table[1], codes[1], codes[2]
            for c in range(chains):
                r, at = random[c], index[c]
                late = c2 if r < two[at] else np.uint16(0)
                mine[c] = c1 if r < one[at] else late
        else:
            for c in range(chains):
                mine[c] = 0
                for s in range(species):
                    if random[c] < table[s, index[c]]:
                        mine[c] = codes[s + 1]
                        break


@njit(cache=True)
def count_states(own: Codes, code: int) -> Ints:
    """(chains,) units in the state with this code."""
    out = np.zeros(own.shape[1], dtype=np.int64)
    for i in range(len(own) - 1):
        row = own[i]
        for c in range(len(out)):
            out[c] += row[c] == code
    return out


@njit(cache=True)
def count_pairs(lower: Codes, upper: Codes, near: npt.NDArray[np.int32], code_lower: int, code_upper: int) -> Ints:
    """(chains,) connections between a lower and an upper unit in the given states; near (n_lower, degree)."""
    chains = lower.shape[1]
    out, seen = np.zeros(chains, dtype=np.int64), np.empty(chains, dtype=np.int32)
    for i in range(len(near)):
        seen[:] = 0
        for k in range(near.shape[1]):
            row = upper[near[i, k]]
            for c in range(chains):
                seen[c] += row[c] == code_upper
        row = lower[i]
        for c in range(chains):
            if row[c] == code_lower:
                out[c] += seen[c]
    return out


class Conditionals:
    """Tables of the conditional distributions for one or many θ (sets, n)."""

    def __init__(self, machine: DeepBoltzmann, theta: Floats) -> None:
        theta = np.atleast_2d(theta)
        self.tables: list[Words32] = []
        self.strides: list[tuple[int, int]] = []
        self.entries: list[int] = []
        for level in range(len(machine.layers)):
            p = machine.conditionals(theta, level)
            self.entries.append(p.shape[1])
            self.strides.append((len(machine.tally_beside(level)), len(machine.tally(level, True))))
            reach = np.minimum(np.cumsum(p, axis=-1), 1.0)
            thresholds = np.minimum(np.rint(reach * 2.0**32), 2.0**32 - 1).astype(np.uint32)
            self.tables.append(np.ascontiguousarray(np.moveaxis(thresholds, -1, 0).reshape(p.shape[-1], -1)))


class Chains:
    """Markov chains over all units of a machine.

    layers: per layer (n + 1, chains) codes, the last row always empty. words: (4, chains) random streams.
    """

    def __init__(self, machine: DeepBoltzmann, chains: int, seed: int, purpose: str) -> None:
        self.machine = machine
        self.layers = [np.zeros((layer.size + 1, chains), dtype=np.uint16) for layer in machine.layers]
        self.words = np.empty((4, chains), dtype=np.uint32)
        for c in range(chains):
            self.words[:, c] = stream(seed, "gibbs", str(c), purpose).view(np.uint32)[:4]
        nowhere = [np.zeros((layer.size, 0), dtype=np.int32) for layer in machine.layers]
        self._up = [near.astype(np.int32) for near in machine.up] + nowhere[-1:]
        self._down = nowhere[:1] + [near.astype(np.int32) for near in machine.down]
        self._beside = [near.astype(np.int32) for near in machine.beside]
        self._forward = [near.astype(np.int32) for near in machine.forward]

    def __len__(self) -> int:
        return self.words.shape[1]

    def set(self, layer: int, states: npt.NDArray[np.generic]) -> None:
        """Put states 0 … n_species (n_units, chains) into a layer."""
        if states.shape != (self.machine.layers[layer].size, len(self)):
            raise InputError(
                f"layer {layer} has {self.machine.layers[layer].size} units in {len(self)} chains, not {states.shape}"
            )
        self.layers[layer][:-1] = self.machine.codes[states]

    def randomise(self, seed: int, purpose: str) -> None:
        """Every unit in a state drawn uniformly."""
        rng = generator(seed, "gibbs", "start", purpose)
        for level, layer in enumerate(self.machine.layers):
            self.set(level, rng.integers(0, len(layer.species) + 1, (layer.size, len(self))))

    def begin(self, starts: Sequence[str], seed: int, purpose: str) -> None:
        """Chains in equal blocks begin "random", "empty", or full of a visible species as far as a layer has it."""
        self.randomise(seed, purpose)
        blocks = np.array_split(np.arange(len(self)), len(starts))
        for start, block in zip(starts, blocks, strict=True):
            if start not in ("random", "empty", *self.machine.visible.species):
                raise InputError(f'chains begin "random", "empty" or full of a visible species, not "{start}"')
            if start != "random":
                for level, layer in enumerate(self.machine.layers):
                    state = layer.species.index(start) + 1 if start in layer.species else 0
                    self.layers[level][:-1, block] = self.machine.codes[state]

    def probabilities(self, level: int, theta: Floats) -> Floats:
        """(n_units, chains, n_species) of each unit, given its neighbours as they are; all chains obey θ (n,)."""
        index = np.zeros((self.machine.layers[level].size, len(self)), dtype=np.int64)
        if level:
            index += self.layers[level - 1][self._down[level]].sum(axis=1, dtype=np.int64)
        index *= len(self.machine.tally_beside(level))
        index += self.layers[level][self._beside[level]].sum(axis=1, dtype=np.int64)
        index *= len(self.machine.tally(level, True))
        if level + 1 < len(self.layers):
            index += self.layers[level + 1][self._up[level]].sum(axis=1, dtype=np.int64)
        return np.asarray(self.machine.conditionals(theta, level)[index])

    def states(self, layer: int) -> npt.NDArray[np.uint8]:
        """(n_units, chains) states of a layer."""
        return np.searchsorted(self.machine.codes, self.layers[layer][:-1]).astype(np.uint8)

    def update(self, level: int, conditionals: Conditionals, sets: Ints) -> None:
        """Draw layer level anew in every chain; sets: (chains,) which θ each chain obeys."""
        self._update(level, conditionals, (sets * conditionals.entries[level]).astype(np.int32))

    def _update(self, level: int, conditionals: Conditionals, shift: npt.NDArray[np.int32]) -> None:
        below = self.layers[level - 1] if level else self.layers[level]
        above = self.layers[level + 1] if level + 1 < len(self.layers) else self.layers[level]
        for units in self.machine.colours[level]:
            update_units(
                units,
                self.layers[level],
                below,
                above,
                self._down[level],
                self._beside[level],
                self._up[level],
                *conditionals.strides[level],
                conditionals.tables[level],
                shift,
                self.machine.codes,
                self.words,
            )

    def sweep(self, conditionals: Conditionals, sets: Ints, sweeps: int, clamped: bool = False) -> None:
        """Odd layers, then even ones, `sweeps` times; clamped: the visible layer stays as it is."""
        shifts = [(sets * entries).astype(np.int32) for entries in conditionals.entries]
        order = [*range(1, len(self.layers), 2), *range(0, len(self.layers), 2)]
        for _ in range(sweeps):
            for level in order:
                if level or not clamped:
                    self._update(level, conditionals, shifts[level])

    def moments(self) -> Floats:
        """(chains, n) X of each chain's state: numbers of units and of connected pairs."""
        codes = self.machine.codes
        columns = [count_states(self.layers[level], int(codes[s])) for level, s in self.machine.biases]
        for level, a, b in self.machine.weights:
            lower, upper = self.layers[level], self.layers[level + 1]
            columns.append(count_pairs(lower, upper, self._up[level], int(codes[a]), int(codes[b])))
        for level, a, b in self.machine.couplings:
            own, near = self.layers[level], self._forward[level]
            found = count_pairs(own, own, near, int(codes[a]), int(codes[b]))
            columns.append(found if a == b else found + count_pairs(own, own, near, int(codes[b]), int(codes[a])))
        return np.stack(columns, axis=1).astype(float)
