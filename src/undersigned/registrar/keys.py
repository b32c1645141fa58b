"""The secrets of one letter, each in a file of its own outside the database, so that erasing a file erases columns.

Deleted rows stay readable on disk; rows under a destroyed key do not. Overwriting a file is the best a program can do:
a copy that the file system or a backup keeps is out of its reach.
"""

import hmac
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from undersigned.crypto import blind_rsa
from undersigned.durable import sync_folder, write_new
from undersigned.errors import Unavailable

KEY_BYTES = 32
ISSUER_BITS = 2048
NONCE_BYTES = 12
_PADDED_TO = 512


class ColumnKey:
    """Seals what must be kept for a while, and hashes what is looked up: both die with the 32-byte key."""

    def __init__(self, key: bytes) -> None:
        self._aead = AESGCM(hmac.digest(key, b"undersigned/v1/column", "sha256"))
        self._hash_key = hmac.digest(key, b"undersigned/v1/lookup", "sha256")

    def seal(self, data: bytes, *, context: bytes, nonce: bytes) -> bytes:
        """nonce(12) || AES-256-GCM of `data` padded to a multiple of 512 bytes, so that no length tells a name."""
        padded = data + b"\x80" + bytes(-(len(data) + 1) % _PADDED_TO)
        return nonce + self._aead.encrypt(nonce, padded, context)

    def open(self, sealed: bytes, *, context: bytes) -> bytes:
        """What was sealed for the same `context`; Unavailable when the row or the key is not what it was."""
        try:
            padded = self._aead.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], context)
        except (InvalidTag, ValueError):
            raise Unavailable("the registrar cannot read what it kept: ask for a new code") from None
        return padded.rstrip(b"\0")[:-1]

    def lookup(self, what: str, *parts: bytes) -> bytes:
        """A keyed hash, 32 bytes, of `parts`, each with its length before it."""
        framed = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
        return hmac.digest(self._hash_key, what.encode() + b"\0" + framed, "sha256")


def create(folder: Path, *, class_ids: Sequence[int], randbytes: Callable[[int], bytes]) -> dict[int, bytes]:
    """Make k1, k2, the column key and one RSA-2048 issuer key per class in a new folder, each file 0600.

    The SPKI of each class's issuer key. Takes about a second per class.
    """
    folder.mkdir(mode=0o700, parents=True)
    for name in ("k1", "k2", "column"):
        write_new(folder / name, randbytes(KEY_BYTES))
    issuers = {class_id: blind_rsa.PrivateKey.generate(ISSUER_BITS) for class_id in class_ids}
    for class_id, issuer in issuers.items():
        write_new(folder / f"issuer-{class_id}", issuer.pkcs8())
    sync_folder(folder)
    sync_folder(folder.parent)
    return {class_id: issuer.public.spki() for class_id, issuer in issuers.items()}


def read(folder: Path, name: str) -> bytes:
    """The bytes of one key file; Unavailable when it is not there."""
    try:
        return (folder / name).read_bytes()
    except OSError:
        raise Unavailable("the registrar's keys for this letter are not there") from None


def read_issuer(folder: Path, class_id: int) -> blind_rsa.PrivateKey:
    """The issuer key of a class."""
    return blind_rsa.PrivateKey.from_pkcs8(read(folder, f"issuer-{class_id}"))


def destroy(folder: Path, *, randbytes: Callable[[int], bytes]) -> None:
    """Overwrite, sync and remove every file of the folder, then the folder; a folder already gone is fine."""
    if not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        with path.open("r+b") as file:
            file.write(randbytes(path.stat().st_size))
            file.flush()
            os.fsync(file.fileno())
        path.unlink()
    sync_folder(folder)
    folder.rmdir()
    sync_folder(folder.parent)
