COMMENT
A na conductance that chemistry sets: gmax (uS) is written from outside and held between exchanges.
ENDCOMMENT

NEURON {
    THREADSAFE
    POINT_PROCESS couple_na
    USEION na READ ena WRITE ina
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
    ena (mV)
    ina (nA)
}

BREAKPOINT {
    ina = gmax * (v - ena)
}
