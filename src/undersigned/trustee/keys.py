"""A trustee's secrets in one file under a passphrase: its signing seed, and for each letter one seal seed per tier.

The file is JSON: the public key in clear, everything else in one box, AES-256-GCM under PBKDF2-HMAC-SHA256 with
600,000 rounds and a salt of its own for each time it is written (nonce 0^12).
"""

import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

from undersigned.crypto import ed25519, hpke
from undersigned.errors import Malformed, Refused, Unavailable, VerificationError
from undersigned.protocol.encoding import from_jcs, to_jcs
from undersigned.protocol.entry import Entry, Id, Key, Part, Trustee, Uint, encode_entry, message_to_sign
from undersigned.protocol.letter import Letter
from undersigned.trustee.files import read_whole, write_whole

ROUNDS = 600_000
MAX_ROUNDS = 10_000_000


class KeyFile(Part, frozen=True, kw_only=True):
    """What lies on disk; `box` holds JCS(Secrets)."""

    v: Literal[1] = 1
    public_key: Key
    salt: Key
    rounds: Uint
    box: bytes


class SealSeed(Part, frozen=True, kw_only=True):
    lid: Key
    tier: Id
    seed: Key


class Accepted(Part, frozen=True, kw_only=True):
    """A letter accepted once: its seeds are made once only, so that none comes back after its destruction."""

    lid: Key


class Secrets(Part, frozen=True, kw_only=True):
    seed: Key
    accepted: list[Accepted]
    seal_seeds: list[SealSeed]


_FILE = msgspec.json.Decoder(KeyFile)
_SECRETS = msgspec.json.Decoder(Secrets)


@dataclass(slots=True, kw_only=True)
class TrusteeKeys:
    """The open key file. `seals` is seal seeds by lid, then tier; a letter stays there when its seeds are destroyed."""

    path: Path
    seed: bytes = field(repr=False)
    passphrase: str = field(repr=False)
    seals: dict[bytes, dict[int, bytes]] = field(default_factory=dict, repr=False)
    rounds: int = ROUNDS
    randbytes: Callable[[int], bytes] = field(default=secrets.token_bytes, repr=False)

    @property
    def public_key(self) -> bytes:
        """The 32-byte Ed25519 key that a letter's entry 0 names."""
        return ed25519.public_key(self.seed)

    def id_in(self, letter: Letter) -> int:
        """This trustee's id in a letter; Refused when the letter does not name it."""
        for party in letter.trustees.values():
            if party.key == self.public_key:
                return party.id
        raise Refused("this letter does not name you as a trustee")

    def sign(self, message: bytes) -> bytes:
        """The trustee's 64-byte sig over a message of the protocol."""
        return ed25519.sign(self.seed, message)

    def sign_entry(self, entry: Entry, *, letter: Letter) -> bytes:
        """The bytes of an entry that this trustee signs alone."""
        return encode_entry(msgspec.structs.replace(entry, sig=self.sign(message_to_sign(entry, lid=letter.lid))))

    def accept(self, letter: Letter, *, statement: str = "") -> bytes:
        """The entry by which this trustee accepts: one fresh seal key per tier, on disk before the entry leaves.

        The same letter again gets the same keys. Refused when it is not a trustee's, or its seeds are destroyed.
        """
        trustee, tiers = self.id_in(letter), [tier.id for tier in letter.publication.tiers]
        self._look_again()
        if letter.lid not in self.seals:
            self._keep(self.seals | {letter.lid: {tier: self.randbytes(hpke.SEED_BYTES) for tier in tiers}})
        seeds = self.seals[letter.lid]
        if sorted(seeds) != tiers:
            raise Refused("you have destroyed your seal seeds of this letter")
        seal_keys = [hpke.public_key(seeds[tier]) for tier in tiers]
        return self.sign_entry(Trustee(trustee=trustee, seal_keys=seal_keys, statement=statement), letter=letter)

    def seal_seed(self, letter: Letter, tier: int) -> bytes:
        """The 32-byte seal seed of a tier; Unavailable when it was never made or is destroyed."""
        seed = self.seals.get(letter.lid, {}).get(tier)
        if seed is None:
            raise Unavailable(f"you hold no seal seed of tier {tier} of this letter")
        return seed

    def destroyed(self, letter: Letter) -> list[int]:
        """Tiers of an accepted letter whose seeds are gone."""
        kept = self.seals.get(letter.lid)
        return [] if kept is None else [tier.id for tier in letter.publication.tiers if tier.id not in kept]

    def destroy(self, letter: Letter, tiers: Iterable[int]) -> None:
        """Forget these tiers' seeds, and write the file anew without them; when that is Unavailable, none is gone."""
        self._look_again()
        gone = set(tiers)
        seeds = {tier: seed for tier, seed in self.seals[letter.lid].items() if tier not in gone}
        self._keep(self.seals | {letter.lid: seeds})

    def save(self) -> None:
        """Write the file, under a fresh salt; Unavailable."""
        self._keep(self.seals)

    def _look_again(self) -> None:
        """Take in what another run of this software may have written since: a letter accepted, seeds destroyed."""
        if self.path.exists():
            self.seals = load_keys(self.path, passphrase=self.passphrase).seals

    def _keep(self, seals: dict[bytes, dict[int, bytes]]) -> None:
        """These seal seeds and no others, once they are on disk."""
        salt, public_key = self.randbytes(32), self.public_key
        inside = Secrets(
            seed=self.seed,
            accepted=[Accepted(lid=lid) for lid in sorted(seals)],
            seal_seeds=[
                SealSeed(lid=lid, tier=tier, seed=seed)
                for lid, seeds in sorted(seals.items())
                for tier, seed in sorted(seeds.items())
            ],
        )
        box = AESGCM(_stretch(self.passphrase, salt, self.rounds)).encrypt(bytes(12), to_jcs(inside), _aad(public_key))
        write_whole(self.path, to_jcs(KeyFile(public_key=public_key, salt=salt, rounds=self.rounds, box=box)) + b"\n")
        self.seals = seals


