"""A folder that answers as a host does: what somebody kept of a letter, or a letter exported as plain files."""

import json
from pathlib import Path

from undersigned.client.keeping import write_whole
from undersigned.client.source import NotThere
from undersigned.errors import Refused, Unavailable
from undersigned.transparency import tiles


class FolderSource:
    """A `Source` on the files below `root`, named as in spec/log.md. It takes nothing."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def get(self, path: str) -> bytes:
        """The file at `path`; of `checkpoints` the list of those kept. NotThere, Unavailable."""
        if path == "checkpoints":
            names = sorted(one.name for one in (self.root / path).glob("*.*st"))
            return json.dumps({"names": names}).encode()
        try:
            return (self.root / path).read_bytes()
        except FileNotFoundError:
            raise NotThere(f"{self.root} holds no {path}") from None
        except OSError as error:
            raise Unavailable(f"{self.root / path} cannot be read: {error.strerror}") from None

    def post(self, path: str, body: bytes) -> bytes:
        """Refused: nobody is there to take it."""
        raise Refused("a folder takes nothing: submit to the letter's host")


def keep(root: Path, path: str, data: bytes) -> None:
    """Write one file below `root` whole, where it is not there already just so. Unavailable."""
    file = root / path
    try:
        if file.exists() and file.read_bytes() == data:
            return
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Unavailable(f"{file} cannot be written: {error.strerror}") from None
    write_whole(file, data)


def keep_entries(root: Path, entries: list[bytes], *, since: int) -> None:
    """Write the bundles of entries from index `since` on, and let go of narrower ones they replace."""
    first = since // tiles.FULL_WIDTH
    for bundle in tiles.entries_layout(len(entries))[first:]:
        start = bundle.index * tiles.FULL_WIDTH
        keep(root, bundle.path, tiles.encode_entries(entries[start : start + bundle.width]))
        narrower = root / (tiles.entries_path(bundle.index) + ".p")
        for old in narrower.glob("*"):
            if root / bundle.path != old:
                old.unlink(missing_ok=True)
