NEURON { POINT_PROCESS RandomPointer  RANGE i, now  POINTER donotuse  ELECTRODE_CURRENT i }
UNITS { (nA) = (nanoamp) }
VERBATIM
#ifndef NRN_VERSION_GTEQ_8_2_0
double nrn_random_pick(void* r);
void* nrn_random_arg(int argpos);
#endif
ENDVERBATIM
ASSIGNED { i (nA)  now (nA)  donotuse }
INITIAL { now = 0 }
BEFORE BREAKPOINT {
VERBATIM
if (_p_donotuse) { now = 0.1 + 0.1*nrn_random_pick((Rand*) _p_donotuse); }
ENDVERBATIM
}
BREAKPOINT { i = now }
PROCEDURE noise_from() {
VERBATIM
*(void**) (&_p_donotuse) = (void*) nrn_random_arg(1);
ENDVERBATIM
}
