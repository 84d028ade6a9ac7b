"""Exact stochastic simulation of two-state neurons, at a cost per event that is linear in the synapses of a neuron.

Quiescent neurons lie in classes by f(u), each bounded by a power of 2 (Slepoy, Thompson & Plimpton, J Chem Phys
128:205101, 2008): a class is drawn by its bound, a neuron of it evenly, and is taken with the probability f over bound.
An event adds its weights to the u of its targets; f is monotonic, so that whether a target stays in its class is told
by two comparisons, and f itself is only evaluated of the neuron that is drawn.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from couple.base.arrays import Floats, Ints, Words
from couple.base.budget import check_memory
from couple.base.errors import InputError
from couple.cache.kernels import njit
from couple.rng.streams import below, exponential, stream, uniform
from reducers.population.master_equation.network import CODES, NeuralNetwork, Synapses, activate
from reducers.population.patterns.patterns import Bits

CLASSES = 32
BLOCK = 64
"""Targets of a dense network that are looked at together."""


@dataclass(frozen=True)
class NeuralRun:
    """time (n_rows,) ms. active (n_rows,) neurons. states (n_rows, n), or (0, n) where they are not kept. events:
    activations and decays. proposals: of neurons, of which some were not taken.
    """

    time: Floats
    active: Ints
    states: Bits
    events: int
    proposals: int


def simulate(
    network: NeuralNetwork, drive: Floats, every: float, seed: int, start: Bits | None = None, keep: bool = True,
    purpose: str = "ssa",
) -> NeuralRun:  # fmt: skip
    """A run of len(drive) windows of `every` ms; drive: h in each. start (n,): of neurons, quiescent if not given.

    Rows are of the start and the end of each window. Raises InputError for a start that does not fit.
    """
    n, rows = network.n, len(drive) + 1
    state: Bits = np.zeros(n, dtype=np.uint8) if start is None else start.astype(np.uint8)
    if state.shape != (n,) or state.max(initial=0) > 1:
        raise InputError(f"a start of shape {state.shape} does not fit {n} neurons of 0 or 1")
    check_memory(float(rows) * n * keep, f"{rows} states of {n} neurons", "keep fewer rows")
    states: Bits = np.empty((rows if keep else 0, n), dtype=np.uint8)
    active = np.empty(rows, dtype=np.int64)
    words = stream(seed, "population", "neurons", purpose)
    counted = run_windows(
        network.synapses, network.input, network.gain, drive, every, network.rate, network.decay,
        CODES[network.activation], class_edges(network), state, words, active, states,
    )  # fmt: skip
    return NeuralRun(
        np.asarray(np.arange(rows) * every, dtype=np.float64), active, states, int(counted[0]), int(counted[1])
    )


def class_edges(network: NeuralNetwork) -> Floats:
    """(CLASSES + 1,) u between which f lies within a factor of 2, falling; the last class holds all that is below."""
    p = 0.5 ** np.arange(1.0, CLASSES)
    inner = {"logistic": np.log(p) - np.log1p(-p), "tanh": np.arctanh(p), "linear": p}[network.activation]
    return np.concatenate([[math.inf], inner, [-math.inf]])


@njit(cache=True)
def _put(
    i: int, c: int, members: npt.NDArray[np.int32], sizes: Ints, place: npt.NDArray[np.int32],
    of: npt.NDArray[np.int8],
) -> None:  # fmt: skip
    """Neuron i into class c."""
    members[c, sizes[c]] = i
    place[i] = sizes[c]
    of[i] = c
    sizes[c] += 1


@njit(cache=True)
def _take(
    i: int, members: npt.NDArray[np.int32], sizes: Ints, place: npt.NDArray[np.int32], of: npt.NDArray[np.int8]
) -> None:
    """Neuron i out of its class; the last of the class takes its place."""
    c = of[i]
    last = members[c, sizes[c] - 1]
    members[c, place[i]] = last
    place[last] = place[i]
    sizes[c] -= 1


@njit(cache=True)
def _class_of(u: float, c: int, edges: Floats) -> int:
    """The class of u, searched from c on."""
    while u > edges[c]:
        c -= 1
    while u <= edges[c + 1]:
        c += 1
    return c


@njit(cache=True)
def run_windows(
    synapses: Synapses, inputs: Floats, gain: Floats, drive: Floats, every: float, rate: float, decay: float,
    code: int, edges: Floats, state: Bits, words: Words, active: Ints, states: Bits,
) -> tuple[int, int]:  # fmt: skip
    """(events, proposals) of windows, with the numbers of active neurons, and states, written."""
    n, classes = len(state), len(edges) - 1
    first, target, weight = synapses.first, synapses.target, synapses.weight
    u, low, high = np.empty(n), np.empty(n), np.empty(n)
    members = np.empty((classes + 1, n), dtype=np.int32)
    place, of = np.empty(n, dtype=np.int32), np.empty(n, dtype=np.int8)
    sizes, bounds = np.zeros(classes + 1, dtype=np.int64), np.empty(classes)
    for c in range(classes):
        bounds[c] = rate * 0.5**c
    events, proposals = 0, 0
    for w in range(len(drive)):
        if w == 0:
            active[0] = state.sum()
            if len(states):
                states[0] = state
        if w == 0 or drive[w] != drive[w - 1]:
            for i in range(n):
                u[i] = inputs[i] + gain[i] * drive[w]
            for j in range(n):
                if state[j]:
                    for s in range(first[j], first[j + 1]):
                        u[target[s]] += weight[s]
            sizes[:] = 0
            for i in range(n):
                if state[i]:
                    _put(i, classes, members, sizes, place, of)
                    low[i], high[i] = -math.inf, math.inf
                else:
                    c = _class_of(u[i], 0, edges)
                    _put(i, c, members, sizes, place, of)
                    low[i], high[i] = edges[c + 1], edges[c]
        left = every
        while True:
            off = decay * sizes[classes]
            total = off
            for c in range(classes):
                total += bounds[c] * sizes[c]
            if total <= 0.0:
                break
            left -= exponential(words) / total
            if left <= 0.0:
                break
            proposals += 1
            r = uniform(words) * total
            if r <= off and sizes[classes] > 0:
                i = members[classes, below(words, sizes[classes])]
                sign = -1.0
                state[i] = 0
                _take(i, members, sizes, place, of)
                c = _class_of(u[i], 0, edges)
                _put(i, c, members, sizes, place, of)
                low[i], high[i] = edges[c + 1], edges[c]
            else:
                r -= off
                c = 0
                while c < classes - 1 and (sizes[c] == 0 or r > bounds[c] * sizes[c]):
                    r -= bounds[c] * sizes[c]
                    c += 1
                if sizes[c] == 0:
                    continue  # rounding has led beyond the last
                i = members[c, below(words, sizes[c])]
                if uniform(words) * bounds[c] > rate * activate(u[i], code):
                    continue
                sign = 1.0
                state[i] = 1
                _take(i, members, sizes, place, of)
                _put(i, classes, members, sizes, place, of)
                low[i], high[i] = -math.inf, math.inf
            events += 1
            begin, end = first[i], first[i + 1]
            if synapses.dense:
                row = weight[begin:end]
                for k in range(n):
                    u[k] += sign * row[k]
                for b in range(0, n, BLOCK):
                    here, top, bottom = u[b : b + BLOCK], high[b : b + BLOCK], low[b : b + BLOCK]
                    moved = 0
                    for k in range(len(here)):  # slices from 0 on: machine code takes four at a time
                        moved += (here[k] > top[k]) | (here[k] <= bottom[k])
                    if moved:
                        for k in range(b, b + len(here)):
                            if u[k] > high[k] or u[k] <= low[k]:
                                c = _class_of(u[k], of[k], edges)
                                _take(k, members, sizes, place, of)
                                _put(k, c, members, sizes, place, of)
                                low[k], high[k] = edges[c + 1], edges[c]
            else:
                for s in range(begin, end):
                    k = target[s]
                    u[k] += sign * weight[s]
                    if u[k] > high[k] or u[k] <= low[k]:
                        c = _class_of(u[k], of[k], edges)
                        _take(k, members, sizes, place, of)
                        _put(k, c, members, sizes, place, of)
                        low[k], high[k] = edges[c + 1], edges[c]
        active[w + 1] = sizes[classes]
        if len(states):
            states[w + 1] = state
    return events, proposals
