"""NEURON as the electrical model of `couple`, and mechanisms that models can use with and without a compiler."""

from adapters.neuron.mechanisms.builtin import channel_path
from adapters.neuron.mechanisms.channels import insert_cav
from adapters.neuron.mechanisms.synapses import NMDA
from adapters.neuron.model import NeuronModel, load_model

__all__ = ["NMDA", "NeuronModel", "channel_path", "insert_cav", "load_model"]
