: calcium of which a fraction stays free below the membrane and decays to a resting value, as in Hay et al. 2011
NEURON { SUFFIX decaying  USEION ca READ ica WRITE cai  RANGE gamma, decay, depth, minCai }
UNITS { (mM) = (milli/liter)  (mA) = (milliamp)  (um) = (micron)  FARADAY = (faraday) (coulombs) }
PARAMETER {
  gamma = 0.05 : free, not buffered
  decay = 80 (ms)
  depth = 0.1 (um)
  minCai = 1e-4 (mM)
}
ASSIGNED { ica (mA/cm2) }
STATE { cai (mM) }
INITIAL { cai = minCai }
BREAKPOINT { SOLVE states METHOD cnexp }
DERIVATIVE states {
  cai' = -(10000)*(ica*gamma/(2*FARADAY*depth)) - (cai - minCai)/decay
}
