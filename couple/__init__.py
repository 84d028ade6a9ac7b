"""`couple` advances a NEURON model in closed loop with the biochemistry of its spines and dendrites.

from couple import Experiment, Simulation, Results, Ensemble, sample
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from couple.base.errors import CoupleError, InputError, RunError
    from couple.components.component import Port
    from couple.components.engine import EngineSetup, Site, SiteEngine
    from couple.ensemble import Ensemble, sample
    from couple.experiment import Experiment
    from couple.simulation.simulation import Simulation
    from couple.storage.results import Results

__all__ = [
    "CoupleError",
    "EngineSetup",
    "Ensemble",
    "Experiment",
    "InputError",
    "Port",
    "Results",
    "RunError",
    "Simulation",
    "Site",
    "SiteEngine",
    "sample",
]

_HOMES = {
    "CoupleError": "couple.base.errors",
    "EngineSetup": "couple.components.engine",
    "Ensemble": "couple.ensemble",
    "Experiment": "couple.experiment",
    "InputError": "couple.base.errors",
    "Port": "couple.components.component",
    "Results": "couple.storage.results",
    "RunError": "couple.base.errors",
    "Simulation": "couple.simulation.simulation",
    "Site": "couple.components.engine",
    "SiteEngine": "couple.components.engine",
    "sample": "couple.ensemble",
}


def __getattr__(name: str) -> Any:
    """Names of the package come from their modules on first use, so that `import couple` costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'couple' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
