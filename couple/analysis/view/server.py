"""The server: a page, the state of what goes on as JSON, and one thing that can be done, to stop it.

It listens at 127.0.0.1 alone and looks at every request with `Guard` before anything else.
"""

from __future__ import annotations

import errno
import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

from couple.analysis.report.page import plotly_script
from couple.analysis.report.report import page_at
from couple.analysis.view.followed import Followed
from couple.analysis.view.guard import NAMES, Guard
from couple.analysis.view.page import live_page
from couple.base.errors import CoupleError, InputError
from couple.storage.folder.owner import ask_to_stop

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; worker-src blob:; "
    "style-src 'unsafe-inline'; img-src data: blob:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

WAIT = 10.0
"""Seconds that a connection may say nothing."""


class Viewer:
    """A server of a result folder, which listens when it is made.

    path: a folder, or a file of results. port: 0 for any that is free. `address` is what a browser is given.
    Raises InputError if the port is taken or there is nothing to show.
    """

    def __init__(self, path: Path, port: int = 0) -> None:
        self.followed = Followed(path)
        self._pages: dict[tuple[Path, int], bytes] = {}
        self._making = threading.Lock()
        if self.followed.results is not None and not self.followed.goes_on:
            self.page()  # what is damaged is said now
        plotly_script()
        self._server = _listen(port)
        self._server.viewer = self
        self.port = int(self._server.server_address[1])
        self.guard = Guard(self.port, secrets.token_urlsafe(24))

    @property
    def address(self) -> str:
        """With the token."""
        return f"http://{NAMES[0]}:{self.port}/?token={self.guard.token}"

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Requests are answered inside."""
        thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._server.shutdown()
            self._server.server_close()
            self.followed.leave()

    def page(self) -> bytes:
        """The report of what is finished, made once for each state of the file; or what follows a run."""
        results = self.followed.results
        if results is None or self.followed.goes_on:
            return live_page(self.followed.state()).encode()
        with self._making:
            key = (results, results.stat().st_mtime_ns)
            if key not in self._pages:
                self._pages = {key: page_at(results).encode()}
            return self._pages[key]

    def stop(self) -> dict[str, Any]:
        """Ask what goes on to stop. Raises InputError if nothing does."""
        if self.followed.folder is None:
            raise InputError("nothing goes on", where=str(self.followed.path))
        return {"asked": ask_to_stop(self.followed.folder)}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = False
    viewer: Viewer


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    server_version, sys_version = "couple", ""
    timeout = WAIT
    WAYS: ClassVar = {"GET": ("/", "/state", "/plotly.js"), "POST": ("/stop",)}

    def do_GET(self) -> None:
        self._answer("GET")

    def do_POST(self) -> None:
        self._answer("POST")

    def _answer(self, way: str) -> None:
        viewer, asked = self.server.viewer, urlsplit(self.path)
        query = parse_qs(asked.query)
        given = query.get("token", [""])[0]
        refusal = viewer.guard.refusal(dict(self.headers.items()), given, changes=way == "POST")
        if refusal is not None:
            self._send(HTTPStatus.FORBIDDEN, "text/plain; charset=utf-8", f"refused: {refusal}\n".encode())
            return
        if asked.path not in self.WAYS[way]:
            self._send(HTTPStatus.NOT_FOUND, "text/plain; charset=utf-8", b"there is no such page\n")
            return
        try:
            kind, content = self._content(asked.path, query.get("seen", [""])[0])
            self._send(HTTPStatus.OK, kind, content)
        except CoupleError as error:
            self._send(HTTPStatus.CONFLICT, "text/plain; charset=utf-8", f"{error}\n".encode())

    def _content(self, path: str, seen: str) -> tuple[str, bytes]:
        viewer = self.server.viewer
        if path == "/":
            return "text/html; charset=utf-8", viewer.page()
        if path == "/plotly.js":
            return "text/javascript; charset=utf-8", plotly_script().encode()
        found = viewer.stop() if path == "/stop" else viewer.followed.state(seen)
        return "application/json", json.dumps(found, allow_nan=False).encode()

    def _send(self, status: HTTPStatus, kind: str, content: bytes) -> None:
        try:
            self.send_response(status)
            for name, value in {**HEADERS, "Content-Type": kind, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)
        except OSError:  # whoever asked has gone
            self.close_connection = True

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing: the terminal is for errors."""


def _listen(port: int) -> _Server:
    try:
        return _Server((NAMES[0], port), _Handler)
    except (OSError, OverflowError) as error:
        taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
        why = "is taken" if taken else f"cannot be used ({getattr(error, 'strerror', None) or error})"
        raise InputError(f"port {port} {why}: give another, or none for any that is free", where="--port") from None
