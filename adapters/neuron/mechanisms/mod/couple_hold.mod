COMMENT
Holds cai against other mechanisms that write it: sets it to "held" (mM) after they have, at every step. NEURON calls
writers of a concentration in the reverse order of their registration and readers after them; this one is registered
before those of any model.
ENDCOMMENT

NEURON {
    THREADSAFE
    POINT_PROCESS couple_hold
    USEION ca WRITE cai
    RANGE held
}

UNITS {
    (mM) = (milli/liter)
}

PARAMETER {
    held = 5e-5 (mM)
}

ASSIGNED {
    cai (mM)
}

INITIAL {
    cai = held
}

BREAKPOINT {
    SOLVE hold
}

PROCEDURE hold() {
    cai = held
}
