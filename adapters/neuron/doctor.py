"""What `couple doctor` looks at for NEURON: the package, a compiler, the cache of mechanisms."""

from __future__ import annotations

from collections.abc import Iterator

from adapters.neuron.hoc.h import NEURON_VERSION
from adapters.neuron.mechanisms import nmodl
from adapters.neuron.mechanisms.builtin import cached_library
from couple.doctor.finding import Finding, first_line, python

_LOADING = "from adapters.neuron import channel_path; print(channel_path())"


def checks() -> Iterator[Finding]:
    """Findings about NEURON: its import, the compiler, our mechanisms."""
    yield compiler()
    yield mechanisms()


def compiler() -> Finding:
    """A C++ compiler and NEURON's script that calls it."""
    found = nmodl.compiler()
    slower = "runs go on without (KSChan), each coupled segment costs more; install one (g++ or clang++)"
    if found is None:
        return Finding("compiler", "warn", "none", slower)
    code, line = first_line([found, "--version"])
    if code != 0:
        return Finding("compiler", "warn", f"{found} does not work: {line}", slower)
    if nmodl.nrnivmodl() is None:
        return Finding("compiler", "warn", f"{line}, but no nrnivmodl", "reinstall neuron: uv pip install neuron")
    return Finding("compiler", "ok", line)


def mechanisms() -> Finding:
    """Whether our mechanisms load, in a process of its own; compiles them where that was never done."""
    library = cached_library()
    kept = "not kept yet" if library is None else f"kept in {library.parent}"
    code, path = python(_LOADING, 300.0)
    if code != 0:
        advice = f"delete that folder and try again; or reinstall NEURON (now {NEURON_VERSION})"
        return Finding("NEURON mechanisms", "fail", f"do not load: {path} ({kept})", advice)
    if path != "MOD":
        return Finding("NEURON mechanisms", "warn", "run without a compiler (KSChan)", "slower; see compiler")
    library = cached_library()
    where = "" if library is None else f", kept in {library.parent}"
    return Finding("NEURON mechanisms", "ok", f"compiled{where}")
