COMMENT
As couple_charge, for an ion of any name: sums current*dt, "current" being set to point to the ionic current density of
the segment.
ENDCOMMENT

NEURON {
    THREADSAFE
    POINT_PROCESS couple_sum
    POINTER current
    RANGE q
}

UNITS {
    (mA) = (milliamp)
}

ASSIGNED {
    current (mA/cm2)
    dt (ms)
    q (mA-ms/cm2)
}

INITIAL {
    q = 0
}

BREAKPOINT {
    SOLVE add
}

PROCEDURE add() {
    q = q + current * dt
}
