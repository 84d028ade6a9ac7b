"""A page of the documentation, typed: its blocks carried out in an empty folder, one after the other."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import urlopen

from support.doc_pages import CodeBlock
from support.paths import EXAMPLES, ROOT

NUMBER = re.compile(r"[-+]?\d[\d.,]*(e[-+]?\d+)?")


class Typist:
    """Types into a folder. printed: by the commands of the block before."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.printed = folder, ""
        self.environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}

    def type(self, block: CodeBlock) -> None:
        """Carry out a block, or put it where its title says; of a block of text see that it was printed."""
        if block.language == "python":
            assert self.run([sys.executable, "-c", block.body])
        elif block.language in ("sh", "bash"):
            lines = block.body.replace("\\\n", " ").splitlines()
            self.printed = "".join(self.line(shlex.split(line, comments=True)) for line in lines)
        elif block.language == "text":
            printed = {masked(line) for line in self.printed.splitlines()}
            in_lines = {masked(line) for line in block.body.splitlines()} <= printed
            assert in_lines or masked(block.body) in masked(self.printed), self.printed  # longer numbers wrap elsewhere
        elif block.title:
            (self.folder / block.title).write_text(block.body)

    def line(self, words: list[str]) -> str:
        """What a line prints. `uv run` is what surrounds us; a cell of one's own is a copy of that of an example."""
        if not words:
            return ""
        words = words[2:] if words[:2] == ["uv", "run"] else words
        assert words[0] == "couple", f"{shlex.join(words)} is no command of ours"
        cell = self.folder / "cell.swc"
        if any("/path/to/your/cell.swc" in word for word in words):
            shutil.copy(next((EXAMPLES / "morphology").glob("*.swc")), cell)
            words = [word.replace("/path/to/your/cell.swc", str(cell)) for word in words]
        words = [sys.executable, "-m", *words]
        if words[3] == "view":
            return self.view(words)
        if words[-1] == "&":
            going = subprocess.Popen(words[:-1], cwd=self.folder, env=self.environment, stderr=subprocess.DEVNULL)
            out = self.folder / words[words.index("--out") + 1]
            while not out.exists() and going.poll() is None:  # who types the next line sees it begin
                time.sleep(0.1)
            return ""
        return self.run(words)

    def run(self, words: list[str]) -> str:
        """What a command prints, which succeeds."""
        done = subprocess.run(words, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{shlex.join(words)}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        return done.stdout

    def view(self, words: list[str]) -> str:
        """Look at the page once, and press Ctrl-C."""
        serving = subprocess.Popen([*words, "--json"], cwd=self.folder, env=self.environment, stdout=subprocess.PIPE)
        assert serving.stdout is not None
        with urlopen(json.loads(serving.stdout.readline())["address"]) as answer:
            assert answer.status == 200 and b"<html" in answer.read()
        serving.send_signal(signal.SIGINT)
        assert serving.wait() in (0, 130)
        return ""


def masked(line: str) -> str:
    """A line without its numbers and without the width of its columns."""
    return " ".join(NUMBER.sub("#", line).split())
