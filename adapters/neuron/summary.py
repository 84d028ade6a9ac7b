"""What a loaded model consists of, in a screenful: the lines of `couple check`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from adapters.neuron.coupling.ion_use import IonUse, carriers, ion_uses, mechanisms_in
from adapters.neuron.coupling.ownership import Words, ownership_lines
from adapters.neuron.hoc.h import h
from adapters.neuron.hoc.sections import all_sections, find_membrane, section_name
from adapters.neuron.mechanisms.builtin import ChannelPath
from adapters.neuron.mechanisms.history import calls_at_start
from adapters.neuron.mechanisms.user import loaded
from adapters.neuron.models.loader import LoadedModel, initial_voltage
from adapters.neuron.models.regions import region_of
from couple.components.attachments import Attachments, IonSegments
from couple.components.model_spec import ModelSpec

_MOST = 12
"""Lines of a kind before the rest is a count."""

_WIDTH = 100


def describe(path: ChannelPath, spec: ModelSpec, built: LoadedModel) -> list[str]:
    """Sections, mechanisms with the ions they use, compiled MOD files, and what is taken from model or experiment."""
    sections = all_sections()
    segments = sum(section.nseg for section in sections)
    slow = " (not compiled: slower)" if path == "KSChan" else ""
    name = f"{spec.model.name}:{spec.function}" if spec.function else spec.model.name
    return [
        f"model {name}: {_plural(len(sections), 'section')}, {_plural(segments, 'segment')}; "
        f"coupling mechanisms: {path}{slow}",
        *_shorten(_by_region(sections)),
        *_compiled(built),
        *_shorten(_mechanisms(sections)),
        *_globals(spec, built),
        *(f"changed by the experiment: {line}" for line in built.changes),
    ]


def ion_sources(segments: Sequence[str], ion: str = "ca") -> list[str]:
    """Which mechanisms carry the ion into each coupled segment; segments with the same ones share a line."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for name in segments:
        groups.setdefault(tuple(carriers(find_membrane(name), ion)), []).append(name)
    lines = []
    for found, names in groups.items():
        through = ", ".join(found) or f"nothing: no mechanism there has a current of {ion}"
        lines.append(f"i{ion} into {_listed(names)} through {through}")
    return _shorten(lines)


def owners_of(attachments: Attachments, ion: IonSegments, before: Sequence[Words], after: Sequence[Words]) -> list[str]:
    """Whose the concentration and the reversal potential of an ion are in each coupled segment, before and after."""
    groups: dict[str, list[str]] = {}
    for segment, text in ownership_lines(attachments, ion.ion, ion.segments, before, after):
        groups.setdefault(text, []).append(segment)
    split = [(*text.partition(" ")[::2], names) for text, names in groups.items()]
    return _shorten([f"{name} of {_listed(names)}: {words}" for name, words, names in split])


def _by_region(sections: Sequence[Any]) -> list[str]:
    groups: dict[str, list[Any]] = {}
    for section in sections:
        groups.setdefault(region_of(section_name(section)), []).append(section)
    lines = []
    for region, members in groups.items():
        length = sum(s.L for s in members)
        names = compressed(section_name(s) for s in members)
        lines.append(
            f"{region or 'sections'}: {names}; {_plural(sum(s.nseg for s in members), 'segment')}, {length:.4g} um"
        )
    return lines


def _compiled(built: LoadedModel) -> list[str]:
    if not built.mechanisms:
        return []
    return [f"compiled from MOD files: {', '.join(f'{n} ({f.name})' for n, f in sorted(built.mechanisms.items()))}"]


def _mechanisms(sections: Sequence[Any]) -> list[str]:
    """Mechanisms that use ions, each with how and where; the others in one line."""
    where: dict[tuple[str, bool], list[str]] = {}
    for section in sections:
        for mechanism in mechanisms_in(section):
            where.setdefault(mechanism, []).append(section_name(section))
    with_ions, others = [], []
    for (name, point), names in where.items():
        uses = ion_uses(name, point)
        if uses:
            with_ions.append((_rank(uses), f"{name} {'; '.join(map(str, uses))} in {_in(names, sections)}"))
        else:
            others.append(f"{name} in {_in(names, sections)}")
    lines = [line for _, line in sorted(with_ions, key=lambda pair: pair[0])]
    return [*lines, *([f"without ions: {'; '.join(others[:6])}{_more(len(others) - 6)}"] if others else [])]


