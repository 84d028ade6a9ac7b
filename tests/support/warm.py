"""Python processes that need not import first: forks of one that has, which listens at a socket.

`python("-m", "couple", ...)` is a command line for `subprocess` or mpiexec as `[sys.executable, "-m", "couple", ...]`
is: the program runs in a process of its own, as the main program, with its streams, folder, environment, signals and
exit code, and ends as Python ends. Only what it imports first is there already, and the kernels of a few sites; not
MPI, NEURON and DOLFINx, which have to come after each other in the program itself.

Not for processes that are killed by SIGKILL from outside (what runs ends a moment later than what was killed), nor
for what is set by `preexec_fn`.
"""

from __future__ import annotations

import atexit
import functools
import gc
import json
import os
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from couple.parallel.communicator import look_again
from support.paths import ROOT, TESTS
from support.small_sites import small_sites

CLIENT = Path(__file__).with_name("warm_client.py")


def python(*arguments: object) -> list[str]:
    """The command line of a Python process that has imported already."""
    return [sys.executable, "-SE", str(CLIENT), _server(os.getpid()), *map(str, arguments)]


@functools.cache
def _server(_: int) -> str:
    """Socket of the server of this process, which ends with it."""
    place = tempfile.TemporaryDirectory(prefix="couple-warm-", ignore_cleanup_errors=True)
    path = f"{place.name}/socket"
    environment = {**os.environ, "PYTHONPATH": str(TESTS), "OPENBLAS_NUM_THREADS": "1"}
    running = subprocess.Popen(
        [sys.executable, "-m", "support.warm", path],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment,
    )  # fmt: skip
    assert running.stdin is not None and running.stdout is not None
    assert running.stdout.readline() == "listening\n"
    atexit.register(running.stdin.close)
    atexit.register(place.cleanup)
    return path


# -- the server ---------------------------------------------------------------------------------------------------


def prepare() -> None:
    """Have all modules but those that bring MPI, and kernels that any run needs."""
    import tomllib

    import scipy.sparse.linalg
    import scipy.stats  # noqa: F401

    import couple.cli.main
    import couple.ensemble.sampling
    import couple.storage.records.results  # noqa: F401
    from couple.experiment import Experiment
    from couple.simulation.simulation import Simulation

    text = small_sites({"a": "ssa", "b": "ssa", "c": "ode"}, ("a", "b"), "c", "1 ms")
    Simulation.in_memory(Experiment.parse(tomllib.loads(text))).step()
    gc.collect()
    gc.freeze()  # forks share what nobody looks at


class Job(NamedTuple):
    """A program that a client asks for. descriptors: stdin, stdout, stderr, and that of the MPI job if it is one."""

    folder: str
    environment: dict[str, str]
    arguments: list[str]
    descriptors: list[int]


def serve(path: str) -> Job:
    """Fork for every client. Returns in the forks alone, each with its job; the server ends with its stdin."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listening.bind(path)
    listening.listen(64)
    events = selectors.DefaultSelector()
    events.register(listening, selectors.EVENT_READ, "new")
    events.register(0, selectors.EVENT_READ, "end")
    print("listening", flush=True)
    while True:
        for key, _ in sorted(events.select(), key=lambda event: event[0].data == "new"):  # whoever ends goes first
            if key.data == "end":
                os._exit(0)
            elif key.data == "new":
                job = _begin(listening, events)
                if job is not None:
                    return job
            elif events.get_map().get(key.fd) is key:  # not if both have ended at once
                _end(key, events)


def _begin(listening: socket.socket, events: selectors.BaseSelector) -> Job | None:
    """Take a client's job and fork: the job in the fork, None in the server."""
    client, _ = listening.accept()
    try:
        size, descriptors, _, _ = socket.recv_fds(client, 8, 8)
        content = client.makefile("rb").read(int.from_bytes(size, "little"))
    except OSError:
        content, descriptors = b"", []
    if not content:  # the client was killed before it could ask
        client.close()
        return None
    child = os.fork()
    if child == 0:
        for key in [*events.get_map().values()]:
            if isinstance(key.fileobj, socket.socket):
                key.fileobj.close()
            elif key.fileobj:
                os.close(int(key.fileobj))  # type: ignore[call-overload]
        events.close()
        client.close()
        return Job(*json.loads(content), descriptors)
    for descriptor in descriptors:
        os.close(descriptor)
    with suppress(OSError):
        client.sendall(f"{child}\n".encode())
    watched = os.pidfd_open(child)
    events.register(watched, selectors.EVENT_READ, (child, client, watched))
    events.register(client, selectors.EVENT_READ, (child, client, watched))
    return None


def _end(key: selectors.SelectorKey, events: selectors.BaseSelector) -> None:
    """A fork has ended, which is told to its client; or the client has, and the fork goes with it."""
    child, client, watched = key.data
    if key.fileobj is client:
        os.kill(child, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with suppress(OSError):
        client.sendall(f"{code}\n".encode())
    events.unregister(watched)
    events.unregister(client)
    os.close(watched)
    client.close()


def become(job: Job) -> None:
    """Run the program of a job as Python does that of its command line."""
    os.chdir(job.folder)
    os.environ.clear()
    os.environ.update(job.environment)
    for stream, descriptor in enumerate(job.descriptors[:3]):
        os.dup2(descriptor, stream)
        os.close(descriptor)
    if len(job.descriptors) > 3:
        os.environ["PMI_FD"] = str(job.descriptors[3])
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    look_again()
    kind, *rest = job.arguments
    more = [p for p in job.environment.get("PYTHONPATH", "").split(os.pathsep) if p]
    first = str(Path(kind).resolve().parent) if kind not in ("-m", "-c") else job.folder
    sys.path[:] = [first, *more, *(p for p in sys.path[1:] if p != str(TESTS))]
    if kind == "-m":
        sys.argv = rest
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    elif kind == "-c":
        sys.argv = ["-c", *rest[1:]]
        exec(compile(rest[0], "<string>", "exec"), {"__name__": "__main__"})
    else:
        sys.argv = [kind, *rest]
        runpy.run_path(kind, run_name="__main__")


if __name__ == "__main__":
    prepare()
    become(serve(sys.argv[1]))
