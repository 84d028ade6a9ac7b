"""The Langevin equation against exact moments, at the boundary, and on the chemistry of a spine."""

from __future__ import annotations

import logging
import math

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from adapters.wellmixed.langevin.engine import Langevin, LangevinOptions
from couple.base.errors import RunError
from couple.base.units import IONS_PER_MM_UM3
from couple.chemistry.network import ReactionNetwork
from couple.chemistry.reaction import Species
from couple.components.engine import EngineSetup, Site
from couple.geometry.geometry import Geometry
from support.jit_off import outputs, outputs_without_jit
from support.networks import build, isomers, spine, spine_site
from support.statistics import z_bound

ONE = Geometry.box(1, 1, 1)


def replicas(network: ReactionNetwork, n: int, initial: tuple[int, ...], tick: float, **setup: object) -> Langevin:
    sites = tuple(Site(f"s{i}", ONE, initial) for i in range(n))
    return Langevin(EngineSetup(**{"seed": 5, **setup}, name="x", network=network, sites=sites, tick=tick))  # type: ignore[arg-type]


def open_chain(birth: float = 400.0) -> ReactionNetwork:
    """0 -> A <-> B -> 0: all moments follow linear equations, the same for the master and the Langevin equation."""
    species = [Species("A"), Species("B")]
    rate = f"{birth / IONS_PER_MM_UM3!r} mM/ms"
    return build(
        species, [("0 -> A", rate), ("A <-> B", "2 /ms", "1 /ms"), ("B -> 0", "1 /ms")], observables={"all": ["A", "B"]}
    )


def linear_noise(network: ReactionNetwork, start: tuple[int, ...], t: float) -> tuple[np.ndarray, np.ndarray]:
    """Exact mean and covariance after `t` ms of a network of order 0 and 1."""
    rates, change = network.count_rates(1.0, 6.0), network.change[:, : len(start)].astype(float)
    slope, constant = np.zeros((len(rates), len(start))), np.zeros(len(rates))
    for r, (a, _) in enumerate(network.reactant_columns):
        if a < 0:
            constant[r] = rates[r]
        else:
            slope[r, a] = rates[r]
    n = len(start)

    def right(_: float, y: np.ndarray) -> np.ndarray:
        a, c = slope @ y[:n] + constant, y[n:].reshape(n, n)
        k = change.T @ slope
        return np.concatenate([change.T @ a, (k @ c + c @ k.T + change.T @ np.diag(a) @ change).ravel()])

    end = solve_ivp(right, (0, t), np.r_[start, np.zeros(n * n)], rtol=1e-10, atol=1e-10).y[:, -1]
    return end[:n], end[n:].reshape(n, n)


