"""A folder that answers as a host does: what somebody kept of a letter, or a letter exported as plain files."""

import json
from collections.abc import Iterable
from pathlib import Path

from undersigned.client.keeping import write_whole
from undersigned.client.source import NotThere
from undersigned.errors import Malformed, Refused, Unavailable
from undersigned.protocol.dossier import write_zip
from undersigned.transparency import tiles

DOSSIER = "letter.dossier"
KEPT = "checkpoints.json"
BESIDE = (
    "index.html",
    "static/letter.css",
    "counts.json",
    KEPT,
    DOSSIER,
)  # what an exported letter has beside its dossier


class FolderSource:
    """A `Source` on the files below `root`, named as in spec/log.md. It takes nothing."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def get(self, path: str) -> bytes:
        """The file at `path`; `checkpoints.json` lists those kept. NotThere, Unavailable."""
        if path == KEPT:
            return list_kept(one.name for one in (self.root / "checkpoints").glob("*.*st"))
        try:
            return (self.root / path).read_bytes()
        except FileNotFoundError:
            raise NotThere(f"{self.root} holds no {path}") from None
        except OSError as error:
            raise Unavailable(f"{self.root / path} cannot be read: {error.strerror}") from None

    def post(self, path: str, body: bytes) -> bytes:
        """Refused: nobody is there to take it."""
        raise Refused("a folder takes nothing: submit to the letter's host")


def read_dossier_folder(root: Path) -> dict[str, bytes]:
    """A dossier's files from a directory of them, or from a letter exported as plain files.

    Malformed when there is no checkpoint, or when the exported dossier is not the files beside it. Unavailable.
    """
    if not (root / "checkpoint").is_file():
        raise Malformed(f"{root} is not a dossier: it has no checkpoint")
    try:
        found = sorted(item for item in root.rglob("*") if item.is_file())
        files = {item.relative_to(root).as_posix(): item.read_bytes() for item in found}
    except OSError as error:
        raise Unavailable(f"{root} cannot be read: {error.strerror}") from None
    if DOSSIER not in files:
        return files
    dossier = files[DOSSIER]
    files = {name: data for name, data in files.items() if name not in BESIDE}
    if write_zip(files) != dossier:
        raise Malformed(f"{root / DOSSIER} is not what lies beside it: one of the two was changed")
    return files


def list_kept(names: Iterable[str]) -> bytes:
    """`checkpoints.json`: which heads are kept below `checkpoints/`."""
    return json.dumps({"names": sorted(names)}).encode()


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
