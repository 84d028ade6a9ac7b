"""A run that goes on, as `couple view` follows it; and that stopping it hits nobody else."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import numpy as np
import pytest

from couple import Experiment, Results, Simulation
from couple.analysis.view import Viewer
from couple.analysis.view.guard import TOKEN
from couple.base.errors import InputError
from couple.storage.folder.contents import SEGMENT_END, survey
from couple.storage.folder.lock import lock_folder
from couple.storage.folder.owner import ask_to_stop, writer_of
from couple.storage.run.run_folder import RUN
from couple.storage.run.watched_folder import DESCRIPTION, LIVE, ROWS, look, read_live
from support.command_line import assert_equal_results
from support.small_sites import small_sites
from support.stopped_commands import ForkedCommand

TEXT = small_sites({"a": "ssa", "b": "ssa", "c": "ode"}, ("a", "b"), "c", "{duration}")


def experiment(folder: Path, duration: str) -> Path:
    path = folder / "sites.toml"
    path.write_text(TEXT.replace("{duration}", duration) + '[checkpoint]\nevery = "50 ms"\n')
    return path


def test_what_is_shown_are_rows_of_the_run(tmp_path: Path) -> None:
    """To the bit, thinned; the newest among them; and the run is the same as without anybody who looks."""
    path, seen = experiment(tmp_path, "400 ms"), []
    simulation = Simulation.new(Experiment.load(path), tmp_path / "watched")

    def watch(running: Simulation) -> None:
        if running.orchestrator.window % 500 == 0:
            look(tmp_path / "watched", os.getpid())
            live.due = live._rest = 0.0
        elif running.orchestrator.window % 500 == 2 and running.orchestrator.window > 500:
            shown = read_live(tmp_path / "watched")
            assert shown is not None
            with shown[0] as rows:
                seen.append((rows.time, rows["a.A"], rows["c.A"], shown[1]))

    live = simulation._live
    assert live is not None
    simulation.after_each_window(watch)
    simulation.run()
    with Results(tmp_path / "watched") as results:
        time, a, c = results.time, results["a.A"], results["c.A"]
    assert len(seen) >= 7 and len(seen[-1][0]) <= 1001
    for times, first, third, about in seen:
        at = np.searchsorted(time, times - 1e-9)
        np.testing.assert_array_equal(time[at], times)
        np.testing.assert_array_equal(a[at], first)
        np.testing.assert_array_equal(c[at], third)
        assert times[0] == 0.0 and times[-1] == about.simulated and about.end == 400.0
    assert not (tmp_path / "watched" / LIVE / ROWS).exists()
    Simulation.new(Experiment.load(path), tmp_path / "alone").run()
    assert not (tmp_path / "alone" / LIVE).exists()
    assert_equal_results(tmp_path / "watched" / "results.h5", tmp_path / "alone" / "results.h5")


def state(address: str, seen: str = "") -> dict[str, Any]:
    parts = urlsplit(address)
    headers = {TOKEN: parts.query.removeprefix("token=")}
    with urlopen(Request(f"http://{parts.netloc}/state?seen={seen}", headers=headers), timeout=30) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def test_a_run_is_followed_and_stopped(tmp_path: Path) -> None:
    """The whole way, in processes: curves come while it runs; the button saves it; it goes on to the bit."""
    path, out = experiment(tmp_path, "100 s"), tmp_path / "out"
    run = ForkedCommand(("run", path, "--out", out, "--no-figure"), tmp_path / "run.txt")
    run.wait_for(lambda: writer_of(out) is not None)
    view = ForkedCommand(("view", out, "--json"), tmp_path / "view.txt")
    try:
        view.wait_for(lambda: (tmp_path / "view.txt").is_file() and "\n" in (tmp_path / "view.txt").read_text())
        address = json.loads((tmp_path / "view.txt").read_text())["address"]
        shown = [state(address)]
        while len(shown) < 400 and sum("figure" in s for s in shown) < 3:
            time.sleep(0.05)
            shown.append(state(address, shown[-1]["version"]))
        figures = [s for s in shown if "figure" in s]
        assert {s["status"] for s in shown} == {"running"} and len(figures) == 3, (run.poll(), shown[-1])
        assert [s["done"] for s in figures] == sorted(s["done"] for s in figures) and figures[-1]["total"] == 1e5
        assert figures[-1]["figure"]["data"][0]["x"][-1] == pytest.approx(figures[-1]["done"], rel=1e-6)
        assert figures[-1]["left_s"] > 0
        parts = urlsplit(address)
        stop = Request(
            f"http://{parts.netloc}/stop", method="POST", headers={TOKEN: parts.query.removeprefix("token=")}
        )
        assert json.load(urlopen(stop)) == {"asked": run.pid}
        assert run.wait() == 143
        assert state(address)["status"] == "finished", "there is a report to show"
        with Results(out) as results:
            assert results.status == "interrupted"
        assert (out / "checkpoint.h5").is_file() and not (out / LIVE / ROWS).exists()
    finally:
        run.send(signal.SIGKILL)
        view.send(signal.SIGTERM)
    assert view.wait() == 0 and not (out / LIVE).exists()


def test_a_damaged_file_is_not_shown_and_a_folder_is_ours_again(tmp_path: Path) -> None:
    path, out = experiment(tmp_path, "5 ms"), tmp_path / "out"
    out.mkdir()
    lock = lock_folder(out)
    viewer = Viewer(out)
    try:
        (out / LIVE).mkdir()
        (out / LIVE / ROWS).write_bytes(b"\x93NUMPY half" + SEGMENT_END)
        (out / LIVE / DESCRIPTION).write_bytes(b"couple sealed 1\nhalf")
        assert viewer.followed.state() == {
            "status": "running", "kind": "run", "name": "out", "done": None, "total": None, "unit": "", "left_s": None,
            "version": "", "note": "",
        }  # fmt: skip
    finally:
        lock.release()
    assert not survey(out, RUN).strangers and not survey(out, RUN).useful
    Simulation.new(Experiment.load(path), out).run(until=1.0)
    assert not (out / LIVE).exists() and viewer.followed.state()["status"] == "finished"


def test_a_lock_is_looked_at_without_being_tried(tmp_path: Path) -> None:
    """A run that begins while somebody looks would find the folder taken."""
    lock = lock_folder(tmp_path)
    assert writer_of(tmp_path) == os.getpid()
    lock.release()
    assert writer_of(tmp_path) is None
    (tmp_path / ".lock").write_text(f"{os.getpid()}\n")
    assert writer_of(tmp_path) is None, "the number alone, of a process that writes elsewhere"


def test_nobody_else_is_stopped(tmp_path: Path) -> None:
    """The number in a stale lock may be that of any process by now."""
    (tmp_path / ".lock").touch()
    with subprocess.Popen([sys.executable, "-c", "import time; print(flush=True); time.sleep(60)"],
                          stdout=subprocess.PIPE) as other:  # fmt: skip
        assert other.stdout is not None
        other.stdout.readline()
        (tmp_path / ".lock").write_text(f"{other.pid}\n")
        with pytest.raises(InputError, match="no process"):
            ask_to_stop(tmp_path)
        assert other.poll() is None
        other.kill()
    holds = "import sys, time; f = open(sys.argv[1]); print(flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", holds, str(tmp_path / ".lock")], stdout=subprocess.PIPE) as ours:
        assert ours.stdout is not None
        ours.stdout.readline()
        (tmp_path / ".lock").write_text(f"{ours.pid}\n")
        assert ask_to_stop(tmp_path) == ours.pid, "the control: it has the file open"
        assert ours.wait(30) == -signal.SIGTERM


def test_a_run_of_this_process_does_not_stop_itself(tmp_path: Path) -> None:
    lock = lock_folder(tmp_path)
    with pytest.raises(InputError):
        ask_to_stop(tmp_path)
    lock.release()
