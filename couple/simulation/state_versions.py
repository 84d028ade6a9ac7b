"""Which form each state in a checkpoint has: what another version of the code has saved is refused, not misread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from couple.base.errors import InputError
from couple.components.component import State
from couple.components.state import text
from couple.exchange.exchange import Exchange
from couple.storage.records.recorder import Recorder
from couple.wiring import System

GROUP = "versions"
"""Of a checkpoint: component → form of its state."""


def versions_of(system: System) -> State:
    """Component → class and version of its state; of those that a component is made of, its class speaks for."""
    found: State = {c.name: f"{type(c).__name__} {c.state_version}" for c in system.components}
    return {**found, "exchange": f"Exchange {Exchange.state_version}", "recorder": f"Recorder {Recorder.state_version}"}


def check_versions(system: System, parts: Sequence[Mapping[str, State]]) -> None:
    """Raise InputError if a part of a checkpoint, one for each rank that wrote it, has a state of another form."""
    now = versions_of(system)
    for part in parts:
        if GROUP not in part:
            raise InputError("does not say in which form its states are: run again")
        for name in part[GROUP].keys() & now.keys():
            then = text(part[GROUP], name)
            if then != now[name]:
                changed = f"{then}, now {text(now, name)}"
                raise InputError(
                    f'has the state of "{name}" in another form ({changed}): resume with the version of couple that '
                    "wrote it, or run again"
                )
