: Reads cai where channels do, in the current and in the state, and sums what it sees.
NEURON { SUFFIX test_probe USEION ca READ cai, eca RANGE seen, solved, e }
UNITS { (mV) = (millivolt) (mM) = (milli/liter) }
ASSIGNED { cai (mM) eca (mV) seen (mM) solved (mM) e (mV) v (mV) }
INITIAL { seen = cai  solved = cai  e = eca }
BREAKPOINT { SOLVE look  seen = cai  e = eca }
PROCEDURE look() { solved = cai }
