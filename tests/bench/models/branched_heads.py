"""A soma and a hundred branches of a hundred segments, each as large as a spine head of 0.1 µm³: 10,000 heads."""

from neuron import h

from adapters.neuron import insert_cav


def build():
    soma = h.Section(name="soma")
    soma.L, soma.diam = 15, 15
    soma.insert("hh")
    branches = [h.Section(name=f"branch[{k}]") for k in range(100)]
    for branch in branches:
        branch.L, branch.diam, branch.nseg = 50, 0.5, 100
        branch.Ra, branch.cm = 150, 1
        branch.insert("hh")
        insert_cav(branch, gbar=1e-4)
        branch.connect(soma(1))
    clamp = h.IClamp(soma(0.5))
    clamp.delay, clamp.dur, clamp.amp = 1, 1e9, 5
    return soma, branches, clamp
