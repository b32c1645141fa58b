"""Brings a host's letters back: from a dossier and the old secrets, into a data directory, old or new."""

import json
from collections.abc import Mapping
from pathlib import Path

from undersigned.client.keeping import write_whole
from undersigned.config.hosting import SEEDS, HostFolder, open_storage, read_folder
from undersigned.errors import Malformed, Refused, VerificationError
from undersigned.log.restoring import Restored, check_keys, restore
from undersigned.log.scrubbing import Scrubbed, scrub
from undersigned.protocol.letter import Letter
from undersigned.verifier import verify_dossier


def restore_letter(directory: Path, files: Mapping[str, bytes], *, scheme: str = "https") -> Restored:
    """Restore one letter into a data directory, of which `secrets/` must be there, while no log runs in it.

    On a new machine the host's settings are written anew from the letter. Refused, VerificationError, Unavailable.
    """
    verdict = verify_dossier(files)
    failed = next((step for step in verdict.steps if step.ok is False), None)
    if failed or verdict.letter is None:
        raise VerificationError(f"the dossier does not hold: {failed.detail if failed else 'it has no letter'}")
    folder = _settle(directory, verdict.letter, scheme=scheme)
    storage = open_storage(folder)
    try:
        storage.lead()
        seeds = folder.seeds
        return restore(files, verdict, storage=storage, seed=seeds["log"], promise_seed=seeds["promise"])
    finally:
        storage.close()


def scrub_letters(directory: Path) -> list[Scrubbed]:
    """Compare every letter of a data directory with its signed head, also while its log runs. Unavailable."""
    storage = open_storage(read_folder(directory))
    try:
        return list(scrub(storage))
    finally:
        storage.close()


def _settle(directory: Path, letter: Letter, *, scheme: str) -> HostFolder:
    """The data directory, with its settings from the letter where only the secrets were brought."""
    missing = [name for name in SEEDS if not (directory / "secrets" / f"{name}.seed").is_file()]
    if missing or not (directory / "secrets" / "publish.code").is_file():
        raise Refused(
            f"{directory / 'secrets'} must hold the old host's {', '.join(f'{name}.seed' for name in SEEDS)} and "
            "publish.code: if log.seed is gone, publish the letter anew and run `undersigned log succeed`"
        )
    host = letter.origin.split("/l/")[0]
    if not (directory / "host.json").exists():
        seeds = {name: (directory / "secrets" / f"{name}.seed").read_bytes() for name in SEEDS}
        if any(len(seed) != 32 for seed in seeds.values()):
            raise Malformed("a seed in secrets/ has 32 bytes, and one of these has not")
        check_keys(letter, seed=seeds["log"], promise_seed=seeds["promise"])
        (directory / "log").mkdir(mode=0o700, exist_ok=True)
        write_whole(directory / "policy.txt", letter.publication.policy.encode())
        told = {"host": host, "scheme": scheme, "registrar": letter.publication.registrars[0].name}
        write_whole(directory / "host.json", json.dumps(told, ensure_ascii=False).encode())
    folder = read_folder(directory)
    if folder.host != host:
        raise Refused(f"this letter's host is {host}, and {directory} is the data directory of {folder.host}")
    return folder
