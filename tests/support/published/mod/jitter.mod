: draws from NEURON's own generator
NEURON { POINT_PROCESS Jitter  RANGE i, now   ELECTRODE_CURRENT i }
UNITS { (nA) = (nanoamp) }

ASSIGNED { i (nA)  now (nA) }
INITIAL { now = 0 }
BEFORE BREAKPOINT { now = 0.1 + 0.1*normrand(0, 1) + 0.02*exprand(1) + 0.01*poisrand(2) }
BREAKPOINT { i = now }
