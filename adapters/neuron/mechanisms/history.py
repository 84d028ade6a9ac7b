"""What a mechanism remembers in variables of its MOD file that NEURON does not know by name, and that no state holds.

An ASSIGNED variable that is not RANGE belongs to an instance, but nobody outside sees it; NEURON saves it only where
the mechanism has NET_RECEIVE. A LOCAL outside of all blocks and a static variable of a VERBATIM block belong to the
file, not to an instance. Most are scratch: written at every step before they are read, or once when the model is
initialised, which a resumed run does as well. What is read before it is written carries something from one step to the
next. This is decided from the text, in the order in which NEURON runs its blocks; what only one branch of an "if"
writes may be what it was before.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
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


_INTEGRATED = ("v", "t", "dt", "celsius", "diam", "area", "L", "i_membrane_")
"""What NEURON has of its own, and a MOD file may list."""


class Memory(NamedTuple):
    """A variable of a MOD file that carries something over. kind: what it is, in words."""

    name: str
    kind: str

    @property
    def verbatim(self) -> bool:
        """Whether it is one of C."""
        return self.kind == IN_C


IN_C, IN_FILE, IN_INSTANCE = "a variable of C", "LOCAL of the whole file", "ASSIGNED, but not RANGE"


def memories(text: str) -> list[Memory]:
    """Those of a MOD file."""
    text = _without_comments(text)
    blocks = _blocks(text)
    outside = _outside(text, blocks)
    code = _NOISE.sub(" ", "\n".join(_VERBATIM.findall(outside)))
    bodies = {**_functions(code), **{block.name: block.body for block in blocks}}
    inside = _NOISE.sub(" ", "\n".join(_VERBATIM.findall(text)))
    found = [Memory(name, IN_FILE) for name in _locals(_VERBATIM.sub(" ", outside))]
    found += [Memory(name, IN_INSTANCE) for name in _hidden(_VERBATIM.sub(" ", outside), bodies)]
    found += [Memory(name, IN_C) for name in dict.fromkeys([*_variables(_STATIC, inside), *_globals(code)])]
    return [memory for memory in found if _carries(memory, bodies) and not _is_cache_key(memory.name, bodies)]


def hidden_memories(text: str) -> list[str]:
    """Variables of instances that carry something over and would be seen if they were RANGE."""
    return [memory.name for memory in memories(text) if memory.kind == IN_INSTANCE]


def calls_at_start(text: str, function: str) -> bool:
    """Whether a mechanism calls a function when it is initialised."""
    bodies = {block.name: block.body for block in _blocks(_without_comments(text))}
    return "read" in _accesses(Memory(function, IN_C), bodies.get("INITIAL", ""), bodies, _DEEP)


def _hidden(outside: str, bodies: Mapping[str, str]) -> list[str]:
    """Names in ASSIGNED that nobody outside sees, in a mechanism of which NEURON does not save all."""
    neuron = " ".join(re.findall(r"\bNEURON\s*\{([^{}]*)\}", outside))
    if "NET_RECEIVE" in bodies or re.search(r"\bARTIFICIAL_CELL\b", neuron):
        return []
    declared = " ".join(re.findall(r"\bASSIGNED\s*\{([^{}]*)\}", outside))
    names = re.findall(r"[A-Za-z_]\w*", re.sub(r"\([^()]*\)|<[^<>]*>|\[[^\[\]]*\]", " ", declared))
    # What C takes the address of holds a handle on an object, as the Vector of APCount.record(), and no number.
    handles = re.findall(r"(?<!&)&\s*(\w+)", " ".join(bodies.values()))
    seen = {*re.findall(r"\w+", neuron), *_INTEGRATED, *handles}
    return [name for name in dict.fromkeys(names) if name not in seen]


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


def _closing(text: str, start: int, pair: str = "{}") -> int:
    """The place behind the brace that closes the one before `start`."""
    depth = 1
    for match in re.finditer(f"[{re.escape(pair)}]", text[start:]):
        depth += 1 if match[0] == pair[0] else -1
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
    """Whether a step, or the arrival of an event, reads what may be from before it."""
    steps = [bodies[start] for start in _STEP if start in bodies]
    solved = [b for s in steps for b in re.findall(r"\bSOLVE\s+(\w+)", s)]
    sequences = [[*steps, *(bodies.get(s, "") for s in solved)], [_arrival(bodies.get("NET_RECEIVE", ""))]]
    accesses = [list(_accesses(memory, "\n".join(sequence), bodies, _DEEP)) for sequence in sequences]
    if not any(access != "read" for found in accesses for access in found):
        return False
    return any(_reads_first(found) for found in accesses)


def _reads_first(accesses: Iterable[str]) -> bool:
    """Whether something is read that is not written before whatever happens."""
    return next((access == "read" for access in accesses if access != "maybe"), False)


def _arrival(body: str) -> str:
    """NET_RECEIVE without its INITIAL block."""
    match = re.search(r"\bINITIAL\s*\{", body)
    return body if match is None else body[: match.start()] + body[_closing(body, match.end()) :]


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
    """ "read", "write", and "maybe" for what only one branch writes, in the order of the text and of all it calls."""
    position = 0
    while match := re.compile(r"[A-Za-z_]\w*").search(body, position):
        word, position = match[0], match.end()
        if word == memory.name:
            yield from _access(body, match, memory.verbatim)
        elif word == "if" and (branches := _branches(body, position)) is not None:
            position = branches.end
            yield from _of_branches(memory, branches, bodies, depth)
        elif word in bodies and depth and re.match(r"\s*\(", body[match.end() :]):
            yield from _accesses(memory, bodies[word], bodies, depth - 1)


class _Branches(NamedTuple):
    """if (conditions[0]) texts[0] else if ...; complete: whether one of the texts is run whatever the conditions are.
    end: the place behind them.
    """

    conditions: list[str]
    texts: list[str]
    complete: bool
    end: int


def _branches(body: str, position: int) -> _Branches | None:
    """Those of an "if" that ends at `position`, None if it is no statement."""
    conditions, texts, complete = [], [], False
    while not complete:
        if (opened := re.compile(r"\s*\(").match(body, position)) is None:
            return None
        inside = _closing(body, opened.end(), "()")
        conditions.append(body[opened.end() : inside - 1])
        position = _statement(body, inside)
        texts.append(body[inside:position])
        if (other := re.compile(r"\s*\belse\b(\s*if\b)?").match(body, position)) is None:
            break
        position = other.end()
        if other[1] is None:
            complete, start = True, position
            position = _statement(body, start)
            texts.append(body[start:position])
    return _Branches(conditions, texts, complete, position)


def _statement(body: str, position: int) -> int:
    """The place behind a block in braces, or a statement of C."""
    if opened := re.compile(r"\s*\{").match(body, position):
        return _closing(body, opened.end())
    end = body.find(";", position)
    return len(body) if end < 0 else end + 1


def _of_branches(memory: Memory, branches: _Branches, bodies: Mapping[str, str], depth: int) -> Iterator[str]:
    for condition in branches.conditions:
        yield from _accesses(memory, condition, bodies, depth)
    found = [list(_accesses(memory, text, bodies, depth)) for text in branches.texts]
    if any(_reads_first(one) for one in found):
        yield "read"
    always = branches.complete or any(map(_fills_cache, branches.conditions, branches.texts))
    if always and all("write" in one for one in found):
        yield "write"
    elif any(access != "read" for one in found for access in one):
        yield "maybe"


def _fills_cache(condition: str, text: str) -> bool:
    """Whether a branch is run again whenever what it depends on is another: "if (celsius != last) { last = celsius"."""
    asked = set(re.findall(r"[A-Za-z_]\w*", condition))
    keys = re.findall(r"\b([A-Za-z_]\w*)\s*=(?!=)\s*([A-Za-z_]\w*)\s*(?![-+*/^(\[.\w])", text)
    return any(key in asked and value in asked - {key} for key, value in keys)


def _access(body: str, match: re.Match[str], in_c: bool) -> Iterator[str]:
    """What one mention does. Of an array of C a part is written, and the rest is what it was: as if it were read."""
    after = body[match.end() :]
    if array := re.match(r"\s*\[[^\]]*\]", after):
        if in_c:
            yield "read"
        after = after[array.end() :]
    if re.match(r"\s*=(?!=)", after):
        # What stands on the right is read first.
        right = re.match(r"\s*=((?:(?!\bif\s*\(|\b\w+\s*(?:\[[^\]]*\])?'?\s*=(?!=))[^;\n])*)", after)
        if right and re.search(rf"\b{match[0]}\b", right[1]):
            yield "read"
        yield "write"
    elif re.match(r"\s*(\+\+|--|[-+*/|&^%]=)", after) or re.search(r"(\+\+|--|&)\s*$", body[: match.start()]):
        yield "read"
        yield "write"
    else:
        yield "read"
