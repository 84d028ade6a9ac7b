"""The stepping component: NEURON's fixed step, driven from one exchange to the next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NoReturn, cast

import numpy as np

from adapters.neuron.coupling.axial import AxialCurrents
from adapters.neuron.coupling.charge_over_window import ChargeMeter, IonCurrent
from adapters.neuron.coupling.concentrations import Concentrations
from adapters.neuron.coupling.conductance import insert_conductance
from adapters.neuron.coupling.given import GivenConcentrations
from adapters.neuron.coupling.parameters import ParameterFinder, ParameterWriter
from adapters.neuron.coupling.sizes import SegmentSizes
from adapters.neuron.hoc.h import h, pc, switch_off_watchdog
from adapters.neuron.hoc.messages import capture_messages
from adapters.neuron.hoc.python_exit import python_exits
from adapters.neuron.hoc.quit import has_quit, quit_error_of
from adapters.neuron.hoc.sections import find_membranes, find_segment
from adapters.neuron.mechanisms import synapses
from adapters.neuron.mechanisms.builtin import ChannelPath, channel_path
from adapters.neuron.mechanisms.nmda_gating import NMDAGating
from adapters.neuron.memory.addresses import NeuronVariable
from adapters.neuron.memory.direct_access import DirectAccess
from adapters.neuron.memory.ranges import RangeReader, unit_of_range
from adapters.neuron.models.loader import WHERE, LoadedModel, initial_voltage
from adapters.neuron.models.start import start
from adapters.neuron.state import repartition
from adapters.neuron.state.cell_weights import cell_weights
from adapters.neuron.state.gids import gids, is_local
from adapters.neuron.state.random_objects import reseed
from adapters.neuron.state.save_state import Mark, ModelState
from adapters.neuron.state.spikes import SpikeRecorder, merge_spikes
from adapters.neuron.state.unsaved import unsaved
from adapters.neuron.stepping.stepper import Stepper, in_one_call
from adapters.neuron.stepping.windows import NeuronWindows
from couple.base.arrays import Floats, Ints
from couple.base.errors import CannotRestart, CoupleError, InputError, RunError
from couple.components.attachments import Attachments, AxialPath
from couple.components.calls import Call, Windows, python_call
from couple.components.component import Port, State, digest_of
from couple.components.electrics import ElectricalComponent
from couple.components.model_spec import ModelSpec
from couple.components.state import fitting, number, whole
from couple.parallel.communicator import world


class NeuronComponent(ElectricalComponent):
    """A loaded model between exchanges. Ports: see `couple.components.electrics.ElectricalComponent`.

    Raises InputError if a mechanism in a coupled segment writes a coupled concentration and may not be removed, and if
    NEURON cannot initialise the model.

    One `advance` costs, beyond NEURON's own stepping, one scatter and one gather of everything that is exchanged,
    straight to and from NEURON's memory.
    """

    state_version = 4

    def __init__(self, built: LoadedModel, spec: ModelSpec, attachments: Attachments, finder: ParameterFinder) -> None:
        ions = [(ion, find_membranes(ion.segments)) for ion in attachments.ions]
        conducting = find_membranes([c.segment for c in attachments.conductances], repeats=True)
        voltages = [NeuronVariable(find_segment(name), "v") for name in attachments.voltages]
        self._concentrations = Concentrations(ions, spec.cai_writers, spec.eca)
        owned = self._concentrations.owned
        currents = [IonCurrent(ion.ion, s) for ion, segments in ions for s in segments]

        self._spec, self._attachments = spec, attachments
        self._dt, self._stepper = spec.dt, Stepper(spec.dt, built.files)
        # Our point processes, with which NEURON refuses CVODE, would forbid it to the procedure of a model as well.
        alone = bool(built.procedure) or spec.cvode_off
        self._charge = ChargeMeter(currents, one_pass=alone)
        self._conductances = [
            insert_conductance(c, segment) for c, segment in zip(attachments.conductances, conducting, strict=True)
        ]
        self._gating = NMDAGating(synapses.gated) if synapses.gated else None
        self._given = GivenConcentrations(attachments.given, attachments.given_start)
        # In the order of the ports: each direction is one pass over the block of port values.
        self._inputs = self._concentrations.scatter_with(
            DirectAccess(
                owned + [NeuronVariable(c.process, "gmax") for c in self._conductances] + self._given.variables,
                [1.0] * len(owned) + [c.to_gmax for c in self._conductances] + [1.0] * len(self._given.variables),
                zeroed=self._charge.accumulators,
            )
        )
        summed = self._charge.accumulators
        to_charge = self._charge.to_charge if summed else []
        self._outputs = DirectAccess(summed + voltages, to_charge + [1.0] * len(voltages))
        self._ranges = RangeReader(attachments.ranges)
        self._parameters = ParameterWriter(finder, attachments.parameters) if attachments.parameters else None
        self._axial = (
            AxialCurrents(attachments.axials, second_order=bool(spec.second_order)) if attachments.axials else None
        )
        self._sizes = SegmentSizes(attachments.sized, currents) if attachments.sized else None
        self._n_currents = len(currents)
        self._scatter: Callable[[Floats], None] = self._inputs.scatter
        self._gather = self._outputs.gather
        self.model_files = built.files
        self._generators, self._procedure = built.generators, built.procedure
        self._state: ModelState | None = None
        self._spikes = SpikeRecorder() if built.is_network else None
        self._on_other_rank = built.on_other_rank
        super().__init__(
            "neuron",
            inputs={
                **{ion.concentration: Port("mM", (len(segments),), "intensive") for ion, segments in ions},
                "g": Port("S/cm^2 or uS", (len(self._conductances),), "intensive"),
                "given": Port("mM", (len(self._given.variables),), "intensive"),
                "parameters": Port("unit of each", (len(attachments.parameters),), "intensive"),
                "axial_conductance": Port("uS", (len(attachments.axials),), "intensive"),
                "axial_offset": Port("nA", (len(attachments.axials),), "intensive"),
                "size": Port("1", (len(attachments.sized),), "intensive"),
            },
            outputs={
                **{ion.charge: Port("fC", (len(segments),), "extensive") for ion, segments in ions},
                "v": Port("mV", (len(voltages),), "intensive"),
                **{
                    f"range_{variable}": Port(unit_of_range(variable), (len(segments),), "intensive")
                    for variable, segments in attachments.segments_of.items()
                },
                "axial_drop": Port("mV ms", (len(attachments.axials),), "extensive"),
            },
        )
        self.memory[: self._concentrations.size] = self._concentrations.initial
        self.read("given")[:] = self._given.start
        self.read("size")[:] = 1.0
        if self._axial is not None:
            self.read("axial_conductance")[:] = self._axial.conductances
        self._initialise(attachments.seed)
        built.on_release.append(self.close)

    @property
    def steps(self) -> int:
        """NEURON's so far."""
        return self._stepper.steps

    @property
    def channel_path(self) -> ChannelPath:
        """Which mechanisms run: "MOD" (compiled) or "KSChan"."""
        return channel_path()

    def attach(self, memory: Floats) -> None:
        """Move the port values, and the views of them that `advance` uses."""
        super().attach(memory)
        n, m = len(self._attachments.axials), len(self._attachments.sized)
        sizes = [self._inputs.size, len(self._attachments.parameters), n, n, m, self._charge.passed, self._outputs.size]
        parts = np.split(self.memory, [*np.cumsum(sizes), self.memory.size - n])
        self._input_values, self._parameter_values, *self._axial_values, self._size_values = parts[:5]
        self._passed_values, self._output_values, self._range_values, self._drops = parts[5:]

    @property
    def notes(self) -> Sequence[str]:
        """See ElectricalComponent."""
        return self._concentrations.notes

    @property
    def axial_paths(self) -> Sequence[AxialPath]:
        """See ElectricalComponent."""
        return () if self._axial is None else self._axial.paths

    def _initialise(self, seed: int) -> None:
        """Set all at t = 0, with our ions already in place when mechanisms compute their initial states."""
        reseed(list(h.List("Random")), seed, self._generators.seeded(seed))
        world().gather(None)  # from here on ranks wait for each other inside of NEURON
        self._stepper.initialise()
        switch_off_watchdog()
        if self._spikes is not None:
            self._spikes.clear()
        self._concentrations.initialise()
        self._given.initialise()
        with capture_messages() as messages, python_exits.watched():
            try:
                start(
                    self._procedure,
                    initial_voltage(self._spec),
                    cvode_off=self._spec.cvode_off,
                    second_order=self._spec.second_order,
                    folder=self._spec.model.parent,
                )
            except RuntimeError as error:
                message = (messages.errors or [str(error)])[0]
                if has_quit([message]):
                    raise quit_error_of(self.model_files) from error
                raise InputError(f"NEURON could not initialise the model: {message}", where=WHERE) from error
        h.dt = self._dt
        self._refresh_addresses()
        self._charge.clear()
        self._charge.read(self._passed_values)
        self._gather(self._output_values)
        self._ranges.gather(self._range_values)
        self._concentrations.read(self._input_values)

    def _refresh_addresses(self) -> None:
        """NEURON may have arranged its memory anew."""
        self._inputs.refresh_addresses()
        self._outputs.refresh_addresses()
        self._charge.refresh_addresses()
        self._concentrations.refresh_addresses()
        if self._axial is not None:
            self._axial.refresh_addresses()

    def advance(self, ticks: int) -> None:
        """Write the inputs, go `ticks` steps, fill the outputs.

        Raises RunError for a voltage that is not finite, and if what is coupled was deleted.
        """
        with self._stepper.attached():
            self._advance(ticks)

    def _advance(self, ticks: int) -> None:
        # These set the accumulators of charge to zero: each window sums from nothing, at full precision.
        self._charge.clear()
        self._scatter(self._input_values)
        if self._parameters is not None:
            self._parameters.scatter(self._parameter_values)
        if self._sizes is not None:
            self._sizes.apply(self._size_values)
        if self._axial is not None:
            self._axial.begin(*self._axial_values)
        if self._gating is not None:
            self._gating.set_window(ticks * self._dt)
        self._stepper.advance(ticks)
        finite = self._charge.read(self._passed_values)
        if not self._gather(self._output_values) or not finite:
            self._raise_not_finite()
        self._ranges.gather(self._range_values)
        if self._sizes is not None:
            self._sizes.scale((self._passed_values if self._charge.passed else self._output_values)[: self._n_currents])
        if self._axial is not None:
            self._drops[:] = self._axial.drops
        if self._concentrations.listens:
            self._concentrations.read(self._input_values)

    def windows(self, before: Sequence[Call], after: Sequence[Call], ticks: int) -> Windows | None:
        """See ElectricalComponent: in one process, with compiled mechanisms."""
        if not in_one_call() or self._axial is not None or self._sizes is not None:
            return None
        first = [*before, *self._inputs.scatter_calls(self._input_values)]
        if self._parameters is not None:
            first.append(python_call(partial(self._parameters.scatter, self._parameter_values)))
        last = self._charge.read_calls(self._passed_values, self._raise_not_finite)
        last += self._outputs.gather_calls(self._output_values, self._raise_not_finite)
        if self._ranges.size:
            last.append(python_call(partial(self._ranges.gather, self._range_values)))
        if self._concentrations.listens:
            last += self._concentrations.read_calls(self._input_values)
        own = slice(len(before), len(first) + 1 + len(last))
        return NeuronWindows(self._stepper, self._charge.clear, ticks, first, [*last, *after], own)

    def _raise_not_finite(self) -> NoReturn:
        names = [f"{ion.charge} of {s}" for ion in self._attachments.ions for s in ion.segments]
        names += [f"v of {s}" for s in self._attachments.voltages]
        values = [*self._passed_values, *self._output_values]
        bad = [name for name, value in zip(names, values, strict=True) if not np.isfinite(value)]
        raise RunError(
            f"not finite at t = {self.steps * self._dt:g} ms: {', '.join(bad[:5])}; is a conductance or cai that the "
            "chemistry sends too large, or dt too long?"
        )

    def save(self) -> State:
        """The model, exact to the bit. Raises CoupleError if a Python function waits in NEURON's event queue."""
        network: State = {}
        if self._spikes is not None:
            network = {**self._spikes.save(), **repartition.state_by_name(self._model_state())}
        if self._sizes is not None:
            network["sizes"] = self._sizes.factors.copy()
        if self._spec.helped:
            network["time"] = float(h.t)
        return {"steps": self.steps, **self._model_state().save(), **network}

    def mark(self) -> object:
        """See Component: without NEURON's file, which takes longer than a window of a small model."""
        spikes = None if self._spikes is None else self._spikes.count
        return self.steps, self._model_state().mark(), spikes

    def go_back(self, mark: object) -> None:
        """See Component."""
        self._stepper.steps, model, spikes = cast("tuple[int, Mark, int | None]", mark)
        self._model_state().go_back(model)  # nothing moves in memory: addresses stay
        if self._spikes is not None and spikes is not None:
            self._spikes.truncate(spikes)

    def restore_from_ranks(self, parts: Sequence[State]) -> None:
        """See ElectricalComponent."""
        if self._spikes is None and self._spec.helped:
            self._stepper.steps = whole(parts[0], "steps")
            if world().size > 1:  # also where nothing is restored it has to be the same time
                repartition.advance_alone(number(parts[0], "time"), self.steps, self._dt)
            self._refresh_addresses()
            if not self._on_other_rank:
                self.restore(parts[0])
            return
        if self._spikes is None:
            raise InputError("only a network moves to another number of ranks: resume with as many as wrote it")
        self._stepper.steps = whole(parts[0], "steps")
        repartition.restore_by_name(self._model_state(), parts, self.steps, self._dt)
        self._refresh_addresses()
        self._spikes.restore(merge_spikes(parts, is_local))

    def restore(self, state: State) -> None:
        """Take up a state of an equally built model, made in this process or another."""
        if self._sizes is not None:
            self._sizes.restore(np.asarray(fitting(state, "sizes", self._sizes.factors), dtype=np.float64))
        self._model_state().restore(state)
        self._refresh_addresses()
        self._stepper.steps = whole(state, "steps")
        if self._spikes is not None:
            self._spikes.restore(state)

    def set_starts(self, concentrations: Sequence[float]) -> None:
        """See ElectricalComponent."""
        self._concentrations.initial = list(concentrations[: self._concentrations.size])
        self._given.start = list(concentrations[self._concentrations.size :])

    def restart(self, start: State, seed: int) -> None:
        """See Component. A stream that nothing rewinds when the model initialises cannot be set back exactly."""
        model = self._model_state()
        model.refuse_unrewound()
        if reason := self.unsaved():
            raise CannotRestart(reason)
        self.restore(start)
        # Streams forget what they drew with the other index when they are moved.
        self._generators.seeded(seed).set()
        model.move_streams()
        self._initialise(seed)
        self._stepper.steps = 0
        model.check_rewound(start)

    def reseed(self, seed: int) -> None:
        """See Component. Events that were drawn before stay in NEURON's queue."""
        reseed(list(h.List("Random")), seed, self._generators.seeded(seed))
        self._model_state().forget_drawn()

    @property
    def stepping_seconds(self) -> float:
        """See ElectricalComponent: over ranks NEURON's own measure, which leaves out what they wait for each other."""
        return float(pc.step_time()) if pc.nhost() > 1 else self._stepper.seconds

    @property
    def cell_count(self) -> int:
        """See ElectricalComponent."""
        return len(self._spec.cells) or (len(gids()) if self.is_network else 0)

    @property
    def cell_weights(self) -> dict[str, float]:
        """See ElectricalComponent: of each cell of a [network] its segments, with the mechanisms in each."""
        return cell_weights(cell.name for cell in self._spec.cells)

    @property
    def is_network(self) -> bool:
        """See ElectricalComponent."""
        return self._spikes is not None

    @property
    def spikes(self) -> tuple[Floats, Ints] | None:
        """See ElectricalComponent."""
        return None if self._spikes is None else self._spikes.read()

    def unsaved(self) -> str:
        """See Component."""
        if reason := next(unsaved(), ""):
            return reason
        try:
            self._model_state().save()
        except RunError:  # the system, not the model
            return ""
        except CoupleError as error:
            return str(error)
        return ""

    def digest(self, state: State) -> str:
        """See Component. NEURON's own file is left out: it holds bytes of memory that mean nothing."""
        return digest_of({key: value for key, value in state.items() if key != "savestate"})

    def _model_state(self) -> ModelState:
        if self._state is None:
            self._state = ModelState(self.model_files)
        return self._state

    def close(self) -> None:
        """Take our mechanisms out of the model; the component cannot be used afterwards."""
        self._charge.close()
        self._concentrations.close()
        self._given.close()
        self._conductances.clear()
        if self._parameters is not None:
            self._parameters.close()
        for part in (self._axial, self._sizes):
            if part is not None:
                part.close()
        self._gating = self._state = self._spikes = self._parameters = self._axial = self._sizes = None
        self._scatter = _released


def _released(_: Floats) -> NoReturn:
    raise CoupleError("this NEURON model was released: another one has been loaded or attached since")
