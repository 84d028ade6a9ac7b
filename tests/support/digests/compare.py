"""What differs between two trees."""

from __future__ import annotations

import json
from pathlib import Path

from support.digests.content import Digests


def differences(a: Digests, b: Digests) -> list[str]:
    """What differs between two digests of a case; a case that failed on either side differs."""
    if "error" in a or "error" in b:
        return [f"error: {a.get('error', 'none')} | {b.get('error', 'none')}"]
    names = sorted({*a, *b})
    said = {name: "only in the second" if name not in a else "only in the first" for name in names}
    return [f"{n}: {said[n] if n not in a or n not in b else 'differs'}" for n in names if a.get(n) != b.get(n)]


def compare(first: Path, second: Path, shown: int = 12) -> int:
    """Print what differs. Returns how many datasets (of a case that is missing or failed: one)."""
    a, b = (json.loads(path.read_text()) for path in (first, second))
    total = differing = 0
    for name in sorted({*a, *b}):
        total += len({*a.get(name, {}), *b.get(name, {})})
        if name not in a or name not in b:
            lines = [f"only in {(second if name in b else first).name}"]
        else:
            lines = differences(a[name], b[name])
        differing += len(lines)
        for line in [*lines[:shown], *([f"and {len(lines) - shown} more"] if len(lines) > shown else [])]:
            print(f"{name}: {line}")
    print(f"{len({*a, *b})} cases, {total} datasets, {differing} differ")
    return differing
