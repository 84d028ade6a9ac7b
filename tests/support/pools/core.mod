: a shell that exchanges calcium with a core behind it; the core is pumped out
NEURON { SUFFIX cored  USEION ca READ ica WRITE cai  RANGE depth, inner, D, tau, rest, core }
UNITS { (mM) = (milli/liter)  (mA) = (milliamp)  (um) = (micron)  FARADAY = (faraday) (kilocoulombs) }
PARAMETER {
  depth = 0.2 (um)  inner = 1.5 (um)  D = 0.02 (um2/ms)
  tau = 60 (ms)  rest = 1e-4 (mM)
}
ASSIGNED { ica (mA/cm2)  cai (mM)  flow (um mM/ms) }
STATE { shell (mM)  core (mM) }
INITIAL { shell = rest  core = rest  cai = shell }
BREAKPOINT { SOLVE two METHOD derivimplicit }
DERIVATIVE two { LOCAL entering
  entering = 0
  if (ica < 0) { entering = -10*ica/(2*FARADAY) }
  flow = D*(shell - core)*2/(depth + inner)
  shell' = (entering - flow)/depth
  core' = flow/inner - (core - rest)/tau
  cai = shell
}
