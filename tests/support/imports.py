"""Imports of a tree of modules, read from their text: who imports whom, at which line, and in which circles."""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components


class Import(NamedTuple):
    """A name that a module imports at a line: `from target import name`, or `import target`."""

    line: int
    target: str
    name: str = ""

    @property
    def private(self) -> bool:
        """Whether a part of it begins with one underscore."""
        parts = (*self.target.split("."), self.name)
        return any(part.startswith("_") and not part.startswith("__") for part in parts)


class Arrow(NamedTuple):
    """`source` imports `target`, both modules, at a line."""

    source: str
    target: str
    line: int


@functools.cache
def imports_of(text: str, package: str = "") -> tuple[Import, ...]:
    """All imports of a module's text, those in functions and for type checkers too; `package` is what holds it."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found += [Import(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            target = ".".join([*above, *([node.module] if node.module else [])])
            found += [Import(node.lineno, target, alias.name) for alias in node.names]
    return tuple(found)


def private_attributes(text: str, modules: Collection[str]) -> Iterator[Import]:
    """Uses `module._name` of those of `modules` that the text imports."""
    nodes, bound = list(ast.walk(ast.parse(text))), {}
    for node in nodes:
        if isinstance(node, ast.ImportFrom):
            bound |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            bound |= {alias.asname: alias.name for alias in node.names if alias.asname}
    for node in nodes:
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            found = Import(node.lineno, bound.get(node.value.id, ""), node.attr)
            if found.target in modules and found.private:
                yield found


def arrows(modules: Mapping[str, str], packages: Collection[str]) -> list[Arrow]:
    """Imports among `modules` (name → text); `packages` are those that are an __init__."""
    found = set()
    for module, text in modules.items():
        for line, target, name in imports_of(text, module if module in packages else module.rpartition(".")[0]):
            whole = f"{target}.{name}"
            to = whole if whole in modules else target
            if to in modules and to != module:
                found.add(Arrow(module, to, line))
    return sorted(found)


def circles(found: Iterable[Arrow], room: Callable[[str], str] = str) -> list[list[Arrow]]:
    """Arrows between the rooms of each circle; none where the rooms form a directed acyclic graph."""
    between = [a for a in found if room(a.source) != room(a.target)]
    at = {name: i for i, name in enumerate(sorted({room(m) for a in between for m in (a.source, a.target)}))}
    ends = np.array([(at[room(a.source)], at[room(a.target)]) for a in between], dtype=np.int64).reshape(-1, 2)
    graph = csr_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(len(at), len(at)))
    _, part = connected_components(graph, connection="strong")
    inside: dict[int, list[Arrow]] = {}
    for arrow, (i, j) in zip(between, ends, strict=True):
        if part[i] == part[j]:
            inside.setdefault(int(part[i]), []).append(arrow)
    return list(inside.values())


def show(circle: Iterable[Arrow], room: Callable[[str], str] = str) -> str:
    """A line for each pair of rooms, with the imports that make its arrow."""
    pairs: dict[tuple[str, str], list[str]] = {}
    for a in circle:
        pairs.setdefault((room(a.source), room(a.target)), []).append(f"{a.source}:{a.line} imports {a.target}")
    return "\n".join(f"{one} -> {other}: {'; '.join(lines)}" for (one, other), lines in sorted(pairs.items()))
