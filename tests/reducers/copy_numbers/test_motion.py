"""Moments and noise of copy numbers against exact solutions, the master equation, and the SSA."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import expm
from scipy.stats import norm

from couple.base.errors import InputError
from couple.chemistry.network import ReactionNetwork
from couple.chemistry.reaction import Reaction, Species
from reducers.copy_numbers.block import CopyNumberBlock
from reducers.copy_numbers.chemistry import kinetics
from reducers.copy_numbers.kernels.limits import rectified
from reducers.markov.block import About
from support.kinase_cases import HEAD, PER_UM, SPECIES, at_sites, followed, kinase_block, kinase_network


def test_what_moves_and_what_follows() -> None:
    found = kinetics(kinase_network(), SPECIES, "Ca")
    assert found.names == ("CaS", "Kp") and found.others.tolist() == [[-1.0, 0.0], [0.0, -1.0]]
    counts = np.array([[50.0, 10.0, 70.0, 30.0]])
    room = found.room(counts)
    assert room.tolist() == [[60.0, 100.0]]
    assert found.whole(np.array([[12.0, 31.0]]), room).tolist() == [[48.0, 12.0, 69.0, 31.0]]


@pytest.mark.parametrize(
    ("reaction", "message"),
    [
        (Reaction(("Ca", "Ca", "S"), ("CaS",), 1.0), "order 3"),
        (Reaction(("Ca", "Ca"), ("S",), 1.0), "two of Ca at once"),
        (Reaction(("CaS",), ("S", "out"), 1.0), "brings Ca into a reservoir"),
        (Reaction(("CaS", "X"), ("S", "Ca", "X"), 1.0), "couples it to X"),
    ],
)
def test_a_chemistry_that_it_cannot_hold_is_refused(reaction: Reaction, message: str) -> None:
    species = [Species("Ca", contains={"Ca": 1}), Species("S"), Species("X")]
    held = {"Ca": 2} if reaction.products == ("S",) and "Ca" in reaction.reactants else {"Ca": 1}
    species[1] = Species("S", contains=held) if held["Ca"] == 2 else species[1]
    with pytest.raises(InputError, match=message):
        network = ReactionNetwork([*species, Species("CaS", contains={"Ca": 1})], [reaction], ("out",))
        kinetics(network, ("S", "CaS"), "Ca")


def test_a_gaussian_cut_at_zero_has_the_mean_and_deviation() -> None:
    z = norm.ppf((np.arange(40000) + 0.5) / 40000)
    for mean, sd in ((10.0, 1.0), (3.0, 1.7), (1.0, 1.0), (0.05, 0.22), (20.0, 30.0)):
        found = np.array([rectified(mean, sd, x) for x in z.tolist()])
        assert found.mean() == pytest.approx(mean, rel=2e-3) and found.std() == pytest.approx(sd, rel=5e-3)


def test_independent_molecules_are_binomial() -> None:
    """Mean and variance of N molecules from a known start: N p and N p (1 - p), at any drive; to the integrator."""
    network = kinase_network()
    made = at_sites(kinase_block(network, totals=(60 / PER_UM, 80 / PER_UM)), 1, (60, 0, 80, 0), noisy=False)
    p = 0.0
    for u in np.repeat([0.1, 8.0, 0.3], 40).tolist():
        made.advance(np.full(1, u), 0.25)
        on, off = 0.1 * u, 0.5
        steady = on / (on + off)
        p = steady + (p - steady) * np.exp(-(on + off) * 0.25)
        assert made.means()[0, 0] == pytest.approx(60 * p, rel=1e-4)
        assert made.covariances()[0, 0, 0] == pytest.approx(60 * p * (1 - p), rel=1e-3)


def _pairs(order: int) -> CopyNumberBlock:
    """Two A meet and vanish; one is born at the wall of the drive."""
    network = ReactionNetwork(
        [Species("Ca"), Species("A")], [Reaction(("A", "A"), (), 3.0), Reaction(("Ca",), ("Ca", "A"), 1e-4)]
    )
    about = About.of(network, "a", ("A",), "Ca", drive_box=(0.0, 10.0), box=np.array([[0.0], [1.0]]))
    return CopyNumberBlock(about, network.reactions, ["volume"] * 2, order, np.zeros((2, 0)))


@pytest.mark.parametrize(("order", "bound"), [(2, 0.03), (3, 0.015)])
def test_molecules_that_meet_against_the_master_equation(order: int, bound: float) -> None:
    made = _pairs(order).bind([HEAD], np.array([[20]]), [])
    n = np.arange(80)
    meet, born = 3.0 / (1e3 * PER_UM) * n * (n - 1.0), 1e-4 * PER_UM
    rates = np.diag(-meet - np.where(n < 79, born * 2.0, 0.0))
    rates[n[:-2], n[2:]] += meet[2:]
    rates[n[1:], n[:-1]] += born * 2.0
    step, p = expm(0.5 * rates), np.eye(80)[20]
    errors = []
    for _ in range(200):
        p = step @ p
        made.advance(np.full(1, 2.0), 0.5)
        mean = p @ n
        errors.append((made.means()[0, 0] / mean - 1, made.covariances()[0, 0, 0] / (p @ n**2 - mean**2) - 1))
    found = np.abs(np.array(errors)).max(axis=0)
    assert found[0] < 0.2 * bound and found[1] < bound, found


def test_draws_scatter_and_forget_as_the_law_says() -> None:
    """Bound sensors at a constant drive: mean, variance and autocorrelation of independent molecules, within 4.5
    standard errors of 2000 sites; at twice the rate the correlation is another one."""
    block = kinase_block(kinase_network(), totals=(60 / PER_UM, 80 / PER_UM))
    x = followed(at_sites(block, 2000, (60, 0, 80, 0)), np.full(80, 5.0), 0.25)[:, :, 0]
    late, p = x[60], 0.5
    assert abs(late.mean() - 60 * p) < 4.5 * np.sqrt(15 / 2000)
    assert abs(late.var(ddof=1) / 15 - 1) < 4.5 * np.sqrt(2 / 2000)
    for lag in (1, 3, 6):
        found = np.corrcoef(x[60], x[60 + lag])[0, 1]
        exact, double = np.exp(-1.0 * 0.25 * lag), np.exp(-2.0 * 0.25 * lag)
        error = 4.5 * (1 - exact**2) / np.sqrt(2000)
        assert abs(found - exact) < error < abs(found - double)


def test_a_site_does_not_depend_on_others() -> None:
    block = kinase_block(kinase_network(), totals=(60 / PER_UM, 80 / PER_UM))
    many, one = at_sites(block, 3, (60, 0, 80, 0)), at_sites(block, 1, (60, 0, 80, 0))
    drive = np.repeat([0.2, 6.0], 20)
    assert (followed(many, drive, 0.25)[:, :1] == followed(one, drive, 0.25)).all()


def test_whole_molecules_hold_the_ions_that_they_must() -> None:
    block = kinase_block(kinase_network(), totals=(60 / PER_UM, 80 / PER_UM))
    made = at_sites(block, 20, (60, 0, 80, 0))
    followed(made, np.full(40, 5.0), 0.25)
    held = np.rint(made.state[:, 0]).astype(np.int64) + np.arange(20) % 3
    counts = made.read_counts(held, [np.random.default_rng(i) for i in range(20)])
    assert (counts[:, 1] == held).all() and (counts[:, 0] + counts[:, 1] == 60).all()
    assert (counts[:, 2] + counts[:, 3] == 80).all() and np.abs(counts[:, 3] - made.state[:, 1]).max() <= 1.0


def test_other_totals_are_refused() -> None:
    block = kinase_block(kinase_network(), totals=(60 / PER_UM, 80 / PER_UM))
    with pytest.raises(
        InputError, match=r'"kinase" was trained at 0.9963 .. 0.9963 uM of S in all; a site has 1.494 uM'
    ):
        at_sites(block, 2, (90, 0, 80, 0))
