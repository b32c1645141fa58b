"""Signing: what a person's own machine makes, and what it refuses to believe of registrar and host."""

import random
import unicodedata
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from support.letters import START, Cast, begun, issuer_key, make_letter
from support.signing import Answer, SubmitDesk, TokenDesk
from undersigned.client import signing
from undersigned.client.follow import LogClient
from undersigned.client.signing import Attempt, Proof, Right
from undersigned.client.source import NotThere
from undersigned.crypto import ed25519
from undersigned.errors import Malformed, Refused, UndersignedError, VerificationError
from undersigned.protocol import blob as blobs
from undersigned.protocol import entry as entries
from undersigned.protocol.encoding import to_jcs
from undersigned.protocol.entry import Mode
from undersigned.protocol.receipt import lock_secret, unlock_card, unlock_secret, verify_receipt
from undersigned.transparency.merkle import leaf_hash
from undersigned.transparency.proof import TlogProof

CAST = make_letter(tiers=(2, 5))
RNG = random.Random(11)
CODE = Proof(attester="roster", code="QX7M-2DKP")


class Table:
    """One person's way to a letter: a registrar's desk, a log's desk, and a client that follows."""

    def __init__(self, cast: Cast = CAST) -> None:
        log = begun(cast)
        log.witness(START)
        self.tokens, self.host = TokenDesk(cast=cast), SubmitDesk(log=log)
        self.client = LogClient(self.host)
        self.client.refresh()

    def attempt(self, mode: Mode = "public", name: str = "Ada Example", title: str = "Engineer") -> Attempt:
        letter = self.client.letter
        return signing.begin_attempt(letter, class_id=1, mode=mode, name=name, title=title, randbytes=RNG.randbytes)

    def right(self, attempt: Attempt) -> Right:
        return signing.request_right(attempt, CODE, letter=self.client.letter, registrars={1: self.tokens})

    def sign(self, mode: Mode = "public", *, tier: int = 0) -> Any:
        right = self.right(self.attempt(mode))
        receipt = signing.sign_and_submit(
            right,
            client=self.client,
            tier=tier,
            text_hash=self.client.state.text_hash,
            randbytes=RNG.randbytes,
            secret=lock_secret(
                right.attempt.seed,
                passphrase="a word",
                randbytes=RNG.randbytes,
                card=signing.card_of(right) if mode == "sealed" else None,
                rounds=10,
            ),
        )
        self.client.refresh()
        return right.attempt, receipt


@pytest.fixture
def table() -> Table:
    return Table()


@pytest.mark.parametrize(("mode", "tier"), [("public", 0), ("sealed", 2), ("anonymous", 0)])
def test_a_signature_is_counted_and_its_receipt_holds_without_the_host(table: Table, mode: Mode, tier: int) -> None:
    attempt, receipt = table.sign(mode, tier=tier)
    record = table.client.state.records[attempt.key]
    assert (record.mode, record.tier) == (mode, tier)
    letter, included = verify_receipt(receipt)
    assert (letter.lid, included) == (CAST.letter.lid, None)
    assert unlock_secret(receipt.secret, passphrase="a word") == attempt.seed
    assert unlock_card(receipt.secret, passphrase="a word") is None or mode == "sealed"


def test_what_goes_to_the_registrar_holds_neither_the_key_nor_what_the_log_will_show(table: Table) -> None:
    attempt, receipt = table.sign("anonymous")
    asked = str(table.tokens.requests[0])
    entry = entries.decode_entry(receipt.entry)
    assert isinstance(entry, entries.Signature)
    for secret in (attempt.seed, attempt.key, attempt.r, *entry.tokens, leaf_hash(receipt.entry)):
        assert b64encode(secret).decode() not in asked
        assert secret.hex() not in asked


def test_the_same_attempt_asks_twice_with_the_same_words(table: Table) -> None:
    attempt = table.attempt()
    assert table.right(attempt).tokens == table.right(attempt).tokens
    assert table.tokens.requests[0] == table.tokens.requests[1]


