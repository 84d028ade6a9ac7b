COMMENT
Sums the currents of many segments at every step, in one pass over the memory in which NEURON keeps them. Where they lie
and where the sums go is set by couple_sums_table, from outside: nothing of it is in the instance, which may be saved
and restored. One instance in a model, for one thread.
ENDCOMMENT

NEURON {
    POINT_PROCESS couple_sums
}

VERBATIM
#include <cstdint>

extern void hoc_execerror(const char*, const char*);

namespace {

// See OnePass in charge_over_window.py. changes: NEURON's count of structure changes when the places were noted, and where it, and
// two flags of changes that wait, stand. runs: of each first and what is after the last, of the sums; place in memory.
struct CoupleSums {
    const double* memory;
    double* sums;
    double factor;
    const int* flags[3];
    std::int64_t changes;
    const std::int64_t* runs;
    std::int64_t n_runs;
    int (*otherwise)();
};

CoupleSums couple_sums_now{};

// Several at once, as -O2 does not: no sum depends on another, and each is one product and one sum.
__attribute__((optimize("O3"))) void couple_sums_run(
    double* __restrict__ sums, const double* __restrict__ values, double factor, std::int64_t n) {
    for (std::int64_t i = 0; i < n; ++i) {
        sums[i] += values[i] * factor;
    }
}

void couple_sums_add() {
    const CoupleSums& at = couple_sums_now;
    if (!at.otherwise) {
        return;
    }
    if (!at.n_runs || *at.flags[0] != at.changes || *at.flags[1] || *at.flags[2]) {
        if (at.otherwise()) {
            hoc_execerror("a coupled segment is no more:", "its current cannot be summed");
        }
        return;
    }
    for (std::int64_t run = 0; run < at.n_runs; ++run) {
        const std::int64_t first = at.runs[3 * run], stop = at.runs[3 * run + 1];
        couple_sums_run(at.sums + first, at.memory + at.runs[3 * run + 2], at.factor, stop - first);
    }
}

}  // namespace

extern "C" void couple_sums_table(const CoupleSums* table) {
    couple_sums_now = table ? *table : CoupleSums{};
}
ENDVERBATIM

BREAKPOINT {
    SOLVE add
}

PROCEDURE add() {
VERBATIM
    couple_sums_add();
ENDVERBATIM
}