def keygen(
    path: Path, *, passphrase: str, randbytes: Callable[[int], bytes] = secrets.token_bytes, rounds: int = ROUNDS
) -> TrusteeKeys:
    """A new trustee's keys, written to `path`. Refused when a file is there: it may hold what opens names."""
    if path.exists():
        raise Refused(f"{path.name} is there already: a key file is never written over")
    keys = TrusteeKeys(path=path, seed=randbytes(32), passphrase=passphrase, rounds=rounds, randbytes=randbytes)
    keys.save()
    return keys


def load_keys(path: Path, *, passphrase: str, randbytes: Callable[[int], bytes] = secrets.token_bytes) -> TrusteeKeys:
    """The keys in a file. Unavailable, Malformed, or VerificationError for another passphrase."""
    data = read_whole(path)
    if data is None:
        raise Unavailable(f"there is no key file {path.name}")
    file = from_jcs(_FILE, data.removesuffix(b"\n"), what="a trustee's key file")
    if not 1 <= file.rounds <= MAX_ROUNDS:
        raise Malformed("the key file asks for an absurd number of rounds")
    inside = _open_box(file, passphrase)
    seals: dict[bytes, dict[int, bytes]] = {item.lid: {} for item in inside.accepted}
    for item in inside.seal_seeds:
        seals.setdefault(item.lid, {})[item.tier] = item.seed
    return TrusteeKeys(
        path=path, seed=inside.seed, passphrase=passphrase, seals=seals, rounds=file.rounds, randbytes=randbytes
    )


def _open_box(file: KeyFile, passphrase: str) -> Secrets:
    key = _stretch(passphrase, file.salt, file.rounds)
    try:
        data = AESGCM(key).decrypt(bytes(12), file.box, _aad(file.public_key))
    except InvalidTag:
        raise VerificationError("this passphrase does not open the key file") from None
    return from_jcs(_SECRETS, data, what="the inside of a trustee's key file")


def _stretch(passphrase: str, salt: bytes, rounds: int) -> bytes:
    return PBKDF2HMAC(algorithm=SHA256(), length=32, salt=salt, iterations=rounds).derive(passphrase.encode())


def _aad(public_key: bytes) -> bytes:
    return b"undersigned/v1/trustee-keys\0" + public_key
