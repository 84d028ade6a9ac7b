COMMENT
NMDA receptors: double-exponential conductance of peak "weight" (uS), magnesium block of Jahr & Stevens 1990. A share
"calcium" of the conductance passes calcium (ohmic, to eca), the rest is nonspecific (to e). See synapse.py.
ENDCOMMENT

NEURON {
    THREADSAFE
    POINT_PROCESS couple_nmda
    USEION ca READ eca WRITE ica
    NONSPECIFIC_CURRENT i
    RANGE tau1, tau2, e, mg, calcium, g, i
}

UNITS {
    (nA) = (nanoamp)
    (mV) = (millivolt)
    (uS) = (microsiemens)
    (mM) = (milli/liter)
}

PARAMETER {
    tau1 = 5 (ms)
    tau2 = 50 (ms)
    e = 0 (mV)
    mg = 1 (mM)
    calcium = 0.04
}

ASSIGNED {
    v (mV)
    eca (mV)
    ica (nA)
    i (nA)
    g (uS)
    factor
}

STATE {
    A (uS)
    B (uS)
}

INITIAL {
    LOCAL tp
    tp = (tau1 * tau2) / (tau2 - tau1) * log(tau2 / tau1)
    factor = 1 / (exp(-tp / tau2) - exp(-tp / tau1))
    A = 0
    B = 0
}

BREAKPOINT {
    SOLVE decay METHOD cnexp
    g = (B - A) / (1 + mg / 3.57 (mM) * exp(-0.062 (/mV) * v))
    ica = calcium * g * (v - eca)
    i = (1 - calcium) * g * (v - e)
}

DERIVATIVE decay {
    A' = -A / tau1
    B' = -B / tau2
}

NET_RECEIVE(weight (uS)) {
    A = A + weight * factor
    B = B + weight * factor
}
