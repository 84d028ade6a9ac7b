COMMENT
The current between two segments that links with drift carry, in place of NEURON's own: conductance x (V1 - V2) + offset,
solved with the tree. The resistances between them are scaled to that conductance, and one instance at each end takes the
offset in or out. What they share is set by couple_axial_table, from outside: nothing of it is in the instance, which may
be saved and restored. For one thread.
ENDCOMMENT

NEURON {
    POINT_PROCESS couple_axial
    NONSPECIFIC_CURRENT i
    RANGE slot, direction
}

UNITS {
    (nA) = (nanoamp)
}

PARAMETER {
    slot = 0
    direction = 0
}

ASSIGNED {
    i (nA)
}

VERBATIM
#include <cstdint>

extern void setup_topology();
extern void v_setup_vectors();
extern void recalc_diam();
extern int tree_changed;
extern int v_structure_change;
extern int diam_changed;

namespace {

// See AxialTable in axial.py. n paths, of each: conductance (uS), offset (nA, from the first end to the second), drop
// (mV ms, integral of V1 - V2), last (mV, V1 - V2 of the step before), nodes of both ends; children: nodes whose link
// to their parent is on the path, with their share of its resistance.
struct CoupleAxial {
    std::int64_t n;
    const double* conductance;
    const double* offset;
    double* drop;
    double* last;
    const std::int64_t* ends;
    const std::int64_t* starts;
    const std::int64_t* children;
    const double* shares;
    double before;
};

CoupleAxial couple_axial_now{};

double couple_axial_leaving(double path, double sign) {
    const CoupleAxial& at = couple_axial_now;
    const std::int64_t k = static_cast<std::int64_t>(path);
    if (k >= at.n) {
        return 0.0;
    }
    if (sign > 0.0) {
        NrnThread* nt = nrn_threads;
        double* a = nt->node_a_storage();
        double* b = nt->node_b_storage();
        const double* area = nt->node_area_storage();
        for (std::int64_t j = at.starts[k]; j < at.starts[k + 1]; ++j) {
            const std::int64_t child = at.children[j];
            const double g = -100.0 * at.conductance[k] / at.shares[j];
            b[child] = g / area[child];
            a[child] = g / area[nt->_v_parent_index[child]];
        }
    }
    return sign * at.offset[k];
}

void couple_axial_sum(double path, double sign) {
    const CoupleAxial& at = couple_axial_now;
    const std::int64_t k = static_cast<std::int64_t>(path);
    if (k >= at.n || sign < 0.0) {
        return;
    }
    const double* v = nrn_threads->node_voltage_storage();
    const double now = v[at.ends[2 * k]] - v[at.ends[2 * k + 1]];
    at.drop[k] += nrn_threads->_dt * (now + at.before * (at.last[k] - now));
    at.last[k] = now;
}

}  // namespace

extern "C" void couple_axial_table(const CoupleAxial* table) {
    couple_axial_now = table ? *table : CoupleAxial{};
}

// The number of nodes; of as many as fit: parent, or -1, area (um2), and resistance to the parent (Mohm) in `resistance`.
extern "C" std::int64_t couple_axial_nodes(std::int64_t fit, std::int64_t* parent, double* area, double* resistance) {
    if (tree_changed) {
        setup_topology();
    }
    if (v_structure_change) {
        v_setup_vectors();
    }
    if (diam_changed) {
        recalc_diam();
    }
    NrnThread* nt = nrn_threads;
    for (int k = 0; k < nt->end && k < fit; ++k) {
        const bool root = k < nt->ncell;
        parent[k] = root ? -1 : nt->_v_parent_index[k];
        area[k] = nt->node_area_storage()[k];
        resistance[k] = root ? 0.0 : -100.0 / (nt->node_b_storage()[k] * area[k]);
    }
    return nt->end;
}

// V1 - V2 of all paths now, into `last`.
extern "C" void couple_axial_begin() {
    const CoupleAxial& at = couple_axial_now;
    const double* v = nrn_threads->node_voltage_storage();
    for (std::int64_t k = 0; k < at.n; ++k) {
        at.last[k] = v[at.ends[2 * k]] - v[at.ends[2 * k + 1]];
        at.drop[k] = 0.0;
    }
}
ENDVERBATIM

BREAKPOINT {
    SOLVE add
    i = leaving(slot, direction)
}

PROCEDURE add() {
VERBATIM
    couple_axial_sum(slot, direction);
ENDVERBATIM
}

FUNCTION leaving(k, d) (nA) {
VERBATIM
    _lleaving = couple_axial_leaving(_lk, _ld);
ENDVERBATIM
}
