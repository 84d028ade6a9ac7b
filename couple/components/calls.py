"""What a compiled loop over windows calls: functions of compiled code, or of Python where there are none."""

from __future__ import annotations

import ctypes
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from couple.base.arrays import Floats

_FUNCTION = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)


@dataclass(frozen=True, eq=False)
class Call:
    """A function of compiled code, int64 (int64), and the number that it is given; 0 from it says that all went well.

    answer: takes what it gave back if that is not 0: raises, or does in Python what was left undone. kept: what the
    number points to.
    """

    function: int
    context: int
    answer: Callable[[int], None]
    kept: Any = field(repr=False)


def python_call(function: Callable[[], object]) -> Call:
    """The call of a function of Python, which may raise anything."""
    raised: list[BaseException] = []

    def guarded(_: int) -> int:
        try:
            function()
        except BaseException as error:  # noqa: BLE001 through compiled code nothing may be thrown: it is raised behind it
            raised.append(error)
            return 1
        return 0

    def answer(_: int) -> None:
        raise raised.pop()

    made = _FUNCTION(guarded)
    return Call(ctypes.cast(made, ctypes.c_void_p).value or 0, 0, answer, made)


class Windows(ABC):
    """A loop over windows in compiled code: each a list of calls, with those of an electrical model among them.

    done: windows that the last `run` has carried out, whole. own: which of the calls are the model's.
    """

    done: int
    own: slice

    @property
    @abstractmethod
    def ready(self) -> bool:
        """Whether the model has been advanced by itself since it was initialised, as it has to be once."""

    @property
    @abstractmethod
    def seconds(self) -> Floats:
        """(n_calls,) that each call took so far."""

    @abstractmethod
    def run(self, windows: int, pause: float) -> None:
        """Carry out at most so many windows, at least one, and begin none after `pause` seconds; `done` says how many.

        Raises what a call raises; `done` then says how many there were before.
        """
