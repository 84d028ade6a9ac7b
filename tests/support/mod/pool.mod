COMMENT
Writes cai like many a model's calcium pool, and nonsense at that; USEION in a comment is none.
ENDCOMMENT
NEURON { SUFFIX test_pool USEION ca READ ica, cai WRITE cai }
UNITS { (mA) = (milliamp) (mM) = (milli/liter) }
ASSIGNED { ica (mA/cm2) }
STATE { cai (mM) }
INITIAL { cai = 0.5 }
BREAKPOINT { SOLVE decay METHOD cnexp }
DERIVATIVE decay { cai' = (0.5 - cai) / 10 - ica }