def test_a_sealed_name_leaves_this_machine_only_in_its_envelope(table: Table) -> None:
    table.sign("sealed", tier=1)
    assert all(b"Ada" not in blob for blob in table.host.blobs)
    assert len(table.host.blobs) == 1


@pytest.mark.parametrize("name", ["Trần Thị Hường", "Åse Müller", "Ёлка", "が"])
def test_a_decomposed_name_becomes_composed_and_is_not_refused(table: Table, name: str) -> None:
    attempt = table.attempt(name=unicodedata.normalize("NFD", name), title=unicodedata.normalize("NFD", name))
    assert attempt.card is not None
    composed = unicodedata.normalize("NFC", name)
    assert (attempt.card.name, attempt.card.title) == (composed, composed)


@pytest.mark.parametrize("name", ["", " Ada", "Ada\n", "\u202eadA", "A" * 201, "Ada\u200b"])
def test_a_name_that_no_letter_takes_is_refused_before_anybody_hears_of_it(table: Table, name: str) -> None:
    with pytest.raises(Malformed):
        table.attempt(name=name)
    assert table.tokens.requests == []


def test_a_class_that_the_letter_does_not_have_is_refused() -> None:
    with pytest.raises(Refused, match="no such class"):
        signing.begin_attempt(CAST.letter, class_id=9, mode="public", name="Ada", randbytes=RNG.randbytes)


def test_sealed_signing_waits_for_every_trustee() -> None:
    cast = make_letter(tiers=(2, 5), seed=3)
    table = Table(cast)
    log = table.host.log.__class__(cast=cast)
    for entry in cast.accept()[:-3]:
        log.append(entry)
    log.witness(START)
    table.host.log = log
    table.client = LogClient(table.host)
    table.client.refresh()
    with pytest.raises(Refused, match="not every trustee has accepted"):
        table.sign("sealed", tier=1)


@pytest.mark.parametrize("tier", [0, 3, -1])
def test_a_tier_that_the_letter_does_not_have_is_refused(table: Table, tier: int) -> None:
    with pytest.raises(Refused, match="no such tier"):
        table.sign("sealed", tier=tier)


# What a registrar may try


def test_an_issuer_key_made_for_one_victim_is_noticed(table: Table) -> None:
    table.tokens.issuer = issuer_key(99)
    with pytest.raises((VerificationError, Malformed)):  # the latter when its modulus is the larger one
        table.right(table.attempt())


def test_a_certificate_for_another_name_is_noticed(table: Table) -> None:
    attempt = table.attempt()
    other = blobs.card_hash(blobs.Card(name="Bo", title="", salt=bytes(32)))
    table.tokens.changed = lambda answer: answer | {"identity": table.tokens.certificate(attempt.commitment, other)}
    with pytest.raises(VerificationError, match="has not attested this name"):
        table.right(attempt)


def test_a_certificate_for_another_key_is_noticed(table: Table) -> None:
    attempt = table.attempt()
    stolen = table.tokens.certificate(bytes(31) + b"\1", attempt.card_hash)
    table.tokens.changed = lambda answer: answer | {"identity": stolen}
    with pytest.raises(VerificationError, match="has not attested this name"):
        table.right(attempt)


@pytest.mark.parametrize(
    "change",
    [
        lambda answer: [],
        lambda answer: "yes",
        lambda answer: None,
        lambda answer: {},
        lambda answer: answer | {"blind_sig": None},
        lambda answer: answer | {"blind_sig": 7},
        lambda answer: answer | {"blind_sig": "<!doctype html>"},
        lambda answer: answer | {"blind_sig": answer["blind_sig"] + "\n"},
        lambda answer: answer | {"blind_sig": ""},
        lambda answer: answer | {"blind_sig": b64encode(bytes(256)).decode()},
        lambda answer: answer | {"blind_sig": b64encode(b"\xff" * 256).decode()},
        lambda answer: answer | {"identity": None},
        lambda answer: answer | {"identity": 1},
        lambda answer: answer | {"identity": []},
        lambda answer: answer | {"identity": answer["identity"] | {"method": 1}},
        lambda answer: answer | {"identity": answer["identity"] | {"method": 99}},
        lambda answer: answer | {"identity": answer["identity"] | {"registrar": 2}},
        lambda answer: answer | {"identity": answer["identity"] | {"sig": "AAAA"}},
        lambda answer: answer | {"identity": answer["identity"] | {"sig": 4}},
    ],
)
def test_a_registrar_that_answers_something_else_is_refused_in_one_sentence(
    table: Table, change: Callable[[Answer], Any]
) -> None:
    table.tokens.changed = change
    with pytest.raises(UndersignedError) as refusal:
        table.right(table.attempt())
    assert "\n" not in str(refusal.value)
    assert isinstance(refusal.value, Malformed | VerificationError)


