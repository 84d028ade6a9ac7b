"""What a mechanism remembers in variables of its MOD file that NEURON does not know, and that no state holds.

A LOCAL outside of all blocks and a static variable of a VERBATIM block belong to the file, not to an instance. Most are
scratch: written at every step before they are read, or once when the model is initialised, which a resumed run does as
well. What is read before it is written carries something from one step to the next. This is decided from the text, in
the order in which NEURON runs its blocks, branches being taken for run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from adapters.neuron.mechanisms.source import without_comments

_BLOCK = re.compile(
    r"\b(INITIAL|BREAKPOINT|NET_RECEIVE|BEFORE\s+\w+|AFTER\s+\w+|(?:DERIVATIVE|KINETIC|LINEAR|NONLINEAR|DISCRETE|"
    r"PROCEDURE|FUNCTION|DESTRUCTOR|CONSTRUCTOR)\s+(\w+))\b[^{}]*\{"
)
_VERBATIM = re.compile(r"\bVERBATIM\b(.*?)\bENDVERBATIM\b", re.DOTALL)
_NOISE = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:[^"\\\n]|\\.)*"|^[ \t]*#[^\n]*', re.DOTALL | re.MULTILINE)
_COMMENT = re.compile(r"^\s*COMMENT\b.*?^\s*ENDCOMMENT\b", re.MULTILINE | re.DOTALL)
_FUNCTION = re.compile(r"\b(?!(?:if|for|while|switch)\b)(\w+)\s*\([^(){};]*\)\s*\{")
_GLOBAL = re.compile(
    r"(?:^|(?<=[;}]))\s*(?:volatile\s+)?(?:unsigned\s+|signed\s+)?(?:double|float|int|long|short|char|bool|size_t|u?int\d+_t)"
    r"\b\s*\*?\s*(\w+)\s*((?:[=\[,][^;]*)?);"
)
_STATIC = re.compile(r"\bstatic\s+[^;{}()=\[,]*?\*?\s*(\w+)\s*((?:[=\[,][^;]*)?);")
_STEP = ("BEFORE BREAKPOINT", "BREAKPOINT", "AFTER SOLVE", "BEFORE STEP", "AFTER STEP")
_DEEP = 8


class Memory(NamedTuple):
    """A variable of a MOD file that carries something over. verbatim: whether it is one of C."""

    name: str
    verbatim: bool


def memories(text: str) -> list[Memory]:
    """Those of a MOD file."""
    text = _without_comments(text)
    blocks = _blocks(text)
    outside = _outside(text, blocks)
    code = _NOISE.sub(" ", "\n".join(_VERBATIM.findall(outside)))
    bodies = {**_functions(code), **{block.name: block.body for block in blocks}}
    inside = _NOISE.sub(" ", "\n".join(_VERBATIM.findall(text)))
    found = [Memory(name, False) for name in _locals(_VERBATIM.sub(" ", outside))]
    found += [Memory(name, True) for name in dict.fromkeys([*_variables(_STATIC, inside), *_globals(code)])]
    return [memory for memory in found if _carries(memory, bodies) and not _is_cache_key(memory.name, bodies)]


def _without_comments(text: str) -> str:
    """The text without comments of NMODL: what begins them means something else in C."""
    parts, position = [], 0
    text = _COMMENT.sub("", text)
    for match in _VERBATIM.finditer(text):
        parts += [without_comments(text[position : match.start()]), match[0]]
        position = match.end()
    return "".join([*parts, without_comments(text[position:])])


def _functions(code: str) -> dict[str, str]:
    """Functions of C with their bodies."""
    return {m[1]: _bare(code[m.end() : _closing(code, m.end()) - 1]) for m in _FUNCTION.finditer(code)}


def _bare(body: str) -> str:
    """Without comments, strings, and what static variables are initialised with, which happens once."""
    return _STATIC.sub(" ", _NOISE.sub(" ", body))


class _Block(NamedTuple):
    name: str
    start: int
    end: int
    body: str


def _blocks(text: str) -> list[_Block]:
    """Executable blocks: "BREAKPOINT", or the name of a procedure, function or set of equations."""
    found, position = [], 0
    while match := _BLOCK.search(text, position):
        position = _closing(text, match.end())
        name = match[2] or " ".join(match[1].split())
        found.append(_Block(name, match.start(), position, _bare(text[match.end() : position - 1])))
    return found


def _closing(text: str, start: int) -> int:
    """The place behind the brace that closes the one before `start`."""
    depth = 1
    for match in re.finditer(r"[{}]", text[start:]):
        depth += 1 if match[0] == "{" else -1
        if depth == 0:
            return start + match.end()
    return len(text)


def _outside(text: str, blocks: Sequence[_Block]) -> str:
    """What is in none of the blocks."""
    kept, position = [], 0
    for block in blocks:
        kept.append(text[position : block.start])
        position = block.end
    return "".join([*kept, text[position:]])


def _locals(outside: str) -> list[str]:
    """Names of LOCAL statements."""
    lists = re.findall(r"\bLOCAL\s+(\w+(?:\s*\[\w+\])?(?:\s*,\s*\w+(?:\s*\[\w+\])?)*)", outside)
    return [name.partition("[")[0].strip() for names in lists for name in names.split(",")]


def _globals(code: str) -> Iterator[str]:
    """Names of variables of C outside of functions."""
    while (match := _FUNCTION.search(code)) is not None:
        code = f"{code[: match.start()]};{code[_closing(code, match.end()) :]}"
    yield from _variables(_GLOBAL, code)


def _variables(pattern: re.Pattern[str], code: str) -> Iterator[str]:
    """Names in declarations that are no constants."""
    for match in pattern.finditer(code):
        name, rest = match.groups()
        if not {"const", "constexpr", "extern"} & {*match[0].split(name)[0].split()}:
            yield name
            yield from re.findall(r",\s*\*?\s*([A-Za-z_]\w*)", re.sub(r"\{[^}]*\}", "", rest))


def _carries(memory: Memory, bodies: Mapping[str, str]) -> bool:
    """Whether a step, or the arrival of an event, reads what an earlier one has written."""
    steps = [bodies[start] for start in _STEP if start in bodies]
    solved = [b for s in steps for b in re.findall(r"\bSOLVE\s+(\w+)", s)]
    sequences = [[*steps, *(bodies.get(s, "") for s in solved)], [bodies.get("NET_RECEIVE", "")]]
    accesses = [list(_accesses(memory, "\n".join(sequence), bodies, _DEEP)) for sequence in sequences]
    if not any(access == "write" for found in accesses for access in found):
        return False
    return any(found and found[0] == "read" and "write" in found for found in accesses)


def _is_cache_key(name: str, bodies: Mapping[str, str]) -> bool:
    """Whether it only says for which value of something else ("if (celsius != last) { last = celsius ... }") the rest
    was computed, which is then computed anew.
    """
    text = "\n".join(bodies.values())
    asked = [m[1] for m in re.finditer(r"\bif\s*\(([^{}]*?)\)\s*\{", text) if re.search(rf"\b{name}\b", m[1])]
    written = re.findall(rf"\b{name}\b\s*=(?!=)\s*(\w+)\s*(?!\s*[-+*/^(\[.])", text)
    mentions = len(re.findall(rf"\b{name}\b", text)) - sum(len(re.findall(rf"\b{name}\b", a)) for a in asked)
    return bool(asked) and len(written) == mentions and all(re.search(rf"\b{w}\b", a) for w in written for a in asked)


def _accesses(memory: Memory, body: str, bodies: Mapping[str, str], depth: int) -> Iterator[str]:
    """ "read" and "write", in the order of the text, through all that it calls."""
    for match in re.finditer(r"[A-Za-z_]\w*", body):
        word = match[0]
        if word == memory.name:
            yield from _access(body, match, memory.verbatim)
        elif word in bodies and depth and re.match(r"\s*\(", body[match.end() :]):
            yield from _accesses(memory, bodies[word], bodies, depth - 1)


def _access(body: str, match: re.Match[str], in_c: bool) -> Iterator[str]:
    """What one mention does. Of an array of C a part is written, and the rest is what it was: as if it were read."""
    after = body[match.end() :]
    if array := re.match(r"\s*\[[^\]]*\]", after):
        if in_c:
            yield "read"
        after = after[array.end() :]
    if re.match(r"\s*=(?!=)", after):
        # What stands on the right is read first.
        right = re.match(r"\s*=((?:(?!\b\w+\s*(?:\[[^\]]*\])?'?\s*=(?!=))[^;\n])*)", after)
        if right and re.search(rf"\b{match[0]}\b", right[1]):
            yield "read"
        yield "write"
    elif re.match(r"\s*(\+\+|--|[-+*/|&^%]=)", after) or re.search(r"(\+\+|--|&)\s*$", body[: match.start()]):
        yield "read"
        yield "write"
    else:
        yield "read"
