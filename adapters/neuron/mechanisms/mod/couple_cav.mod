COMMENT
Voltage-gated calcium channel of boutons and spines, C0-C1-C2-C3-O with rates a exp(v/u), b exp(-v/u) at 34 degC:
Bischofberger et al. 2002 as used by Bartol et al. 2015, Table 1. Ohmic: ica = gmax O (v - eca), gmax in S/cm2.
The same scheme as the KSChan in kschan.py; keep the two alike.
ENDCOMMENT

NEURON {
    THREADSAFE
    SUFFIX couple_cav
    USEION ca READ eca WRITE ica
    RANGE gmax, g
}

UNITS {
    (mA) = (milliamp)
    (mV) = (millivolt)
    (S) = (siemens)
}

PARAMETER {
    gmax = 0 (S/cm2)
}

ASSIGNED {
    v (mV)
    eca (mV)
    ica (mA/cm2)
    g (S/cm2)
    a1 (/ms)
    a2 (/ms)
    a3 (/ms)
    a4 (/ms)
    b1 (/ms)
    b2 (/ms)
    b3 (/ms)
    b4 (/ms)
}

STATE {
    C0
    C1
    C2
    C3
    O
}

INITIAL {
    SOLVE scheme STEADYSTATE sparse
}

BREAKPOINT {
    SOLVE scheme METHOD sparse
    g = gmax * O
    ica = g * (v - eca)
}

KINETIC scheme {
    rates(v)
    ~ C0 <-> C1 (a1, b1)
    ~ C1 <-> C2 (a2, b2)
    ~ C2 <-> C3 (a3, b3)
    ~ C3 <-> O (a4, b4)
    CONSERVE C0 + C1 + C2 + C3 + O = 1
}

PROCEDURE rates(v (mV)) {
    a1 = 8.08 (/ms) * exp(v / 49.14 (mV))
    a2 = 13.4 (/ms) * exp(v / 42.08 (mV))
    a3 = 8.78 (/ms) * exp(v / 55.31 (mV))
    a4 = 34.7 (/ms) * exp(v / 26.55 (mV))
    b1 = 5.76 (/ms) * exp(-v / 49.14 (mV))
    b2 = 12.6 (/ms) * exp(-v / 42.08 (mV))
    b3 = 16.3 (/ms) * exp(-v / 55.31 (mV))
    b4 = 3.68 (/ms) * exp(-v / 26.55 (mV))
}
