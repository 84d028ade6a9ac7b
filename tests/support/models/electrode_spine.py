"""A head, of any size, on the middle of a piece of dendrite; an electrode in the head."""

from neuron import h


def build(amp=0.0, size=0.15, length=0.15, Ra=100.0, g=1e-2, branch=0, neck=0, twig=0):
    """amp: nA. size, length: of the head, um. g: of the dendrite, S/cm2. neck: whether one is between.

    branch: whether something else stands on the neck. twig: whether the head stands on nothing.
    """
    head, dend = h.Section(name="head"), h.Section(name="dend")
    head.L, head.diam = length, size
    dend.L, dend.diam = 20, 2
    kept = [head, dend]
    between = dend(0.5)
    if neck:
        kept.append(h.Section(name="neck"))
        kept[-1].L, kept[-1].diam = 0.5, 0.1
        kept[-1].connect(dend(0.5))
        between = kept[-1](1)
    if branch:
        kept.append(h.Section(name="twin"))
        kept[-1].L = kept[-1].diam = 0.2
        kept[-1].connect(between)
    for section in kept:
        section.cm, section.Ra = 1.0, Ra
    dend.insert("pas")
    dend.e_pas, dend.g_pas = -65, g
    if not twig:
        head.connect(between)
    clamp = h.IClamp(head(0.5))
    clamp.delay, clamp.dur, clamp.amp = 0, 1e9, amp
    return kept, clamp
