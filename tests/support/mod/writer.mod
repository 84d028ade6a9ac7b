: A point process that writes cai.
NEURON { POINT_PROCESS test_writer USEION ca READ cai WRITE cai }
UNITS { (mM) = (milli/liter) }
STATE { cai (mM) }
BREAKPOINT { SOLVE decay METHOD cnexp }
DERIVATIVE decay { cai' = -cai }
