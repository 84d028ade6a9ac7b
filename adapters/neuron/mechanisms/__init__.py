"""Mechanisms: MOD files compiled, KSChan where there is no compiler, synapses, parameters. Imports `hoc`, `memory`."""
