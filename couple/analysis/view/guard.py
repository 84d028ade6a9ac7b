"""Who may ask: only a page of ours, by a name of this machine, with the token.

A server on 127.0.0.1 is reached by every page that a browser on this machine has open, and by every user of it. The
name in `Host` keeps out pages of others that have their own name point here (DNS rebinding), `Origin` and
`Sec-Fetch-Site` requests that other pages send, and the token everybody who was not given the address.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass

NAMES = ("127.0.0.1", "localhost")

TOKEN = "X-Couple-Token"
"""Header of what changes something; a page of another origin cannot send it unasked."""


@dataclass(frozen=True)
class Guard:
    """port: that is served. token: of this server."""

    port: int
    token: str

    def refusal(self, headers: Mapping[str, str], given: str, *, changes: bool) -> str | None:
        """Why a request is refused; None for one that is not. given: token in the address, with which nothing can be
        changed: addresses are kept in histories."""
        hosts = {f"{name}:{self.port}" for name in NAMES}
        if headers.get("Host", "") not in hosts:
            return "asked by a name that is not of this machine"
        origin = headers.get("Origin")
        if origin is not None and origin not in {f"http://{host}" for host in hosts}:
            return "asked by a page of another origin"
        if headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
            return "asked by a page of another origin"
        token = headers.get(TOKEN, "") or ("" if changes else given)
        if not hmac.compare_digest(token.encode(), self.token.encode()):
            return "without the token: take the whole address that couple view has printed"
        return None
