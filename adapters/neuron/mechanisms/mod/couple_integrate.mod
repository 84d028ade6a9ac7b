COMMENT
Fixed steps up to a time (ms), as ParallelContext.psolve takes them in one process, and nothing else: psolve sets and
removes an alarm around them by four calls of the system. For one process that uses the fixed step and has asked psolve
for its longest step before.
ENDCOMMENT

NEURON {
    SUFFIX nothing
}

VERBATIM
extern void ncs2nrn_integrate(double);
extern void setup_topology();
extern void v_setup_vectors();
extern void recalc_diam();
extern int tree_changed;
extern int v_structure_change;
extern int diam_changed;
ENDVERBATIM

FUNCTION couple_integrate(target) {
VERBATIM
    // What waits to be taken up of a changed model, in NEURON's own order.
    if (tree_changed) {
        setup_topology();
    }
    if (v_structure_change) {
        v_setup_vectors();
    }
    if (diam_changed) {
        recalc_diam();
    }
    ncs2nrn_integrate(_ltarget);
ENDVERBATIM
    couple_integrate = 0
}
