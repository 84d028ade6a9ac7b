: the same with a static variable of C
NEURON { POINT_PROCESS Static  RANGE i, gain, n ELECTRODE_CURRENT i }
UNITS { (nA) = (nanoamp) }
PARAMETER { gain = 0.0002 (nA) }
ASSIGNED { i (nA)  n }
VERBATIM
static double steps_c = 0;
ENDVERBATIM
INITIAL {
VERBATIM
steps_c = 0;
ENDVERBATIM
n = 0 }
BEFORE BREAKPOINT {
VERBATIM
steps_c += 1; n = steps_c;
ENDVERBATIM
}
BREAKPOINT { i = gain*n }
