: the same pool, which sets the reversal potential too
NEURON { SUFFIX pool_eca  USEION ca READ ica WRITE cai, eca  RANGE depth, tau, rest }
UNITS { (mM) = (milli/liter) (mA) = (milliamp) (um) = (micron) (mV) = (millivolt) F = (faraday) (coulomb) }
PARAMETER { depth = 0.1 (um)  tau = 20 (ms)  rest = 1e-4 (mM) }
ASSIGNED { ica (mA/cm2)  eca (mV) }
STATE { cai (mM) }
INITIAL { cai = rest  eca = 12.5*log(2/cai) }
BREAKPOINT { SOLVE flow METHOD cnexp  eca = 12.5*log(2/cai) }
DERIVATIVE flow { cai' = -(1e4)*ica/(2*F*depth) - (cai - rest)/tau }
