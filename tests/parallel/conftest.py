"""The small network that runs over ranks are of, and its run of one process, which all of them are compared with."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.mpi_runs import ranks, write_network


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_network(tmp_path_factory.mktemp("ranks"))


@pytest.fixture(scope="session")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of one process, once for all modules."""
    folder = write_network(tmp_path_factory.mktemp("alone"))
    ranks(1, "run", "network.toml", "--out", "alone", folder=folder)
    return folder / "alone"
