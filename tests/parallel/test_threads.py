"""Work that threads of a process share, and how many of them a process has for itself."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from threading import Barrier, get_ident

import numpy as np
import pytest

from couple.base.errors import InputError
from couple.base.signals import StoppedBySignal
from couple.experiment import Experiment
from couple.parallel import cores
from couple.parallel.communicator import SingleProcess
from couple.parallel.cores import PlacedRank, placed_ranks, placement_line, share_cores, usable_cores
from couple.parallel.threads import Threads
from couple.wiring import wire


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """However little there is to do."""
    monkeypatch.setattr("couple.parallel.threads.WORTH", 0.0)
    monkeypatch.setattr("couple.parallel.threads.REST", 0)


def sums(scratches: Callable[[int], int], n: int = 2) -> list[float]:
    """What two threads find that use scratch at the same time: 1, 1 if each has its own."""
    scratch, found, both = np.zeros(n), np.zeros(n), Barrier(n, timeout=10)

    def part(rows: slice, k: int) -> None:
        at = scratches(k)
        scratch[at] = rows.start
        both.wait()
        found[rows.start] = float(scratch[at] == rows.start)
        both.wait()

    Threads(n).rows(n, part)
    return found.tolist()


@pytest.mark.usefixtures("always")
def test_scratch_is_of_one_thread() -> None:
    assert sums(lambda k: k) == [1.0, 1.0]
    assert sorted(sums(lambda _: 0)) == [0.0, 1.0], "the control: scratch that both use"


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("n", [1, 2, 3, 8, 100])
def test_every_row_and_every_site_is_done_once(n: int) -> None:
    rows, items = np.zeros(n), np.zeros(n)

    def part(some: slice, _: int) -> None:
        rows[some] += 1

    def item(k: int) -> None:
        items[k] += 1

    for most in (1, 2, 3, 4):
        threads = Threads(most)
        for _ in range(3):
            threads.rows(n, part)
            threads.each(n, item)
    assert (rows == 12).all() and (items == 12).all()


@pytest.mark.usefixtures("always")
def test_the_first_error_in_the_order_of_sites_is_raised_and_all_before_are_done() -> None:
    done: list[int] = []

    def item(k: int) -> None:
        time.sleep(0.02 if k == 3 else 0.0)  # the later one fails first
        if k in (3, 4):
            raise InputError(f"site {k}")
        done.append(k)

    with pytest.raises(InputError, match="site 3"):
        Threads(2).each(50, item)
    assert {0, 1, 2} <= {*done} and len(done) < 48


@pytest.mark.usefixtures("always")
def test_a_signal_in_this_thread_waits_for_the_others() -> None:
    here, done = get_ident(), []

    def item(k: int) -> None:
        if get_ident() == here:
            raise StoppedBySignal("SIGINT")
        time.sleep(0.05)
        done.append(k)

    with pytest.raises(StoppedBySignal):
        Threads(2).each(2, item)
    before = len(done)
    time.sleep(0.1)
    assert len(done) == before  # nothing goes on behind the back


def test_little_work_stays_in_one_thread_and_much_does_not() -> None:
    little, much = Threads(2), Threads(2)
    for _ in range(5):
        little.each(4, lambda _: None)
        much.each(4, lambda _: time.sleep(0.002))
    assert (little.woken, much.woken) == (0, 4)


@pytest.mark.usefixtures("always")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_child_has_threads_of_its_own() -> None:
    threads = Threads(3)
    threads.each(3, lambda _: None)
    child = os.fork()
    if child == 0:
        found: list[int] = []
        threads.each(3, found.append)
        os._exit(0 if sorted(found) == [0, 1, 2] else 1)
    assert os.waitpid(child, 0)[1] == 0


class Job(SingleProcess):
    """Ranks with such cores on such machines."""

    def __init__(self, *seen: tuple[str, set[int]]) -> None:
        self.size, self._seen = len(seen), [(host, frozenset(found)) for host, found in seen]

    def gather(self, value: object) -> list:
        return self._seen


@pytest.mark.parametrize(
    ("seen", "free"),
    [
        ([("a", {0, 1, 2, 3})] * 2, [2, 2]),
        ([("a", {0, 1}), ("a", {2, 3, 4})], [2, 3]),
        ([("a", {0, 1, 2}), ("b", {0, 1})], [3, 2]),
        ([("a", {0})] * 3, [1, 1, 1]),
        ([("a", {0, 1, 2, 3}), ("a", {0, 1})], [3, 1]),
    ],
)
def test_cores_are_shared_evenly(seen: list[tuple[str, set[int]]], free: list[int]) -> None:
    assert [one.free for one in placed_ranks(Job(*seen))] == free


def test_processes_of_the_same_work_share_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "usable_cores", lambda: frozenset(range(8)))
    before = placed_ranks(SingleProcess())[0].free
    share_cores(4)
    try:
        assert (before, placed_ranks(SingleProcess())[0].free) == (8, 2)
    finally:
        share_cores(1)


@pytest.mark.parametrize(
    ("placed", "threads", "line"),
    [
        ([("a", {0, 1})], 2, "2 threads, 2 cores"),
        ([("a", {0, 1})], 4, "4 threads, 2 cores: more threads than cores, which is slower"),
        (
            [("a", {0, 1, 2, 3})] * 2,
            2,
            "2 ranks x 2 threads, 4 cores, which ranks share (mpiexec -bind-to core:N binds them)",
        ),
        ([("a", {0}), ("a", {1})], 1, "2 ranks x 1 thread, 2 cores, each rank bound to its own"),
        ([("a", {0}), ("b", {1})], 1, "2 ranks x 1 thread on 2 machines, 1 core on the fullest"),
    ],
)
def test_what_check_says_of_it(placed: list[tuple[str, set[int]]], threads: int, line: str) -> None:
    assert placement_line([PlacedRank(host, frozenset(found), 1) for host, found in placed], threads) == line


BOX = {
    "experiment": {"name": "box", "duration": "1 ms", "exchange": "0.1 ms"},
    "chemistry": {"species": {"A": {}}, "initial": {"A": {"count": 100}}},
    "site": [{"name": "head", "engine": "ode", "geometry": {"sphere": {"diameter": "0.5 um"}}}],
}


def test_the_key_reaches_engines_and_its_default_is_what_is_free() -> None:
    for given, found in (({}, len(usable_cores())), ({"run": {"threads": 3}}, 3)):
        system = wire(Experiment.build(**BOX, **given))
        assert system.plan.threads == system.engines[0].threads.most == found


@pytest.mark.parametrize("threads", [0, -1, 2.5, "all", 1025])
def test_what_is_no_number_of_threads_is_refused(threads: object) -> None:
    with pytest.raises(InputError, match=r"run\.threads"):
        Experiment.build(**BOX, run={"threads": threads})
