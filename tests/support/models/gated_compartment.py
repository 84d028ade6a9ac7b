"""The compartment of `compartment.py` with a calcium channel of two equal gates, m², in place of the kinetic scheme.

NEURON's fixed step solves such gates exactly at a constant V, so that with secondorder = 2 the whole model is of second
order in dt; kinetic schemes it solves by backward Euler, of first order.
"""

from neuron import h

from support.models.compartment import raised_cosine

NAME, GBAR = "gated_cav", 0.35e-3
RATE, SCALE, HALF = 0.5, 0.05, -30.0
"""α = RATE exp(SCALE (v - HALF)) /ms, β = RATE exp(-SCALE (v - HALF)) /ms."""


def build():
    head = at_rest()
    return head, *raised_cosine(head)


def at_rest():
    """The same without a current."""
    head = h.Section(name="head")
    head.L = head.diam = 1
    head.cm = 1
    head.insert("pas")
    head(0.5).pas.g, head(0.5).pas.e = 1e-3, -62.7
    head.insert("k_ion")
    head(0.5).ek = -80
    head.insert(channel())
    getattr(head(0.5), NAME).gmax = GBAR
    return head


def channel():
    """Name of the density mechanism, made on first use in a process."""
    if not hasattr(h, NAME):
        h.ion_register("ca", 2)
        made = h.KSChan()
        made.name(NAME)
        made.ion("ca")
        made.iv_type(0)
        made.gmax(0)
        made.add_hhstate("m")
        made.gate(0).power(2)
        rates = made.trans(0)
        rates.type(0)
        rates.set_f(0, 2, h.Vector([RATE, SCALE, HALF]))
        rates.set_f(1, 2, h.Vector([RATE, -SCALE, HALF]))
    return NAME
