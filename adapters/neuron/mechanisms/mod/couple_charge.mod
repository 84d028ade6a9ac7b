COMMENT
Sums ica*dt at every step: q (mA ms/cm2) is set to 0 and read from outside at each exchange. A point process, so
that it sits in the coupled segment alone; the ica that it reads is the density of all calcium current there.
ENDCOMMENT

NEURON {
    THREADSAFE
    POINT_PROCESS couple_charge
    USEION ca READ ica
    RANGE q
}

UNITS {
    (mA) = (milliamp)
}

ASSIGNED {
    ica (mA/cm2)
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
    q = q + ica * dt
}
