"""A spine head on a piece of dendrite; its section is one segment without 3-d points, so that it can grow."""

from neuron import h


def build():
    head, neck, dend = (h.Section(name=name) for name in ("head", "neck", "dend"))
    dend.L, dend.diam = 20.0, 1.0
    neck.L, neck.diam = 0.5, 0.15
    head.L = head.diam = 0.5
    for section in (head, neck, dend):
        section.cm, section.Ra = 1.0, 150.0
        section.insert("pas")
        section.g_pas, section.e_pas = 1e-4, -65.0
    neck.connect(dend(0.5))
    head.connect(neck(1))
    return head, neck, dend
