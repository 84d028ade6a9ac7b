"""How often Python goes round its loops: an exact measure of how work grows, which no busy machine disturbs."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from types import CodeType

TOOL = sys.monitoring.PROFILER_ID


def turns(call: Callable[[], object]) -> Counter[str]:
    """Turns of loops and comprehensions in a call, by the function that has them ("file.py:function")."""
    found: Counter[CodeType] = Counter()

    def count(code: CodeType, _: int, __: int) -> None:
        found[code] += 1

    sys.monitoring.use_tool_id(TOOL, "turns")
    try:
        sys.monitoring.register_callback(TOOL, sys.monitoring.events.JUMP, count)
        sys.monitoring.set_events(TOOL, sys.monitoring.events.JUMP)
        call()
    finally:
        sys.monitoring.set_events(TOOL, 0)
        sys.monitoring.register_callback(TOOL, sys.monitoring.events.JUMP, None)
        sys.monitoring.free_tool_id(TOOL)
    by_name: Counter[str] = Counter()
    for code, n in found.items():
        by_name[f"{code.co_filename.rsplit('/', 1)[-1]}:{code.co_name}"] += n
    return by_name


def grows(few: Counter[str], many: Counter[str], times: float, *, slack: float = 0.15) -> dict[str, float]:
    """Functions whose turns grow by more than `times` (and `slack` of it) → how many times they grow."""
    return {
        name: many[name] / max(few[name], 1)
        for name in many
        if many[name] > 1000 and many[name] > (1 + slack) * times * max(few[name], 1)
    }
