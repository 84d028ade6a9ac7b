NEURON { POINT_PROCESS Random9  RANGE i, now  RANDOM r  ELECTRODE_CURRENT i }
UNITS { (nA) = (nanoamp) }
ASSIGNED { i (nA)  now (nA) }
INITIAL { now = 0  random_setseq(r, 0) }
BEFORE BREAKPOINT { now = 0.9*now + 0.1*random_uniform(r) }
BREAKPOINT { i = 0.5*now }
