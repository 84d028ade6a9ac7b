"""From an experiment to connected components, in two halves: the plan decides everything, the system is built from it.

Rooms, each importing only those before it: `cells` (the electrical model), `sites`, `links`, `plan`, `system`. Imports
`experiment`, `exchange`, `storage`, `components` and what they import.
"""

from __future__ import annotations

from collections.abc import Mapping

from couple.base.errors import InputError
from couple.experiment import Experiment
from couple.wiring.plan.plan import Plan, make_plan
from couple.wiring.system.system import System, assemble

__all__ = ["Plan", "System", "assemble", "make_plan", "wire"]


def wire(experiment: Experiment, costs: Mapping[str, float] | None = None) -> System:
    """The components of an experiment, loaded, placed and connected; nothing is advanced. All ranks together.

    costs: seconds of each cell by name, by which ranks share the cells of a [network].
    Raises InputError that names the file and the key of whatever does not fit.
    """
    try:
        return assemble(make_plan(experiment, costs))
    except InputError as error:
        raise error if error.where.startswith(experiment.where) else error.inside(experiment.where) from None
