"""How a trustee writes a file: whole or not at all, readable by its owner only, and with the old bytes wiped."""

import os
from pathlib import Path

from undersigned.durable import replace_file
from undersigned.errors import Unavailable


def write_whole(path: Path, data: bytes) -> None:
    """Put `data` at `path` (mode 0600) in one step, then overwrite what was there before. Unavailable.

    Wiping is as good as the disk under it: a copying file system or a worn flash cell may keep the old bytes.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        old = os.open(path, os.O_WRONLY) if path.exists() else None
        try:
            replace_file(path, data)
            if old is not None:
                _wipe(old)
        finally:
            if old is not None:
                os.close(old)
    except OSError as error:
        raise Unavailable(f"{path.name} could not be written: {error.strerror}") from None


def read_whole(path: Path) -> bytes | None:
    """The bytes at `path`, or None when there is no such file. Unavailable."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Unavailable(f"{path.name} could not be read: {error.strerror}") from None


def _wipe(old: int) -> None:
    os.pwrite(old, bytes(os.fstat(old).st_size), 0)
    os.fsync(old)
