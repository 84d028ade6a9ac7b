"""Variables of HOC that a model declares and its events may change: numbers, arrays of them, and texts."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from adapters.neuron.hoc import source_text
from adapters.neuron.hoc.h import h
from adapters.neuron.hoc.messages import capture_messages

_BEFORE = frozenset(dir(h))
"""What NEURON knows before any model."""

_VALUES = (4, 5)
"""What name_declared says of a strdef, and of a number or an array of them."""

_TEXTS = (".hoc", ".ses", ".py")
_STATEMENTS = re.compile(r"\b(?:FInitializeHandler|event|record|StateTransitionEvent)\b")
_ASSIGNED = re.compile(r"(?<![.\w\]])([A-Za-z_]\w*)\s*(?:\+=|-=|\*=|/=|\+\+|--|=(?!=))")
_OTHERS = re.compile(
    r"\b(?:local|localobj|objref|objectvar|strdef|create|double)\s+(\w+(?:\[[^\]]*\])?(?:\s*,\s*\w+(?:\[[^\]]*\])?)*)"
)


class HocVariables:
    """Those of the model that consists of these files, in an order that depends on the files alone.

    references: of numbers outside of templates. names: of these, each as often as it has elements.
    """

    def __init__(self, files: Iterable[Path]) -> None:
        files = tuple(files)
        texts = [text_of(path) for path in files]
        self.references: list[Any] = []
        self.names: list[str] = []
        self._texts: list[str] = []
        for name in declared_in(files):
            self._add(name)
        self._private = [
            (instance, name)
            for template, names in sorted(_changed_by_events(texts).items())
            for instance in h.List(template)
            for name in names
            if self._is_number(instance, name)
        ]
        self.names += [name for _, name in self._private] + self._texts

    def _add(self, name: str) -> None:
        if int(h.name_declared(name)) not in _VALUES:  # NEURON ends the process for a section that is gone
            return
        try:
            value = getattr(h, name)
            if isinstance(value, str):
                self._texts.append(name)
                return
            reference = getattr(h, f"_ref_{name}")
            size = 1 if isinstance(value, float) else len(value)
            parts = [reference] if isinstance(value, float) else [reference[i] for i in range(size)]
            if all(isinstance(part[0], float) for part in parts):
                self.references += parts
                self.names += [name] * size
        except (AttributeError, TypeError, RuntimeError, IndexError):  # an object, a procedure, a section, ...
            return

    @property
    def private(self) -> list[float]:
        """Numbers inside of objects."""
        return [self._inside(instance, name) for instance, name in self._private]

    @property
    def texts(self) -> list[str]:
        """Values of strdefs."""
        return [str(getattr(h, name)) for name in self._texts]

    def set(self, private: Sequence[float], texts: Sequence[str]) -> None:
        """Give back what `private` and `texts` gave."""
        for (instance, name), value in zip(self._private, private, strict=True):
            h.hoc_ac_ = value
            h.execute(f"{name} = hoc_ac_", instance)
        for name, text in zip(self._texts, texts, strict=True):
            setattr(h, name, text)

    @classmethod
    def _is_number(cls, instance: Any, name: str) -> bool:
        """Whether NEURON agrees that it is one: the text alone may mislead."""
        with capture_messages() as messages:
            try:
                cls._inside(instance, name)
            except RuntimeError:
                messages.clear()
                return False
        return True

    @staticmethod
    def _inside(instance: Any, name: str) -> float:
        h.execute(f"hoc_ac_ = {name}", instance)
        return float(h.hoc_ac_)


def declared_in(files: Iterable[Path]) -> list[str]:
    """Names that these files have and NEURON knows only since a model declared them, in order."""
    words = {word for path in files for word in re.findall(r"[A-Za-z_]\w*", text_of(path))}
    return sorted(words & (set(dir(h)) - _BEFORE))


@functools.lru_cache(maxsize=64)
def text_of(path: Path) -> str:
    """A file of a model without its comments; "" of what is no text."""
    if path.suffix not in _TEXTS:
        return ""
    return source_text.without_comments(path.read_text(encoding="utf-8", errors="replace"))


def _changed_by_events(texts: Iterable[str]) -> Mapping[str, list[str]]:
    """Templates that have statements carried out by events: name → numbers that they assign."""
    found = {}
    for text in texts:
        for name, definition in source_text.templates(text).items():
            if _STATEMENTS.search(definition):
                found[name] = sorted(set(_ASSIGNED.findall(definition)) - set(_declared_otherwise(definition)))
    return found


def _declared_otherwise(definition: str) -> Iterator[str]:
    """Names that are no numbers of the object: local ones, objects, texts, sections, arrays."""
    for names in _OTHERS.findall(definition):
        yield from re.findall(r"[A-Za-z_]\w*", re.sub(r"\[[^\]]*\]", "", names))
    yield from ("t", "dt", "i", "celsius", "secondorder", "v_init", "tstop", "hoc_ac_")
