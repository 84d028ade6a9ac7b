"""Calcium channels that models can use with and without a compiler."""

from __future__ import annotations

from typing import Any

from adapters.neuron.mechanisms.builtin import channel_path


def insert_cav(section: Any, gbar: float) -> None:
    """Insert the voltage-gated calcium channel of spines and boutons into all segments of `section`.

    gbar: S/cm²; channels per µm² × conductance of one in pS × 1e-4. Current: gbar·O·(v − eca), O being the open
    fraction of the five-state scheme of Bischofberger et al. 2002 (rates at 34 °C, no Q10).
    """
    channel_path()
    section.insert("couple_cav")
    for segment in section:
        segment.couple_cav.gmax = gbar
