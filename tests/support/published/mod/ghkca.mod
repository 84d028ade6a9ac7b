: a calcium current by the equation of Goldman, Hodgkin and Katz
NEURON { SUFFIX ghkca  USEION ca READ cai, cao WRITE ica  RANGE p }
UNITS { (mV) = (millivolt) (mA) = (milliamp) (mM) = (milli/liter) }
PARAMETER { p = 2e-5 (cm/s) }
ASSIGNED { v (mV)  ica (mA/cm2)  cai (mM)  cao (mM) }
STATE { m }
INITIAL { m = minf(v) }
BREAKPOINT { SOLVE gate METHOD cnexp  ica = p*m*flux(v, cai, cao) }
DERIVATIVE gate { m' = (minf(v) - m)/2 }
FUNCTION minf(u (mV)) { minf = 1/(1 + exp(-(u + 20)/6)) }
FUNCTION flux(u (mV), ci (mM), co (mM)) { LOCAL z
  z = u/12.6
  if (fabs(z) < 1e-4) { flux = 193*(ci - co) } else { flux = 193*z*(ci - co*exp(-z))/(1 - exp(-z)) }
}
