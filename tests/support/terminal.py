"""Commands as people type them: in this process, or as processes of their own."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from undersigned.cli import main


@dataclass(frozen=True, kw_only=True)
class Done:
    """What a command left: its exit code and what it said."""

    code: int
    out: str
    err: str

    @property
    def sentence(self) -> str:
        """The one line of a refusal: nothing else on standard error, and no traceback anywhere."""
        assert "Traceback" not in self.out + self.err
        (line,) = self.err.strip().splitlines()
        return line


class Terminal:
    """Runs `undersigned ...` in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._capsys, self._monkeypatch = capsys, monkeypatch

    def __call__(self, *words: str | Path) -> Done:
        self._monkeypatch.setattr(sys, "argv", ["undersigned", *map(str, words)])
        code = 0
        try:
            main()
        except SystemExit as leave:
            code = int(leave.code or 0)
        told = self._capsys.readouterr()
        assert "Traceback" not in told.out + told.err
        return Done(code=code, out=told.out, err=told.err)


def run(*words: str | Path, typed: str = "", cwd: Path | None = None, **env: str) -> Done:
    """Run `undersigned ...` as a process of its own; `typed` is what somebody types at its prompts."""
    base = {name: value for name, value in os.environ.items() if not name.startswith("UNDERSIGNED_")}
    done = subprocess.run(
        [sys.executable, "-m", "undersigned", *map(str, words)],
        input=typed,
        capture_output=True,
        text=True,
        cwd=cwd,
        env=base | env,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stdout + done.stderr, done.stderr
    return Done(code=done.returncode, out=done.stdout, err=done.stderr)
