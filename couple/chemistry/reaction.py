"""What a network of reactions is made of: species and irreversible reactions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from couple.chemistry.laws.rate_law import RateLaw
from couple.chemistry.voltage import VoltageFactor

Place = Literal["volume", "membrane"]


@dataclass(frozen=True)
class Species:
    """A kind of molecule.

    D: diffusion coefficient in µm²/ms. on: where it lives. contains: how much of each conserved substance
    one molecule holds, as in {"Ca": 2}. share: of the site's volume or membrane, what its compartment takes up; its
    concentration is that of its molecules in there. Rates of a network are those of the whole site's concentrations,
    see `couple.chemistry.compartments`. region: of a mesh's membrane, where molecules of the membrane are. charge: its
    charge number, 2 of a calcium ion, for which links with drift ask; None if nobody says.

    >>> from couple import Species
    >>> Species("CaB", D=0.02, contains={"Ca": 1}).on
    'volume'
    """

    name: str
    D: float = 0.0
    on: Place = "volume"
    contains: Mapping[str, int] = field(default_factory=dict)
    share: float = 1.0
    region: str = ""
    charge: int | None = None


@dataclass(frozen=True)
class Reaction:
    """One irreversible reaction of order 0, 1 or 2.

    reactants, products: names, repeated for a stoichiometry above one; reservoirs included.
    rate: µm, ms and mM in the dimension that the order asks for (see `rate_dimension`). v = rate × Π [reactant];
    one event consumes all reactants, so A + A -> 0 lowers [A] by 2v.
    warming: the part of `rate` that comes from the temperature; it is in the rate already. of_share: likewise, that
    which makes a rate of a compartment one of the whole site.
    per: "time", or, on a lattice whose clock counts steps, "step" (order 0 and 1) or "encounter" (a probability).
    law: of a reaction that is no mass action, how fast it goes; `rate` is then a factor of that. Reactants and products
    say what an event changes, and have no part in its speed.
    voltage: of a reaction whose rate depends on the membrane potential, the factor by which it does.

    >>> from couple import Reaction
    >>> print(Reaction(("Ca", "B"), ("CaB",), rate=100.0))  # 100 /mM/ms
    Ca + B -> CaB
    """

    reactants: tuple[str, ...]
    products: tuple[str, ...]
    rate: float
    text: str = ""
    warming: float = 1.0
    per: Literal["time", "step", "encounter"] = "time"
    law: RateLaw | None = None
    of_share: float = 1.0
    voltage: VoltageFactor | None = None

    def __str__(self) -> str:
        return self.text or f"{' + '.join(self.reactants) or '0'} -> {' + '.join(self.products) or '0'}"
