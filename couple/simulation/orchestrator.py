"""The loop: advance, exchange, record. It knows components only by their contract."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from couple.base.arrays import Floats
from couple.base.errors import RunError
from couple.components.component import Component, State
from couple.components.state import number, whole
from couple.exchange.exchange import Exchange
from couple.exchange.ledger import Ledger
from couple.parallel.communicator import ElsewhereError, world
from couple.rng.streams import branch_seed
from couple.simulation.compiled_loop import CompiledLoop
from couple.simulation.restored_states import refuse_impossible
from couple.simulation.schemes.choose_scheme import chosen_scheme
from couple.simulation.schemes.scheme import Scheme
from couple.simulation.schemes.window_pass import EXCHANGE, WindowPass
from couple.storage.records.recorder import Recorder
from couple.wiring import System


class Orchestrator:
    """Advances a wired system window by window.

    scheme: "staggered" (Gauss-Seidel): the electrical model first, its ions enter the sites over the same window.
    "parallel" (Jacobi): both advance from the same moment; ions enter one window later.
    "extrapolated", "iterated": see couple.simulation.schemes.

    loop: carries out many windows at once in `run`; None where `step` takes one after the other.
    """

    def __init__(self, system: System, recorder: Recorder, scheme: str, max_debt: float) -> None:
        self.system, self.recorder = system, recorder
        self.exchange: Exchange = system.exchange(recorder.sampled, recorder.summed, max_debt)
        self.window = 0
        timed = [*system.components, *system.together]
        self.seconds = dict.fromkeys([*(c.name for c in timed), EXCHANGE], 0.0)
        alone = [engine for engine in system.engines if engine not in system.together]
        first: list[Component | None] = [system.electrics, system.drive]
        second: list[Component | None] = [*alone, *system.together]
        self._parallel = scheme == "parallel"
        if self._parallel:
            first, second = [system.drive], [system.electrics, *second]
        self._compile(alone)
        if system.plan.helped:
            world().gather(None)  # nobody waits for one that has failed
            with world().waiting():
                self._compile(system.together)
        before, after = ([c for c in some if c is not None] for some in (first, second))
        self._pass = WindowPass(before, after, self.exchange, self.seconds)
        self._scheme = chosen_scheme(system, self.exchange, self._pass)
        self.loop = CompiledLoop.of(system, self._pass, recorder) if self._scheme is None else None

    def _compile(self, engines: Sequence[Component]) -> None:
        """Try a window of each engine and undo it: kernels are compiled or loaded before anything is timed."""
        ports = self.system.memory.block.copy()
        for engine in engines:
            state = engine.save()
            with suppress(RunError, ElsewhereError):  # it will come again, with its time
                engine.advance(self.system.plan.clock.window)
            engine.restore(state)
        self.system.memory.block[:] = ports

    def start(self) -> None:
        """Hand over the initial state and record it as row 0."""
        self.exchange.prime()
        if self._scheme is not None:
            self._scheme.clear()
        self.exchange.note(self.recorder.rows, self.recorder.next_row)
        self.recorder.written()

    def restart(self, starts: Mapping[str, State], memory: Floats, seed: int) -> None:
        """A new run of another seed in the same system, as if it had been wired with that seed.

        starts: by component, and memory: the block of port values, both as they were before `start`.
        Raises CannotRestart if a component cannot.
        """
        self.system.memory.block[:] = memory
        electrics = self.system.electrics
        for component in self.system.components:
            if component is not electrics:
                component.restart(starts[component.name], seed)
        if electrics is not None:  # after the engines, whose molecules are its concentrations
            electrics.set_starts(self.system.starts())
            electrics.restart(starts[electrics.name], seed)
        self.exchange.clear(seed)
        self.recorder.clear()
        self.window = 0
        self.start()

    def step(self) -> None:
        """One exchange window. Raises RunError if a part of it cannot go on."""
        clock, recorder = self.system.plan.clock, self.recorder
        due = (self.window + 1) % clock.record == 0
        row = recorder.next_row if due else -1
        if self._scheme is None:
            t = self._pass.run(clock.window)
            self.exchange.collect(recorder.rows, row)
            self._pass.charge(t)
        else:
            self._scheme.step(recorder.rows, row)
        self.window += 1
        if due:
            recorder.written()

    def run(
        self,
        until: int,
        after_window: Callable[[], bool] | None = None,
        pause: Callable[[], int] | None = None,
    ) -> None:
        """Step to window `until`, or until `after_window` says stop.

        pause: the window after which `after_window` has to be called at the latest; each, if it is not given.
        A RunError carries the simulated time at which it happened.
        """
        while self.window < until:
            last = until if after_window is None else self.window + 1
            if pause is not None:
                last = min(until, pause())
            try:
                if self.loop is None or not self.loop.ready:
                    self.step()
                else:
                    self._leap(self.loop, last - self.window)
            except RunError as error:
                raise RunError(f"t = {self.time:.6g} {self.system.plan.clock.unit}: {error}") from error
            if after_window is not None and after_window():
                return

    def _leap(self, loop: CompiledLoop, windows: int) -> None:
        """Some windows in one call, at least one."""
        try:
            loop.run(self.window, windows, self.seconds)
        finally:
            self.window += loop.done

    @property
    def time(self) -> float:
        """Simulated ms."""
        return self.system.plan.clock.time(self.window)

    @property
    def scheme(self) -> Scheme | None:
        """What carries out windows, where each is not simply advanced once."""
        return self._scheme

    @property
    def exchanges(self) -> int:
        """Exchanges so far; where their intervals are chosen, more than windows of the clock."""
        return self.window if self._scheme is None else len(self._scheme.lengths()) or self.window

    def ledger(self) -> Ledger:
        """The books as they stand."""
        return Ledger.of(self.exchange, in_flight=self._parallel)

    def save(self) -> dict[str, State]:
        """All states by name; the recorder closes its segment."""
        states: dict[str, State] = {f"component.{c.name}": c.save() for c in self.system.components}
        states["exchange"] = self.exchange.save()
        states["recorder"] = self.recorder.save()
        if self._scheme is not None:
            states["scheme"] = self._scheme.save()
        states["clock"] = {"window": self.window, **{f"seconds.{k}": v for k, v in self.seconds.items()}}
        return states

    def restore(self, states: Mapping[str, State]) -> None:
        """Take up what `save` of an equal system made."""
        self._take_up(states)
        self.recorder.restore(states["recorder"])

    def branch(self, states: Mapping[str, State], seed: int) -> None:
        """Go on from what `save` of an equal system made, with random numbers of another seed; rates may be others.

        The books go on, rows are those that come after.
        """
        self._take_up(states)
        self.recorder.clear()
        self.recorder.first = self.window // self.system.plan.clock.record + 1
        self.reseed(seed)

    def reseed(self, seed: int) -> None:
        """From here on random numbers of another seed; they depend on the window in which this is."""
        now = branch_seed(seed, self.window)
        for component in self.system.components:
            component.reseed(now)
        self.exchange.reseed(now)

    def _take_up(self, states: Mapping[str, State]) -> None:
        self.exchange.restore(states["exchange"])
        for component in self.system.components:
            component.restore(states[f"component.{component.name}"])
        # Components may have touched their ports on restoring: the exchange's memory is the authority.
        self.exchange.restore(states["exchange"])
        if self._scheme is not None:
            self._scheme.restore(states["scheme"])
        refuse_impossible(self.system, self.exchange, states)
        clock = states["clock"]
        self.window = whole(clock, "window")
        self.seconds.update({k: number(clock, f"seconds.{k}") for k in self.seconds})
