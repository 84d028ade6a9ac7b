"""Compartments: parts of a site that some species have to themselves, such as cytosol and ER.

A compartment takes up a share of the site everywhere alike, as organelles do in a model that does not resolve them.
Rates and concentrations of a chemistry are those of the compartments; engines see one volume, and rates that are the
same in it: with concentrations c of a compartment of share s, those of the whole site are s c, so that k c_A c_B in
the compartment is (k / s) of the site's concentrations per volume of the site. It is exact in every engine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from couple.base.errors import InputError
from couple.chemistry.laws.expression import apply, name, number, substitute
from couple.chemistry.laws.rate_law import RateLaw
from couple.chemistry.reaction import Place, Reaction


@dataclass(frozen=True)
class Home:
    """Where a species lives. name: of the compartment; on: what it is a part of; share: how much of that it is.

    region: of a mesh's membrane, if it is one: a compartment that is in one place.
    """

    name: str
    on: Place
    share: float = 1.0
    region: str = ""


WHOLE = {"volume": Home("volume", "volume"), "membrane": Home("membrane", "membrane")}
"""The homes of species that are in no compartment."""


def by_whole_site(reaction: Reaction, homes: Mapping[str, Home]) -> Reaction:
    """A reaction whose rate is that of its compartments, with the rate that it has in the whole site.

    homes: of every species. Raises InputError where there is no one compartment that a rate constant can be of.
    """
    if reaction.law is not None:
        return replace(reaction, law=_law_by_site(reaction, reaction.law, homes))
    home = home_of_rate(reaction, homes)
    ordered = any(n in homes for n in reaction.reactants)
    scale = 1.0 if home is None else 1.0 / home.share if ordered else home.share
    if scale != 1.0 and reaction.per != "time":
        raise InputError(f'"{reaction}" has a rate per {reaction.per}: lattices without lengths know no compartments')
    return replace(reaction, rate=reaction.rate * scale, of_share=scale)


def check_regions(reaction: Reaction, homes: Mapping[str, Home], D: Mapping[str, float]) -> None:
    """Raise InputError for a reaction by which molecules of a region come to be elsewhere, or move out of it.

    homes, D: of every species, µm²/ms.
    """
    here = {homes[n].region for n in reaction.reactants if n in homes and homes[n].on == "membrane"}
    for n in reaction.products:
        if n not in homes or homes[n].on != "membrane" or here == {homes[n].region}:
            continue
        if homes[n].region or any(here):
            raise InputError(
                f'"{reaction}" makes {n}, which is on "{homes[n].name}", of what is '
                f"{'on ' + ', '.join(repr(r or 'membrane') for r in sorted(here)) if here else 'on no membrane'}: "
                "molecules of a region stay there; put both on the same"
            )
    for n in {*reaction.reactants, *reaction.products}:
        if n in homes and homes[n].region and D.get(n, 0.0) > 0:
            raise InputError(f'{n} is on the region "{homes[n].region}" and moves: nothing holds it there; give D = 0')


def home_of_rate(reaction: Reaction, homes: Mapping[str, Home]) -> Home | None:
    """The compartment whose size stands between a rate constant and molecules; None of order 1, which needs none.

    homes: of species; other names are reservoirs. Raises InputError for two reactants, or products made of nothing, in
    different volumes or membranes.
    """
    left = [n for n in reaction.reactants if n in homes]
    if len(left) == 1:
        return None
    names = left or [n for n in reaction.products if n in homes]
    for on in WHOLE:
        there = [n for n in names if homes[n].on == on]
        for other in there[1:]:
            if homes[other] != homes[there[0]]:
                one, two = homes[there[0]].name, homes[other].name
                raise InputError(
                    f'"{reaction}": {there[0]} is in "{one}" and {other} in "{two}", and a rate constant is of one of '
                    "them: give a rate_law, whose events are counted by the size of the first species' compartment"
                )
    return next((homes[n] for on in WHOLE for n in names if homes[n].on == on), None)


def law_home(reaction: Reaction, law: RateLaw, homes: Mapping[str, Home]) -> Home:
    """The compartment by whose size a law counts events: that of the first species that lives on such a place.

    Looked at are reactants, products, then what else stands in the law. The whole site, if none does.
    """
    names = (*reaction.reactants, *reaction.products, *law.names)
    return next((homes[n] for n in names if n in homes and homes[n].on == law.on), WHOLE[law.on])


def _law_by_site(reaction: Reaction, law: RateLaw, homes: Mapping[str, Home]) -> RateLaw:
    """A law of the compartments' concentrations as one of the whole site's."""
    size = law_home(reaction, law, homes).share
    if size == 1.0 and all(homes[n].share == 1.0 for n in law.names):
        return law
    tree = substitute(law.tree, lambda n: apply("div", name(n), number(homes[n].share)))
    return replace(law, tree=apply("mul", number(size), tree))
