"""Engine `surrogate`: free calcium and what it drives, with learned blocks in the place of some species."""

from adapters.surrogate.engine import Surrogate

__all__ = ["Surrogate"]
