"""Charge of many currents in one pass: the bits of the point processes, in whatever order NEURON keeps them."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest

from adapters.neuron.coupling import charge_over_window as charge
from adapters.neuron.coupling import summing
from adapters.neuron.hoc.h import h
from adapters.neuron.mechanisms import builtin, nmodl
from adapters.neuron.memory import direct_access
from couple.exchange import kernels
from couple.exchange.exchange import Exchange
from support.neuron_models import CALCIUM, attach, loop

FUSED = re.compile(r"\bf(?:mul|add|sub) (?:fast|[a-z ]*contract)|llvm\.fm(?:a|uladd)")
"""In LLVM's language: what lets a product and a sum be rounded once."""

# "head(0.9)" before "head(0.1)": not the order of NEURON's memory.
PLACES = ("head(0.9)", "head(0.1)", "head(0.5)")


@pytest.fixture
def cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "cell.py"
    path.write_text(CALCIUM)

    def make(*, passed: bool, called: bool = False) -> Any:
        """passed: whether one pass sums; called: whether Python is called for it."""
        monkeypatch.setattr(charge, "MANY", 1 if passed else 100)
        if called:
            monkeypatch.setattr(charge, "SumsByMechanism", lambda _, *given: summing.SumsByPython(*given))
        made = attach(path, calcium=PLACES, cai=(1e-4,) * 3)
        assert made._charge.passed == (3 if passed else 0)
        return made

    return make


def test_one_pass_has_the_bits_of_point_processes(cell) -> None:
    processes = loop(cell(passed=False), range(100))
    made = cell(passed=True)
    assert made._charge._pass._place.tolist() == [2, 0, 1]  # it does sum in another order than is asked for
    assert np.array_equal(loop(made, range(100)), processes)
    assert np.array_equal(loop(cell(passed=True, called=True), range(100)), processes)
    assert np.ptp(processes[:, 2:5], axis=0).min() > 0


def test_one_pass_goes_on_where_it_was_saved(cell) -> None:
    made = cell(passed=True)
    loop(made, range(20))
    state, ports = made.save(), made.memory.copy()
    onwards = loop(made, range(20, 40))
    made.restore(state)
    made.memory[:] = ports
    assert np.array_equal(loop(made, range(20, 40)), onwards)


def test_a_new_start_has_no_charge_of_the_run_before(cell) -> None:
    made = cell(passed=True)
    start = made.save()
    loop(made, range(20))
    assert made.read("charge").all()
    made.restart(start, 1)
    assert not made.read("charge").any()


@pytest.mark.parametrize("called", [False, True])
def test_memory_that_moves_is_noticed(cell, called: bool) -> None:
    expected = loop(cell(passed=True, called=called), range(40))
    made = cell(passed=True, called=called)
    rows, extra = [loop(made, range(20))], []
    for i in range(200):
        extra.append(h.Section(name=f"extra{i}"))
        extra[-1].insert("couple_cav")
    rows.append(loop(made, range(20, 40)))
    for section in extra:
        h.delete_section(sec=section)
    assert np.array_equal(np.concatenate(rows), expected)


@numba.njit(fastmath=True)
def relaxed(total: np.ndarray, values: np.ndarray, factor: float) -> None:
    for i in range(total.size):
        total[i] += values[i] * factor


def test_no_machine_may_fuse_a_product_and_a_sum(cell) -> None:
    """Neither of charge nor of the exchange: last bits would differ between machines, and from the point processes."""
    loop(cell(passed=True, called=True), range(1))
    Exchange(np.zeros(1), (), (), (), (), (), (), 0.0)
    relaxed(np.zeros(4), np.ones(4), 0.5)
    assert FUSED.search(llvm(relaxed))  # control
    for kernel in (direct_access.add, charge.read_sums, kernels.deliver, kernels.collect):
        made = llvm(kernel)
        assert "fmul" in made and not FUSED.search(made), kernel


def llvm(kernel: Any) -> str:
    """What a kernel is compiled to for its types so far; what comes from the cache cannot be looked at."""
    fresh = numba.njit(**{"fastmath": True} if kernel is relaxed else {})(kernel.py_func)
    for signature in kernel.signatures:
        fresh.compile(signature)
    return "".join(fresh.inspect_llvm().values())


@pytest.mark.acceptance
@pytest.mark.skipif(shutil.which("objdump") is None, reason="objdump reads the machine code")
def test_our_mechanisms_are_compiled_alike(tmp_path: Path) -> None:
    """With instructions that fuse at hand, as machines other than x86-64 have them always."""
    counted = {}
    for name, options in (("free", ("-incflags", "-mfma")), ("ours", ("-incflags", f"-mfma {nmodl.UNFUSED[1]}"))):
        (tmp_path / name).mkdir()
        made = tmp_path / name / "libcouple.so"
        nmodl.compile_library(str(nmodl.nrnivmodl()), [builtin.MOD_FILES / "couple_charge.mod"], made, options)
        said = subprocess.run(["objdump", "-d", str(made)], capture_output=True, text=True, check=True).stdout
        counted[name] = len(re.findall(r"vfn?m(?:add|sub)", said))
    assert counted["free"] > 0 and counted["ours"] == 0
