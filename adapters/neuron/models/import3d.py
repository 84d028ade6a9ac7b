"""A bare morphology as a model: sections by NEURON's Import3d, membrane by [neuron.biophysics]."""

from __future__ import annotations

import logging
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

from adapters.neuron.hoc.h import h
from adapters.neuron.hoc.messages import capture_messages
from adapters.neuron.hoc.sections import all_sections
from adapters.neuron.models import biophysics, swc
from couple.base.errors import InputError
from couple.components.model_spec import ModelSpec
from couple.storage.scratch import scratch_folder

log = logging.getLogger(__name__)

WHERE = "neuron.model"


def build(spec: ModelSpec) -> None:
    """Make the sections soma[0], axon[i], dend[i], apic[i] and dend_TYPE[i], and give them their membrane.

    Raises InputError in one line for a fault in the file or in the biophysics.
    """
    if spec.function:
        raise InputError(f'a morphology holds no "{spec.function}": write model = "{spec.model.name}"', where=WHERE)
    if spec.arguments:
        raise InputError("a morphology takes no arguments", where="neuron.arguments")
    if not spec.biophysics:
        raise InputError(
            "a morphology has no membrane: give it one, as in all = "
            '{ Ra = "150 ohm cm", cm = "1 uF/cm^2", pas = { g = "5e-5 S/cm^2", e = "-65 mV" } }',
            where="neuron.biophysics",
        )
    blocks = biophysics.read(spec.biophysics)
    points = swc.read(spec.model)
    out = StringIO()
    with (
        capture_messages() as messages,
        redirect_stdout(out),
        scratch_folder("swc") as folder,
    ):
        file = folder / spec.model.name
        file.write_text(swc.renumbered(points))
        try:
            _import(file)
        except RuntimeError as error:
            raise InputError(f"{spec.model.name}: {(messages.errors or [str(error)])[0]}", where=WHERE) from None
    lost = out.getvalue().count("has been removed")
    if lost:
        log.warning("%s: %d branches of a single point were left out by NEURON's import", spec.model.name, lost)
    biophysics.apply(blocks, all_sections())


def _import(file: Path) -> None:
    for library in ("stdlib.hoc", "import3d.hoc"):
        h.load_file(library)
    reader = h.Import3d_SWC_read()
    reader.quiet = 1
    reader.input(str(file))
    h.Import3d_GUI(reader, 0).instantiate(None)
