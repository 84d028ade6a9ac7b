: filtered noise, in a variable that only the mechanism itself sees
NEURON { POINT_PROCESS Hidden  RANGE i, gain  ELECTRODE_CURRENT i }
UNITS { (nA) = (nanoamp) }
PARAMETER { gain = 0.05 (nA)  dt (ms) }
ASSIGNED { i (nA)  filtered (nA)  keep }
INITIAL { filtered = 0  keep = exp(-dt/5) }
BREAKPOINT { SOLVE filter  i = 0.1 + filtered }
PROCEDURE filter() { filtered = keep*filtered + gain*normrand(0, 1) }
