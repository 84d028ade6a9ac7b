"""Lattice engine: exact counts, exact state, inputs, and what does not change the bits."""

from __future__ import annotations

import numpy as np
import pytest

from adapters.lattice import Lattice
from couple.base.errors import RunError
from couple.base.units import IONS_PER_MM_UM3
from couple.chemistry.network import ReactionNetwork
from couple.chemistry.reaction import Species
from couple.components.component import State
from couple.components.engine import Site
from couple.geometry.geometry import Geometry
from support.jit_off import without_jit
from support.lattice_cases import binding, copies, lattice
from support.networks import HEAD, build, spine, spine_site
from support.statistics import z_bound

SPINE = spine()
BOX = Geometry.box(0.3, 0.3, 0.3)


def head(name: str = "head", network: ReactionNetwork = SPINE, **setup: object) -> Lattice:
    return lattice(
        network, [spine_site(network, name=name)], **{"injected": ("Ca",), "tick": 0.025, "seed": 7, **setup}
    )


def drive(engine: Lattice, windows: int, ticks: int = 1) -> np.ndarray:
    """Outputs of some windows with ions entering in every third."""
    rows = []
    for k in range(windows):
        engine.write("influx", 40 if k % 3 == 0 else 0)
        engine.advance(ticks)
        rows.append(np.concatenate([engine.read("counts").ravel(), engine.read("means").ravel()]))
    return np.array(rows)


def same(a: State, b: State) -> bool:
    return a.keys() == b.keys() and all(np.array_equal(a[k], b[k]) for k in a)


def consistent(engine: Lattice) -> bool:
    """Whether lists, lattice, face table and populations of all sites say the same."""
    for t, m, mask in zip(engine.tables, engine.molecules, engine.masks, strict=True):
        found = np.bincount(m.lattice[mask.cells], minlength=len(m.population) + 1)[1:]
        found = found + np.bincount(m.face[mask.slots], minlength=len(m.population) + 1)[1:]
        listed = sum(int(n) for n in m.length)
        if not np.array_equal(found, m.population) or listed != m.population.sum():
            return False
        for at, n in enumerate(m.length):
            places = m.lists[t.start[at] : t.start[at] + n]
            code = (m.face if t.surface[at] else m.lattice)[places].astype(int)
            if len(np.unique(places)) != n or not (t.list_of[code - 1] == at).all():
                return False
    return True


def test_every_ion_is_accounted_for() -> None:
    """Thousands of windows with everything reacting, ions coming and going."""
    network = spine(calbindin=False)
    engine = head(network=network)
    contents, rng = network.contents("Ca"), np.random.default_rng(3)
    expected = int(contents @ engine.read("counts")[0])
    for _ in range(3000):
        ions = int(rng.integers(-10, 30)) if rng.random() < 0.3 else 0
        ions = max(ions, -int(engine.read("counts")[0, 0]))
        engine.write("influx", ions)
        engine.advance(1)
        expected += ions
        assert int(contents @ engine.read("counts")[0]) == expected
    assert consistent(engine)
    assert engine.read("counts")[0, network.index("Ca_out")] != 0


def test_everything_with_calbindin_stays_consistent() -> None:
    engine = head()
    proteins = [SPINE.index(n) for n in SPINE.names if n.startswith("CB_")]
    before = engine.read("counts")[0, proteins].sum()
    drive(engine, 30)
    assert engine.read("counts")[0, proteins].sum() == before
    assert consistent(engine)


def test_state_is_exact_in_a_fresh_engine() -> None:
    engine = head()
    drive(engine, 3)
    state = engine.save()
    kept = {k: np.copy(np.asarray(v)) for k, v in state.items()}
    first = drive(engine, 5)
    assert same(state, kept), "save must copy"
    other = head(seed=8)
    drive(other, 2)
    other.restore(state)
    assert consistent(other)
    assert np.array_equal(drive(other, 5), first)
    assert same(other.save(), engine.save())


@pytest.mark.parametrize("clamped", [(), ("Ca",)])
def test_windows_leave_no_trace(clamped: tuple[str, ...]) -> None:
    one, many = head(clamped=clamped), head(clamped=clamped)
    one.advance(12)
    for ticks in (1, 1, 3, 5, 2):
        many.advance(ticks)
    assert same(one.save(), many.save())
    assert np.array_equal(one.read("counts"), many.read("counts"))


def test_a_site_does_not_depend_on_its_batch() -> None:
    alone, third = head("b"), spine_site(SPINE, Geometry.cylinder(0.5, 0.6), name="c")
    sites = [spine_site(SPINE, name="a"), spine_site(SPINE, name="b"), third]
    together = lattice(SPINE, sites, name="other", injected=("Ca",), tick=0.025, seed=7)
    assert np.array_equal(drive(alone, 3)[:, : len(SPINE.states)], _row(drive(together, 3), 1))


def _row(rows: np.ndarray, k: int) -> np.ndarray:
    n = len(SPINE.states)
    return rows[:, k * n : (k + 1) * n]


