COMMENT
A ca conductance that chemistry sets: gmax (uS) is written from outside and held between exchanges.
ENDCOMMENT

NEURON {
    THREADSAFE
    POINT_PROCESS couple_ca
    USEION ca READ eca WRITE ica
    RANGE gmax
}

UNITS {
    (nA) = (nanoamp)
    (mV) = (millivolt)
    (uS) = (microsiemens)
}

PARAMETER {
    gmax = 0 (uS)
}

ASSIGNED {
    v (mV)
    eca (mV)
    ica (nA)
}

BREAKPOINT {
    ica = gmax * (v - eca)
}
