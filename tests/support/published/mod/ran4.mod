NEURON { POINT_PROCESS Ran4  RANGE i, now, place  ELECTRODE_CURRENT i }
UNITS { (nA) = (nanoamp) }
VERBATIM
extern double mcell_ran4(uint32_t* high, double* x, unsigned int n, double range);
ENDVERBATIM
ASSIGNED { i (nA)  now (nA)  place }
INITIAL { now = 0  place = 5 }
BEFORE BREAKPOINT {
VERBATIM
{ uint32_t high = (uint32_t) place; double x; now = 0.9*now + 0.1*mcell_ran4(&high, &x, 1, 1.); place = high; }
ENDVERBATIM
}
BREAKPOINT { i = 0.5*now }