def deviations(counts: np.ndarray, mean: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Means and second moments of samples (n, n_species) in standard errors of a normal with these moments."""
    n, d = counts.shape[0], counts - mean
    z = [d.mean(axis=0) / np.sqrt(np.diag(covariance) / n)]
    for i in range(d.shape[1]):
        for j in range(i + 1):
            se = math.sqrt((covariance[i, i] * covariance[j, j] + covariance[i, j] ** 2) / n)
            z.append(np.array([((d[:, i] * d[:, j]).mean() - covariance[i, j]) / se]))
    return np.concatenate(z)


@pytest.mark.parametrize("t", [0.3, 1.5, 6.0])
def test_moments_of_a_linear_network(t: float) -> None:
    start, n = (150, 120), 5000
    mean, covariance = linear_noise(open_chain(), start, t)
    e = replicas(open_chain(), n, start, t)
    e.advance(1)
    assert abs(deviations(e.read("counts")[:, :2], mean, covariance)).max() < z_bound(15)
    wrong = replicas(open_chain(480.0), n, start, t)
    wrong.advance(1)
    assert abs(deviations(wrong.read("counts")[:, :2], mean, covariance)).max() > z_bound(15)


def test_moments_of_many_short_windows() -> None:
    mean, covariance = linear_noise(open_chain(), (150, 120), 1.5)
    e = replicas(open_chain(), 10_000, (150, 120), 0.05)
    for _ in range(30):
        e.advance(1)
    assert abs(deviations(e.read("counts")[:, :2], mean, covariance)).max() < z_bound(5)


def test_noise_without_its_noise_would_be_seen() -> None:
    """Variance half as large is far outside of the bound of the tests above."""
    mean, covariance = linear_noise(open_chain(), (150, 120), 1.5)
    rng = np.random.default_rng(1)
    assert abs(deviations(rng.multivariate_normal(mean, covariance, 10_000), mean, covariance)).max() < z_bound(5)
    assert abs(deviations(rng.multivariate_normal(mean, covariance / 2, 10_000), mean, covariance)).max() > z_bound(5)


def ornstein(x: float) -> float:
    """Stationary variance / mean of 0 -> A -> 0 by the weak trapezoidal method with inner step × rate = x."""
    return x * (1 + (1 - x) ** 2) / (1 - (1 - x + x * x / 2) ** 2)


@pytest.mark.parametrize("accuracy", [0.5, 0.25])
def test_error_in_the_variance_is_that_of_the_method(accuracy: float) -> None:
    network = build([Species("A")], [("0 -> A", f"{1000 / IONS_PER_MM_UM3!r} mM/ms"), ("A -> 0", "1 /ms")])
    e = replicas(network, 4000, (1000,), 5.0, options=LangevinOptions(accuracy=accuracy))
    e.advance(2)
    samples = []
    for _ in range(12):
        e.advance(1)
        samples.append(e.read("counts")[:, 0].copy())
    found, n = np.var(samples, mean=np.array(1000.0)), 48_000  # type: ignore[call-overload]
    se = 1000 * math.sqrt(2 / n * (1 + 2 * math.exp(-10)))
    assert abs(found - 1000 * ornstein(accuracy)) < z_bound(2) * se
    if accuracy == 0.5:
        assert abs(found - 1000) > 3 * se


def test_what_reactions_keep_is_kept_and_nothing_is_negative() -> None:
    """A spine head at rest: channels and calcium in ones and tens, where noise is scaled back all the time."""
    network = spine()
    e = Langevin(EngineSetup("x", network, (spine_site(network),), 0.1, injected=("Ca",), seed=3))
    content = network.contents("Ca")
    held = content @ e.read("counts")[0]
    start, sent = e.read("counts")[0].copy(), 0.0
    for k in range(300):
        n = 12.25 if k % 100 < 20 else 0.0
        sent += n
        e.write("influx", n)
        e.advance(1)
        counts = e.read("counts")[0]
        assert (counts[:-1] >= 0).all()
        assert abs(content @ counts - held - sent) <= 1e-9 * held
    moved = e.extents[0] @ e.change
    moved[network.index("Ca")] += sent
    np.testing.assert_allclose(e.read("counts")[0] - start, moved, atol=1e-8)
    assert 0 < e.limited[0, 0] <= e.limited[0, 1]


def test_means_of_a_linear_network_are_exact_at_low_counts_too() -> None:
    """Two molecules on average, noise scaled back all the time: it has mean 0 still."""
    mean, covariance = linear_noise(open_chain(2.0), (0, 0), 3.0)
    e = replicas(open_chain(2.0), 20_000, (0, 0), 3.0)
    e.advance(1)
    found = e.read("counts")[:, :2]
    assert e.limited[:, 0].sum() > 0.1 * e.limited[:, 1].sum()
    assert (
        abs(found.mean(axis=0) - mean) < z_bound(2) * np.sqrt(np.diag(covariance) / len(found)) + 0.003 * mean
    ).all()
    assert (found.var(axis=0) < np.diag(covariance)).all(), "variances at low counts are said to be too small"


def test_nothing_is_negative_where_everything_is_scarce() -> None:
    species = [Species(s) for s in "ABCD"]
    fast = f"{50 * IONS_PER_MM_UM3!r} /mM/ms"
    network = build(
        species, [("A + B <-> C", fast, "5 /ms"), ("2 A -> D", fast), ("D -> A", "30 /ms"), ("C -> 0", "3 /ms")]
    )
    e = replicas(network, 300, (1, 2, 0, 0), 0.1)
    for _ in range(100):
        e.advance(1)
        assert (e.read("counts") >= 0).all()


@pytest.mark.parametrize("events", [0.03, 0.9, 2.9, 3.1, 40.0, 90.0])
def test_moments_of_a_flux_that_nothing_undoes(events: float) -> None:
    """Births, `events` on average in a half step: mean and variance are those of Poisson numbers, none is undone."""
    network = build([Species("A")], [("0 -> A", f"{2 * events / IONS_PER_MM_UM3!r} mM/ms")])
    n, windows = 20_000, 3
    e = replicas(network, n, (0,), 1.0)
    for _ in range(windows):
        before = e.extents.copy()
        e.advance(1)
        assert (e.extents >= before).all()
    found, mean = e.read("counts")[:, 0], 2 * events * windows
    off = found - mean
    assert abs(off.mean()) < z_bound(12) * math.sqrt(mean / n)
    spread = math.sqrt(((off**2) ** 2).mean() / n)
    assert abs((off**2).mean() - mean) < z_bound(12) * spread
    assert abs((off**2).mean() - 1.3 * mean) > z_bound(12) * spread, "the control"


def test_what_nothing_undoes_never_falls() -> None:
    """Pumps that let calcium out, at a few ions: what they have let out grows, and binding goes to and fro."""
    ca = {"Ca": 1}
    species = [Species("Ca", contains=ca), Species("P", on="membrane"), Species("CaP", on="membrane", contains=ca)]
    rate = f"{3 * IONS_PER_MM_UM3!r} /mM/ms"
    network = build(species, [("Ca + P <-> CaP", rate, "1 /ms"), ("CaP -> P + Ca_out", "2 /ms")], ["Ca_out"])
    e = replicas(network, 200, (3, 5, 1), 0.1, injected=("Ca",))
    out, falls = np.zeros(200), 0
    for k in range(300):
        before = e.extents.copy()
        e.write("influx", 0.7 * (k % 3 == 0))
        e.advance(1)
        change = e.extents - before
        assert (change[:, 1] >= 0).all() and (e.read("counts") >= 0).all()
        assert (e.read("counts")[:, 3] >= out).all()
        out = e.read("counts")[:, 3].copy()
        falls += int((change[:, 0] < 0).sum())
    assert falls > 1000, "the control: binding, which is undone, does run backwards"
    assert out.mean() == pytest.approx(0.7 * 100 + 4, abs=2.0)


def test_low_counts_are_named(caplog: pytest.LogCaptureFixture) -> None:
    network, sites = isomers(), (Site("s", ONE, (5, 0)),)
    found = Langevin.check(EngineSetup("x", network, sites, 0.1))
    assert len(found) == 1
    assert found[0].startswith('site "s": A (5), B (0) start below 100 molecules; the Langevin equation')
    assert not Langevin.check(EngineSetup("x", network, (Site("s", ONE, (500, 400)),), 0.1))
    e = replicas(network, 1, (1, 0), 100.0)
    with caplog.at_level(logging.WARNING):
        for _ in range(20):
            e.advance(1)
    assert len(caplog.records) == 1
    assert "counts are too low for the Langevin equation" in caplog.text
    caplog.clear()
    e = replicas(network, 1, (5000, 4000), 100.0)
    for _ in range(20):
        e.advance(1)
    assert not caplog.records
    assert e.limited[0, 0] == 0


@pytest.mark.parametrize(
    ("port", "value", "message"),
    [
        ("influx", math.nan, "not finite"),
        ("influx", -9.0, "more molecules leave"),
        ("clamp", -1.0, "not a finite count"),
    ],
)
def test_impossible_inputs_stop(port: str, value: float, message: str) -> None:
    e = replicas(isomers(), 2, (5, 0), 0.1, injected=("A",), clamped=("B",))
    e.read(port)[1, 0] = value
    with pytest.raises(RunError, match=f'site "s1" of "x": .*{message}'):
        e.advance(1)


def test_without_jit_the_bits_are_the_same() -> None:
    assert outputs_without_jit()["langevin"] == outputs("langevin")
