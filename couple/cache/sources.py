"""A digest of everything in our packages that a module's compiled code can depend on.

That is the text of the module and of all modules of ours that it imports, and they import: numba puts functions and
constants of other modules into a kernel's machine code. Third-party packages count by their version, elsewhere.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

OURS = ("couple", "reducers", "adapters")

DECORATOR = "couple.cache.kernels"
"""Every kernel's module imports it: its text counts, what it imports itself in order to keep kernels does not."""


@functools.cache
def source_digest(name: str, file: Path) -> str:
    """Digest of a module and all that it imports of `OURS` and of its own top-level package.

    name, file: of the module. Raises OSError if a source cannot be read, SyntaxError if it cannot be parsed.
    """
    return hashlib.sha256(b"".join(sorted(set(sources(name, file).values())))).hexdigest()


def sources(name: str, file: Path) -> dict[Path, bytes]:
    """Files that a module's compiled code depends on, with a digest of each."""
    found: dict[Path, bytes] = {}
    waiting = [(name, file)]
    while waiting:
        module, path = waiting.pop()
        if path in found:
            continue
        found[path], imported = _module(module, path)
        if module != DECORATOR:
            names = ((n, _file(n)) for n in imported if is_ours(n, name))
            waiting += [(n, p) for n, p in names if p is not None]
    return found


def is_ours(module: str, user: str) -> bool:
    """Whether a module counts by its text for one that uses it: it is of `OURS`, or of the user's own package."""
    return module.partition(".")[0] in {*OURS, user.partition(".")[0]}


def forget() -> None:
    """Look at all sources anew."""
    for cached in (source_digest, _module, _file):
        cached.cache_clear()


@functools.cache
def _module(name: str, path: Path) -> tuple[bytes, tuple[str, ...]]:
    """Digest of a module's name and text, and the names that it may import: modules, and names in modules."""
    text = path.read_bytes()
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    return hashlib.sha256(name.encode() + b"\0" + text).digest(), tuple(
        dict.fromkeys(_imports(ast.parse(text), package))
    )


def _imports(node: ast.AST, package: str) -> Iterator[str]:
    """Dotted names of modules; of `from a import b` both a.b and a, since b may be either. Not those for types only."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - child.level + 1] if child.level else []
            base = ".".join([*above, *([child.module] if child.module else [])])
            for alias in child.names:
                inner = f"{base}.{alias.name}"
                yield inner if _file(inner) is not None else base
        elif isinstance(child, ast.If) and _is_for_types(child.test):
            for other in child.orelse:
                yield from _imports(ast.Module([other], []), package)
        elif isinstance(child, ast.stmt | ast.ExceptHandler | ast.match_case):
            yield from _imports(child, package)


def _is_for_types(test: ast.expr) -> bool:
    return getattr(test, "id", getattr(test, "attr", "")) == "TYPE_CHECKING"


@functools.cache
def _file(module: str) -> Path | None:
    """The source of a module, looked up without importing it; None if there is none."""
    top, _, rest = module.partition(".")
    loaded = sys.modules.get(top)
    try:
        spec = loaded.__spec__ if loaded is not None else importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return None
    for place in (spec.submodule_search_locations or ()) if spec is not None else ():
        path = Path(place, *rest.split(".")) if rest else Path(place)
        for file in (path / "__init__.py", path.with_suffix(".py")):
            if file.is_file():
                return file
    return None
