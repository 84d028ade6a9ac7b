TITLE Potassium channel opened by calcium: it reads cai, which in a coupled segment is the chemistry's

NEURON {
    THREADSAFE
    SUFFIX kca
    USEION k READ ek WRITE ik
    USEION ca READ cai
    RANGE gbar, o
}

UNITS {
    (mA) = (milliamp)
    (mV) = (millivolt)
    (S) = (siemens)
    (mM) = (milli/liter)
}

PARAMETER {
    gbar = 0 (S/cm2)
    half = 0.0005 (mM)
    tau = 5 (ms)
}

ASSIGNED {
    v (mV)
    ek (mV)
    ik (mA/cm2)
    cai (mM)
}

STATE { o }

INITIAL { o = open(cai) }

BREAKPOINT {
    SOLVE gate METHOD cnexp
    ik = gbar * o * (v - ek)
}

DERIVATIVE gate { o' = (open(cai) - o) / tau }

FUNCTION open(c (mM)) { open = c * c / (c * c + half * half) }
