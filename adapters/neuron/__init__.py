"""NEURON as the electrical model of `couple`, and mechanisms that models can use with and without a compiler."""

from adapters.neuron.channels import insert_cav
from adapters.neuron.mechanisms import channel_path
from adapters.neuron.model import NeuronModel, load_model
from adapters.neuron.synapse import NMDA

__all__ = ["NMDA", "NeuronModel", "channel_path", "insert_cav", "load_model"]
