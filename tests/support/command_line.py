"""The command line in this process, and whether two of its runs have the same results."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import h5py
import numpy as np
import pytest

from couple.cli.main import main


def couple(*arguments: str) -> int | str | None:
    """The command line in this process: its exit code."""
    with pytest.raises(SystemExit) as stop:
        main(list(arguments))
    return stop.value.code or 0


def exit_in_fork(main: Callable[[], object]) -> NoReturn:
    """In a fork: call `main`, show what a user would see, and end with its exit code, without what pytest would do."""
    code = 70
    try:
        try:
            main()
            code = 0
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 0
        except BaseException:  # noqa: BLE001 - whatever a user would see
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def datasets(path: Path) -> dict[str, np.ndarray]:
    """Everything in a result file but the timings."""
    found: dict[str, np.ndarray] = {}
    with h5py.File(path) as file:

        def visit(name: str, item: object) -> None:
            if isinstance(item, h5py.Dataset):
                found[name] = item[()]

        file.visititems(visit)
        found |= {f"ledger:{k}": np.array(v) for k, v in file["ledger"].attrs.items()}
    return found


def assert_equal_results(a: Path, b: Path) -> None:
    """To the bit, timings aside."""
    first, second = datasets(a), datasets(b)
    assert first.keys() == second.keys()
    for name, values in first.items():
        assert values.dtype == second[name].dtype
        assert values.tobytes() == second[name].tobytes(), f"{name} differs"
