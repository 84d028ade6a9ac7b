"""Equations, balance, count rates and the steady initial state."""

import numpy as np
import pytest

from couple.base.errors import InputError
from couple.base.units import IONS_PER_MM_UM3
from couple.chemistry.equations import parse_equation, read_reaction
from couple.chemistry.network import ReactionNetwork
from couple.chemistry.reaction import Species
from couple.chemistry.whole_counts import apportion

CA = Species("Ca", 0.22, contains={"Ca": 1})
PMCA = Species("PMCA", on="membrane")
CA_PMCA = Species("CaPMCA", on="membrane", contains={"Ca": 1})
PUMP = [
    ("Ca + PMCA <-> CaPMCA", "1.5e8 /M/s", "15 /s"),
    ("CaPMCA -> PMCA + Ca_out", "12 /s", None),
    ("PMCA + Ca_out -> PMCA + Ca", "6.6667 /s", None),
]


def network(
    equations: list[tuple[str, str, str | None]], *species: Species, reservoirs: tuple[str, ...] = ()
) -> ReactionNetwork:
    known = {s.name: s for s in species}
    return ReactionNetwork(species, [r for e in equations for r in read_reaction(known, *e, reservoirs)], reservoirs)


def test_equations() -> None:
    assert parse_equation("A + 2 B <-> C") == (("A", "B", "B"), ("C",), True)
    assert parse_equation("0 -> A") == ((), ("A",), False)
    for bad in ("A + -> B", "A = B", "A -> B -> C", "2A -> B"):
        with pytest.raises(InputError):
            parse_equation(bad)


def test_reservoirs_take_the_imbalance() -> None:
    made = network(PUMP, CA, PMCA, CA_PMCA, reservoirs=("Ca_out",))
    assert made.reservoir_contents == {"Ca_out": {"Ca": 1}}
    assert not (made.change @ made.contents("Ca")).any()


def test_an_unbalanced_reaction_is_refused_by_name() -> None:
    with pytest.raises(InputError, match=r"CaPMCA -> PMCA.*loses 1 Ca.*Ca_out"):
        network([("CaPMCA -> PMCA", "12 /s", None)], PMCA, CA_PMCA)


@pytest.mark.parametrize(
    ("equation", "rate", "says"),
    [
        ("Ca + PMCA -> CaPMCA", "15 /s", "second order"),
        ("Ca + PMCA -> CaPMCA", "-1 /M/s", "negative"),
        ("Ca + PCMA -> CaPMCA", "1 /M/s", "did you mean"),
        ("2 Ca + PMCA -> CaPMCA", "1 /M/s", "order 3"),
    ],
)
def test_bad_reactions(equation: str, rate: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        network([(equation, rate, None)], CA, PMCA, CA_PMCA)


def test_count_rates_follow_volume_and_area() -> None:
    volume, area = 0.1, 0.8
    a, m = Species("A"), Species("M", on="membrane")
    made = network(
        [
            ("0 -> A", "1 mM/ms", None),
            ("0 -> M", "3 /um^2/ms", None),
            ("A -> 0", "5 /ms", None),
            ("A + A -> 0", "7 /mM/ms", None),
            ("A + M -> M", "11 /mM/ms", None),
            ("M + M -> M", "13 um^2/ms", None),
        ],
        a,
        m,
    )
    n = IONS_PER_MM_UM3 * volume
    np.testing.assert_allclose(made.count_rates(volume, area), [n, 3 * area, 5, 7 / n, 11 / n, 13 / area], rtol=1e-12)


def test_steady_state_of_the_pump_with_calcium_held() -> None:
    made = network(PUMP, CA, PMCA, CA_PMCA, reservoirs=("Ca_out",))
    shares = made.steady_fractions("PMCA", {"Ca": 1e-4})
    assert shares["CaPMCA"] == pytest.approx(15 / 42, rel=1e-12)  # kon c / (kon c + koff + kpump)
    # influx through the leak equals efflux through the pump at the resting concentration
    assert 6.6667 * shares["PMCA"] == pytest.approx(12 * shares["CaPMCA"], rel=1e-4)


def test_clamped_changes_go_to_their_own_reservoir() -> None:
    made = network(PUMP, CA, PMCA, CA_PMCA, reservoirs=("Ca_out",)).with_clamped(["Ca"])
    assert made.states[-1] == "Ca_clamp"
    assert not made.change[:, made.index("Ca")].any()
    assert not (made.change @ made.contents("Ca")).any()


def test_apportioning_keeps_the_total() -> None:
    rng = np.random.default_rng(3)
    for _ in range(200):
        shares = rng.dirichlet(np.ones(5))
        total = int(rng.integers(0, 50))
        counts = apportion(total, {str(i): float(s) for i, s in enumerate(shares)})
        assert sum(counts.values()) == total
        assert all(abs(c - total * s) < 1 for c, s in zip(counts.values(), shares, strict=True))
