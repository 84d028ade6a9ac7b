"""What a machine has of what `couple` needs, and what to do about the rest. Imports `base`, `cache`, `parallel`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from couple.base import registry
from couple.base.errors import CoupleError
from couple.doctor.checks import core
from couple.doctor.finding import Finding

__all__ = ["Finding", "examine"]


def examine() -> Iterator[Finding]:
    """All findings: of this package, then of whatever is registered in the group "couple.checks"."""
    yield from core()
    for name in registry.names("couple.checks"):
        try:
            check: Callable[[], Iterable[Finding]] = registry.load("couple.checks", name)
            yield from check()
        except (CoupleError, ImportError, OSError) as error:
            yield Finding(name, "fail", f"cannot be looked at: {' '.join(str(error).split())}", "reinstall couple")
