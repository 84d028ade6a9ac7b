"""The mechanism that gives the writers of a concentration back what they wrote themselves, made for an ion by name.

NEURON calls writers of a concentration in the reverse order of their registration: it has to be registered after those
of the model, so that it is made and loaded when these are known.
"""

from __future__ import annotations

from adapters.neuron.hoc.h import h
from adapters.neuron.mechanisms import nmodl, user
from couple.storage.scratch import scratch_folder

TEXT = """COMMENT
Sets {ion}i to what the model's own mechanisms made of it, before they go on; see couple_keep.
ENDCOMMENT
NEURON {{ THREADSAFE POINT_PROCESS {name} USEION {ion} WRITE {ion}i VALENCE {valence} RANGE own, first }}
UNITS {{ (mM) = (milli/liter) }}
PARAMETER {{ first = 0 (mM) }}
ASSIGNED {{ {ion}i (mM) }}
STATE {{ own (mM) }}
INITIAL {{ own = first  {ion}i = own }}
BREAKPOINT {{ SOLVE put }}
PROCEDURE put() {{ {ion}i = own }}
"""

_made: dict[str, tuple[int, str]] = {}
"""Ion → how many mechanisms NEURON had when the last of these was made, with its own, and its name."""


def own_process(ion: str) -> str:
    """Name of the point process, registered after all mechanisms that NEURON has now.

    Raises nmodl.NoCompilerError or nmodl.CompilationError.
    """
    there = len(user.loaded())
    known, name = _made.get(ion, (-1, ""))
    if known == there:
        return name
    name = f"couple_own_{ion}_{sum(n.startswith(f'couple_own_{ion}_') for n in user.loaded())}"
    with scratch_folder("mod") as folder:
        file = folder / f"{name}.mod"
        file.write_text(TEXT.format(ion=ion, name=name, valence=int(h.ion_charge(f"{ion}_ion"))))
        h.nrn_load_dll(str(nmodl.library([file], name, fused=False)))
    _made[ion] = (len(user.loaded()), name)
    return name
