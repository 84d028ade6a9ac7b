: Writes cai, and carries ica as well.
NEURON { SUFFIX test_pump USEION ca READ cai, ica WRITE cai, ica RANGE gmax }
UNITS { (mA) = (milliamp) (mM) = (milli/liter) }
PARAMETER { gmax = 0.01 (mA/cm2) }
ASSIGNED { ica (mA/cm2) }
STATE { cai (mM) }
INITIAL { cai = 0.5 }
BREAKPOINT { SOLVE decay METHOD cnexp  ica = gmax * cai / (cai + 0.001) }
DERIVATIVE decay { cai' = (0.5 - cai) / 10 }
