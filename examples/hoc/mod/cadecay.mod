TITLE Calcium as many models have it: a shell that ica fills and that decays; it writes cai

NEURON {
    THREADSAFE
    SUFFIX cadecay
    USEION ca READ ica, cai WRITE cai
    RANGE depth, tau, rest
}

UNITS {
    (mA) = (milliamp)
    (mM) = (milli/liter)
    (um) = (micron)
    FARADAY = (faraday) (coulomb)
}

PARAMETER {
    depth = 0.1 (um)
    tau = 80 (ms)
    rest = 1e-4 (mM)
}

ASSIGNED { ica (mA/cm2) }

STATE { cai (mM) }

INITIAL { cai = rest }

BREAKPOINT { SOLVE shell METHOD cnexp }

DERIVATIVE shell { cai' = -(1e4) * ica / (2 * FARADAY * depth) - (cai - rest) / tau }
