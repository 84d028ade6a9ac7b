COMMENT
Windows of fixed steps, and what else belongs to each: all in one call, however many windows there are. A window is a
list of calls, given from outside by couple_windows_table; one of them is NEURON's own, fixed steps up to a time, as
ParallelContext.psolve takes them in one process and nothing else (psolve sets and removes an alarm around them by four
calls of the system). For one process that uses the fixed step and has asked psolve for its longest step before.
ENDCOMMENT

NEURON {
    SUFFIX nothing
}

VERBATIM
#include <chrono>
#include <cmath>
#include <cstdint>

extern void ncs2nrn_integrate(double);
extern void nrn_fixed_step(neuron::model_sorted_token const&);
extern void nrn_fixed_step_group(neuron::model_sorted_token const&, int);
extern bool nrn_use_selfqueue_;
extern int cvode_active_;
extern int stoprun;
extern void (*nrnthread_v_transfer_)(NrnThread*);
extern double* hoc_val_pointer(const char*);
extern void setup_topology();
extern void v_setup_vectors();
extern void recalc_diam();
extern int tree_changed;
extern int v_structure_change;
extern int diam_changed;

namespace {

// See windows.py. function: 0 for NEURON's own steps; what a function gives back is 0 if all went well.
struct CoupleCall {
    std::int64_t (*function)(std::int64_t);
    std::int64_t context;
    double seconds;
};

// calls: of a window, in order. first: of the first window, the call to begin with. length: of a step, ms; steps: taken so
// far, at the start of a window; ticks: in a window. pause: s after which no window is begun. exit: not 0 after Python
// inside of NEURON has asked for the end.
// Given back: windows that were done, the call that could not go on, what it said, and the steps.
struct CoupleWindows {
    CoupleCall* calls;
    std::int64_t n_calls;
    std::int64_t first;
    double length;
    double pause;
    std::int64_t ticks;
    std::int64_t steps;
    const std::int32_t* exit;
    std::int64_t done;
    std::int64_t at;
    std::int64_t said;
};

CoupleWindows* couple_windows_now = nullptr;

void couple_take_up() {
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
}

// As ncs2nrn_integrate does, but with the model's data held for all windows: to hold and release them anew in each
// costs some 13 us, a lock for each kind of mechanism.
void couple_steps_to(neuron::model_sorted_token const& held, double target, const double* step) {
    if (nrn_use_selfqueue_ || cvode_active_) {
        ncs2nrn_integrate(target);
        return;
    }
    const int n = static_cast<int>((target - nrn_threads->_t) / *step + 1e-9);
    if (n > 3 && !nrnthread_v_transfer_) {
        nrn_fixed_step_group(held, n);
        return;
    }
    const double last = target - *step;
    while (nrn_threads->_t <= last) {
        nrn_fixed_step(held);
        if (stoprun) {
            return;
        }
    }
}

enum { COUPLE_ELSEWHERE = 1, COUPLE_EXIT = 2 };

std::int64_t couple_steps(
    CoupleWindows& now, neuron::model_sorted_token const& held, const double* time, const double* step) {
    now.steps += now.ticks;
    // NEURON does the steps that fit below its target, by its own sum of dt: half a step more makes it exact.
    const double target = (now.steps + 0.5) * now.length;
    couple_steps_to(held, target, step);
    if (*now.exit) {
        return COUPLE_EXIT;
    }
    return std::fabs(*time - target) > now.length || *step != now.length ? COUPLE_ELSEWHERE : 0;
}

void couple_do_windows(CoupleWindows& now, std::int64_t windows) {
    using clock = std::chrono::steady_clock;
    const double* time = hoc_val_pointer("t");
    const double* step = hoc_val_pointer("dt");
    now.said = 0;
    couple_take_up();
    const auto held = nrn_ensure_model_data_are_sorted_opaque();
    const clock::time_point begun = clock::now();
    clock::time_point before = begun;
    for (now.done = 0; now.done < windows; ++now.done) {
        if (now.done && std::chrono::duration<double>(before - begun).count() > now.pause) {
            return;
        }
        for (now.at = now.first; now.at < now.n_calls; ++now.at) {
            CoupleCall& call = now.calls[now.at];
            now.said = call.function ? call.function(call.context) : couple_steps(now, held, time, step);
            const clock::time_point after = clock::now();
            call.seconds += std::chrono::duration<double>(after - before).count();
            before = after;
            if (now.said) {
                return;
            }
        }
        now.first = 0;
    }
}

}  // namespace

extern "C" void couple_windows_table(CoupleWindows* table) {
    couple_windows_now = table;
}
ENDVERBATIM

FUNCTION couple_integrate(target) {
VERBATIM
    couple_take_up();
    ncs2nrn_integrate(_ltarget);
ENDVERBATIM
    couple_integrate = 0
}

FUNCTION couple_windows(windows) {
VERBATIM
    couple_do_windows(*couple_windows_now, static_cast<std::int64_t>(_lwindows));
ENDVERBATIM
    couple_windows = 0
}
