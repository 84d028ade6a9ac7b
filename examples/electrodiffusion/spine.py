"""A spine on a piece of dendrite: a head of 0.1 um3, a neck of 0.1 x 0.5 um, leaks."""

from neuron import h


def build():
    head, neck, dend = (h.Section(name=name) for name in ("head", "neck", "dend"))
    dend.L, dend.diam, dend.nseg = 20.0, 1.0, 1
    neck.L, neck.diam, neck.nseg = 0.5, 0.1, 1
    head.L = head.diam = 0.5
    for section in (head, neck, dend):
        section.cm, section.Ra = 1.0, 100.0
        section.insert("pas")
        section.g_pas, section.e_pas = 1e-4, -65.0
    dend.g_pas = 2e-2  # stands for the cell that it is a part of
    for ion in ("na_ion", "k_ion"):
        head.insert(ion)
    neck.connect(dend(0.5))
    head.connect(neck(1))
    return head, neck, dend
