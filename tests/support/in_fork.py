"""A test whose faults may leave a library in pieces, in a process of its own."""

from __future__ import annotations

import functools
import os
import traceback
from collections.abc import Callable
from typing import Any


def in_fork(test: Callable[..., None]) -> Callable[..., None]:
    """The same test in a fork of the process: what it breaks ends with it."""

    @functools.wraps(test)
    def forked(*arguments: Any, **fixtures: Any) -> None:
        there, here = os.pipe()
        child = os.fork()
        if child == 0:
            code = 1
            try:
                test(*arguments, **fixtures)
                code = 0
            except BaseException:  # noqa: BLE001 - whatever the test says
                os.write(here, traceback.format_exc()[-4000:].encode())
            finally:
                os._exit(code)
        os.close(here)
        with os.fdopen(there, "rb") as said:
            text = said.read().decode()
        _, status = os.waitpid(child, 0)
        assert status == 0, text or f"the process of the test ended by {status}"

    return forked
