"""Entries verified per second on one core: the whole verifier against the bare cryptography of the letter.

The verifier: from the files of a dossier to the verdict, every entry, rule, name card and tile. The bare cryptography:
the same RSA-PSS and Ed25519 verifications by the same libraries, messages at hand, nothing else. The letter has public,
anonymous and sealed signatures; it is made once and kept in the temporary directory.

    python benchmarks/verify.py [--quick] [--json FILE]
"""

import sys
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import click
from nacl import bindings

from _bench import options, report, seconds_per_call
from undersigned.crypto import blind_rsa
from undersigned.protocol import blob as blobs
from undersigned.protocol import entry as entries
from undersigned.protocol import token as tokens
from undersigned.protocol.dossier import read_entries, read_zip, write_zip
from undersigned.protocol.entry import decode_entry, message_to_sign
from undersigned.protocol.letter import Letter
from undersigned.transparency.checkpoint import parse_checkpoint
from undersigned.transparency.note import parse_note
from undersigned.verifier import verify_dossier

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.letters import START, begun, make_letter

MODES = ("public", "anonymous", "sealed")


@click.command()
@options
def main(quick: bool, json_file: Path | None) -> None:
    """How much of a verifying core does what cannot be avoided: the signatures of the letter."""
    packed = _letter(signatures=600 if quick else 2_000)
    files = read_zip(packed)
    rsa, ed25519 = _bare(files)
    size = _size(files)

    def verify() -> None:
        assert verify_dossier(files).ok

    def bare() -> None:
        for check in rsa:
            check()
        for check in ed25519:
            check()

    calls = {"verify": verify, "bare": bare, "read": partial(read_zip, packed)}
    seconds = seconds_per_call(calls, rounds=7 if quick else 21, repeat=1)
    report(
        f"Verifying a letter of {size:,} entries, one core",
        ratios={"verify": seconds["bare"] / seconds["verify"]},
        targets={"verify": 0.7},
        figures={
            "entries_per_second": size / seconds["verify"],
            "microseconds_per_entry": seconds["verify"] / size * 1e6,
            "microseconds_of_cryptography_per_entry": seconds["bare"] / size * 1e6,
            "rsa_verifications": len(rsa),
            "ed25519_verifications": len(ed25519),
            "milliseconds_to_read_the_zip": seconds["read"] * 1e3,
        },
        json_file=json_file,
    )


def _letter(*, signatures: int) -> bytes:
    """A dossier with a third of the signatures in each mode; the same file again while it is kept."""
    kept = Path(tempfile.gettempdir()) / f"undersigned-benchmark-{signatures}.dossier"
    if not kept.exists():
        cast = make_letter(tiers=(50, 250, 500), eligible=0)
        log = begun(cast, issued=signatures)
        for number in range(signatures):
            mode = MODES[number % 3]
            tier = 1 + number % 3 if mode == "sealed" else 0
            log.append(*cast.signature(cast.person(f"Signatory {number}"), mode, tier=tier))
        log.witness(START)
        kept.write_bytes(write_zip(log.dossier()))
    return kept.read_bytes()


def _size(files: Mapping[str, bytes]) -> int:
    return parse_checkpoint(parse_note(files["checkpoint"]).text).size


def _bare(files: Mapping[str, bytes]) -> tuple[list[Callable[[], object]], list[Callable[[], object]]]:
    """Each verification that the letter needs, as a call of the library: tokens; entries and certificates."""
    log = read_entries(files, _size(files))
    letter = Letter.from_entry(log[0])
    rsa: list[Callable[[], object]] = []
    ed25519: list[Callable[[], object]] = []
    for entry in map(decode_entry, log[1:]):
        if not isinstance(entry, entries.Signature):
            continue
        ed25519.append(
            partial(bindings.crypto_sign_open, entry.sig + message_to_sign(entry, lid=letter.lid), entry.key)
        )
        for token, issuing in zip(entry.tokens, letter.issuing[entry.class_], strict=True):
            message = tokens.token_message(lid=letter.lid, class_id=entry.class_, key=entry.key)
            prepared = blind_rsa.prepare(message, prefix=token[:32])
            rsa.append(
                partial(issuing.key._key.verify, token[32:], prepared, blind_rsa._padding(48), blind_rsa._SHA384)
            )
        if entry.mode == "public":
            ed25519 += _certificates(files, entry, letter)
    return rsa, ed25519


def _certificates(files: Mapping[str, bytes], entry: entries.Signature, letter: Letter) -> list[Callable[[], object]]:
    assert isinstance(entry.blob, bytes)
    blob = blobs.read_public_blob(files[f"blobs/{entry.blob.hex()}"])
    calls: list[Callable[[], object]] = []
    for identity in blob.identities:
        message = tokens.certificate_message(
            lid=letter.lid,
            class_id=entry.class_,
            method=identity.method,
            attested=identity.attested,
            commitment=tokens.commitment(r=blob.r, key=entry.key),
            card_hash=blobs.card_hash(blob.card),
        )
        key = letter.registrars[identity.registrar].key
        calls.append(partial(bindings.crypto_sign_open, identity.sig + message, key))
    return calls


if __name__ == "__main__":
    main()
