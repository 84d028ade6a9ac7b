"""Transition matrices as rates: closed forms, the nearest generator, files, and what is refused."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from scipy.linalg import expm, logm
from scipy.optimize import minimize

from couple.base.errors import InputError
from couple.chemistry.embedding import generator_of
from couple.experiment import Experiment

Floats = npt.NDArray[np.float64]

CYCLE = np.array([[0.5, 0.5, 0.0], [0.0, 0.5, 0.5], [0.5, 0.0, 0.5]])
"""A chain that can only go on in a circle, and that no constant rates have."""


def random_generator(n: int, seed: int) -> Floats:
    rates = np.random.default_rng(seed).exponential(size=(n, n)) * 0.3
    np.fill_diagonal(rates, 0.0)
    np.fill_diagonal(rates, -rates.sum(axis=1))
    return rates


def test_two_states_have_the_rates_of_the_closed_form() -> None:
    a, b, lag = 0.1, 0.2, 2.0
    found = generator_of(np.array([[1 - a, a], [b, 1 - b]]), lag, ("C", "O"))
    total = -np.log(1 - a - b) / lag
    assert found.rates[0, 1] == pytest.approx(total * a / (a + b), rel=1e-12)
    assert found.rates[1, 0] == pytest.approx(total * b / (a + b), rel=1e-12)


@pytest.mark.parametrize("n", [3, 7])
def test_the_rates_of_a_propagator_come_back(n: int) -> None:
    rates = random_generator(n, n)
    found = generator_of(expm(1.5 * rates), 1.5, tuple("ABCDEFG"[:n]))
    assert found.rates == pytest.approx(rates, abs=1e-12)
    assert found.error < 1e-14


def test_a_matrix_without_rates_is_refused_and_the_nearest_ones_are_the_nearest() -> None:
    with pytest.raises(InputError, match=r"a rate of -0\.374 /ms from C to B.*off by up to 0\.16") as caught:
        generator_of(CYCLE, 1.0, "ABC")
    assert "\n" not in str(caught.value)
    found = generator_of(CYCLE, 1.0, "ABC", nearest=True)
    assert found.error == pytest.approx(float(np.abs(expm(found.rates) - CYCLE).max()))
    log = np.real(logm(CYCLE))
    for i, row in enumerate(log):  # by another way: a bounded minimum

        def distance(others: Floats, i: int = i, row: Floats = row) -> float:
            return float(((np.insert(others, i, -others.sum()) - row) ** 2).sum())

        best = minimize(distance, np.ones(2), bounds=[(0, None)] * 2).x
        assert found.rates[i] == pytest.approx(np.insert(best, i, -best.sum()), abs=1e-5)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        ([[0.1, 0.9], [0.9, 0.1]], "an eigenvalue below 0"),
        ([[0.5, 0.5], [0.5, 0.5]], "singular"),
        ([[9.0, 1.0], [2.0, 8.0]], "divided by the sum"),
        ([[0.9, 0.2], [0.1, 0.8]], "transpose it"),
        ([[1.1, -0.1], [0.2, 0.8]], "no probability"),
        ([[np.nan, 0.1], [0.2, 0.8]], "no probability"),
    ],
)
def test_what_is_no_matrix_of_rates_is_one_line(matrix: list[list[float]], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        generator_of(np.array(matrix), 1.0, ("A", "B"))
    assert "\n" not in str(caught.value)


def experiment(folder: Path, chemistry: str) -> Experiment:
    (folder / "e.toml").write_text(
        '[experiment]\nname = "e"\nduration = "1 ms"\nexchange = "1 ms"\n[chemistry]\n'
        f'{chemistry}\n[[site]]\nname = "patch"\nengine = "ode"\ngeometry.sphere.diameter = "1 um"\n'
    )
    return Experiment.load(folder / "e.toml")


@pytest.mark.parametrize("kind", ["csv", "npy", "toml"])
def test_a_file_is_a_chemistry(tmp_path: Path, kind: str) -> None:
    rates = random_generator(3, 1)
    matrix = expm(0.5 * rates)
    names, units = ("S0", "S1", "S2"), 'lag = "500 us", name = "Kv"'
    if kind == "npy":
        np.save(tmp_path / "m.npy", matrix)
    elif kind == "csv":
        names = ("C1", "C2", "O")
        np.savetxt(tmp_path / "m.csv", matrix, delimiter=",", header=",".join(names), comments="", fmt="%.17g")
    else:
        (tmp_path / "m.toml").write_text(f'lag = "500 us"\nname = "Kv"\nmatrix = {matrix.tolist()}\n')
    given = f'file = "m.{kind}"' if kind == "toml" else f'file = "m.{kind}"\nunits = {{ {units} }}'
    last = f"Kv_{names[2]}"
    network = experiment(
        tmp_path, f"{given}\nobservables.open = ['{last}']\ninitial.{last} = {{ count = 20, at = 'steady' }}"
    ).network()
    assert network.names == tuple(f"Kv_{n}" for n in names)
    assert all(s.on == "membrane" for s in network.species)
    found = {(r.reactants[0], r.products[0]): r.rate for r in network.reactions}
    for (i, j), rate in np.ndenumerate(rates):
        if i != j:
            assert found[f"Kv_{names[i]}", f"Kv_{names[j]}"] == pytest.approx(rate, abs=1e-12)


def test_nearest_rates_of_a_file_are_told_with_their_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    np.save(tmp_path / "m.npy", CYCLE)
    with pytest.raises(InputError, match=r"m\.npy.*no constant rates"):
        experiment(tmp_path, 'file = "m.npy"\nunits = { lag = "1 ms" }')
    with caplog.at_level(logging.WARNING):
        network = experiment(tmp_path, 'file = "m.npy"\nunits = { lag = "1 ms", embed = "nearest" }').network()
    assert len(network.reactions) == 3 and "off by up to 0.16" in caplog.text


@pytest.mark.parametrize(
    ("content", "units", "message"),
    [
        ("0.9,0.1\n0.2,0.8\n", "", "has no lag"),
        ("0.9,0.1\n0.2,0.8\n", 'units = { lag = "1 ms", state = ["A"] }', "states"),
        ("0.9,0.1\n0.2,0.8\n", 'units = { lag = "1 ms", states = ["A", "A"] }', "each another one"),
        ("0.9,0.1,0\n0.2,0.8,0\n", 'units = { lag = "1 ms" }', "square table"),
        ("0.9,0.1\n0.2\n", 'units = { lag = "1 ms" }', "square table"),
        ("0.9,x\n0.2,y\n", 'units = { lag = "1 ms" }', "square table|no number"),
    ],
)
def test_bad_files_are_one_line(tmp_path: Path, content: str, units: str, message: str) -> None:
    (tmp_path / "m.csv").write_text(content)
    with pytest.raises(InputError, match=message) as caught:
        experiment(tmp_path, f'file = "m.csv"\n{units}')
    assert "\n" not in str(caught.value)
