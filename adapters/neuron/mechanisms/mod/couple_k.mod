COMMENT
A k conductance that chemistry sets: gmax (uS) is written from outside and held between exchanges.
ENDCOMMENT

NEURON {
    THREADSAFE
    POINT_PROCESS couple_k
    USEION k READ ek WRITE ik
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
    ek (mV)
    ik (nA)
}

BREAKPOINT {
    ik = gmax * (v - ek)
}
