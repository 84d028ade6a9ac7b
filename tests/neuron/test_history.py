"""Which variables of a MOD file carry something over from step to step is read from its text."""

from __future__ import annotations

import pytest

from adapters.neuron.mechanisms.history import calls_at_start, hidden_memories, memories
from adapters.neuron.mechanisms.source import with_ranges
from adapters.neuron.mechanisms.user import loaded

COUNTER = "LOCAL n\nBREAKPOINT { SOLVE add }\nPROCEDURE add() { n = n + 1 }"

SCRATCH = """
LOCAL factor, rest[2], q : scratch, and what INITIAL sets
PROCEDURE rates(v) { factor = 3^(v) rest[0] = factor }
INITIAL { rates(v) q = 2 }
BREAKPOINT { SOLVE states METHOD cnexp i = q*m }
DERIVATIVE states { rates(v) m' = (factor - m)/2 }
"""

KEY = """
LOCAL last, k
BREAKPOINT { if (celsius != last) { last = celsius k = 2*celsius } i = k }
"""

IN_C = """
VERBATIM
/* static int comment; */
static const double unit = 3;
static double helper(double x) { return x ? unit : 0; }
extern int elsewhere;
double total = 0;
static int drawn, ring[4];
static double scratch;
int once() { static int first = 1; if (first) { first = 0; } total += 1; return 0; }
ENDVERBATIM
INITIAL {
VERBATIM
  drawn = 0;
ENDVERBATIM
}
BREAKPOINT {
VERBATIM
  once(); scratch = v; ring[0] = scratch; drawn++;
ENDVERBATIM
}
"""

BRANCH = """
LOCAL last
BREAKPOINT { SOLVE look }
PROCEDURE look() { if (v > -20) { last = t } x = t - last }
"""

BRANCH_IN_C = """
VERBATIM
static double last = -100;
ENDVERBATIM
BREAKPOINT {
VERBATIM
  if (v > -20) last = t;
  x = t - last;
ENDVERBATIM
}
"""

ARRIVED = "LOCAL last\nNET_RECEIVE (w) { INITIAL { last = 0 } last = t }\nBREAKPOINT { i = t - last }"

EVENT = "LOCAL before\nNET_RECEIVE (w) { g = g + before before = w }\nBREAKPOINT { i = g }"

IN_INSTANCE = """
NEURON { POINT_PROCESS x RANGE i, shown POINTER p USEION ca READ ica, cai WRITE cai }
ASSIGNED { v (mV) dt (ms) ica (mA/cm2) cai (mM) i (nA) shown p keep part[2] factor }
INITIAL { keep = 0  factor = exp(-dt) }
BREAKPOINT { SOLVE go  i = keep }
PROCEDURE go() { shown = shown + 1  part[0] = v  keep = keep*factor + part[0] + p  cai = cai - ica }
"""


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (COUNTER, {"n"}),
        (SCRATCH, set()),
        # The current is computed before the states of the same step.
        (SCRATCH.replace("q*m", "q*factor"), {"factor"}),
        (KEY, set()),
        (KEY.replace("i = k", "i = k + last"), {"last"}),
        (IN_C, {"total", "drawn", "ring", "first"}),
        (EVENT, {"before"}),
        (IN_INSTANCE, {"keep"}),
        (IN_INSTANCE.replace("RANGE i", "GLOBAL keep  RANGE i"), set()),
        # then NEURON saves all of it
        (f"{IN_INSTANCE}NET_RECEIVE (w) {{ }}", set()),
        (BRANCH, {"last"}),
        (BRANCH.replace("last = t }", "last = t } else if (v > -40) { last = 1 }"), {"last"}),
        (BRANCH.replace("last = t }", "last = t } else if (v > -40) { last = 1 } else { last = 2 }"), set()),
        (BRANCH_IN_C, {"last"}),
        (BRANCH_IN_C.replace("last = t;", "last = t; else { last = 2; }"), set()),
        (ARRIVED, {"last"}),
        (ARRIVED.replace("} last = t }", "} }"), set()),
        (f"COMMENT\n{COUNTER}\nENDCOMMENT\nBREAKPOINT {{ i = 1 }}", set()),
    ],
    ids=[
        *("counter", "scratch", "scratch of the step before", "key", "key that is used", "C", "event"),
        *("of an instance", "of all instances", "of a process with events"),
        *("one branch", "two branches", "all branches", "one branch in C", "all branches in C"),
        *("written by events", "set where events begin", "comment"),
    ],
)
def test_what_carries_over(text: str, names: set[str]) -> None:
    found = memories(text)
    assert {memory.name for memory in found} == names
    assert all(memory.verbatim == (text in (IN_C, BRANCH_IN_C)) for memory in found)


def test_what_an_instance_hides_is_declared() -> None:
    found = hidden_memories(IN_INSTANCE)
    assert found == ["keep"]
    assert hidden_memories(with_ranges(IN_INSTANCE, found)) == []
    assert with_ranges(COUNTER, ["n"]) == COUNTER


def test_a_seed_that_a_mechanism_sets_itself() -> None:
    seeds = "INITIAL { begin() }\nPROCEDURE begin() { set_seed(5) }\nPROCEDURE seed(x) { set_seed(x) }"
    assert calls_at_start(seeds, "set_seed")
    assert not calls_at_start(seeds.replace("begin() }", "}", 1), "set_seed")


HANDLE = """
NEURON { POINT_PROCESS X }
ASSIGNED { n space }
BREAKPOINT { SOLVE add }
PROCEDURE add() {
VERBATIM
    if (n > 0 && %s > 0) { n += 1; space = space + n; }
ENDVERBATIM
}
"""


def test_what_c_takes_the_address_of_is_a_handle() -> None:
    assert hidden_memories(HANDLE % "*(void**)(&space)") == ["n"]
    assert hidden_memories(HANDLE % "space") == ["n", "space"], "the control"


@pytest.mark.parametrize("name", ["APCount", "AlphaSynapse", "ExpSyn", "OClamp", "SEClamp", "NetStim", "IntFire4"])
def test_neurons_own_mechanisms_are_saved_whole(name: str) -> None:
    assert memories(loaded()[name]) == []
