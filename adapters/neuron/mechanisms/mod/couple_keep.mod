COMMENT
As couple_hold_ion, and keeps what the model's mechanisms have made of the concentration: "own" points to where
couple_own has it, which gives it back to them at their next step.
ENDCOMMENT

NEURON {
    THREADSAFE
    POINT_PROCESS couple_keep
    POINTER conc, own
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
    own (mM)
}

INITIAL {
    own = conc
    conc = held
}

BREAKPOINT {
    SOLVE keep
}

PROCEDURE keep() {
    own = conc
    conc = held
}
