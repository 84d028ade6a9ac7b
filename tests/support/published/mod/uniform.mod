: draws from NEURON's own generator, already when it is initialised
NEURON { POINT_PROCESS Uniform  RANGE i, now   ELECTRODE_CURRENT i }
UNITS { (nA) = (nanoamp) }

ASSIGNED { i (nA)  now (nA) }
INITIAL { now = scop_random() }
BEFORE BREAKPOINT { now = 0.9*now + 0.1*scop_random() }
BREAKPOINT { i = 0.5*now }
