"""A cable of 1000 segments, each as large as a spine head of 0.1 µm³, with calcium channels that fire all along."""

from neuron import h

from adapters.neuron import insert_cav


def build():
    cable = h.Section(name="cable")
    cable.L, cable.diam, cable.nseg = 500, 0.5, 1000
    cable.Ra, cable.cm = 150, 1
    cable.insert("hh")
    insert_cav(cable, gbar=1e-4)
    clamp = h.IClamp(cable(0.0005))
    clamp.delay, clamp.dur, clamp.amp = 5, 1e9, 0.05
    return cable, clamp