# What a host may try


def test_two_people_given_one_receipt_see_that_the_leaf_is_not_theirs(table: Table) -> None:
    _, first = table.sign()
    clash = leaf_hash(first.entry).hex()
    table.host.changed = lambda answer, entry: answer | {"leaf": clash}
    with pytest.raises(VerificationError, match="another entry"):
        table.sign()


def test_two_people_given_one_promise_see_that_it_is_not_for_their_key(table: Table) -> None:
    attempt, first = table.sign()
    table.host.changed = lambda answer, entry: answer | {"promise": table.host.promise(first.entry, attempt.key)}
    with pytest.raises(VerificationError, match="not the letter's own for this entry"):
        table.sign()


def test_a_promise_for_this_entry_and_another_persons_key_is_noticed(table: Table) -> None:
    table.host.changed = lambda answer, entry: answer | {"promise": table.host.promise(entry, bytes(32))}
    with pytest.raises(VerificationError, match="not the letter's own for this entry"):
        table.sign()


def test_a_promise_by_another_key_is_noticed(table: Table) -> None:
    own = bytes(range(32))

    def lie(answer: Answer, entry: bytes) -> Answer:
        key = entries.decode_entry(entry).key  # type: ignore[union-attr]
        return answer | {"promise": table.host.promise(entry, key, seed=own)}

    table.host.changed = lie
    with pytest.raises(VerificationError, match="not the letter's own for this entry"):
        table.sign()


@pytest.mark.parametrize(
    "change",
    [
        lambda answer, entry: [],
        lambda answer, entry: {},
        lambda answer, entry: answer | {"leaf": 5},
        lambda answer, entry: answer | {"leaf": answer["leaf"].upper()},
        lambda answer, entry: answer | {"promise": None},
        lambda answer, entry: answer | {"promise": 5},
        lambda answer, entry: answer | {"promise": answer["promise"] | {"latest": "soon"}},
        lambda answer, entry: answer | {"promise": answer["promise"] | {"latest": -1}},
        lambda answer, entry: answer | {"promise": answer["promise"] | {"latest": 1}},
        lambda answer, entry: answer | {"promise": answer["promise"] | {"sig": "*"}},
        lambda answer, entry: {"leaf": answer["leaf"]},
    ],
)
def test_a_host_that_answers_something_else_is_refused_in_one_sentence(
    table: Table, change: Callable[[Answer, bytes], Any]
) -> None:
    table.host.changed = change
    with pytest.raises(UndersignedError) as refusal:
        table.sign()
    assert isinstance(refusal.value, Malformed | VerificationError)
    assert "\n" not in str(refusal.value)


def test_a_promised_entry_that_the_log_dropped_leaves_a_promise_that_proves_the_breach(table: Table) -> None:
    honest = table.host.log
    kept, tree = list(honest.log), honest.tree.__class__(_leaves(table))
    _, receipt = table.sign()
    dropped = honest.__class__(cast=CAST)
    dropped.log, dropped.tree = kept, tree
    dropped.witness(receipt.promise.latest + 1)
    table.host.log = dropped
    later = LogClient(table.host)
    later.refresh()
    assert later.sees(receipt.entry) is None
    assert later.times.latest is not None
    assert later.times.latest > receipt.promise.latest
    verify_receipt(receipt)
    with pytest.raises(VerificationError, match=r"another history|older state"):
        table.client.refresh()


def _leaves(table: Table) -> list[bytes]:
    tree = table.host.log.tree
    return [tree.node(0, index) for index in range(tree.size)]


