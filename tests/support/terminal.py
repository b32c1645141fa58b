"""Commands as people type them, in this process."""

import io
import sys
from collections.abc import Iterable
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

    def __call__(self, *words: str | Path, typed: Iterable[str] = ()) -> Done:
        """`typed`: what somebody answers at the prompts, a line each."""
        self._monkeypatch.setattr(sys, "argv", ["undersigned", *map(str, words)])
        self._monkeypatch.setattr(sys, "stdin", _Typing(typed))
        code = 0
        try:
            main()
        except SystemExit as leave:
            code = int(leave.code or 0)
        told = self._capsys.readouterr()
        assert "Traceback" not in told.out + told.err
        return Done(code=code, out=told.out, err=told.err)


class _Typing(io.StringIO):
    """Somebody who types each line only when it is asked for."""

    def __init__(self, lines: Iterable[str]) -> None:
        super().__init__()
        self._lines = iter(lines)

    def readline(self, size: int | None = -1, /) -> str:
        line = next(self._lines, None)
        return "" if line is None else line + "\n"
