"""What a witness remembers: of each log, the size and root hash it cosigned last, written down before it answers."""

import fcntl
import hashlib
import os
import threading
from pathlib import Path

from undersigned.durable import replace_file
from undersigned.errors import Malformed, Unavailable
from undersigned.transparency.checkpoint import Checkpoint, parse_checkpoint


class WitnessState:
    """The last cosigned checkpoint of each origin, one file each in a directory that only one witness may use."""

    def __init__(self, directory: Path) -> None:
        """Read what was kept. Unavailable when another witness runs on this directory or a file cannot be read."""
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._directory = directory
        self._lock_file = _lock(directory / "lock")
        self._last = {item.origin: item for item in map(_read, sorted(directory.glob("*.checkpoint")))}
        self.lock = threading.Lock()

    def last(self, origin: str) -> Checkpoint | None:
        """The checkpoint cosigned last for this origin, or None."""
        return self._last.get(origin)

    def origins(self) -> dict[str, int]:
        """Every origin cosigned so far, with its size."""
        return {origin: item.size for origin, item in sorted(self._last.items())}

    def keep(self, checkpoint: Checkpoint) -> None:
        """Make the checkpoint the last one, durably; call it holding `lock`. Unavailable when it cannot be written."""
        name = hashlib.sha256(checkpoint.origin.encode()).hexdigest()
        try:
            replace_file(self._directory / f"{name}.checkpoint", checkpoint.encode().encode())
        except OSError:
            raise Unavailable("the witness cannot write down what it is asked to cosign") from None
        self._last[checkpoint.origin] = checkpoint

    def close(self) -> None:
        """Let another witness use the directory."""
        os.close(self._lock_file)


def _lock(path: Path) -> int:
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(file)
        raise Unavailable("another witness is running on this directory: two could sign two histories") from None
    return file


def _read(path: Path) -> Checkpoint:
    try:
        return parse_checkpoint(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, Malformed):
        raise Unavailable(f"{path.name} cannot be read, and without it this witness could sign two histories") from None
