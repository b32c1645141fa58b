"""The crowd: many people who sign through the real client over real HTTP, several at a time."""

import random
import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from undersigned.client import signing
from undersigned.client.follow import LogClient
from undersigned.client.signing import Attempt, Proof, Right
from undersigned.client.source import HttpSource, NotThere
from undersigned.errors import Unavailable, UndersignedError
from undersigned.protocol.receipt import Receipt, make_receipt
from undersigned.protocol.state import LetterState
from undersigned.story.people import Character

AT_A_TIME = 6
PATIENCE_SECONDS = 60.0
Done = Callable[[], None]


@dataclass(slots=True, kw_only=True)
class Signatory:
    """A character who has signed: with the key, the right, and the receipt."""

    character: Character
    right: Right
    receipt: Receipt
    garbage: bool = False

    @property
    def seed(self) -> bytes:
        return self.right.attempt.seed


@dataclass(slots=True)
class Crowd:
    """`codes` of the roster by class and name; `client` follows the letter; what each did is kept in `signed`."""

    client: LogClient
    registrar: HttpSource
    codes: Mapping[tuple[int, str], str]
    signed: list[Signatory] = field(default_factory=list)

    def sign_all(self, people: Sequence[Character], *, garbage: set[int], done: Done) -> None:
        """Everybody signs; those whose place is in `garbage` send an envelope that cannot be opened."""
        text_hash = self.client.state.text_hash
        with ThreadPoolExecutor(AT_A_TIME) as pool:
            jobs = [
                pool.submit(self.sign, character, text_hash=text_hash, garbage=place in garbage)
                for place, character in enumerate(people)
            ]
            for job in jobs:
                self.signed.append(job.result())
                done()

    def sign(self, character: Character, *, text_hash: bytes, garbage: bool = False) -> Signatory:
        """One person signs: a token, an envelope or a card, an entry, a promise."""
        right = self.right(character)
        entry, blob = signing.make_signature(
            right, client=self.client, tier=character.tier, text_hash=text_hash, randbytes=secrets.token_bytes
        )
        if garbage and blob is not None:
            entry, blob = self._spoil(right, blob, tier=character.tier, text_hash=text_hash)
        promise = signing.submit(entry, blob, source=self.client.source, letter=self.client.letter)
        assert promise is not None
        receipt = make_receipt(letter=self.client.letter, entry=entry, promise=promise, blob=blob, secret=None)
        return Signatory(character=character, right=right, receipt=receipt, garbage=garbage)

    def right(self, character: Character) -> Right:
        """A finished token, and for a named one its certificate."""
        attempt = self.attempt(character)
        proof = Proof(attester="roster", code=self.codes[character.class_id, character.name])
        return signing.request_right(attempt, proof, letter=self.client.letter, registrars={1: self.registrar})

    def attempt(self, character: Character) -> Attempt:
        """What a person makes before anybody hears of it."""
        return signing.begin_attempt(
            self.client.letter,
            class_id=character.class_id,
            mode=character.mode,
            name=character.name,
            title=character.title,
            randbytes=secrets.token_bytes,
        )

    def sign_twice(self, signatory: Signatory, *, by_code: bool) -> str:
        """Try to sign a second time, with the roster code or with the token again; the refusal."""
        try:
            if by_code:
                self.right(signatory.character)
            else:
                entry, blob = signing.make_signature(
                    signatory.right,
                    client=self.client,
                    tier=signatory.character.tier,
                    text_hash=self.client.letter.text_hash,
                    randbytes=secrets.token_bytes,
                )
                signing.submit(entry, blob, source=self.client.source, letter=self.client.letter)
        except Unavailable:
            raise
        except UndersignedError as refusal:
            return str(refusal)
        raise Unavailable("somebody signed twice: this must not be possible")

    def each(self, people: Iterable[Signatory], act: Callable[[Signatory], object], *, done: Done) -> None:
        """Let each of these people do something, several at a time."""
        with ThreadPoolExecutor(AT_A_TIME) as pool:
            for _ in pool.map(act, people):
                done()

    def wait_until(self, holds: Callable[[LetterState], bool], *, tick: Done | None = None) -> None:
        """Follow the log until the state is so; Unavailable after a minute."""
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until:
            if holds(self.client.refresh()):
                return
            if tick:
                tick()
            time.sleep(0.2)
        raise Unavailable("the log has not taken in what it promised in time")

    def wait_until_included(self, *, tick: Done) -> None:
        """Until the log holds everybody's entry, as promised."""
        keys = [one.right.attempt.key for one in self.signed]
        self.wait_until(lambda state: all(key in state.records for key in keys), tick=tick)

    def proven(self, signatory: Signatory) -> Receipt:
        """The receipt with its proof, verified."""
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until:
            try:
                signatory.receipt = signing.fetch_proof(
                    signatory.receipt, source=self.client.source, letter=self.client.letter
                )
            except NotThere:
                time.sleep(0.3)
            else:
                return signatory.receipt
        raise Unavailable("the log gives no proof of inclusion")

    def _spoil(self, right: Right, blob: bytes, *, tier: int, text_hash: bytes) -> tuple[bytes, bytes]:
        """An envelope of the right shape that does not open: a wrong byte in box, hashes or every trustee's share."""
        spoiled = bytearray(blob)
        place = random.Random(blob[8:16]).choice(("box", "dek", "shares"))
        for at in _places(place, len(blob), rows=len(self.client.letter.trustees)):
            spoiled[at] ^= 1
        data = bytes(spoiled)
        letter = self.client.letter
        return signing.sign_with_blob(right, data, letter=letter, tier=tier, text_hash=text_hash), data


def _places(what: str, size: int, *, rows: int) -> list[int]:
    """Which bytes of an envelope to spoil: spec/envelope.md has the layout."""
    if what == "box":
        return [8 + 64 + 100]
    if what == "dek":
        return [8]
    row = (size - 8 - 64 - 2064) // rows
    return [8 + 64 + 2064 + number * row + 40 for number in range(rows)]
