"""Which changes of an experiment leave a saved state valid, so that a run may branch from it."""

from __future__ import annotations

import json
import re

from couple.base.errors import InputError
from couple.base.toml import flatten
from couple.chemistry.network import ReactionNetwork
from couple.experiment.drive import DriveBlock
from couple.experiment.experiment import Experiment

ALLOWED = "rates of reactions, influx, clamp and events of drives, experiment.duration and experiment.max_debt may"

_FREE = (
    r"experiment\.(name|seed|duration|max_debt)",
    r"chemistry\.reactions\[\d+\]\.(forward|backward|rate_law|parameters|q10|at)\b.*",
    r"drive\[\d+\]\.(influx|clamp|events)\b.*",
    r"(checkpoint|run|vary|features)\b.*",
)

_REASONS = {
    r"site\[\d+\]\.(geometry|segment|sections|place|cells)": "the molecules of the state lie in the old geometry",
    r"site\[\d+\]\.engine": "the state is that of the engine which saved it",
    r"site\b": "the state is that of sites and meshes as they were built",
    r"chemistry\.(initial|rounding)": "it is of t = 0, and the state has amounts of its own",
    r"chemistry\.(species|D|contains|reservoirs|observables)": "the state counts the species as they were",
    r"chemistry\b": "the state counts the species of the chemistry as it was",
    r"drive\b": "what is driven, and how, is wired into the state",
    r"(neuron|network|spine)\b": "values of the model are part of the state",
    r"link\b": "what links carry and owe is part of the state",
    r"record\b": "sums since the last row are part of the state",
    r"experiment\b": "the state stands in the clock and the scheme as they were",
}


def refuse_invalid_changes(then: Experiment, now: Experiment) -> None:
    """Raise InputError, that names the key and the reason, for a change after which a saved state is none any more.

    then: what the state was saved with. now: what is to go on from it.
    """
    for key in changed_paths(then, now):
        if not any(re.fullmatch(pattern, key) for pattern in _FREE):
            why = next((why for start, why in _REASONS.items() if re.match(start, key)), "it is part of the state")
            raise InputError(f"cannot change in a branch: {why} ({ALLOWED})", where=key)
    for k, kinds in enumerate(zip(map(_kind, then.drive), map(_kind, now.drive), strict=True)):
        if kinds[0] != kinds[1]:
            raise InputError(f"was {kinds[0]} and cannot become {kinds[1]} in a branch", where=f"drive[{k}]")
    before, after = (_but_for_rates(e.network()) for e in (then, now))
    if before != after:
        key = next((k for k in changed_paths(then, now) if k.startswith("chemistry")), "chemistry")
        raise InputError("adds or removes a reaction: in a branch its rate may change", where=key)


def changed_paths(then: Experiment, now: Experiment) -> list[str]:
    """Dotted keys whose values differ, in the order of their names."""
    before, after = (flatten(json.loads(json.dumps(e.source, default=str))) for e in (then, now))
    return [key for key in sorted({*before, *after}) if before.get(key) != after.get(key)]


def _kind(drive: DriveBlock) -> str:
    return next(kind for kind in ("influx", "clamp", "replay", "events") if getattr(drive, kind) is not None)


def _but_for_rates(network: ReactionNetwork) -> tuple[object, ...]:
    reactions = [(sorted(r.reactants), sorted(r.products), r.law is None) for r in network.reactions]
    return network.species, network.states, network.observables, reactions
