"""Sites that several ranks solve together: who they are, and that all of them know it."""

from __future__ import annotations

import json

from couple.base.errors import InputError
from couple.components.capabilities import SharedByRanks, asked_ranks, options_of
from couple.experiment import Experiment
from couple.parallel.communicator import world
from couple.wiring.engines import Engines, factory_of, of_group, read_options
from couple.wiring.groups import Agreed, Group


def asks_for_ranks(experiment: Experiment) -> bool:
    """Whether some site is to be solved by several ranks. Raises InputError that names the key."""
    for i, block in enumerate(experiment.site):
        factory, key = factory_of(block.engine, f"site[{i}]"), f"site[{i}].{block.engine}"
        options = read_options(factory, options_of(factory, block.engine, block.options), key)
        if asked_ranks(factory, options) is not None:
            return True
    return False


def make_teams(built: Engines) -> None:
    """Have ranks help with engines that ask for it; all ranks together.

    Raises InputError, the same on all ranks, for a site that cannot be shared, and for ranks that are not there.
    """
    teams = {group: members for group, there in built.agreed.items() if (members := _members(group, there))}
    if not teams:
        return
    ranks = world()
    ranks.gather(None)  # nobody waits for a rank whose sites cannot be
    with ranks.waiting():
        for group, members in teams.items():
            if ranks.rank not in members:
                continue
            team, name = ranks.team(members), built.agreed[group].name
            if ranks.rank == members[0]:
                (engine,) = (e for e in built.engines if e.name == name)
                assert isinstance(engine, SharedByRanks)
                engine.share(team)
                built.together.append(engine)
            else:
                factory = of_group(group, built.agreed[group].key)
                assert issubclass(factory, SharedByRanks)
                built.together.append(factory.helper(name, team))


def _members(group: Group, there: Agreed) -> tuple[int, ...]:
    """The ranks that solve the sites of a component, the one that has them first; none if that one is alone."""
    kind, text, _, _ = group
    factory, size, own = of_group(group, there.key), world().size, there.ranks[0]
    asked = asked_ranks(factory, read_options(factory, json.loads(text), f"{there.key}.{kind}"))
    if asked is None:
        return ()
    where = f"{there.key}.{kind}.ranks"
    if not issubclass(factory, SharedByRanks):
        raise InputError(
            f"{kind} shares only a site along sections between ranks; this one is solved by the rank that has it: "
            "leave ranks out, or give the site `sections`",
            where=where,
        )
    if isinstance(asked, tuple):
        if missing := [rank for rank in asked if rank >= size]:
            raise InputError(f"there is no rank {missing[0]} of {size} (0 to {size - 1}): start more", where=where)
        others = [rank for rank in sorted({*asked}) if rank != own]
    else:
        n = size if asked == "all" else asked
        if n > size:
            started = "1 rank runs" if size == 1 else f"{size} ranks run"
            raise InputError(f'asks for {n} ranks and {started}: mpiexec -n {n}, or ranks = "all"', where=where)
        others = [(own + k) % size for k in range(1, n)]
    return (own, *others) if others else ()
