"""Two kinds of cells for a small network; spines, connections and inputs are described in network.toml."""

from neuron import h


class Cell:
    """Lengths in µm, conductances in S/cm²."""

    def __init__(self, length, segments):
        self.soma = self._section("soma", 20, 20)
        self.dend = self._section("dend", length, 2, segments)
        self.dend.connect(self.soma(1))

    def _section(self, name, length, diameter, segments=1):
        """Passive, with the channels that make spikes."""
        section = h.Section(name=name)
        section.L, section.diam, section.nseg = length, diameter, segments
        section.Ra, section.cm = 150, 1
        for mechanism in ("pas", "hh"):
            section.insert(mechanism)
        for segment in section:
            segment.pas.g, segment.pas.e = 1e-4, -65
        return section


def excitatory():
    return Cell(length=200, segments=5)


def inhibitory():
    return Cell(length=80, segments=1)
