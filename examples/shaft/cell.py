"""A soma and 20 µm of dendrite under two spines, which shaft.toml grows; a stretch beyond it goes on as a cable."""

from neuron import h

from adapters.neuron import insert_cav


def build():
    """All sections. Lengths in µm, conductances in S/cm²."""
    soma = section("soma", length=15, diameter=15)
    dend = section("dend", length=20, diameter=0.8, segments=20)
    tuft = section("tuft", length=80, diameter=0.6, segments=5)
    dend.connect(soma(1))
    tuft.connect(dend(1))
    insert_cav(dend, 1e-4)
    return soma, dend, tuft


def section(name, length, diameter, segments=1):
    """Passive, with the channels that make spikes."""
    made = h.Section(name=name)
    made.L, made.diam, made.nseg = length, diameter, segments
    made.Ra, made.cm = 150, 1
    for mechanism in ("pas", "hh"):
        made.insert(mechanism)
    for segment in made:
        segment.pas.g, segment.pas.e = 1e-4, -65
        # More of both than in the squid: at 34 °C spikes are short.
        segment.hh.gnabar, segment.hh.gkbar, segment.hh.gl = 0.4, 0.07, 3e-4
    return made
