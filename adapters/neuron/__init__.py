"""NEURON as the electrical model of `couple`, and mechanisms that models can use with and without a compiler.

Names are loaded on first use: the command of this folder is known to `couple --help`, which loads nothing heavy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from adapters.neuron.mechanisms.builtin import channel_path
    from adapters.neuron.mechanisms.channels import insert_cav
    from adapters.neuron.mechanisms.synapses import NMDA
    from adapters.neuron.model import NeuronModel, load_model

__all__ = ["NMDA", "NeuronModel", "channel_path", "insert_cav", "load_model"]

_HOME = {
    "NMDA": "mechanisms.synapses",
    "NeuronModel": "model",
    "channel_path": "mechanisms.builtin",
    "insert_cav": "mechanisms.channels",
    "load_model": "model",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
