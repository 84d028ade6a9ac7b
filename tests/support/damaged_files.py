"""Random damage to a file, and what becomes of whoever reads it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

from couple.base.errors import InputError

LIKELY = 4096
"""Bytes at the beginning, where every second damage is: seal, superblock, the first headers."""


def _flip(content: bytearray, at: int, rng: random.Random) -> None:
    content[at] ^= 1 << rng.randrange(8)


def _word(content: bytearray, at: int, rng: random.Random) -> None:
    content[at : at + 4] = rng.randbytes(len(content[at : at + 4]))


def _zeros(content: bytearray, at: int, rng: random.Random) -> None:
    size = len(content[at : at + rng.choice((8, 64, 512))])
    content[at : at + size] = bytes(size)


def _cut(content: bytearray, at: int, _: random.Random) -> None:
    del content[at:]


def _lost(content: bytearray, at: int, rng: random.Random) -> None:
    del content[at : at + rng.choice((1, 8, 512))]


def _doubled(content: bytearray, at: int, rng: random.Random) -> None:
    content[at:at] = content[at : at + rng.choice((1, 8, 512))]


def _longer(content: bytearray, _: int, rng: random.Random) -> None:
    content += rng.randbytes(rng.choice((1, 100)))


def _huge(content: bytearray, at: int, rng: random.Random) -> None:
    content[at : at + 8] = rng.choice((b"\xff" * 8, (10**11).to_bytes(8, "little")))[: len(content[at : at + 8])]


WAYS = (_flip, _flip, _flip, _word, _zeros, _cut, _lost, _doubled, _longer, _huge)


def damaged(content: bytes, rng: random.Random) -> bytes:
    """Another content: bits flipped, bytes overwritten, lost, doubled or added."""
    while True:
        made = bytearray(content)
        for _ in range(rng.choice((1, 1, 1, 3))):
            end = max(len(made), 1)
            at = rng.randrange(min(end, LIKELY) if rng.random() < 0.5 else end)
            rng.choice(WAYS)(made, min(at, max(len(made) - 1, 0)), rng)
            if not made:
                break
        if bytes(made) != content:
            return bytes(made)


def verdicts(path: Path, read: Callable[[Path], object], seed: int, count: int) -> Iterator[tuple[str, bytes]]:
    """What becomes of `count` damaged copies of a file, and each: "refused", "same", "DIFFERS" or what was raised.

    "same": it is read as it was, which is right where the damage lies outside of what is read. The file is whole
    again at the end.
    """
    rng, whole = random.Random(seed), path.read_bytes()
    before = read(path)
    try:
        for _ in range(count):
            content = damaged(whole, rng)
            path.write_bytes(content)
            try:
                found = read(path)
            except InputError as error:
                told = str(error)
                yield ("refused" if path.name in told and "\n" not in told else f"unclear: {told}"), content
            except Exception as error:  # noqa: BLE001 - whatever a user would see as a traceback
                yield f"{type(error).__name__}: {error}", content
            else:
                yield ("same" if found == before else "DIFFERS"), content
    finally:
        path.write_bytes(whole)
