"""Ions cross whole and counted; debts are paid; what does not balance stops the run."""

import tomllib

import numpy as np
import pytest

from couple.base.errors import RunError
from couple.exchange.exchange import Exchange
from couple.exchange.kernels import CARRIED, OWED, RECEIVED, SENT
from couple.exchange.ledger import Ledger
from couple.exchange.link import Holding, IonLink, ValueLink
from couple.exchange.tables import Place, audit_columns, ion_columns, pack_audit, pack_ions, pack_values, value_columns
from couple.experiment import Experiment
from couple.simulation.simulation import Simulation

# memory: 0 sent | 1 influx | 2 free, 3 bound, 4 out | 5 cai
SENT_AT, INFLUX, FREE, CAI = 0, 1, 2, 5


def exchange(*, whole: bool = True, max_debt: float = 100.0, extrapolate: bool = False) -> Exchange:
    memory = np.zeros(6)
    memory[FREE] = 10.0
    link = IonLink("neuron.ica -> head.Ca", "head", INFLUX, FREE, whole, ((SENT_AT, 2.0),), {"Ca": 1}, "f", 2.0)
    holding = Holding("head", "Ca", FREE, ("Ca", "CaB", "Ca_out"), (1, 2, 1), (0,), (2,), whole)
    value = ValueLink("head.Ca -> neuron.cai", CAI, ((FREE, 0.1),), "f", 0.05, 1.0 if extrapolate else 0.0)
    made = Exchange(memory, [link], [], [value], [holding], [FREE], [SENT_AT, INFLUX], max_debt)
    made.prime()
    return made


def window(made: Exchange, charge: float) -> float:
    """One window in which the site just takes its influx; returns that."""
    made.memory[SENT_AT] = charge
    made.deliver()
    made.memory[FREE] += made.memory[INFLUX]
    made.collect(np.zeros((1, 3)), 0)
    return float(made.memory[INFLUX])


@pytest.mark.parametrize("whole", [True, False])
def test_nothing_is_lost_over_many_windows(whole: bool) -> None:
    rng = np.random.default_rng(1)
    made = exchange(whole=whole)
    given = [window(made, q) for q in rng.normal(0.2, 1.0, 5000)]
    account = made.accounts[0]
    assert account[SENT] == pytest.approx(account[RECEIVED] + account[CARRIED] - account[OWED], abs=1e-7)
    assert sum(given) == pytest.approx(account[RECEIVED], abs=1e-7)
    assert 0.0 <= account[CARRIED] < 1.0
    if whole:
        assert all(g == int(g) for g in given)
        assert Ledger.of(made).max_imbalance == 0.0
    else:
        assert account[CARRIED] == 0.0  # a continuous site takes the real number


def test_a_fraction_is_carried_until_it_is_an_ion() -> None:
    made = exchange()
    assert [window(made, 0.2) for _ in range(5)] == [0.0, 0.0, 1.0, 0.0, 1.0]  # 0.4 ions a window


def test_an_outward_charge_becomes_a_debt_that_the_next_influx_pays() -> None:
    made = exchange()
    assert window(made, -8.0) == -10.0  # asks for 16, finds 10
    assert made.accounts[0, OWED] == 6.0
    assert window(made, 0.0) == 0.0 and made.memory[FREE] == 0.0
    assert window(made, 2.0) == 0.0  # 4 of the 6 paid
    assert window(made, 3.0) == 4.0
    assert made.accounts[0, OWED] == 0.0


def test_a_debt_above_the_limit_stops_the_run_by_the_links_name() -> None:
    made = exchange(max_debt=5)
    with pytest.raises(RunError, match=r"neuron\.ica -> head\.Ca.*max_debt"):
        window(made, -8.0)


def test_a_charge_that_is_not_finite_stops_the_run() -> None:
    with pytest.raises(RunError, match="not finite"):
        window(exchange(), float("nan"))


def test_an_ion_that_appears_from_nowhere_stops_the_run() -> None:
    made = exchange()
    window(made, 1.0)
    made.memory[FREE] += 1
    with pytest.raises(RunError, match=r"head is off by 1 Ca.*neuron\.ica"):
        window(made, 1.0)


def test_a_continuous_site_may_be_off_by_rounding_only() -> None:
    made = exchange(whole=False)
    window(made, 1.0)
    made.memory[FREE] += 1e-9
    window(made, 0.0)  # 1e-9 of 10 ions held: allowed
    made.memory[FREE] += 2e-8
    with pytest.raises(RunError, match="off by"):
        window(made, 0.0)


def test_concentration_is_floored_and_hits_are_counted() -> None:
    made = exchange()
    window(made, -5.0)
    assert made.memory[CAI] == 0.05
    assert Ledger.of(made).floored == {"head.Ca -> neuron.cai": 1}


def test_extrapolation_is_linear() -> None:
    made = exchange(extrapolate=True)
    assert made.memory[CAI] == pytest.approx(1.0)
    window(made, 1.0)
    assert made.memory[CAI] == pytest.approx(2 * 1.2 - 1.0)
    window(made, 1.0)
    assert made.memory[CAI] == pytest.approx(2 * 1.4 - 1.2)


