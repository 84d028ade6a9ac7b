"""Copies of the random generator inside of kernels that hop: each gives the words of couple.rng.streams.next_word."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from adapters.lattice import Lattice
from adapters.lattice.common.domain import build_domain
from adapters.lattice.paper import kernel as paper_kernel
from adapters.lattice.paper.tables import build_particles, build_rules
from adapters.lattice.physical.engine import PhysicalLattice
from adapters.lattice.physical.sweeps import sweep_volume
from couple.base.arrays import Words
from couple.chemistry.network import ReactionNetwork
from couple.chemistry.reaction import Species
from couple.components.engine import EngineSetup, Site
from couple.geometry.geometry import Geometry
from couple.rng.streams import next_word, stream

SHAPE = (8, 8, 8)
HOPS = 300

Hops = Iterator[tuple[Words, int]]
"""The generator after each hop of one molecule, and the direction in which it went."""


def physical_hops() -> Hops:
    """One molecule of the physical mode, alone between periodic walls."""
    options = Lattice.Options.model_validate({"spacing": "10 nm", "shape": SHAPE, "boundary": "periodic"})
    network, site = ReactionNetwork([Species("A", 1.0)], []), Site("s", Geometry.cells(SHAPE, 5e-4, 0.0), (1,))
    engine = PhysicalLattice(EngineSetup("x", network, (site,), 0.1, options=options))
    tables, molecules = engine.tables[0], engine.molecules[0]
    molecules.words[:] = stream(1, "copies", "s", "hops")
    domain = engine.masks[0].domain
    for _ in range(HOPS):
        before = int(molecules.lists[0])
        sweep_volume(tables, molecules, 0)
        yield molecules.words, direction_of(domain.offsets, domain.shift, int(molecules.lists[0]) - before)


def paper_hops() -> Hops:
    """One particle of the paper's mode, alone between periodic walls."""
    network, domain = ReactionNetwork([Species("A")], []), build_domain(SHAPE, [("periodic", "periodic")] * 3)
    rules = build_rules(network, domain, row_first=False)
    particles = build_particles(network, domain, stream(1, "copies", "s", "hops"), row_first=False)
    paper_kernel.add_particle(particles, 1, int(np.flatnonzero(domain.lattice == 0)[0]))
    for _ in range(HOPS):
        before = int(particles.sites[0])
        paper_kernel.sweep(rules, particles)
        yield particles.words, direction_of(domain.offsets, domain.shift, int(particles.sites[0]) - before)


def direction_of(offsets: np.ndarray, shift: np.ndarray, step: int) -> int:
    """The direction of a hop by its flat step, through a periodic wall or not."""
    return int(np.flatnonzero((offsets == step) | (offsets + shift == step))[0])


def upper(word: np.uint64) -> int:
    """The direction that the upper half of a word gives."""
    return (int(word) >> 32) * 6 >> 32


def lower(word: np.uint64) -> int:
    """The direction that the lower half of a word gives."""
    return (int(word) & (2**32 - 1)) * 6 >> 32


@pytest.mark.parametrize(("hops", "direction"), [(physical_hops, upper), (paper_hops, lower)])
def test_every_copy_gives_the_words_of_the_generator(
    hops: Callable[[], Hops], direction: Callable[[np.uint64], int]
) -> None:
    """A hop of a lone molecule uses one word: the state of the generator and the direction are those of `next_word`."""
    words, went, others = stream(1, "copies", "s", "hops"), [], 0
    for state, found in hops():
        expected = direction(next_word(words))
        assert np.array_equal(state, words)
        assert found == expected
        went.append(found)
        others += found != direction(words[0])  # the control: another word of the state gives other directions
    assert set(went) == set(range(6)) and others > HOPS / 2
