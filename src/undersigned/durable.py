"""Files that are whole or not there, readable by their owner only, and on disk when a call returns.

Knows paths and bytes. Each room says in its own words what it could not write: these raise OSError.
"""

import os
from pathlib import Path


def replace_file(path: Path, data: bytes) -> None:
    """Put `data` at `path` (0600): a temporary file, fsync, rename, fsync of the folder.

    After a crash there is the old file or the new one. OSError.
    """
    temporary = path.with_name(path.name + ".new")
    temporary.unlink(missing_ok=True)  # what a crash left may be readable by others
    write_new(temporary, data)
    temporary.replace(path)
    sync_folder(path.parent)


def write_new(path: Path, data: bytes) -> None:
    """Write a file (0600) that must not be there yet; its name is durable after `sync_folder`. OSError."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make names that were added to or taken from `folder` durable. OSError."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
