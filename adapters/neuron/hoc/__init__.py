"""The one import of NEURON, and how to speak with its interpreter: messages, HOC text, sections by name."""
