"""Real amounts as whole molecules: right on average, together where one total was split, the same by the same key."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from couple.base.errors import InputError
from couple.chemistry.whole_counts import (
    held_count,
    keyed_draw,
    nearly_whole,
    start_states,
    turn_of,
    whole_amounts,
    whole_and_rest,
)
from couple.experiment import Experiment
from couple.wiring import wire
from support.statistics import z_bound

NAMES = ("Ca", "C1", "C2", "O1", "B")
REAL = (0.48, 13.9, 4.7, 1.4, 30.0)  # C1, C2, O1: 20 channels at the steady state
TOGETHER = ((1, 2, 3),)


def drawn(n: int, rule: str = "random") -> np.ndarray:
    return np.array([whole_amounts(REAL, NAMES, TOGETHER, rule, keyed_draw(1, f"s{k}")) for k in range(n)])  # type: ignore[arg-type]


def test_amounts_are_right_on_average_and_totals_stay() -> None:
    n, part = 20_000, np.array(REAL) % 1
    found = drawn(n)
    bound = z_bound(4) * np.sqrt(part * (1 - part) / n)
    assert (abs(found.mean(axis=0) - REAL)[:4] < bound[:4]).all()
    assert (found[:, 1:4].sum(axis=1) == 20).all()
    assert (found[:, 4] == 30).all()
    assert (abs(found - REAL) < 1).all()
    nearest = drawn(3, "nearest")
    assert nearest.tolist() == [[0, 14, 5, 1, 30]] * 3, "the control: the nearest ones, of a total of 20"


def test_keys_are_seed_site_and_species() -> None:
    assert np.array_equal(drawn(50), drawn(50))
    other = [whole_amounts(REAL, NAMES, TOGETHER, "random", keyed_draw(2, f"s{k}")) for k in range(50)]
    assert not np.array_equal(drawn(50), other)
    renamed = [whole_amounts(REAL, ("X", *NAMES[1:]), TOGETHER, "random", keyed_draw(1, f"s{k}")) for k in range(50)]
    assert np.array_equal(drawn(50)[:, 1:], np.array(renamed)[:, 1:])
    assert not np.array_equal(drawn(50)[:, 0], np.array(renamed)[:, 0])


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=6), st.floats(0, 1, exclude_max=True))
@example([19.125, 0.75, 0.75, 0.8125], 0.0)  # shares of the rounded total would take 1.125 from the first
def test_no_amount_moves_by_one(amounts: list[float], u: float) -> None:
    names = [f"A{k}" for k in range(len(amounts))]
    for rule in ("random", "nearest"):
        found = whole_amounts(amounts, names, [range(len(amounts))], rule, lambda _: u)  # type: ignore[arg-type]
        assert abs(sum(found) - sum(amounts)) < 1 + 1e-3
        assert all(n >= 0 and abs(n - x) < 1 + 1e-3 for n, x in zip(found, amounts, strict=True))


def test_whole_amounts_stay_and_draw_nothing() -> None:
    drawn: list[str] = []

    def draw(species: str) -> float:
        drawn.append(species)
        return 0.75

    amounts, together = (3.0, 0.0, 2.5, 1.5, 4.0, 1.0, 2.0), [(2, 3), (5, 6)]
    assert whole_amounts(amounts, "abcdefg", together, "random", draw) == (3, 0, 3, 1, 4, 1, 2)
    assert drawn == ["c"]  # the control: what is in parts, once for those that go together


def test_a_distribution_starts_with_the_same_probabilities() -> None:
    states, p = start_states(REAL, TOGETHER, 100)
    assert p.sum() == pytest.approx(1, abs=1e-12)
    np.testing.assert_allclose(p @ states, REAL, rtol=1e-9)
    n = 20_000
    found, counts = np.unique(drawn(n), axis=0, return_counts=True)
    of = {tuple(row): k for k, row in enumerate(states.tolist())}
    assert len(of) == len(states) and {tuple(row) for row in found.tolist()} <= set(of)
    for row, seen in zip(found.tolist(), counts.tolist(), strict=True):
        share = p[of[tuple(row)]]
        assert abs(seen - n * share) < z_bound(len(states)) * np.sqrt(n * share * (1 - share))
    assert start_states((3, 4), (), 1)[0].tolist() == [[3, 4]]
    with pytest.raises(InputError, match=r"8\.0e\+00 states share the start, 7 are allowed"):
        start_states((0.5, 0.5, 0.5), (), 7)


@pytest.mark.parametrize("target", [0.0, 0.48, 3.25, 12.0, 0.999])
@pytest.mark.parametrize("every", [1, 7, 100, 12_000])
def test_what_is_held_is_right_at_any_moments(target: float, every: int) -> None:
    """Seen at every step, or at the ends of windows of any length: no window is in step with what is held."""
    turn, phase, seen = turn_of(256.0), np.uint64(12345), []
    for _ in range(2000):
        seen.append(held_count(target, phase))
        phase = np.uint64((int(phase) + every * int(turn)) % 2**64)
    assert set(seen) <= {int(target), int(target) + 1}
    allowed = (256 / 0.618 / every + 8) / 2000  # what a period that is cut off can be wrong by, or a few moments
    assert abs(np.mean(seen) - target) <= (allowed if target % 1 else 0.0)
    if target % 1:
        in_step = [held_count(target, np.uint64(12345)) for _ in range(2000)]  # the control: always the same phase
        assert abs(np.mean(in_step) - target) > 0.0009


def test_what_is_left_is_carried() -> None:
    carried, given_out = np.zeros(2), np.zeros(2)
    for _ in range(1000):
        whole, carried = whole_and_rest(carried + [0.48, 2.0 / 3.0])
        assert (whole == np.rint(whole)).all()
        given_out += whole
    assert given_out.tolist() == [480, 667] or given_out.tolist() == [480, 666]
    assert nearly_whole(4.9999999999) == 5 and nearly_whole(4.99) == 4.99
    assert nearly_whole(2e-14) == 2e-14 and nearly_whole(0.0) == 0.0


def experiment(engine: str, **chemistry: object) -> Experiment:
    return Experiment.parse(
        {
            "experiment": {"name": "x", "duration": "1 ms", "exchange": "0.1 ms"},
            "chemistry": {
                "species": {"A": {}, "B": {}},
                "reactions": [{"equation": "A <-> B", "forward": "1 /s", "backward": "3 /s"}],
                "initial": {"A": {"total": "17.33 nM", "at": "steady"}},  # 10.44 molecules, 7.83 of them A
                **chemistry,
            },
            "site": [{"name": "s", "engine": engine, "geometry": {"box": {"size": "1 1 1 um"}}}],
        }
    )


def test_an_experiment_says_how_and_warns_where_the_mean_is_off() -> None:
    total = 17.33e-6 * 602214.076
    for engine in ("ode", "langevin", "cme"):
        counts = wire(experiment(engine)).engines[0].read("counts")[0]
        np.testing.assert_allclose(counts, [0.75 * total, 0.25 * total], rtol=1e-9)
    assert sorted(wire(experiment("ssa")).engines[0].read("counts").sum(axis=1)) in ([10.0], [11.0])
    assert not [w for w in wire(experiment("ssa")).plan.warnings if "placed" in w]
    nearest = wire(experiment("ssa", rounding="nearest"))
    assert nearest.engines[0].read("counts").tolist() == [[8, 2]]
    (warning,) = [w for w in nearest.plan.warnings if "placed" in w]
    assert 'initial.A is 10.4 molecules in "s", placed as 10; chemistry.rounding = "random" keeps the mean' in warning
    assert not [w for w in wire(experiment("ode", rounding="nearest")).plan.warnings if "placed" in w]
    with pytest.raises(InputError, match="rounding"):
        experiment("ssa", rounding="up")
