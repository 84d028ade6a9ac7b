"""Engine `adaptive`: several accuracies of one site, and a rule that chooses among them while it runs."""

from adapters.adaptive.engine import Adaptive

__all__ = ["Adaptive"]
