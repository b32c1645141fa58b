"""A lock on a file, which the kernel lets go of when the process that holds it ends, however it ends."""

import fcntl
import os
from pathlib import Path

from undersigned.errors import Unavailable


class FileLock:
    """At most one process holds it; `taken` says whether this one does."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: int | None = None

    @property
    def taken(self) -> bool:
        return self._file is not None

    def take(self) -> None:
        """Unavailable when another process, or another lock of this one, has it."""
        file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(file)
            raise Unavailable("another log is running on this directory: two would write two histories") from None
        self._file = file

    def let_go(self) -> None:
        """Give it back, if it was taken."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
