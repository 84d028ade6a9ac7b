"""NEURON's table of what events go to, which SaveState fills when it first reads a file and keeps for the process."""

from __future__ import annotations

from adapters.neuron.hoc.h import library


def forget_event_targets() -> None:
    """Have NEURON look up the targets of self events anew when it reads a file.

    With another model since the first file that it has read in a process, the table points to objects that are gone,
    and reading ends in a failed assertion or a segmentation fault.
    """
    forget = getattr(library(), "_ZN9SelfEvent14savestate_freeEv", None)
    if forget is not None:
        forget()