def test_rows_hold_samples_and_totals() -> None:
    made = exchange()
    rows = np.zeros((1, 3))
    for charge, row in ((1.0, -1), (2.0, 0)):
        made.memory[SENT_AT] = charge
        made.deliver()
        made.memory[FREE] += made.memory[INFLUX]
        made.collect(rows, row)
    assert rows.tolist() == [[16.0, 3.0, 6.0]]


def test_saved_books_continue_to_the_bit() -> None:
    charges = np.random.default_rng(2).normal(0.1, 1.0, 400)
    straight, broken = exchange(), exchange()
    for q in charges:
        window(straight, q)
    for q in charges[:200]:
        window(broken, q)
    state = broken.save()
    fresh = exchange()
    fresh.restore(state)
    for q in charges[200:]:
        window(fresh, q)
    assert np.array_equal(fresh.memory, straight.memory)
    assert np.array_equal(fresh.accounts, straight.accounts)
    assert np.array_equal(fresh.balance, straight.balance)


def test_columns_of_tables_are_where_their_names_say() -> None:
    holdings = [Holding("a", "Ca", 7, ("Ca", "B", "CaB"), (1, 0, 2), whole=True), Holding("b", "Ca", 9, ("Ca",), (1,))]
    links = [
        IonLink("q", "a", 1, 2, True, ((3, 0.5), (4, 0.25)), {"Ca": 1}, "f"),
        IonLink("r", "b", 5, 6, False, ((8, 2.0),), {"Ca": 3}, "f"),
    ]

    def column(array: np.ndarray, first: Place, n: int) -> list[float]:
        return array[int(first) : int(first) + n].tolist()

    integers, floats = pack_ions(links, holdings)
    at = ion_columns(integers)
    assert at.n_links == 2
    assert column(integers, at.influx, 2) == [1, 5] and column(integers, at.free, 2) == [2, 6]
    assert column(integers, at.whole, 2) == [1, 0]
    assert column(integers, at.source_start, 2) == [0, 2] and column(integers, at.source_stop, 2) == [2, 3]
    assert column(integers, at.source, 3) == [3, 4, 8] and column(floats, at.ions, 3) == [0.5, 0.25, 2.0]
    assert column(integers, at.content_start, 2) == [0, 1] and column(integers, at.content_stop, 2) == [1, 2]
    assert column(integers, at.holding, 2) == [0, 1] and column(floats, at.content, 2) == [1.0, 3.0]

    integers, floats = pack_values([ValueLink("v", 4, ((2, 0.1), (3, 0.2)), "f", 0.5, 1.0)])
    values = value_columns(integers, Place(0))
    assert values.n_links == 1 and column(integers, values.extrapolates, 1) == [1]
    assert column(integers, values.target, 1) == [4] and column(integers, values.source, 2) == [2, 3]
    assert column(integers, values.source_start, 1) == [0] and column(integers, values.source_stop, 1) == [2]
    assert column(floats, values.weight, 2) == [0.1, 0.2]
    assert column(floats, values.least, 1) == [0.5] and column(floats, values.beyond, 1) == [1.0]
    assert (values.last, values.raised) == (0, 1)

    integers, floats = pack_audit(holdings)
    audit = audit_columns(integers, Place(0), Place(0))
    assert audit.n_holdings == 2 and column(integers, audit.first, 2) == [7, 9]
    assert column(integers, audit.whole, 2) == [1, 1] and column(integers, audit.kind, 2) == [0, 1]
    assert column(integers, audit.column_start, 2) == [0, 2] and column(integers, audit.column_stop, 2) == [2, 3]
    assert column(integers, audit.column, 3) == [0, 2, 0] and column(floats, audit.content, 3) == [1.0, 2.0, 1.0]


EMPTY = """
[experiment]
name = "empty"
duration = "5 ms"
exchange = "0.1 ms"
[chemistry]
species.Ca = { contains = { Ca = 1 } }
species.B = {}
species.CaB = { contains = { Ca = 1 } }
reservoirs = ["Ca_out"]
reactions = [
  { equation = "Ca + B <-> CaB", forward = "1e8 /M/s", backward = "100 /s" },
  FLUX
]
initial.B = { count = 200 }
[[site]]
name = "head"
engine = "ENGINE"
geometry.sphere = { diameter = "0.25 um" }
[record]
every = "1 ms"
"""
CLAMP = """
[[drive]]
to = "head.Ca"
clamp = "0.1 uM"
"""
STORE = '{ equation = "Ca_out -> Ca", forward = "0.001 mM/ms" }, { equation = "Ca -> Ca_out", forward = "0.7 /ms" },'


@pytest.mark.parametrize("engine", ["ode", "langevin", "ssa"])
@pytest.mark.parametrize("filled", ["by a clamp", "from a reservoir"])
def test_a_site_that_began_empty_may_round(engine: str, filled: str) -> None:
    """Nothing was held and no link moves anything: what is there and what stands for it sum to 0 but for rounding."""
    text = EMPTY.replace("ENGINE", engine).replace("FLUX", STORE if "reservoir" in filled else "")
    simulation = Simulation.in_memory(Experiment.parse(tomllib.loads(text + (CLAMP if "clamp" in filled else ""))))
    for _ in range(50):
        simulation.step()
    counts = simulation.system.engines[0].read("counts")[0]  # Ca, B, CaB, and what came from outside
    assert counts[0] + counts[2] > 0 and abs(counts[0] + counts[2:].sum()) < 1e-9