# After signing


def test_a_proof_completes_the_receipt_and_one_of_another_entry_does_not(table: Table) -> None:
    _, receipt = table.sign()
    _, other = table.sign()
    log = table.host.log

    def proof(entry: bytes) -> bytes:
        index = log.log.index(entry)
        hashes = tuple(log.tree.inclusion_proof(index, log.size))
        return TlogProof(index=index, hashes=hashes, checkpoint=log.head).encode()

    class Proofs:
        def __init__(self, answer: bytes | Exception) -> None:
            self.answer = answer

        def get(self, path: str) -> bytes:
            assert path == f"proof/{leaf_hash(receipt.entry).hex()}"
            if isinstance(self.answer, Exception):
                raise self.answer
            return self.answer

        def post(self, path: str, body: bytes) -> bytes:
            raise AssertionError

    whole = signing.fetch_proof(receipt, source=Proofs(proof(receipt.entry)), letter=CAST.letter)
    _, checkpoint = verify_receipt(whole)
    assert checkpoint is not None
    assert checkpoint.size == log.size
    for wrong in (proof(other.entry), b"", b"<!doctype html>", b"\xff\xfe", proof(receipt.entry)[:-9]):
        with pytest.raises((VerificationError, Malformed)):
            signing.fetch_proof(receipt, source=Proofs(wrong), letter=CAST.letter)
    with pytest.raises(NotThere):
        signing.fetch_proof(receipt, source=Proofs(NotThere("not yet")), letter=CAST.letter)


def test_a_signatory_changes_the_condition_goes_public_regrets_and_leaves(table: Table) -> None:
    attempt, receipt = table.sign("sealed", tier=2)
    card = unlock_card(receipt.secret, passphrase="a word")
    assert card is not None
    record = table.client.state.records[attempt.key]
    for tier, mode in ((1, "sealed"), (0, "public")):
        signing.change_condition(attempt.seed, card, tier, client=table.client, randbytes=RNG.randbytes)
        table.client.refresh()
        assert (record.tier, record.mode) == (tier, mode)
    how = {"source": table.host, "letter": CAST.letter}
    signing.remark(attempt.seed, "regret", "I was wrong.", randbytes=RNG.randbytes, **how)
    with pytest.raises(Malformed, match="opening, a regret or a deed"):
        signing.remark(attempt.seed, "boast", "I was right.", randbytes=RNG.randbytes, **how)
    signing.withdraw(attempt.seed, **how)
    assert len(table.client.refresh().remarks) == 1
    assert record.gone


def test_a_signatory_consents_to_the_newer_text(table: Table) -> None:
    attempt, _ = table.sign()
    first = CAST.letter.publication
    table.host.log.append(
        CAST.sign(
            entries.Amendment(
                title=first.title,
                language=first.language,
                text="Other words.",
                addressee=first.addressee,
                demands=first.demands,
                pledge=first.pledge,
                summary="Other words.",
            ),
            CAST.organizer,
        )
    )
    table.host.witness()
    assert table.client.refresh().n_star == 0
    signing.consent(attempt.seed, table.client.state.text_hash, source=table.host, letter=CAST.letter)
    assert table.client.refresh().n_star == 1


def test_an_envelope_swapped_for_anothers_never_passes_as_this_persons(table: Table) -> None:
    right = table.right(table.attempt("sealed"))
    other = table.right(table.attempt("sealed"))
    stolen = replace(right, identities=other.identities)
    blob = to_jcs(signing.card_of(stolen))
    with pytest.raises(VerificationError):
        blobs.verify_public_blob(blob, letter=CAST.letter, class_id=1, key=right.attempt.key)


def test_an_entry_under_another_seed_is_not_this_persons(table: Table) -> None:
    attempt, _ = table.sign()
    entry = entries.Withdrawal(key=attempt.key)
    data = signing.sign_entry(entry, seed=bytes(32), letter=CAST.letter)
    assert ed25519.public_key(bytes(32)) != attempt.key
    with pytest.raises(VerificationError):
        signing.submit(data, None, source=table.host, letter=CAST.letter)
