"""Who writes and reads the concentration and the reversal potential of an ion in a segment, in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from adapters.neuron.coupling.ion_ownership import density_names, held_reversal, reversal_style
from adapters.neuron.coupling.ion_use import ion_uses
from adapters.neuron.hoc.sections import section_name
from couple.components.attachments import Attachments

OURS = "couple_"
"""What names of our own mechanisms begin with; they stand for the chemistry, but for channels that a model inserts."""

CHANNELS = ("couple_cav", "couple_nmda")

Words = tuple[str, str]
"""Of the concentration, and of the reversal potential."""


def ownership(ion: str, segments: Sequence[Any]) -> list[Words]:
    """Words for every segment, of the model as it is now; before or after it is coupled."""
    known: dict[tuple[str, tuple[str, ...]], Words] = {}
    found = []
    for segment in segments:
        points = tuple(sorted({p.hname().split("[")[0] for p in segment.point_processes()}))
        key = (section_name(segment.sec), points)
        if key not in known:
            known[key] = _words(ion, segment, points)
        found.append(known[key])
    return found


def _words(ion: str, segment: Any, points: Sequence[str]) -> Words:
    there = [*((n, False) for n in density_names(segment.sec)), *((n, True) for n in points)]
    models = [(n, point) for n, point in there if n in CHANNELS or not n.startswith(OURS)]
    uses = [(n, use) for n, point in models for use in ion_uses(n, point) if use.ion == ion]

    def who(name: str, kind: str) -> str:
        return ", ".join(n for n, use in uses if name in getattr(use, kind))

    inside, reversal = f"{ion}i", f"e{ion}"
    writers, readers = who(inside, "writes"), who(inside, "reads")
    return (
        f"{f'written by {writers}' if writers else 'constant'}, read by {readers or 'nothing'}",
        f"{_law(ion, segment, who(reversal, 'writes'))}, read by {who(reversal, 'reads') or 'nothing'}",
    )


def _law(ion: str, segment: Any, writers: str) -> str:
    if writers:
        return f"written by {writers}"
    if not segment.sec.has_membrane(f"{ion}_ion"):
        return "not there"
    held = held_reversal(ion, segment)
    style, at_start, at_steps = reversal_style(ion, segment.sec)
    if at_steps:
        return f"follows {ion}i by Nernst"
    if held is None and at_start and style:
        return f"by Nernst at the start of {ion}i"
    return f"constant at {getattr(segment, f'e{ion}'):g} mV"


def ownership_lines(
    attachments: Attachments, ion: str, segments: Sequence[str], before: Sequence[Words], after: Sequence[Words]
) -> list[tuple[str, str]]:
    """(segment, what of its concentration and reversal potential is whose, before and after), for every segment."""
    listened = {s for one in attachments.ions if one.ion == ion for s in one.listened}
    given: dict[str, list[str]] = {}
    for one in attachments.given:
        if one.ion == ion:
            given.setdefault(one.segment, []).append(one.mechanism)
    lines = []
    for name, (c0, e0), (c1, e1) in zip(segments, before, after, strict=True):
        if name not in listened:
            said = c1.partition(", read")[0]
            beside = f" (what {said.removeprefix('written by ')} writes is not read)" if "by" in said else ""
            c1 = f"the chemistry's{beside}, read{c1.partition(', read')[2]}"
        if name in given:
            c1 += f" ({', '.join(given[name])}: the chemistry's instead)"
        lines += [(name, f"{ion}i {_change(c0, c1)}"), (name, f"e{ion} {_change(e0, e1)}")]
    return lines


def _change(before: str, after: str) -> str:
    return f"{before}: as without couple" if before == after else f"{before}; with couple {after}"
