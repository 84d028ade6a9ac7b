"""How a model starts: by NEURON's finitialize alone, or by a procedure of its own that calls it."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

from adapters.neuron.hoc import source_text
from adapters.neuron.hoc.event_targets import forget_event_targets
from adapters.neuron.hoc.h import cvode, h
from adapters.neuron.models import hoc
from couple.base.errors import InputError
from couple.components.model_spec import ModelSpec

INIT = "neuron.init"
_CRANK_NICOLSON = 2
"""NEURON's secondorder with which ionic currents are those in the middle of a step, as charge needs them."""
_EARLY = 1e-9
"""ms; how far from 0 a procedure may leave the time: NEURON adds up its steps."""


_READS_STATE = re.compile(r"\.\s*fread\s*\(")


def reads_state(spec: ModelSpec) -> bool:
    """Whether the model may read a SaveState from a file, in which mechanisms have the numbers that they had in the
    process that wrote it.
    """
    files = [file for file in (spec.model, *spec.before, *spec.after) if file.is_file()]
    texts = [text for file in files for text in hoc.reachable(file).values()]
    whole = "\n".join(map(source_text.without_comments, texts))
    return "SaveState" in whole and _READS_STATE.search(whole) is not None


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


def start(procedure: str, v_init: float, *, cvode_off: bool, second_order: bool | None, folder: Path = Path()) -> None:
    """Bring the model to t = 0: by finitialize(v_init), or by the procedure, v_init being set before.

    second_order: of its steps; None leaves that to the model. folder: of the model, in which the procedure finds files.
    Raises InputError if the procedure leaves another time, or switches on CVODE, unless that is to be off, and where
    steps cannot have the order that is asked for.
    """
    if second_order is not None:
        _refuse_clamps(second=second_order)
        h.secondorder = _CRANK_NICOLSON if second_order else 0  # before: initialising adopts it
    with contextlib.chdir(folder):
        _start(procedure, v_init, cvode_off=cvode_off)
    if second_order is not None and bool(h.secondorder) != second_order:
        raise InputError(
            f'{procedure}() of the model sets secondorder = {h.secondorder:g}: give neuron.init = "none", or leave out '
            "second_order",
            where="neuron.second_order",
        )


def _start(procedure: str, v_init: float, *, cvode_off: bool) -> None:
    if not procedure:
        h.finitialize(v_init)
        return
    if hasattr(h, "v_init"):
        h.v_init = v_init
    forget_event_targets()  # it may read a SaveState, as another model of this process may have done
    getattr(h, procedure)()
    switch_off_cvode(f"{procedure}()", cvode_off)
    if abs(h.t) > _EARLY:
        raise InputError(
            f"{procedure}() of the model leaves t = {h.t:g} ms, and a run starts at 0: set t = 0 at its end, or give "
            'another procedure, or "none" for finitialize(v_init)',
            where=INIT,
        )
    h.t = 0


def _refuse_clamps(*, second: bool) -> None:
    clamp = next((c for c in ("SEClamp", "VClamp") if h.List(c).count()), None)
    if second and clamp is not None:
        raise InputError(
            f"the model has a voltage clamp ({clamp}[0]), with which Crank-Nicolson steps oscillate: leave out "
            "second_order, or the clamp",
            where="neuron.second_order",
        )


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
