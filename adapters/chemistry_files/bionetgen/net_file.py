"""BioNetGen networks: the `.net` file that BioNetGen writes with generate_network().

Read: parameters and functions that are arithmetic, species, reactions with rates that are constant, functions of
observables, Sat, MM or Hill, groups, also with weights. Blocks that say nothing that the network does not (molecule
types, observables, reaction rules) are passed over, everything else is refused by name. A species like A(b!1).B(a!1)
becomes A_b1_B_a1.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from adapters.chemistry_files.at_line import at_line
from adapters.chemistry_files.bionetgen.arithmetic import evaluate
from adapters.chemistry_files.bionetgen.blocks import Lines, check_amounts, read_text, split_blocks
from adapters.chemistry_files.bionetgen.laws import NetLaws
from adapters.chemistry_files.elementary import HIGHEST, reactions_of
from adapters.chemistry_files.model import CountModel, CountReaction, Size, Units, read_units
from couple.base.errors import InputError
from couple.chemistry.laws.expression import apply, combine
from couple.chemistry.laws.expression import name as make_name
from couple.chemistry.laws.expression import number as make_number

SECOND = 1e3
"""ms, of the unit of time that BioNetGen's models have where nothing is said."""
_NUMBERS = re.compile(r"\d+(,\d+)*")


class NetSpecies(NamedTuple):
    """A species of a file; compartment: "volume", or one of `Units.compartments`."""

    name: str
    compartment: str
    held: bool


def read_net(path: Path, units: object = None) -> dict[str, Any]:
    """The content of `[chemistry]` from a `.net` file. units: the table `chemistry.units`, which such a file needs.

    Raises InputError that names the file, and the line of what is not read.
    """
    text = read_text(path)
    given = read_units(units, path.name)
    if given is None:
        raise InputError(
            f'{path.name} does not say its units: add chemistry.units = {{ amount = "count", volume = "1 um^3", '
            'time = "s" } (or amount = "uM" without a volume)'
        )
    try:
        check_amounts(text, given)
        return _model(split_blocks(text), given).chemistry()
    except InputError as error:
        raise error.inside(str(path)) from None


def _model(blocks: Mapping[str, Lines], units: Units) -> CountModel:
    parameters = _values(blocks)
    species, counts = _species(blocks, parameters, units)
    held = {found.name: counts.pop(found.name) for found in species.values() if found.held}
    names = {number: found.name for number, found in species.items()}
    groups = dict(_groups(blocks, names))
    laws = NetLaws(parameters, _functions(blocks), {g: w for g, (_, w) in groups.items()}, held, units.amount)
    reactions = tuple(_reactions(blocks, names, laws, units))
    observables = {shown: free for shown, weights in groups.values() if (free := _observed(shown, weights, held))}
    places = {found.name: found.compartment for found in species.values() if not found.held}
    sizes = {name: size for name, size in units.compartments.items() if name in places.values()}
    return CountModel(sizes or {"volume": Size(units.volume)}, places, counts, reactions, observables)


def _values(blocks: Mapping[str, Lines]) -> dict[str, float]:
    """Parameters and constant functions, in the order in which they can be worked out.

    A function that depends on what changes is left out: a rate that needs it does not know its name.
    """
    left = [(number, *_assignment(line)) for number, line in blocks.get("parameters", ())]
    values: dict[str, float] = {}
    while left:
        later: list[tuple[int, str, str]] = []
        for number, name, expression in left:
            try:
                values[name] = evaluate(expression, values)
            except InputError as error:
                later.append((number, name, expression))
                refused = InputError(f"line {number}: {error.message}")
        if len(later) == len(left):
            raise refused
        left = later
    for _, line in blocks.get("functions", ()):
        name, expression = _assignment(line)
        try:
            values[name.partition("(")[0]] = evaluate(expression, values)
        except InputError:
            continue
    return values


def _assignment(line: str) -> tuple[str, str]:
    """Name and expression of "1 k 2*3", "k = 2*3" or "1 f() = k"."""
    name, _, expression = re.sub(r"^\d+:?\s+", "", line).replace("=", " ", 1).strip().replace("\t", " ").partition(" ")
    return name, expression.strip()


def _species(
    blocks: Mapping[str, Lines], parameters: Mapping[str, float], units: Units
) -> tuple[dict[int, NetSpecies], dict[str, float]]:
    """Number → species; and name → molecules at the start."""
    found: dict[int, NetSpecies] = {}
    counts: dict[str, float] = {}
    for line_number, line in blocks.get("species", ()):
        with at_line(line_number):
            index = re.match(r"(\d+):?\s+", line)
            number = int(index[1]) if index else len(found) + 1
            pattern, expression = _pair(line[index.end() :] if index else line)
            if number in found:
                raise InputError(f"there are two species {number}")
            compartment, held, bare = _placed(pattern)
            name = _name(bare, counts)
            found[number] = NetSpecies(name, _place(compartment, pattern, units), held)
            counts[name] = evaluate(expression, parameters) * units.amount
            if counts[name] < 0:
                raise InputError(f'species "{pattern}" starts with a negative amount')
    if not found:
        raise InputError('holds no species; is it a network (.net) written by "generate_network"?')
    return found, counts


def _placed(pattern: str) -> tuple[str, bool, str]:
    """Compartment ("" without one), whether it is held, and the pattern without "$", of "@EC::$L(r)"."""
    match = re.match(r"(\$?)@(\w+)::?(\$?)", pattern)
    if match is None:
        return "", pattern.startswith("$"), pattern.removeprefix("$")
    return match[2], bool(match[1] or match[3]), f"{match[2]}_{pattern[match.end() :]}"


