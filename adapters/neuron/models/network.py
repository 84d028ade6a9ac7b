"""The cells of a network that are on this rank, and what connects them: by number, wherever the other cell is.

The numbers (gids) are those of the whole network, so are all random streams: nothing depends on the number of ranks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from adapters.neuron.hoc.h import h, pc
from adapters.neuron.hoc.sections import all_sections, find_membrane, set_label
from adapters.neuron.mechanisms.synapses import NMDA, give_role
from adapters.neuron.models import hoc, python
from adapters.neuron.state import random_streams
from couple.base.errors import InputError
from couple.components.model_spec import CellSpec, Contact, ModelSpec, Train

AMPA, GABA = (0.2, 2.0, 0.0), (0.5, 5.0, -75.0)
"""Rise and decay in ms, reversal in mV."""

_ENDLESS = 1e9
_OWN_STREAMS = 0x636F7570
"""First number of streams that a cell does not name itself."""


def build(spec: ModelSpec, on_release: list[Callable[[], None]]) -> tuple[list[Any], list[Path], list[str]]:
    """Make the cells of `spec`; returns what has to be kept, the files, and the texts of those of HOC.

    Raises InputError, in one line, for whatever is wrong with a model.
    """
    makers: dict[tuple[Path, str, str], _Maker] = {}
    cells, numbered = [], []
    for cell in spec.cells:
        key = (cell.model, cell.function, repr(cell.arguments))
        try:
            if key not in makers:
                makers[key] = _Maker(spec, cell, on_release)
            there, before = len(all_sections()), random_streams.count()
            cells.append(makers[key].make(cell))
        except InputError as error:
            # HOC's own class of error is kept: it says that nothing may be deleted
            raise type(error)(error.message, where=f"{cell.key}.model") from error.__cause__
        numbered.append((cell.gid, before, random_streams.count()))
        made = all_sections()[there:]
        if not made:
            raise InputError(f"{cell.function}() left no section behind for {cell.name}", where=f"{cell.key}.model")
        for section in made:
            set_label(section, f"{cell.name}.{section.name().rsplit('.', 1)[-1]}")
    _number_streams(numbered)
    texts = [text for maker in makers.values() for text in maker.texts.values()]
    files = [path for maker in makers.values() for path in maker.files]
    return cells, files, texts


class _Maker:
    """One model, loaded once and built for many cells."""

    def __init__(self, spec: ModelSpec, cell: CellSpec, on_release: list[Callable[[], None]]) -> None:
        self.spec = ModelSpec(cell.model, cell.function, spec.dt, spec.celsius, spec.v_init, arguments=cell.arguments)
        self.texts: dict[Path, str] = {}
        self.files = [cell.model]
        self._first: list[Any] = []
        if cell.model.suffix == ".py":
            self._builder = python.Builder(self.spec)
            on_release.append(self._builder.unload)
            self.files += python.imported_siblings(cell.model.parent)
        elif cell.model.suffix == ".hoc" and cell.function:
            self.texts = hoc.reachable(cell.model)
            on_release.append(lambda: hoc.release(self.texts))
            self.files += self.texts
        else:
            raise InputError(f'"{cell.model.name}" builds no cells: give "cell.py:function" or "cell.hoc:Template"')

    def make(self, cell: CellSpec) -> Any:
        """One more cell."""
        if self.spec.model.suffix == ".py":
            return self._builder.make({"gid": cell.gid})
        if not self._first:
            self._first.append(hoc.load(self.spec))
        return hoc.instance(self.spec)


def _number_streams(numbered: Sequence[tuple[int, int, int]]) -> None:
    """Number the streams that cells leave to NEURON by cell instead: NEURON counts those of the process."""
    owner = {n: (gid, n - before) for gid, before, after in numbered for n in range(before + 1, after)}
    for stream in random_streams.all_streams() if owner else ():
        first, second, third = (int(word) for word in stream.get_ids())
        if (first, second) == (1, 0) and third in owner:
            stream.set_ids(_OWN_STREAMS, *owner[third])


def register_gids(cells: Sequence[CellSpec], local: Callable[[str, str], Any]) -> list[Any]:
    """Give each cell its number, and NEURON what detects its spikes. local: segment by cell and name."""
    kept = []
    for cell in cells:
        try:
            segment = local(cell.name, cell.spikes)
        except InputError as error:
            raise error.at(f"{cell.key}.spikes") from None
        detector = h.NetCon(segment._ref_v, None, sec=segment.sec)
        detector.threshold = cell.threshold
        pc.set_gid2node(cell.gid, int(pc.id()))
        pc.cell(cell.gid, detector)
        kept.append(detector)
    return kept


def connect(contacts: Sequence[Contact]) -> list[Any]:
    """Receptors with the connections and trains that drive them; returns what has to be kept.

    The events of one receptor have one weight, so that their order within a moment, which depends on the ranks, does
    not matter to the bit.
    """
    kept: list[Any] = []
    trains: dict[Train, Any] = {}
    for contact in contacts:
        segment = find_membrane(contact.segment)
        nmda = NMDA(segment) if contact.receptor == "NMDA" else None
        process = nmda.process if nmda is not None else h.Exp2Syn(segment)
        if nmda is None:
            process.tau1, process.tau2, process.e = AMPA if contact.receptor == "AMPA" else GABA
            give_role(process, contact.receptor)
        kept.append(nmda or process)
        scale = nmda.weight_scale if nmda is not None else 1.0
        for gid, delay in contact.sources:
            connection = pc.gid_connect(gid, process)
            connection.delay, connection.weight[0] = delay, contact.weight * scale
            kept.append(connection)
        for train in contact.trains:
            sources = trains.setdefault(train, None) or [*_spikes(train)]
            trains[train] = sources
            for source in sources:
                connection = h.NetCon(source, process)
                connection.delay, connection.weight[0] = 0.0, contact.weight * scale
                kept.append(connection)
    kept += [source for sources in trains.values() for source in sources]
    return kept


def _spikes(train: Train) -> list[Any]:
    """The artificial cells of a train."""
    if train.rate:
        source = h.NetStim()
        source.start, source.number, source.noise, source.interval = train.start, _ENDLESS, 1, 1 / train.rate
        source.noiseFromRandom123(*train.stream)
        return [source]
    made = []
    for time in train.times:
        source = h.NetStim()
        source.start, source.number, source.noise = time, 1, 0
        made.append(source)
    return made


def check_delays(contacts: Sequence[Contact], dt: float) -> None:
    """Raises InputError for a connection that is faster than a step: spikes between ranks would come too late."""
    for contact in contacts:
        fast = min((delay for _, delay in contact.sources), default=dt)
        if fast < dt:
            raise InputError(
                f"{fast:g} ms is shorter than neuron.dt = {dt:g} ms; give at least that", where=f"{contact.key}.delay"
            )
