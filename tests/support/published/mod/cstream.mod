: a stream of its own behind a POINTER, as the synapses of Blue Brain have it
NEURON { THREADSAFE  POINT_PROCESS CStream  RANGE i, now  BBCOREPOINTER rng  ELECTRODE_CURRENT i }
UNITS { (nA) = (nanoamp) }
VERBATIM
#include "nrnran123.h"
static void bbcore_write(double* x, int* d, int* xx, int* offset, _threadargsproto_) {}
static void bbcore_read(double* x, int* d, int* xx, int* offset, _threadargsproto_) {}
ENDVERBATIM
ASSIGNED { i (nA)  now (nA)  rng }
INITIAL {
  now = 0
VERBATIM
if (_p_rng) { nrnran123_setseq((nrnran123_State*) _p_rng, 0, 0); }
ENDVERBATIM
}
BEFORE BREAKPOINT {
VERBATIM
if (_p_rng) { now = 0.9*now + 0.1*nrnran123_dblpick((nrnran123_State*) _p_rng); }
ENDVERBATIM
}
BREAKPOINT { i = 0.5*now }
PROCEDURE setRNG() {
VERBATIM
nrnran123_State** pv = (nrnran123_State**) (&_p_rng);
if (*pv) { nrnran123_deletestream(*pv); *pv = nullptr; }
*pv = nrnran123_newstream3((uint32_t) *getarg(1), (uint32_t) *getarg(2), (uint32_t) *getarg(3));
ENDVERBATIM
}
