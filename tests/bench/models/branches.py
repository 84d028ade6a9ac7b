"""A cell of a hundred branches, 10,000 segments in all, with calcium: room for a hundred thousand spines."""

from neuron import h

from adapters.neuron import insert_cav


def build():
    soma = h.Section(name="soma")
    soma.L = soma.diam = 20
    soma.insert("hh")
    branches = [h.Section(name=f"dend_{i}") for i in range(100)]
    for branch in branches:
        branch.connect(soma(1))
        branch.L, branch.diam, branch.nseg = 200, 1, 100
        branch.Ra, branch.cm = 150, 1
        branch.insert("pas")
        insert_cav(branch, gbar=1e-4)
    clamp = h.IClamp(soma(0.5))
    clamp.delay, clamp.dur, clamp.amp = 5, 1e9, 1.0
    return soma, branches, clamp
