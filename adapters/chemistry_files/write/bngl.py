"""BioNetGen: a network (.net), and a model (.bngl) whose rules are the reactions, each species a molecule type."""

from __future__ import annotations

from collections import Counter

from couple.base.errors import InputError
from couple.chemistry.counted import CountedChemistry, CountedReaction

SECOND = 1e3
"""ms, of BioNetGen's unit of time."""


def write_net(chemistry: CountedChemistry) -> str:
    """A network in molecules and seconds. Raises InputError for rate laws."""
    number = {name: k for k, name in enumerate(chemistry.places, 1)}
    species = [f"    {k} {name}() {chemistry.counts[name]!r}" for name, k in number.items()]
    rates, reactions = [], []
    for k, r in enumerate(_mass_action(chemistry), 1):
        sides = [",".join(str(number[n]) for n in side) or "0" for side in (r.reactants, r.products)]
        rates.append(f"    {k} rate_{k} {r.rate * SECOND!r}")
        reactions.append(f"    {k} {sides[0]} {sides[1]} rate_{k} #{r.text}")
    groups = [
        f"    {k} {name} {','.join(str(number[n]) if w == 1 else f'{w:g}*{number[n]}' for n, w in weights.items())}"
        for k, (name, weights) in enumerate(_whole_weights(chemistry), 1)
    ]
    return _head(chemistry) + _blocks(
        {"parameters": rates, "species": species, "reactions": reactions, "groups": groups}
    )


def write_bngl(chemistry: CountedChemistry) -> str:
    """A model in molecules and seconds, with the action that makes the network. Raises InputError for rate laws."""
    rules, rates = [], []
    for k, r in enumerate(_mass_action(chemistry), 1):
        left, right = (" + ".join(f"{n}()" for n in side) or "0" for side in (r.reactants, r.products))
        # of two of a kind a rule has one event for each pair, in whichever order
        rates.append(f"    rate_{k} {r.rate * SECOND * (2 if len(set(r.reactants)) < len(r.reactants) else 1)!r}")
        rules.append(f"    {left} -> {right} rate_{k} #{r.text}")
    observables = []
    for name, weights in _whole_weights(chemistry):
        patterns = [f"{n}()" for n, w in weights.items() for _ in range(round(w))]
        observables.append(f"    Molecules {name} {','.join(patterns)}")
    blocks = {
        "parameters": rates,
        "molecule types": [f"    {name}()" for name in chemistry.places],
        "seed species": [f"    {name}() {n!r}" for name, n in chemistry.counts.items()],
        "observables": observables,
        "reaction rules": rules,
    }
    return f"{_head(chemistry)}begin model\n{_blocks(blocks)}end model\ngenerate_network({{overwrite=>1}})\n"


def _mass_action(chemistry: CountedChemistry) -> list[CountedReaction]:
    for reaction in chemistry.reactions:
        if reaction.law is not None:
            raise InputError(f'"{reaction.text}" has a rate law, BioNetGen\'s files take mass action here: write SBML')
    return [r for r in chemistry.reactions if r.rate > 0]


def _whole_weights(chemistry: CountedChemistry) -> list[tuple[str, dict[str, float]]]:
    found = []
    for name, weights in chemistry.observables.items():
        if any(w != round(w) or w < 0 for w in weights.values()):
            raise InputError(f'the observable "{name}" has weights that are no whole numbers: write SBML')
        if weights and name not in chemistry.places:
            found.append((name, dict(weights)))
    return found


def _head(chemistry: CountedChemistry) -> str:
    kinds = Counter(chemistry.places.values())
    membrane = f", {chemistry.area!r} um^2 of membrane" if kinds["membrane"] else ""
    units = f'{{ amount = "count", volume = "{chemistry.volume!r} um^3", time = "s" }}'
    return (
        f"# {chemistry.name}: molecules and seconds in {chemistry.volume!r} um^3{membrane}\n"
        f"# to read it again: chemistry.units = {units}\n"
    )


def _blocks(blocks: dict[str, list[str]]) -> str:
    return "".join("\n".join([f"begin {name}", *lines, f"end {name}"]) + "\n" for name, lines in blocks.items())
