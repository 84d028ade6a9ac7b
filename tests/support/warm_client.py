"""Becomes a Python process that has imported already: `python -SE warm_client.py SOCKET ARGUMENTS-OF-PYTHON...`.

For mpiexec, or a test, this is that process: its streams, its folder and environment, its place in an MPI job, the
signals that it gets, and how it ends are handed on. See support/warm.py, which has the other end. Nothing is imported
here but what starts at once.
"""

import json
import os
import signal
import socket
import sys
from contextlib import suppress


def main() -> None:
    signals = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1]
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)  # until it is known to whom they go
    descriptors = [0, 1, 2]
    if "PMI_FD" in os.environ:
        descriptors.append(int(os.environ["PMI_FD"]))
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.connect(sys.argv[1])
        folder = os.getcwd()  # noqa: PTH109 - pathlib takes longer than all of this
        job = json.dumps([folder, dict(os.environ), sys.argv[2:]]).encode()
        socket.send_fds(server, [len(job).to_bytes(8, "little")], descriptors)
        server.sendall(job)
        said = server.makefile("r")
        process = int(said.readline())
        for number in signals:
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, lambda number, _: hand_on(process, number))
        for descriptor in descriptors:
            os.close(descriptor)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
        code = int(said.readline())
    if code < 0:
        if -code != signal.SIGKILL:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


def hand_on(process: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(process, number)


if __name__ == "__main__":
    main()
