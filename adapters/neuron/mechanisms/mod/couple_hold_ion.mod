COMMENT
As couple_hold, for an ion of any name: "conc" is set to point to the concentration inside. It is called after all
mechanisms that write a concentration, and, being registered before those of any model, before what reads it.
ENDCOMMENT

NEURON {
    THREADSAFE
    POINT_PROCESS couple_hold_ion
    POINTER conc
    RANGE held
}

UNITS {
    (mM) = (milli/liter)
}

PARAMETER {
    held = 0 (mM)
}

ASSIGNED {
    conc (mM)
}

INITIAL {
    conc = held
}

BREAKPOINT {
    SOLVE hold
}

PROCEDURE hold() {
    conc = held
}
