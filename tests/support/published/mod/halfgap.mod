NEURON { POINT_PROCESS HalfGap  POINTER vgap  RANGE g, i  NONSPECIFIC_CURRENT i }
UNITS { (nA) = (nanoamp) (mV) = (millivolt) (nS) = (nanosiemens) }
PARAMETER { g = 1 (nS) }
ASSIGNED { v (mV) vgap (mV) i (nA) }
BREAKPOINT { i = (v - vgap)*g*1e-3 }
