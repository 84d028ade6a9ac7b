"""One chemistry at every accuracy: what each engine says, how far apart they are, and what they cost."""

from couple.regimes.compare import Comparison, compare
from couple.regimes.ensemble import Ensemble, Refusal

__all__ = ["Comparison", "Ensemble", "Refusal", "compare"]
