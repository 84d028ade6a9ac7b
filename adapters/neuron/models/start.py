"""How a model starts: by NEURON's finitialize alone, or by a procedure of its own that calls it."""

from __future__ import annotations

from adapters.neuron.hoc.h import cvode, h
from couple.base.errors import InputError
from couple.components.electrics import ModelSpec

INIT = "neuron.init"
_EARLY = 1e-9
"""ms; how far from 0 a procedure may leave the time: NEURON adds up its steps."""


def starting_procedure(spec: ModelSpec, defines_init: bool) -> str:
    """Name of the procedure by which a model starts; "" for finitialize alone.

    defines_init: whether the model has an init() of its own, which starts it unless the experiment says otherwise; not
    where it is a cell of a network, of which there are others. Raises InputError if HOC has no such procedure.
    """
    if spec.init == "none" or not (spec.init or (defines_init and not spec.cells)):
        return ""
    name = spec.init or "init"
    if not callable(getattr(h, name, None)):
        raise InputError(f'HOC has no procedure "{name}"; give the name of one, or "none"', where=INIT)
    return name


def start(procedure: str, v_init: float, *, cvode_off: bool) -> None:
    """Bring the model to t = 0: by finitialize(v_init), or by the procedure, v_init being set before.

    Raises InputError if the procedure leaves another time, or switches on CVODE, unless that is to be off.
    """
    if not procedure:
        h.finitialize(v_init)
        return
    if hasattr(h, "v_init"):
        h.v_init = v_init
    getattr(h, procedure)()
    switch_off_cvode(f"{procedure}()", cvode_off)
    if abs(h.t) > _EARLY:
        raise InputError(
            f"{procedure}() of the model leaves t = {h.t:g} ms, and a run starts at 0: set t = 0 at its end, or give "
            'another procedure, or "none" for finitialize(v_init)',
            where=INIT,
        )
    h.t = 0


def switch_off_cvode(who: str, off: bool) -> None:
    """See that the fixed step is used. off: whether the experiment says that CVODE is to be switched off."""
    if not cvode.active():
        return
    if not off:
        raise InputError(
            f'{who} switches on CVODE; the coupling needs the fixed step: set neuron.cvode = "off", or remove '
            "cvode_active(1)",
            where="neuron.model",
        )
    cvode.active(False)
