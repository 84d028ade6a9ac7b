"""Charge to ions, and ions to concentration, of any ion."""

from __future__ import annotations

from couple.base.units import ELEMENTARY_CHARGES_PER_FC, IONS_PER_MM_UM3

VALENCE = {"ca": 2, "na": 1, "k": 1, "cl": -1}
"""Charge numbers of common ions, where there is no model to ask."""


def ions_per_charge(valence: float) -> float:
    """Ions that 1 fC of inward current carries: 1/(z e); 3120.75 for calcium, less than 0 for anions (SI 2019)."""
    return ELEMENTARY_CHARGES_PER_FC / valence


def concentration_per_ion(volume: float) -> float:
    """mM that one ion makes in `volume` µm³."""
    return 1.0 / (IONS_PER_MM_UM3 * volume)


def least_concentration(volume: float) -> float:
    """The floor of what is handed to NEURON, mM: half an ion in `volume` µm³.

    An empty site would send the reversal potential to 1e6 mV and the voltage with it.
    """
    return 0.5 * concentration_per_ion(volume)
