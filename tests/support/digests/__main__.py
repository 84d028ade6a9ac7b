"""Digests of what `couple` computes, to show that a change of the code changes no bit of a result.

    python -m support.digests TREE OUT.json [--only PATTERN ...] [--jobs N]    # runs TREE's `couple`, writes digests
    python -m support.digests TREE --list                                      # the cases; what is left out and why
    python -m support.digests --compare A.json B.json                          # what differs; 1 if anything does

To be run in `tests/`. TREE is a clone with an environment of its own (TREE/.venv). Every case runs in a temporary
folder: the examples of TREE, shortened, and small experiments (`texts`). Of every HDF5 file that comes out each dataset
and each attribute is digested, and of JSON each entry; times that something took, versions, paths and the experiment as
text are not. Nothing of the project is imported, so that two trees can be compared whose modules lie elsewhere.

What is digested depends on the machine (compilers, BLAS): make both sides on the same one.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from support.digests.cases import cases, unknown
from support.digests.compare import compare
from support.digests.trees import digest
from support.digests.words import EXAMPLES, LEFT_OUT


def listing(tree: Path) -> None:
    """Print the cases, and what is left out."""
    for case in cases():
        print(case.name, *(re.sub(r"\{tree\}/", "", " ".join(command)) for command in case.commands), sep="\n    ")
    for name, reason in LEFT_OUT.items():
        print(f"left out: {EXAMPLES}/{name}: {reason}")
    for name in unknown(tree):
        print(f"unknown: {EXAMPLES}/{name}")


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--compare", nargs=2, type=Path, metavar=("A.json", "B.json"))
    parser.add_argument("tree", nargs="?", type=Path)
    parser.add_argument("out", nargs="?", type=Path, metavar="OUT.json")
    parser.add_argument("--only", nargs="+", default=[], metavar="PATTERN", help="cases by name or a part of it")
    parser.add_argument("--jobs", type=int, default=1, help="cases at a time")
    parser.add_argument("--list", action="store_true", help="print the cases")
    given = parser.parse_args()
    if given.compare:
        return int(compare(*given.compare) > 0)
    if given.tree is None or (given.out is None and not given.list):
        parser.error("give TREE and OUT.json, or --compare A.json B.json")
    if given.list:
        listing(given.tree.resolve())
        return 0
    return int(digest(given.tree.resolve(), given.out, given.only, given.jobs) > 0)


if __name__ == "__main__":
    sys.exit(main())
