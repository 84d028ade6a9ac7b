"""What holds for all tests."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def blank_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures are files as ever, with nothing on them: for tests that care where they go and not what they show."""
    from matplotlib.figure import Figure

    drawn = Figure.savefig

    def savefig(figure: Figure, *arguments: Any, **more: Any) -> None:
        drawn(Figure(figsize=(1, 1)), *arguments, **{**more, "dpi": 10})

    monkeypatch.setattr(Figure, "savefig", savefig)


def pytest_configure(config: pytest.Config) -> None:
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # two workers fill two cores: more threads wait for each other
    listen_to_signals()
    if sys.dont_write_bytecode and hasattr(config, "cache"):
        share_bytecode(Path(config.cache.mkdir("bytecode")))


def pytest_collection_finish() -> None:
    set_aside()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """At the end of each file of tests."""
    yield
    if nextitem is not None and nextitem.path != item.path:
        set_aside()


def set_aside() -> None:
    """Spare the collector of garbage what is there between two files of tests: modules, compiled code, caches.

    Whoever releases a model of NEURON collects garbage, and would look through all that was ever imported: a third of
    the time of such tests. What holds a model is not set aside.
    """
    loader = sys.modules.get("adapters.neuron.models.loader")
    if loader is not None:
        loader.release_current()
    gc.collect()
    gc.freeze()


def listen_to_signals() -> None:
    """What tests start listens to Ctrl-C and to a terminal that closes, though a job in the background ignores both."""
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, handler)


def share_bytecode(folder: Path) -> None:
    """What tests start keeps its bytecode in one folder, where Python is told to leave none beside the sources.

    Without it each of some thousand processes would compile all that it imports: more than half of its start.
    """
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = str(folder)
    sys.dont_write_bytecode, sys.pycache_prefix = False, str(folder)