def plain() -> str:
    """All state of a small case with every kind of event, as text."""
    ca = {"Ca": 1}
    species = [
        Species("Ca", 0.02, contains=ca),
        Species("B"),
        Species("CaB", contains=ca),
        Species("S", 0.003),
        Species("CaS", 0.003, contains=ca),
        Species("P", on="membrane"),
        Species("CaP", on="membrane", contains=ca),
    ]
    equations = [
        ("Ca + B <-> CaB", "400 /mM/ms", "3 /ms"),
        ("Ca + S <-> CaS", "300 /mM/ms", "3 /ms"),
        ("Ca + P <-> CaP", "30 /mM/ms", "3 /ms"),
        ("CaP -> P + Ca_out", "2 /ms"),
        ("P + Ca_out -> P + Ca", "3 /ms"),
        ("Ca_out -> Ca", "0.005 mM/ms"),
        ("S -> 0", "0.2 /ms"),
    ]
    network = build(species, equations, ["Ca_out"], {"bound": ["CaB", "CaS", "CaP"]})
    site = Site("s", Geometry.cylinder(0.14, 0.12), (12, 9, 4, 8, 3, 6, 2))
    engine = lattice(network, [site], "20 nm", tick=0.1, injected=("Ca",), clamped=("S",), seed=3)
    out = []
    for ions in (3, -2, 0):
        engine.write("influx", ions)
        engine.advance(2)
        out.append(engine.read("means").tobytes().hex())
    return " ".join(out + [np.asarray(v).tobytes().hex() for v in engine.save().values()])


def test_the_same_bits_without_the_compiler() -> None:
    assert without_jit(plain) == plain()


def test_negative_influx_leaves_at_the_start() -> None:
    network = build([Species("Ca", 0.22, contains={"Ca": 1})], [], observables={"free": ["Ca"]})
    engine = lattice(network, [Site("s", BOX, (30,))], injected=("Ca",))
    engine.write("influx", -12)
    engine.advance(1)
    assert engine.read("counts")[0, 0] == engine.read("means")[0, 0] == 18
    assert consistent(engine)
    engine.write("influx", -19)
    with pytest.raises(RunError, match="19 Ca are to leave, it holds 18"):
        engine.advance(1)


def test_influx_is_spread_evenly_over_the_window() -> None:
    network = build([Species("Ca", 0.22)], [], observables={"free": ["Ca"]})
    engine = lattice(network, [Site("s", BOX, (0,))], injected=("Ca",))
    engine.write("influx", 50)
    engine.advance(1)
    assert engine.read("counts")[0, 0] == 50
    assert abs(engine.read("means")[0, 0] - 25) < 0.1


def test_a_clamp_holds_and_books() -> None:
    """A held at 60: B and C come to equilibrium with it, and what the hand gave is what they took."""
    kon, koff = 600.0, 1.2
    network = binding(kon, koff)
    engine = lattice(network, copies(120, BOX, (60, 40, 0)), tick=3.0, clamped=("A",), seed=5)
    engine.advance(1)
    counts = engine.read("counts")
    assert (counts[:, 0] == 60).all()
    share = 60 * kon / IONS_PER_MM_UM3 / BOX.volume / koff
    limit = z_bound(1) * np.sqrt(4800 * share / (1 + share) ** 2)
    assert abs(counts[:, 2].sum() - 4800 * share / (1 + share)) < limit
    assert abs(counts[:, 2].sum() - 4800 * 1.2 * share / (1 + 1.2 * share)) > limit
    assert np.array_equal(counts[:, 3], -counts[:, 2])
    engine.write("clamp", 10)
    engine.advance(1)
    assert (counts[:, 0] == 10).all()
    assert np.array_equal(counts[:, 0] + counts[:, 2] + counts[:, 3], np.full(120, 60.0))


@pytest.mark.parametrize(("target", "nearest"), [(0.24, 0), (0.48, 0), (1.445, 1)])
def test_a_part_of_a_molecule_that_is_held_binds(target: float, nearest: int) -> None:
    """A buffer of 200 sees what is held on average; rounded to whole molecules it would see `nearest`."""
    kon, koff, n, buffer = 300.0, 0.3, 60, 200
    network = binding(kon, koff, D=(0.2, 0.0))
    box = Geometry.box(0.2, 0.2, 0.2)
    engine = lattice(network, copies(n, box, (0, buffer, 0)), tick=1.0, clamped=("A",), seed=5)
    engine.write("clamp", target)
    for _ in range(14):
        engine.advance(1)
    on = kon / IONS_PER_MM_UM3 / box.volume
    share = on * target / (on * target + koff)
    limit = z_bound(3) * np.sqrt(buffer * share * (1 - share) / n)
    found = engine.read("counts")[:, 2].mean()
    relaxed = 1 - np.exp(-14 * (on * target + koff))
    assert abs(found - buffer * share * relaxed) < limit + 0.02 * buffer * share  # rebinding, see PhysicalLattice
    wrong = on * nearest / (on * nearest + koff)
    assert abs(found - buffer * wrong) > limit + 0.02 * buffer * share


def test_parts_of_ions_are_refused() -> None:
    engine = head()
    engine.write("influx", 0.5)
    with pytest.raises(RunError, match=r'site "head": the influx .* is not in whole molecules'):
        engine.advance(1)


def test_counts_from_another_accuracy() -> None:
    engine = head()
    counts = engine.read_counts()
    counts[0, 0] += 17
    engine.write_counts(counts, np.random.default_rng(1))
    assert np.array_equal(engine.read_counts(), counts)
    assert consistent(engine)
    drive(engine, 2)
    again = head()
    again.write_counts(counts, np.random.default_rng(1))
    assert np.array_equal(again.positions(0, "Ca"), _placed(counts))


def _placed(counts: np.ndarray) -> np.ndarray:
    engine = head()
    engine.write_counts(counts, np.random.default_rng(1))
    return engine.positions(0, "Ca")


def test_a_full_site_stops_the_run() -> None:
    network = build([Species("A", 0.1)], [])
    engine = lattice(network, [Site("s", Geometry.box(0.03, 0.03, 0.03), (20,))], injected=("A",))
    engine.write("influx", 8)
    with pytest.raises(RunError, match='"s" is full: no free place among 27 lattice sites'):
        engine.advance(1)


def test_head_fits_the_numbers_of_the_spine() -> None:
    assert abs(head().masks[0].volume / HEAD.volume - 1) < 0.01