def _rank(uses: Sequence[IonUse]) -> int:
    """Calcium first, and first of all who writes its concentration."""
    calcium = [u for u in uses if u.ion == "ca"]
    return 3 if not calcium else 0 if any(u.sets_concentration for u in calcium) else 1


def _in(names: Sequence[str], sections: Sequence[Any]) -> str:
    return "all sections" if len(names) == len(sections) > 1 else compressed(names)


def _globals(spec: ModelSpec, built: LoadedModel) -> list[str]:
    """Who says what of temperature, initial voltage and time step; what of the model's own wishes is not used."""

    def source(key: str, given: bool) -> str:
        own = built.model_globals.get(key)
        if not given:
            return "the model's" if own is not None else "the model's, or NEURON's default"
        return "the experiment's" if own is None else f"the experiment's; the model has {own:g}"

    lines = [
        f"celsius {h.celsius:g} ({source('celsius', spec.celsius is not None)}), "
        f"v_init {initial_voltage(spec):g} mV ({source('v_init', spec.v_init is not None)}), "
        f"dt {spec.dt:g} ms ({source('dt', True)})"
    ]
    own = built.model_globals.get("secondorder")
    if spec.second_order is not None or own is not None:
        used = own if spec.second_order is None else 2 * spec.second_order
        lines[0] += f", secondorder {used:g} ({source('secondorder', spec.second_order is not None)})"
    unused = [f"tstop = {built.model_globals['tstop']:g} ms"] if "tstop" in built.model_globals else []
    if built.procedure:
        lines.append(f'starts by {built.procedure}() of the model; neuron.init = "none" is finitialize(v_init) alone')
    unused += ["its own init()"] if built.defines_init and built.procedure != "init" else []
    unused += ["its own advance()"] if built.defines_advance else []
    if unused:
        lines.append(
            f"of the model not used: {', '.join(unused)} (couple starts it, then runs fixed steps for the experiment's "
            "duration)"
        )
    return lines


def notices(spec: ModelSpec, built: LoadedModel) -> Iterator[str]:
    """What every run says of the model: where its author's ways are not NEURON's own, or not those of couple."""
    if built.procedure and not spec.init:
        yield f'neuron.init: the model starts by its own {built.procedure}(); "none" is finitialize(v_init) alone'
    if built.defines_advance:
        yield "neuron.model: its own advance() is not called: its steps are NEURON's fixed ones"
    seeding = [m for m, text in loaded().items() if m in built.mechanisms and calls_at_start(text, "set_seed")]
    used = {name for section in all_sections() if seeding for name, _ in mechanisms_in(section)}
    for mechanism in seeding:
        if mechanism in used:
            yield (
                f"neuron.mechanisms: {built.mechanisms[mechanism].name} calls set_seed() when it is initialised: "
                "what it draws is the same with every experiment.seed"
            )


def compressed(names: Iterable[str]) -> str:
    """Names with runs of indices in one: "Cell[0].dend[0..55], soma", no longer than a line."""
    runs: list[tuple[str, list[int]]] = []
    for name in names:
        match = re.fullmatch(r"(.*)\[(\d+)\]", name)
        base, indices = (name, []) if match is None else (match[1], [int(match[2])])
        if indices and runs and runs[-1][0] == base and runs[-1][1][-1:] == [indices[0] - 1]:
            runs[-1][1].append(indices[0])
        else:
            runs.append((base, indices))
    return _listed([_run(base, indices) for base, indices in runs])


def _run(base: str, indices: Sequence[int]) -> str:
    if not indices:
        return base
    last = f"..{indices[-1]}" if len(indices) > 1 else ""
    return f"{base}[{indices[0]}{last}]"


def _listed(names: Sequence[str]) -> str:
    """Names up to a line's width, then how many more."""
    text, used = "", 0
    for name in names:
        if used and len(text) + len(name) > _WIDTH:
            break
        text += (", " if used else "") + name
        used += 1
    return text + _more(len(names) - used)


def _shorten(lines: Sequence[str]) -> list[str]:
    if len(lines) <= _MOST:
        return list(lines)
    return [*lines[: _MOST - 1], f"... and {len(lines) - _MOST + 1} more of these"]


def _more(n: int) -> str:
    return f" and {n} more" if n > 0 else ""


def _plural(n: int, what: str) -> str:
    return f"{n} {what}{'s' if n != 1 else ''}"
