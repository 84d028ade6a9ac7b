TITLE High-voltage-activated calcium channel: an ordinary channel of the model, whose current becomes ions in the sites

NEURON {
    THREADSAFE
    SUFFIX cahva
    USEION ca READ eca WRITE ica
    RANGE gbar
}

UNITS {
    (mA) = (milliamp)
    (mV) = (millivolt)
    (S) = (siemens)
}

PARAMETER {
    gbar = 0 (S/cm2)
}

ASSIGNED {
    v (mV)
    eca (mV)
    ica (mA/cm2)
}

STATE { m }

INITIAL { m = open(v) }

BREAKPOINT {
    SOLVE gate METHOD cnexp
    ica = gbar * m * m * (v - eca)
}

DERIVATIVE gate { m' = (open(v) - m) / 1 (ms) }

FUNCTION open(v (mV)) { open = 1 / (1 + exp(-(v + 20 (mV)) / 6 (mV))) }
