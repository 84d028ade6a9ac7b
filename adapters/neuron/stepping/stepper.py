"""NEURON's fixed steps, from one exchange to the next, and what can go wrong in them.

A window is `psolve`, or in one process a function of ours (couple_windows.mod) that does what psolve does there but for
an alarm, which is set and removed by four calls of the system.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import NoReturn

from adapters.neuron.hoc.h import h, pc
from adapters.neuron.hoc.messages import Messages
from adapters.neuron.hoc.python_exit import ModelExit, python_exits
from adapters.neuron.hoc.quit import has_quit, quit_error_of
from adapters.neuron.mechanisms.builtin import channel_path
from couple.base.errors import RunError

_MAX_STEP = 10.0
"""ms; psolve wants one. With spikes between ranks NEURON takes the shortest delay if that is less."""


def in_one_call() -> bool:
    """Whether our functions step NEURON: in one process, with compiled mechanisms."""
    return channel_path() == "MOD" and int(pc.nhost()) == 1


class Stepper:
    """Carries out steps of `dt` ms. model_files: of the loaded model, for messages.

    steps: taken so far. seconds: that they took.
    """

    def __init__(self, dt: float, model_files: Sequence[Path]) -> None:
        self.dt, self.steps, self.seconds = dt, 0, 0.0
        self._files, self._said = model_files, Messages()
        self._time, self._step = h._ref_t, h._ref_dt
        self._solve: Callable[[float], object] = self._solve_first

    def initialise(self) -> None:
        """Before the model is."""
        pc.set_maxstep(_MAX_STEP)
        self._solve = self._solve_first

    @property
    def ready(self) -> bool:
        """Whether it has gone a window since it was initialised, by psolve, which refuses what does not fit."""
        return self._solve != self._solve_first

    def advance(self, ticks: int) -> None:
        """Go so many steps. Raises RunError for errors of NEURON, and if it is not where it should be then."""
        self.steps += ticks
        # NEURON does the steps that fit below its target, by its own sum of dt: half a step more makes it exact.
        target = (self.steps + 0.5) * self.dt
        with self.calling():
            begun = perf_counter()
            self._solve(target)
            self.seconds += perf_counter() - begun
        if abs(self._time[0] - target) > self.dt or self._step[0] != self.dt:
            self.refuse_time()

    def _solve_first(self, target: float) -> None:
        """By psolve; from then on without it."""
        pc.psolve(target)
        self._solve = h.couple_integrate if in_one_call() else pc.psolve

    @contextmanager
    def calling(self) -> Iterator[None]:
        """Around calls of NEURON: its errors are RunErrors, and what it has to say is said once."""
        stderr, sys.stderr = sys.stderr, self._said.stream
        python_exits.inside = True
        try:
            yield
            if python_exits.called:
                raise ModelExit(python_exits.called)
        except (RuntimeError, ModelExit) as error:
            said = (self._said.errors or [str(error)])[0]
            self._said.clear()
            said = str(quit_error_of(self._files)) if has_quit([said]) else said
            raise RunError(f"NEURON stopped at t = {h.t:g} ms: {said}") from error
        finally:
            sys.stderr, python_exits.inside = stderr, False
            if self._said.stream.tell():
                stderr.write(self._said.stream.getvalue())
                self._said.clear()

    @contextmanager
    def attached(self) -> Iterator[None]:
        """Around all that reads or writes variables of the model: RunError where one of them is gone."""
        try:
            yield
        except (ValueError, RuntimeError) as error:
            if "data_handle" not in str(error):
                raise
            raise RunError(
                f"at t = {h.t:g} ms a section or mechanism that sites are coupled to is gone: a model may not delete "
                "it while it runs"
            ) from error

    def refuse_time(self) -> NoReturn:
        """Raise RunError: NEURON is at another time than its steps make."""
        raise RunError(f"NEURON is at t = {h.t:g} ms instead of {self.steps * self.dt:g} ms: has the model changed dt?")
