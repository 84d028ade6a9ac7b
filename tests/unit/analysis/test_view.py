"""`couple view`: who may ask, what is shown of a run that goes on, and that stopping it hits nobody else."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from couple import Experiment, Simulation
from couple.analysis.view import Viewer
from couple.analysis.view.guard import TOKEN, Guard
from support.command_line import couple
from support.small_sites import small_sites

TEXT = small_sites({"a": "ssa", "b": "ssa", "c": "ode"}, ("a", "b"), "c", "{duration}")


def experiment(folder: Path, duration: str) -> Path:
    path = folder / "sites.toml"
    path.write_text(TEXT.replace("{duration}", duration) + '[checkpoint]\nevery = "50 ms"\n')
    return path


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("view")
    Simulation.new(Experiment.load(experiment(folder, "5 ms")), folder / "out").run()
    return folder / "out"


@pytest.fixture(scope="module")
def viewer(finished: Path) -> Iterator[Viewer]:
    viewer = Viewer(finished)
    with viewer.serving():
        yield viewer


def ask(viewer: Viewer, path: str, way: str = "GET", **headers: str) -> tuple[int, bytes]:
    """Status and content. Headers by their names with "_" for "-"; Host is that of the server unless given."""
    wire = http.client.HTTPConnection("127.0.0.1", viewer.port, timeout=30)
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    wire.putrequest(way, path, skip_host=True)
    for name, value in {"Host": f"127.0.0.1:{viewer.port}", **given}.items():
        wire.putheader(name, value)
    wire.endheaders()
    answer = wire.getresponse()
    return answer.status, answer.read()


# -- who may ask -------------------------------------------------------------------------------------------------------


def test_whoever_has_the_token_sees_the_report(viewer: Viewer) -> None:
    with urlopen(viewer.address) as answer:
        text = answer.read().decode()
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert "<h2>Ledger</h2>" in text and "<h1>sites</h1>" in text
    status, content = ask(viewer, "/state", **{TOKEN: viewer.guard.token})
    assert (status, json.loads(content)["status"]) == (200, "finished")
    assert ask(viewer, "/plotly.js", **{TOKEN: viewer.guard.token, "Sec_Fetch_Site": "same-origin"})[0] == 200
    assert ask(viewer, "/elsewhere", **{TOKEN: viewer.guard.token})[0] == 404


ATTACKS = {
    "without a token": {TOKEN: ""},
    "with another token": {TOKEN: "x" * 32},
    "under a name that somebody made point here": {"Host": "evil.example:{port}"},
    "under the name of another port": {"Host": "127.0.0.1:1"},
    "from a page of another origin": {"Origin": "https://evil.example"},
    "from a page of another port": {"Origin": "http://127.0.0.1:1"},
    "from a page without an origin": {"Origin": "null"},
    "from a page elsewhere, as browsers say": {"Sec_Fetch_Site": "cross-site"},
    "from a page of the same host, as browsers say": {"Sec_Fetch_Site": "same-site"},
}


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize(("way", "path"), [("GET", "/"), ("GET", "/state"), ("GET", "/plotly.js"), ("POST", "/stop")])
def test_others_are_refused(viewer: Viewer, attack: str, way: str, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    headers = {TOKEN: viewer.guard.token} | {
        k: v.replace("{port}", str(viewer.port)) for k, v in ATTACKS[attack].items()
    }
    status, content = ask(viewer, path, way, **headers)
    assert status == 403 and content.startswith(b"refused:") and b"ledger" not in content.lower()
    monkeypatch.setattr(Guard, "refusal", lambda *_, **__: None)  # the control
    assert ask(viewer, path, way, **headers)[0] == (409 if way == "POST" else 200)


def test_a_token_in_an_address_changes_nothing(viewer: Viewer) -> None:
    """Addresses are kept in histories, and a form of any page can be sent to one."""
    assert ask(viewer, f"/stop?token={viewer.guard.token}", "POST")[0] == 403
    assert ask(viewer, "/stop", "POST", **{TOKEN: viewer.guard.token})[0] == 409, "the control: nothing goes on"
    assert ask(viewer, "/stop", "GET", **{TOKEN: viewer.guard.token})[0] == 404


def test_it_listens_at_this_machine_alone(viewer: Viewer) -> None:
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.2", viewer.port), 5):
        pass
    with socket.create_connection(("127.0.0.1", viewer.port), 5):
        pass


def test_two_servers_have_two_tokens(finished: Path, viewer: Viewer) -> None:
    other = Viewer(finished)
    with other.serving():
        assert other.guard.token != viewer.guard.token and len(other.guard.token) >= 32
        assert ask(other, "/state", **{TOKEN: viewer.guard.token})[0] == 403


# -- bad input ---------------------------------------------------------------------------------------------------------


def test_bad_input_is_one_line(finished: Path, tmp_path: Path, viewer: Viewer, capsys: Any) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "results.h5").write_bytes(b"nothing of ours")
    for arguments, said in {
        (tmp_path / "nowhere",): "no such folder",
        (tmp_path,): "holds no run and no ensemble",
        (tmp_path / "notes.txt",): "is not a result file",
        (tmp_path / "bad",): "is not a result file",
        (finished, "--port", viewer.port): f"port {viewer.port} is taken",
        (finished, "--port", 99999): "--port",
    }.items():
        assert couple("view", *map(str, arguments)) == 2
        lines = capsys.readouterr().err.strip().splitlines()
        assert len(lines) == 1 and said in lines[0] and lines[0].startswith("error: "), lines