def _place(compartment: str, pattern: str, units: Units) -> str:
    """The compartment of a species among those whose sizes are given; without any they are all the site's volume."""
    if not units.compartments:
        return "volume"
    if compartment not in units.compartments:
        raise InputError(
            f'species "{pattern}" is in {f"the compartment {compartment}" if compartment else "no compartment"}, '
            f"of which chemistry.units.volume gives no size (it gives {', '.join(units.compartments)})"
        )
    return compartment


def _functions(blocks: Mapping[str, Lines]) -> dict[str, str]:
    """Name → text of each function without arguments."""
    found = (_assignment(line) for _, line in blocks.get("functions", ()))
    return {name.removesuffix("()"): expression for name, expression in found}


def _reactions(
    blocks: Mapping[str, Lines], names: Mapping[int, str], laws: NetLaws, units: Units
) -> Iterator[CountReaction]:
    """Reactions; amounts of what is held are part of their rates, and what changes nothing is left out."""
    for number, line in blocks.get("reactions", ()):
        with at_line(number):
            left, right, law = _parts_of(line, names)
            before, after = (tuple(n for n in side if n not in laws.held) for side in (left, right))
            if sorted(left) == sorted(right) or sorted(before) == sorted(after):
                continue
            yield from _reaction(line, (left, before, after), law, laws, units)


def _reaction(
    line: str, sides: tuple[tuple[str, ...], ...], law: str, laws: NetLaws, units: Units
) -> Iterator[CountReaction]:
    """sides: reactants, those that are not held, products that are not held."""
    left, before, after = sides
    time = units.time or SECOND
    constant = _constant(law, laws.parameters)
    if constant is None:
        rate = apply("mul", make_number(units.amount / time), laws.rate(law, left))
        yield from reactions_of(line, before, after, rate, reversible=False)
        return
    if constant < 0:
        raise InputError(f'the rate "{law}" is negative')
    rate_of_counts = constant * units.amount ** (1 - len(left)) / time
    for name in left:
        rate_of_counts *= laws.held.get(name, 1.0)
    if len(before) > HIGHEST and len({*before}) == len(before) and rate_of_counts:
        # of two of a kind whole molecules count pairs in order, which no law says
        law_of_counts = combine("mul", [make_number(rate_of_counts), *(make_name(n) for n in before)])
        yield CountReaction(line, before, after, 1.0, law_of_counts)
        return
    yield CountReaction(line, before, after, rate_of_counts)


def _constant(law: str, parameters: Mapping[str, float]) -> float | None:
    """A rate that is a number; None if it is no such expression."""
    try:
        return evaluate(law, parameters)
    except InputError:
        return None


def _parts_of(line: str, names: Mapping[int, str]) -> tuple[tuple[str, ...], tuple[str, ...], str]:
    """Reactants, products and rate of "1 1,2 3 k"; the reaction's own number may be missing."""
    words = line.split(None, 3)
    if len(words) == 4 and all(_NUMBERS.fullmatch(w) for w in words[1:3]):
        sides, law = words[1:3], words[3]
    else:
        words = line.split(None, 2)
        if len(words) < 3:
            raise InputError(f'"{line}" is not "reactants products rate"')
        sides, law = words[:2], words[2]
    left, right = (_members(side, names) for side in sides)
    return left, right, law.strip()


def _members(side: str, names: Mapping[int, str]) -> tuple[str, ...]:
    """Names of the species "1,2"; "0" is nothing."""
    if side == "0":
        return ()
    if not _NUMBERS.fullmatch(side):
        raise InputError(f'"{side}" is not a list of species numbers')
    return tuple(_member(n, names) for n in side.split(","))


def _member(text: str, names: Mapping[int, str]) -> str:
    if int(text) not in names:
        raise InputError(f"there is no species {text}; there are {len(names)}")
    return names[int(text)]


def _groups(
    blocks: Mapping[str, Lines], names: Mapping[int, str]
) -> Iterator[tuple[str, tuple[str, dict[str, float]]]]:
    """Name, name as an observable and weights of each group; one that has a species' name is called NAME_group."""
    for number, line in blocks.get("groups", ()):
        with at_line(number):
            parts = re.sub(r"^\d+:?\s+", "", line).split(None, 1)
            weights = Counter[str]()
            for member in parts[1].replace(" ", "").split(",") if len(parts) > 1 else ():
                weight, _, species = member.rpartition("*")
                if not (species.isdigit() and (not weight or weight.isdigit())):
                    raise InputError(f'"{member}" in the group "{parts[0]}" is no species number, nor "weight*number"')
                weights[_member(species, names)] += int(weight or 1)
            name = re.sub(r"\W", "_", parts[0])
            shown = f"{name}_group" if name in names.values() and weights != {name: 1} else name
            yield parts[0], (shown, {species: float(w) for species, w in weights.items() if w})


def _observed(name: str, weights: Mapping[str, float], held: Mapping[str, float]) -> dict[str, float]:
    """What a group counts; nothing of one of a single species that has its name, which says nothing new."""
    free = {species: w for species, w in weights.items() if species not in held}
    return {} if free == {name: 1.0} else free


def _pair(line: str) -> tuple[str, str]:
    parts = line.split(None, 1)
    if len(parts) < 2:
        raise InputError(f'"{line}" is not "species amount"')
    return parts[0], parts[1]


def _name(pattern: str, taken: Mapping[str, float]) -> str:
    """A name for a BNGL pattern: letters, digits and single underscores."""
    plain = re.sub(r"[^A-Za-z0-9]+", "_", pattern.replace("()", "").replace("!", "")).strip("_")
    plain = plain if re.match(r"[A-Za-z]", plain) else f"S_{plain}"
    name, k = plain, 2
    while name in taken:
        name, k = f"{plain}_{k}", k + 1
    return name
