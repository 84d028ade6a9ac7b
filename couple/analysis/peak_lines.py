"""Largest values as a person sees them: of many sites of one kind the least and the greatest, not a line each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

FEW = 4
"""As many of one kind have a line each."""

Line = tuple[str, str]


def peak_lines(peaks: Mapping[str, Mapping[str, float]], *, everything: bool = False) -> list[Line]:
    """Largest values, of many sites of one kind the least and the greatest of them."""
    found = [
        (name if owner == "neuron" else f"{owner} {name}", value)
        for owner, entries in peaks.items()
        for name, value in entries.items()
    ]
    lines = []
    for kind, members in kinds(found, everything):
        if len(members) == 1:
            lines.append((f"peak {members[0][0]}", f"{members[0][1]:.4g}"))
            continue
        low, high = min(members, key=lambda m: m[1]), max(members, key=lambda m: m[1])
        ends = " .. ".join(f"{value:.4g} in {_owner(name)}" for name, value in (low, high))
        lines.append((f"peak {kind} ({len(members)})", ends))
    return lines


def kinds[Value](found: list[tuple[str, Value]], everything: bool) -> Iterator[tuple[str, list[tuple[str, Value]]]]:
    """Entries whose names differ in numbers alone, where there are many of them; else each by itself."""
    kinds: dict[str, list[tuple[str, Value]]] = {}
    for name, value in found:
        kinds.setdefault(name if everything else _kind(name), []).append((name, value))
    for kind, members in kinds.items():
        if len(members) > FEW:
            yield kind, members
        else:
            yield from ((kind, [member]) for member in members)


def _kind(name: str) -> str:
    """ "spine_3.Ca -> neuron.cai" → "spine_*.Ca -> neuron.cai", "V dend[2](0.5) [mV]" → "V dend[*](*) [mV]".

    Of sites also "s7 Ca" → "s* Ca", and of drives "influx 20 /ms at 0 2 ms -> s7.Ca" → "influx * /ms at * * ms ->
    s*.Ca".
    """
    left, arrow, right = name.partition(" -> ")
    if arrow:
        left = re.sub(r"(?<![\w.])\d[\d.e+-]*(?=\s)", "*", left)
    sites = re.sub(r"((?:^|\bin |-> )[A-Za-z_]\w*?)\d+(?=\b|_)", r"\1*", left + arrow + right)
    return re.sub(r"(?<=[_\[(])\d+(\.\d+)?(?=\b|_)", "*", sites)


def _owner(name: str) -> str:
    """Site or segment of an entry: "spine_3 Ca [uM]" → "spine_3", "V dend[2](0.5) [mV]" → "dend[2](0.5)"."""
    words = name.split(" ")
    return words[1] if words[0] == "V" else words[0]
