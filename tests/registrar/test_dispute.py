"""Somebody finds their name under a letter they did not sign."""

from pathlib import Path

import pytest

from support.registrar import Bureau
from undersigned.client.signing import Proof, Right
from undersigned.client.source import b64
from undersigned.errors import Malformed, Refused
from undersigned.protocol import blob as blobs
from undersigned.protocol import entry as entries
from undersigned.protocol.encoding import sha256, to_jcs
from undersigned.transparency.merkle import leaf_hash


@pytest.fixture
def bureau(tmp_path: Path) -> Bureau:
    bureau = Bureau(tmp_path)
    bureau.publish()
    return bureau


def signed(bureau: Bureau, address: str, name: str) -> tuple[Right, int]:
    """Somebody who reads this mailbox signs in public."""
    right = bureau.right(bureau.attempt(name=name), bureau.code_for(address))
    assert right.attempt.card is not None
    assert bureau.log is not None
    blob = to_jcs(blobs.PublicBlob(card=right.attempt.card, r=right.attempt.r, identities=list(right.identities)))
    entry = entries.Signature(
        text_hash=bureau.letter.text_hash,
        class_=1,
        mode="public",
        tier=0,
        key=right.attempt.key,
        tokens=list(right.tokens),
        blob=sha256(blob),
    )
    return right, bureau.log.append(bureau.log.cast.sign(entry, right.attempt.seed), blob)


def dispute(bureau: Bureau, right: Right, index: int, proof: Proof) -> object:
    card = right.attempt.card
    assert card is not None
    body = {
        **proof.fields(),
        "index": index,
        "key": b64(right.attempt.key),
        "r": b64(right.attempt.r),
        "card": {"name": card.name, "title": card.title, "salt": b64(card.salt)},
    }
    return bureau.ask("board/dispute", body)


def test_the_owner_of_the_mailbox_suspends_what_was_signed_through_it(bureau: Bureau) -> None:
    right, index = signed(bureau, "ada@example.org", "Ada")
    assert bureau.log is not None
    assert bureau.log.state.is_effective(bureau.log.record(index))
    answer = dispute(bureau, right, index, bureau.code_for("ada@example.org"))
    assert answer == {"leaf": leaf_hash(bureau.held[-1]).hex()}
    assert bureau.kinds()[-1] == "dispute"
    assert not bureau.log.state.is_effective(bureau.log.record(index))
    with pytest.raises(Refused, match="in that state already"):
        dispute(bureau, right, index, bureau.code_for("ada@example.org"))


def test_nobody_suspends_a_signature_whose_certificate_another_got(bureau: Bureau) -> None:
    right, index = signed(bureau, "ada@example.org", "Ada")
    signed(bureau, "eve@example.org", "Eve")
    for address in ("eve@example.org", "mallory@example.org"):
        with pytest.raises(Refused, match="certified for somebody else"):
            dispute(bureau, right, index, bureau.code_for(address))


def test_a_certificate_of_ones_own_does_not_suspend_somebody_elses_signature(bureau: Bureau) -> None:
    _, index = signed(bureau, "ada@example.org", "Ada")
    own, _ = signed(bureau, "eve@example.org", "Eve")
    proof = bureau.code_for("eve@example.org")
    for wrong in (index, 0):
        with pytest.raises(Malformed, match="not the signature of this key"):
            dispute(bureau, own, wrong, proof)
    with pytest.raises(Refused, match="no entry at this index"):
        dispute(bureau, own, 1_000, proof)


def test_a_dispute_is_still_taken_after_the_deadline(bureau: Bureau) -> None:
    right, index = signed(bureau, "ada@example.org", "Ada")
    bureau.now = bureau.letter.publication.deadline + 1
    dispute(bureau, right, index, bureau.code_for("ada@example.org"))


def test_a_roster_code_proves_the_same_person_and_an_unknown_attester_nobody(bureau: Bureau) -> None:
    [(_, code)] = bureau.roster("Ada,Fellow,ada@example.org")
    right, index = signed(bureau, "ada@example.org", "Ada")
    with pytest.raises(Malformed, match="no such attester"):
        dispute(bureau, right, index, Proof(attester="dkim", code=code))
    dispute(bureau, right, index, Proof(attester="roster", code=code))
