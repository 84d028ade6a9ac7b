"""`couple` advances a NEURON model in closed loop with the biochemistry of its spines and dendrites.

What a script needs, each loaded on first use:

run         Experiment, Run, Chemistry, Simulation
read        Results, to_xarray, figure, styled, COLOURS
reduce      reduce, and Experiment.with_surrogate
many runs   sample, branch, resume_sampling, Ensemble, Statistics, statistics, autocorrelation, correlation
chemistry   ReactionNetwork, Species, Reaction
an engine   SiteEngine, EngineSetup, Site, Port, State, Geometry, Time
errors      CoupleError, InputError, RunError, Interrupted, MissingDependencyError

`help(couple.Simulation)` and so on show units, shapes, errors and an example.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from couple.analysis.plot import COLOURS, figure, styled
    from couple.base.errors import CoupleError, InputError, Interrupted, MissingDependencyError, RunError
    from couple.base.units import Time
    from couple.chemistry.network import ReactionNetwork
    from couple.chemistry.reaction import Reaction, Species
    from couple.components.component import Port, State
    from couple.components.engine import EngineSetup, Site, SiteEngine
    from couple.ensemble import (
        Ensemble,
        Statistics,
        autocorrelation,
        branch,
        correlation,
        resume_sampling,
        sample,
        statistics,
    )
    from couple.experiment import Chemistry, Experiment, Run
    from couple.geometry.geometry import Geometry
    from couple.reduction.reduce import reduce
    from couple.simulation.simulation import Simulation
    from couple.storage.records.results import Results
    from couple.storage.records.to_xarray import to_xarray

__all__ = [
    "COLOURS",
    "Chemistry",
    "CoupleError",
    "EngineSetup",
    "Ensemble",
    "Experiment",
    "Geometry",
    "InputError",
    "Interrupted",
    "MissingDependencyError",
    "Port",
    "Reaction",
    "ReactionNetwork",
    "Results",
    "Run",
    "RunError",
    "Simulation",
    "Site",
    "SiteEngine",
    "Species",
    "State",
    "Statistics",
    "Time",
    "autocorrelation",
    "branch",
    "correlation",
    "figure",
    "reduce",
    "resume_sampling",
    "sample",
    "statistics",
    "styled",
    "to_xarray",
]

_MODULES = {
    "couple.analysis.plot": ("COLOURS", "figure", "styled"),
    "couple.base.errors": ("CoupleError", "InputError", "Interrupted", "MissingDependencyError", "RunError"),
    "couple.base.units": ("Time",),
    "couple.chemistry.network": ("ReactionNetwork",),
    "couple.chemistry.reaction": ("Reaction", "Species"),
    "couple.components.component": ("Port", "State"),
    "couple.components.engine": ("EngineSetup", "Site", "SiteEngine"),
    "couple.ensemble": (
        *("Ensemble", "Statistics", "autocorrelation", "branch", "correlation"),
        *("resume_sampling", "sample", "statistics"),
    ),
    "couple.experiment": ("Chemistry", "Experiment", "Run"),
    "couple.geometry.geometry": ("Geometry",),
    "couple.reduction.reduce": ("reduce",),
    "couple.simulation.simulation": ("Simulation",),
    "couple.storage.records.results": ("Results",),
    "couple.storage.records.to_xarray": ("to_xarray",),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    """A name of the package, from its module on first use, so that `import couple` costs nothing."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'couple' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_MODULE_OF[name]), name)


def __dir__() -> list[str]:
    return __all__
