"""The conformance suite that every engine of chemistry must pass.

A test module subclasses `EngineContract` and gives it a fixture `engine` of `EngineUnderTest`; see test_contract.py.
Statistical checks have bounds z·sigma with z from the number of comparisons, and a control that must fail.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from couple.base import registry
from couple.base.errors import CoupleError, InputError
from couple.chemistry.network import ReactionNetwork
from couple.components.capabilities import (
    CAPABILITIES,
    AdvancesSomeSites,
    AlongCable,
    ContainsNecks,
    CountsValidity,
    HasDistribution,
    HasErrorIndicator,
    HasEventTables,
    HasNeckOpenings,
    ResizesSites,
    ResolvesCables,
    asked_ranks,
    counted_network,
    geometry_of,
    options_of,
    timings_of,
    work_of,
)
from couple.components.engine import Site, SiteEngine
from couple.storage import checkpoint
from support.engine_under_test import BOX, HEAD, INFLUX, NETWORK, SITES, TICK, EngineUnderTest, held, run, same
from support.networks import isomers
from support.statistics import z_bound


class EngineContract:
    """What the loop and a user may take for granted of any engine."""

    def spine(self, engine: EngineUnderTest, sites: tuple[Site, ...] = SITES, **setup: Any) -> SiteEngine:
        return engine.make(NETWORK, sites, **{"injected": ("Ca",), **setup})

    # -- ports ------------------------------------------------------------------------------------------------

    def test_ports(self, engine: EngineUnderTest) -> None:
        e = self.spine(engine, clamped=("B",))
        ports = {**e.inputs, **e.outputs}
        states = (*NETWORK.states, "B_clamp")
        expected = {
            "influx": ("count", (3, 1), "extensive", ("Ca",)),
            "clamp": ("count", (3, 1), "intensive", ("B",)),
            "counts": ("count", (3, len(states)), "extensive", states),
            "means": ("count", (3, 2), "intensive", ("free", "bound")),
        }
        found = {k: (p.unit, p.shape, p.kind, p.columns) for k, p in ports.items() if k in expected}
        assert found == expected
        assert {*ports} - {*expected} <= {*e.outputs}
        assert all(p.shape[0] == 3 for p in ports.values())

    def test_initial_counts(self, engine: EngineUnderTest) -> None:
        e = self.spine(engine)
        expected = [site.initial for site in SITES]
        assert e.read("counts")[:, :5].tolist() == [list(map(float, row)) for row in expected]
        assert (e.read("counts")[:, 5:] == 0).all()
        assert e.read_counts().tolist() == [list(row) for row in expected]
        assert e.read("means").tolist() == [[30, 15], [20, 23], [15, 13]]

    @pytest.mark.parametrize("rounding", ["random", "nearest"])
    def test_real_amounts_at_the_start(self, engine: EngineUnderTest, rounding: str) -> None:
        """Real numbers are what they are; whole ones are right on average with "random", and not with "nearest"."""
        real = (10.4, 33.25, 0.3, 7.8, 2.45)
        n = 100 if self.spine(engine).integer else 2  # of which 2.45 is off by more than the bound if it is rounded
        sites = tuple(Site(f"s{k}", BOX, real, together=((1, 2),)) for k in range(n))
        e = self.spine(engine, sites, rounding=rounding)
        counts = e.read("counts")[:, :5]
        if not e.integer:
            assert counts.tolist() == [list(real)] * n
        else:
            assert (counts == np.rint(counts)).all() and (abs(counts - real) < 1).all()
            assert (abs(counts[:, 1] + counts[:, 2] - 33.55) < 1).all(), "one total was split"
            assert same(counts, self.spine(engine, sites, rounding=rounding).read("counts")[:, :5].copy())
            part = np.array(real) % 1
            off = abs(counts.mean(axis=0) - real) > z_bound(5) * np.sqrt(part * (1 - part) / n)
            assert off.any() == (rounding == "nearest")
            if rounding == "random":
                assert not same(counts, self.spine(engine, sites, seed=2).read("counts")[:, :5].copy())
        before = held(e)
        e.advance(1)
        self.check_conserved(e, before, 0.0)

    @pytest.mark.parametrize("target", [0.48, 3.25])
    def test_a_held_count_is_real_on_average(self, engine: EngineUnderTest, target: float) -> None:
        """Over windows of any length, and what is held goes on from a state to the bit."""
        e, n = self.spine(engine, clamped=("Ca",)), 25
        seen = []
        for k in range(n):
            e.write("clamp", target)
            e.advance(1)
            seen.append(e.read("counts")[:, 0].copy())
            if k == n // 2:
                other = self.spine(engine, clamped=("Ca",))
                other.restore(e.save())
        assert (abs(np.mean(seen, axis=0) - target) < 2 / n).all(), "no window is left out, none counts twice"
        assert (abs(np.mean(seen, axis=0) - round(target)) > 2 / n).all(), "the control"
        for k in range(n - n // 2 - 1):
            other.write("clamp", target)
            other.advance(1)
            assert same(other.read("counts")[:, 0].copy(), seen[n // 2 + 1 + k])

    def test_initial_counts_of_another_network_are_refused(self, engine: EngineUnderTest) -> None:
        with pytest.raises(InputError, match="initial counts"):
            self.spine(engine, (Site("one", HEAD, (1, 2)),))

    def test_attach_to_another_block(self, engine: EngineUnderTest) -> None:
        twin, moved = self.spine(engine), self.spine(engine)
        old = moved.memory
        arena = np.full(old.size + 9, -7.0)
        moved.attach(arena[4:-5])
        before = old.copy()
        for k in range(4):
            twin.write("influx", k)
            arena[4 + moved.start_of("influx") :][:3] = k  # as the exchange does
            twin.advance(1)
            moved.advance(1)
            for port in ("counts", "means"):
                start = 4 + moved.start_of(port)
                assert same(arena[start:][: twin.read(port).size], twin.read(port).ravel()), port
        assert same(old, before), "the engine still writes into the block it was moved from"
        assert (arena[:4] == -7).all()
        assert (arena[-5:] == -7).all()

    # -- conservation -----------------------------------------------------------------------------------------

    def check_conserved(self, e: SiteEngine, before: np.ndarray, sent: np.ndarray | float) -> None:
        if e.integer:
            assert (held(e) - before == sent).all(), "calcium was made or lost"
        else:
            assert (abs(held(e) - before - sent) <= 1e-9 * np.maximum(abs(sent), before)).all()

    @pytest.mark.parametrize("influx", [INFLUX, (0.0,) * 8], ids=["influx", "closed"])
    def test_conservation(self, engine: EngineUnderTest, influx: tuple[float, ...]) -> None:
        e = self.spine(engine)
        for amount in influx:
            free = np.floor(e.read("counts")[:, 0])
            sent = np.maximum(amount, -free)
            before = held(e)
            e.write("influx", sent[:, None])
            e.advance(1)
            self.check_conserved(e, before, sent)
            self.check_counts(e)
        assert (e.read("counts")[:, 5] != 0).any(), "nothing went through the reservoir in this test"
        bound = e.read("counts")[:, [1, 2]].sum(axis=1), e.read("counts")[:, [3, 4]].sum(axis=1)
        np.testing.assert_allclose(bound, [[70, 70, 45], [45, 33, 28]], rtol=0 if e.integer else 1e-9)

    def test_conservation_with_a_clamp(self, engine: EngineUnderTest) -> None:
        e = self.spine(engine, clamped=("Ca",))
        start = held(e)
        for k, target in enumerate((30.0, 45.0, 12.0, 12.5, 0.0, 0.25, 20.0)):
            e.write("clamp", target)
            e.write("influx", 3.0 * (k % 2))  # the hand that clamps takes it up
            start += 3.0 * (k % 2)
            e.advance(1)
            if target == math.floor(target) or not e.integer:
                np.testing.assert_allclose(e.read("counts")[:, 0], target, rtol=1e-6)
            assert (abs(e.read("counts")[:, 0] - target) < 1).all()
            self.check_conserved(e, start, 0.0)
        assert (e.read("counts")[:, 6] != 0).all(), "the clamp did nothing in this test"

    def test_clamp_starts_at_the_initial_count(self, engine: EngineUnderTest) -> None:
        e = self.spine(engine, clamped=("Ca",))
        e.advance(1)
        assert e.read("counts")[:, 0].tolist() == [30, 20, 15]

    def check_counts(self, e: SiteEngine) -> None:
        counts, species = e.read("counts"), len(e.network.species)
        assert np.isfinite(counts).all()
        if e.integer:
            assert (counts == np.rint(counts)).all()
        assert (counts[:, :species] >= (0 if e.integer else -1e-3)).all()

    def test_counts_stay_counts(self, engine: EngineUnderTest) -> None:
        poor = (Site("poor", HEAD, (1, 1, 0, 2, 0)), Site("empty", HEAD, (0, 0, 0, 0, 0)))
        e = self.spine(engine, poor)
        for k in range(30):
            e.write("influx", float(k == 3))
            e.advance(1)
            self.check_counts(e)

    def test_a_non_finite_influx_stops(self, engine: EngineUnderTest) -> None:
        e = self.spine(engine)
        e.write("influx", [[0.0], [math.nan], [0.0]])
        with pytest.raises(CoupleError, match="two"):
            e.advance(1)

    def test_observables_start_as_what_they_count(self, engine: EngineUnderTest) -> None:
        e = self.spine(engine)
        assert e.read("means").any()
        assert e.read("means") == pytest.approx(e.read("counts") @ e.network.observable_weights.T, rel=1e-9)

    # -- state ------------------------------------------------------------------------------------------------

    def test_save_and_restore_to_the_bit(self, engine: EngineUnderTest, tmp_path: Path) -> None:
        """By way of a file, as a run does."""
        e = self.spine(engine)
        run(e, 3)
        checkpoint.write(tmp_path / "checkpoint.h5", {engine.name: e.save()})
        state, ports = checkpoint.read(tmp_path / "checkpoint.h5")[engine.name], e.memory.copy()
        first = run(e, 4)
        for other in (e, self.spine(engine), self.spine(engine, seed=99)):
            other.restore(state)
            other.memory[:] = ports  # kept by the loop
            self.check_whole(other)
            assert same(run(other, 4), first)

    def check_whole(self, e: SiteEngine) -> None:
        """Counts for another accuracy: what is conserved stays whole, a fraction of an ion is left out."""
        whole, counts = e.read_counts(), e.read("counts")[:, :5]
        assert whole.dtype == np.int64 and (whole >= 0).all()
        assert same(whole, e.read_counts())
        if e.integer:
            assert same(whole, np.rint(counts).astype(np.int64))
        of = e.network.contents("Ca")[:5]
        assert (whole @ of == np.floor(counts @ of + 1e-6)).all()
        for pair in ([1, 2], [3, 4]):
            assert (whole[:, pair].sum(axis=1) == np.rint(counts[:, pair].sum(axis=1))).all()

    def test_saved_state_is_a_copy_that_a_file_can_hold(self, engine: EngineUnderTest) -> None:
        e = self.spine(engine)
        run(e, 1)
        state = e.save()
        kept = {k: v.copy() if isinstance(v, np.ndarray) else v for k, v in state.items()}
        run(e, 3)
        for key, value in state.items():
            assert isinstance(value, np.ndarray | bytes | str | int | float), key
            if isinstance(value, np.ndarray):
                assert value.dtype.kind in "biufS", key
                assert same(value, kept[key]), key
            else:
                assert value == kept[key], key
        e.restore(state)
        run(e, 1)
        assert all(same(v, kept[k]) for k, v in state.items() if isinstance(v, np.ndarray)), "restore keeps a view"

    def test_seed(self, engine: EngineUnderTest) -> None:
        first, again, other = (run(self.spine(engine, seed=seed), 5) for seed in (1, 1, 2))
        assert same(first, again)
        assert same(first, other) is not engine.stochastic

    def test_restart_is_to_be_built_with_that_seed(self, engine: EngineUnderTest) -> None:
        e = self.spine(engine)
        start = e.save()
        run(e, 5)
        for seed in (2, 1):
            e.restart(start, seed)
            fresh = self.spine(engine, seed=seed)
            assert same(e.memory, fresh.memory)
            assert same(run(e, 5), run(fresh, 5))

    def test_another_seed_from_a_state_on(self, engine: EngineUnderTest) -> None:
        """Nothing but what comes changes; to the bit the same in any engine that took up the state."""
        e = self.spine(engine)
        run(e, 5)
        state, ports = e.save(), e.memory.copy()

        def on(other: SiteEngine, seed: int | None) -> np.ndarray:
            other.restore(state)
            other.memory[:] = ports  # kept by the loop
            if seed is not None:
                other.reseed(seed)
                assert same(other.memory, ports)
                assert other.setup.seed == seed
            return run(other, 5)

        first = on(e, 7)
        assert same(first, on(self.spine(engine, seed=3), 7)), "another process"
        assert same(first, on(e, 8)) is not engine.stochastic
        assert same(first, on(e, None)) is not engine.stochastic
        assert same(first, on(e, 7)), "after others"

    def test_a_state_goes_on_with_other_rates(self, engine: EngineUnderTest) -> None:
        """Of a state of another engine nothing but rates is forgotten: without any, nothing happens."""
        e = self.spine(engine)
        run(e, 3)
        still = [replace(r, rate=0.0) for r in NETWORK.reactions]
        network = ReactionNetwork(NETWORK.species, still, NETWORK.reservoirs, NETWORK.observables)
        other = engine.make(network, SITES, injected=("Ca",))
        other.restore(e.save())
        other.memory[:] = e.memory
        other.write("influx", 0.0)
        before = e.read("counts").copy()
        other.advance(5)
        assert other.read("counts") == pytest.approx(before, rel=1e-9)
        e.write("influx", 0.0)
        e.advance(5)
        assert (abs(e.read("counts") - before) > 1e-3).any(), "the control"

    def test_a_site_does_not_see_its_batch(self, engine: EngineUnderTest) -> None:
        def of(sites: tuple[Site, ...], name: str) -> np.ndarray:
            e = self.spine(engine, sites)
            rows, at = [], [s.name for s in sites].index(name)
            for k in range(5):
                for i, site in enumerate(sites):
                    e.read("influx")[i] = k + len(site.name)
                e.advance(1)
                rows += [e.read("counts")[at].copy(), e.read("means")[at].copy()]
            return np.concatenate(rows)

        together = of(SITES, "two")
        assert same(together, of(SITES[1:2], "two"))
        assert same(together, of((SITES[2], SITES[1], SITES[0]), "two"))

    def test_counts_to_and_from_another_accuracy(self, engine: EngineUnderTest) -> None:
        e = self.spine(engine)
        run(e, 3)
        out = e.read("counts")[:, 5].copy()
        counts = np.array([[9, 30, 4, 12, 1], [0, 0, 7, 3, 0], [11, 2, 2, 2, 2]])
        e.write_counts(counts, np.random.default_rng(1))
        assert (e.read_counts() == counts).all()
        assert (e.read("counts")[:, :5] == counts).all()
        assert same(e.read("counts")[:, 5].copy(), out)
        before = held(e)
        e.write("influx", 4.0)
        e.advance(2)
        self.check_conserved(e, before, 4.0)
        self.check_counts(e)

    def test_counts_that_cannot_be_are_refused(self, engine: EngineUnderTest) -> None:
        e = self.spine(engine)
        before, rng = e.read("counts").copy(), np.random.default_rng(1)
        for wrong in (np.ones((2, 5)), np.ones(5), np.full((3, 5), -1), np.full((3, 5), 0.5), np.full((3, 6), 1)):
            with pytest.raises(InputError):
                e.write_counts(wrong, rng)
        assert same(e.read("counts"), before)

    # -- what it declares -------------------------------------------------------------------------------------

    def test_capabilities_are_declared(self, engine: EngineUnderTest) -> None:
        """What a class can do is among its bases: no method has a capability's name by accident."""
        e = self.spine(engine)
        for capability in CAPABILITIES:
            if not isinstance(e, capability):
                own = {n for n in vars(capability) if not n.startswith("_")}
                assert not {n for n in own if n in dir(type(e))}, f"declare {capability.__name__}"

    def test_a_resized_site_is_one_built_with_that_size(self, engine: EngineUnderTest) -> None:
        first, other = SITES[0], SITES[1].geometry
        grown = self.spine(engine, (first,))
        if not isinstance(grown, ResizesSites):
            return  # its sites have the size of their start
        before = run(self.spine(engine, (first,)), 4)
        grown.resize(0, other.volume, other.area)
        found = run(grown, 4)
        assert same(found, run(self.spine(engine, (replace(first, geometry=other),)), 4))
        assert not same(found, before)

    def test_some_sites_advance_alone(self, engine: EngineUnderTest) -> None:
        e, whole = self.spine(engine), self.spine(engine)
        if not isinstance(e, AdvancesSomeSites):
            return  # declares that it advances all of its sites together
        rows = np.array([0, 2])
        before = e.read("counts")[1].copy(), e.read("means")[1].copy()
        for one in (e, whole):
            one.write("influx", 3.0)
        e.advance_sites(2, rows)
        whole.advance(2)
        for port in ("counts", "means"):
            assert same(e.read(port)[rows], whole.read(port)[rows])
        assert same(e.read("counts")[1].copy(), before[0]) and same(e.read("means")[1].copy(), before[1])
        counts = np.array([[9, 30, 4, 12, 1], [11, 2, 2, 2, 2]])
        e.write_sites(rows, counts, np.random.default_rng(1))
        assert (e.read_counts()[rows] == counts).all()
        assert same(e.read("counts")[1].copy(), before[0])

    def test_columns_are_those_of_the_counted_network(self, engine: EngineUnderTest) -> None:
        e = self.spine(engine, clamped=("B",))
        assert counted_network(type(e), e.setup).states == e.outputs["counts"].columns

    def test_what_it_says_of_itself(self, engine: EngineUnderTest) -> None:
        e = self.spine(engine)
        run(e, 3)
        n = len(SITES)
        if isinstance(e, HasErrorIndicator):
            score = e.error_indicator(e.read_counts().astype(float))
            assert score.shape == (n,) and (score >= 0).all()
        if isinstance(e, CountsValidity):
            assert all(times.shape == (n,) and times.dtype == np.int64 for times in e.validity_counts().values())
        if isinstance(e, HasEventTables):
            assert all(rows.dtype.names and rows.ndim == 1 for rows in e.event_tables().values())
        if isinstance(e, HasDistribution):
            states, p = e.distribution(1)
            assert states.shape == (len(p), 5) and abs(p.sum() - 1) < 1e-9
            np.testing.assert_allclose(p @ states, e.read("counts")[1, :5], rtol=1e-6, atol=1e-6)
        assert all(seconds >= 0 for seconds in timings_of(e).values())
        assert work_of(e).shape == (n,) and (work_of(e) > 0).all()

    def test_what_its_options_say(self, engine: EngineUnderTest) -> None:
        """Tables of a site that are empty but for its own give its options; no rank is asked for by default."""
        cls = self.factory(engine)
        content = options_of(cls, engine.name, {engine.name: dict(engine.options)})
        options = cls.Options.model_validate(content)
        assert options == cls.Options.model_validate(dict(engine.options))
        assert asked_ranks(cls, options) is None
        found = geometry_of(cls, options, Path())
        assert found is None or found.volume > 0
        if issubclass(cls, ContainsNecks):
            assert cls.neck_of(options, Path()) is None
        if issubclass(cls, ResolvesCables):
            assert issubclass(cls.cable_engine(), AlongCable) and issubclass(cls.cable_engine(), SiteEngine)

    def test_ions_enter_through_the_opening_of_a_neck(self, engine: EngineUnderTest) -> None:
        finds = replace(engine, options={**engine.options, **engine.opening})
        e = self.spine(finds, (Site("one", HEAD, (30, 60, 10, 40, 5), opening_diameter=0.2),))
        assert ("influx_opening" in e.inputs) == isinstance(e, HasNeckOpenings)
        assert ("counts_opening" in e.outputs) == isinstance(e, ContainsNecks)
        if isinstance(e, HasNeckOpenings):
            before = held(e)
            e.write("influx_opening", 4.0)
            e.advance(1)
            self.check_conserved(e, before, 4.0)
            self.check_counts(e)
        if isinstance(e, ContainsNecks):
            assert 0 < e.reach(0, "Ca") <= HEAD.volume * (1 + 1e-9)
            assert np.isfinite(e.read("counts_opening")).all()

    @staticmethod
    def factory(engine: EngineUnderTest) -> type[SiteEngine]:
        """The class that is registered."""
        found: type[SiteEngine] = registry.load("couple.engines", engine.name)
        return found

    # -- against exact results --------------------------------------------------------------------------------

    FORWARD, BACKWARD, MOLECULES, REPLICAS = 0.3, 0.2, 60, 80

    def isomerised(
        self, engine: EngineUnderTest, windows: int, ticks: int, forward: float = 0.3
    ) -> tuple[float, float]:
        """(B at the end, mean of B over the last window), summed over many sites that start as A."""
        network = isomers(f"{forward!r} /ms", f"{self.BACKWARD!r} /ms")
        replicas = self.REPLICAS if engine.stochastic else 1
        sites = tuple(Site(f"s{i}", BOX, (self.MOLECULES, 0)) for i in range(replicas))
        e = engine.make(network, sites)
        for _ in range(windows):
            e.advance(ticks)
        means = e.read("means")
        assert ((means >= 0) & (means <= self.MOLECULES)).all()
        return float(e.read("counts")[:, 1].sum()), float(means.sum())

    def share(self, t: float) -> float:
        """Probability that an A of time 0 is B at `t` ms."""
        both = self.FORWARD + self.BACKWARD
        return self.FORWARD / both * -math.expm1(-both * t)

    def test_linear_network_against_the_exact_mean(self, engine: EngineUnderTest) -> None:
        n = self.MOLECULES * (self.REPLICAS if engine.stochastic else 1)
        duration, both = 20 * TICK, self.FORWARD + self.BACKWARD
        p = self.share(duration)
        mean = self.FORWARD / both * (1 + math.expm1(-both * duration) / (both * duration))
        # the exact values, at the end and over time; a time mean of n independent molecules varies less than its end
        bound = z_bound(12) * math.sqrt(n * p * (1 - p)) if engine.stochastic else 1e-5 * n
        for windows, ticks in ((20, 1), (1, 20), (4, 5)):
            end, over = self.isomerised(engine, windows, ticks)
            assert abs(end - n * p) < bound, f"{windows} windows of {ticks} ticks"
            if windows == 1:
                assert abs(over - n * mean) < bound
        wrong, _ = self.isomerised(engine, 1, 20, forward=1.2 * self.FORWARD)
        assert abs(wrong - n * p) > bound, "a rate wrong by a fifth would pass this test"

    def test_one_long_window_against_many_short(self, engine: EngineUnderTest) -> None:
        sites = tuple(Site(f"s{i}", HEAD, (30, 60, 10, 40, 5)) for i in range(40 if engine.stochastic else 1))
        ends = []
        for windows, ticks, name in ((1, 20, "long"), (20, 1, "short")):
            e = engine.make(NETWORK, sites, injected=("Ca",), seed=len(name))
            for _ in range(windows):
                e.write("influx", 40.0 / windows)
                e.advance(ticks)
            ends.append(e.read("counts").copy())
        long, short = (end.mean(axis=0) for end in ends)
        spread = sum(end.var(axis=0, ddof=1) for end in ends) / len(sites) if engine.stochastic else 0.0
        bound = z_bound(6) * np.sqrt(spread) + 1e-12 if engine.stochastic else 1e-4 * 100
        assert (abs(long - short) <= bound).all()
