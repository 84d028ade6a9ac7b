"""One compartment, and a smooth current, for which a reference can be written down in a page.

It has a leak, calcium channels and a potential for potassium; `couple` adds calcium and SK. The current (nA) is a
raised cosine, AMPLITUDE / 2 · (1 − cos 2π(t − START)/LENGTH), in pieces of 0.01 ms, too short to matter.
"""

import math

from neuron import h

from adapters.neuron import insert_cav

START, LENGTH, AMPLITUDE = 5.0, 80.0, 1.4e-3
POINTS = 8000


def build():
    head = h.Section(name="head")
    head.L = head.diam = 1
    head.cm = 1
    head.insert("pas")
    head(0.5).pas.g, head(0.5).pas.e = 1e-3, -62.7
    head.insert("k_ion")
    head(0.5).ek = -80
    insert_cav(head, gbar=3e-3)
    return head, *raised_cosine(head)


def raised_cosine(section):
    """A current clamp and the vectors that it plays, which have to be kept."""
    current = h.IClamp(section(0.5))
    current.delay, current.dur = 0, 1e9
    angles = [2 * math.pi * i / POINTS for i in range(POINTS + 1)]
    # Beyond its ends NEURON goes on along the first and the last piece: both have to be level.
    times = h.Vector([0, *(START + LENGTH * i / POINTS for i in range(POINTS + 1)), START + LENGTH + 1])
    amplitudes = h.Vector([0, *(AMPLITUDE / 2 * (1 - math.cos(angle)) for angle in angles), 0])
    amplitudes.play(current._ref_amp, times, True)
    return current, times, amplitudes
