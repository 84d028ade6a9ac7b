COMMENT
A nonspecific conductance that chemistry sets: gmax (uS) is written from outside, e (mV) is its reversal potential.
ENDCOMMENT

NEURON {
    THREADSAFE
    POINT_PROCESS couple_ns
    NONSPECIFIC_CURRENT i
    RANGE gmax, e, i
}

UNITS {
    (nA) = (nanoamp)
    (mV) = (millivolt)
    (uS) = (microsiemens)
}

PARAMETER {
    gmax = 0 (uS)
    e = 0 (mV)
}

ASSIGNED {
    v (mV)
    i (nA)
}

BREAKPOINT {
    i = gmax * (v - e)
}
