"""Sites that several ranks solve together: who they are, and that all of them know it."""

from __future__ import annotations

from couple.base.errors import InputError
from couple.components.capabilities import SharedByRanks
from couple.components.component import Component
from couple.parallel.communicator import world
from couple.wiring.plan.engine_groups import Agreed, Group
from couple.wiring.plan.plan import Plan
from couple.wiring.sites.engine_choice import EngineChoice
from couple.wiring.system.engines import Engines


def share_engines(plan: Plan, engines: Engines) -> tuple[Component, ...]:
    """Have ranks help with engines that ask for it; all ranks together.

    Returns those of `engines` that other ranks help with, and what this rank helps others with, in the same order on
    all ranks. Raises InputError, the same on all ranks, for a site that cannot be shared, and for ranks that are not
    there.
    """
    teams = {
        group: members
        for group, there in plan.agreed.items()
        if (members := _members(group, there, plan.choices[there.key]))
    }
    together: list[Component] = []
    if not teams:
        return ()
    ranks = world()
    ranks.gather(None)  # nobody waits for a rank whose sites cannot be
    with ranks.waiting():
        for group, members in teams.items():
            if ranks.rank not in members:
                continue
            team, there = ranks.team(members), plan.agreed[group]
            if ranks.rank == members[0]:
                (engine,) = (e for e in engines.all if e.name == there.name)
                assert isinstance(engine, SharedByRanks)
                engine.share(team)
                together.append(engine)
            else:
                factory = plan.choices[there.key].factory
                assert issubclass(factory, SharedByRanks)
                together.append(factory.helper(there.name, team))
    return tuple(together)


def _members(group: Group, there: Agreed, choice: EngineChoice) -> tuple[int, ...]:
    """The ranks that solve the sites of a component, the one that has them first; none if that one is alone."""
    asked, size, own = choice.asked_ranks, world().size, there.ranks[0]
    if asked is None:
        return ()
    where = f"{choice.where}.ranks"
    if not issubclass(choice.factory, SharedByRanks):
        raise InputError(
            f"{group.kind} shares only a site along sections between ranks; this one is solved by the rank that has "
            "it: leave ranks out, or give the site `sections`",
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
