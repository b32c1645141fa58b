"""A whole letter as plain files for any web host: its page, its counts, its log, its dossier. No program runs there."""

import os
import shutil
from collections.abc import Mapping
from importlib.resources import files as resources
from pathlib import Path

from undersigned.client.folder import DOSSIER, KEPT, list_kept
from undersigned.config.hosting import HostFolder, open_storage
from undersigned.errors import Refused, Unavailable, VerificationError
from undersigned.log.letter_log import load_letter_log
from undersigned.log.reading import counts, dossier_files
from undersigned.protocol.dossier import write_zip
from undersigned.site.page import letter_page
from undersigned.site.view import LetterView
from undersigned.verifier import Verdict, verify_dossier

TRIES = 5


def static_files(dossier: Mapping[str, bytes]) -> dict[str, bytes]:
    """Every file of the letter by path, from its dossier's files. VerificationError unless the dossier holds."""
    verdict = verify_dossier(dossier)
    failed = next((step for step in verdict.steps if step.ok is False), None)
    if failed:
        raise VerificationError(f"this letter is not exported, because it does not hold: {failed.detail}")
    assert verdict.state is not None
    assert verdict.checkpoint is not None
    return {
        **dossier,
        "index.html": _page(verdict).encode(),
        "static/letter.css": (resources("undersigned.site") / "letter.css").read_bytes(),
        "counts.json": counts(verdict.state, root=verdict.checkpoint.root_hash),
        KEPT: list_kept(path.partition("/")[2] for path in dossier if path.startswith("checkpoints/")),
        DOSSIER: write_zip(dossier),
    }


def read_own(folder: HostFolder, slug: str) -> dict[str, bytes]:
    """A letter's dossier from the data directory, also while its log runs: again if it moved on meanwhile.

    Refused when there is no such letter, Unavailable when it cannot be read in one piece.
    """
    storage = open_storage(folder)
    try:
        for _ in range(TRIES):
            stored = next((one for one in storage.letters() if one.slug == slug), None)
            if stored is None:
                raise Refused(f"{folder.directory} holds no letter called {slug}")
            try:
                log = load_letter_log(stored, storage)
            except Unavailable:
                continue
            found = dossier_files(log, storage, note=log.published, size=log.published_size)
            if stored in storage.letters():
                return found
    finally:
        storage.close()
    raise Unavailable("the letter's log moves on too quickly, or does not match its head: try `undersigned log scrub`")


def write_static(directory: Path, files: Mapping[str, bytes]) -> None:
    """Put the files in place of an earlier export, or where nothing is: whole, or not at all. Refused, Unavailable."""
    directory = directory.absolute()
    if directory.exists() and not _is_ours(directory):
        raise Refused(f"{directory} holds something else than an exported letter: choose another place")
    fresh, old = (directory.with_name(f".{directory.name}.{word}") for word in ("new", "old"))
    try:
        for left in (fresh, old):
            shutil.rmtree(left, ignore_errors=True)
        for name, data in files.items():
            path = fresh / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        if directory.exists():
            directory.rename(old)
        fresh.rename(directory)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise Unavailable(f"{directory} cannot be written: {error.strerror}") from None


def _is_ours(directory: Path) -> bool:
    """Whether this is an earlier export, or empty."""
    return directory.is_dir() and (not os.listdir(directory) or (directory / DOSSIER).is_file())


def _page(verdict: Verdict) -> str:
    assert verdict.state is not None
    assert verdict.checkpoint is not None
    cards = {index: blob.card for index, blob in verdict.names.items()}
    view = LetterView(state=verdict.state, checkpoint=verdict.checkpoint, cards=cards, witnessed=verdict.witnessed)
    return letter_page(view, alone=True)
