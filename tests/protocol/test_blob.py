import msgspec
import pytest
import rfc8785

from support import flip_bit
from support.letters import make_letter
from undersigned.crypto import ed25519
from undersigned.errors import Malformed, UndersignedError, VerificationError
from undersigned.protocol import blob as blobs
from undersigned.protocol import token
from undersigned.protocol.encoding import sha256, to_jcs

CAST = make_letter(registrars_per_class=2)
LETTER = CAST.letter
PERSON = CAST.person("Åsa Ødegård (ACME, Oslo)", "Head of C++, R&D")
BLOB = CAST.public_blob(PERSON)
replace = msgspec.structs.replace
SALT = bytes(range(32))


def verify(blob: blobs.PublicBlob, *, class_id: int = 1, key: bytes = PERSON.key) -> blobs.PublicBlob:
    return blobs.verify_public_blob(to_jcs(blob), letter=LETTER, class_id=class_id, key=key)


def certified(*, method: int, attested: int = 0) -> blobs.PublicBlob:
    """The person's card with honest certificates by a method."""
    commitment = token.commitment(r=PERSON.r, key=PERSON.key)
    identities = []
    for registrar, seed in CAST.registrars.items():
        message = token.certificate_message(
            lid=LETTER.lid,
            class_id=1,
            method=method,
            attested=attested,
            commitment=commitment,
            card_hash=blobs.card_hash(PERSON.card),
        )
        sig = ed25519.sign(seed, message)
        identities.append(blobs.Identity(registrar=registrar, method=method, attested=attested, sig=sig))
    return replace(BLOB, identities=identities)


def test_a_card_with_a_certificate_of_each_registrar_is_taken():
    assert verify(BLOB) == BLOB
    assert blobs.card_hash(PERSON.card) == sha256(rfc8785.dumps(msgspec.json.decode(to_jcs(PERSON.card))))


@pytest.mark.parametrize(
    "changed",
    [
        replace(BLOB, card=replace(BLOB.card, name="Åsa Ødegaard")),
        replace(BLOB, card=replace(BLOB.card, title="CEO")),
        replace(BLOB, card=replace(BLOB.card, salt=bytes(32))),
        replace(BLOB, r=bytes(32)),
        replace(BLOB, identities=BLOB.identities[::-1]),
        replace(BLOB, identities=BLOB.identities[:1]),
        replace(BLOB, identities=[BLOB.identities[0], BLOB.identities[0]]),
        replace(BLOB, identities=[]),
        replace(BLOB, identities=[replace(BLOB.identities[0], sig=BLOB.identities[1].sig), BLOB.identities[1]]),
        replace(BLOB, identities=[replace(one, attested=1) for one in BLOB.identities]),
        replace(BLOB, identities=[replace(one, method=1) for one in BLOB.identities]),
    ],
    ids=[
        "a name changed",
        "a title changed",
        "a salt changed",
        "another r",
        "certificates in another order",
        "a certificate missing",
        "a certificate twice",
        "no certificate",
        "a signature of the other registrar",
        "other attested bits",
        "another method",
    ],
)
def test_a_card_is_refused_for(changed):
    with pytest.raises(VerificationError):
        verify(changed)


def test_a_name_its_source_did_not_attest_cannot_be_shown_as_attested():
    self_stated = CAST.public_blob(PERSON, attested=0)
    verify(self_stated)
    for bits in (1, 2, 3):
        with pytest.raises(VerificationError, match="has not attested this name"):
            verify(replace(self_stated, identities=[replace(one, attested=bits) for one in self_stated.identities]))


def test_a_certificate_by_a_method_that_the_class_does_not_offer_is_refused():
    verify(certified(method=2))
    for method in (1, 3, 4, 5, 6):
        with pytest.raises(VerificationError, match="a method that its class does not offer"):
            verify(certified(method=method))


def test_a_card_of_another_class_letter_or_key_is_refused():
    with pytest.raises(VerificationError):
        verify(BLOB, class_id=2)
    with pytest.raises(VerificationError):
        verify(BLOB, key=CAST.person().key)
    other = make_letter(registrars_per_class=2, origin="letters.example.org/l/other").letter
    with pytest.raises(VerificationError):
        blobs.verify_public_blob(to_jcs(BLOB), letter=other, class_id=1, key=PERSON.key)


def test_no_flipped_bit_leaves_a_card_valid():
    data = to_jcs(BLOB)
    for bit in range(0, 8 * len(data), 13):
        with pytest.raises(UndersignedError):
            blobs.verify_public_blob(flip_bit(data, bit), letter=LETTER, class_id=1, key=PERSON.key)


@pytest.mark.parametrize(
    ("name", "title"),
    [("", "Engineer"), ("x" * 201, ""), ("Ada", "x" * 201), ("Ada\u202e", ""), ("Ada", "a\u0000b"), ("Ada ", "")],
)
def test_a_card_with_a_name_or_title_that_is_not_clean_is_refused(name, title):
    card = blobs.Card(name=name, title=title, salt=SALT)
    with pytest.raises(Malformed):
        blobs.read_public_blob(to_jcs(replace(BLOB, card=card)))


@pytest.mark.parametrize(
    "read", [blobs.read_public_blob, blobs.read_remark, blobs.read_statement, blobs.read_confirmation]
)
def test_a_blob_over_16_kib_or_of_another_kind_is_refused(read):
    with pytest.raises(Malformed, match="at most 16384 bytes, and this has 16385"):
        read(b"x" * (blobs.MAX_BLOB_BYTES + 1))
    for data in (b"", b"{}", b"null", b'{"salt":"x"}', rfc8785.dumps({"words": "none"})):
        with pytest.raises(Malformed):
            read(data)


def test_words_are_read_with_their_salt_and_refused_when_unclean():
    remark = blobs.RemarkBlob(salt=SALT, text="I regret it.")
    assert blobs.read_remark(to_jcs(remark)) == remark
    statement = blobs.StatementBlob(
        salt=SALT,
        party="The board",
        text="We have read it.",
        source="https://example.org",
        places=770,
        until=1_800_000_000,
        terms="All may come.",
        evidence="A letter.",
        demand=1,
        outcome="partly",
        names=["Ada Example"],
    )
    assert blobs.read_statement(to_jcs(statement)) == statement
    proof = blobs.ConfirmationBlob(salt=SALT, method="dkim", proof="DKIM-Signature: …")
    assert blobs.read_confirmation(to_jcs(proof)) == proof
    for bad in (
        replace(statement, party="The\nboard"),
        replace(statement, text=""),
        replace(statement, source="\u202e"),
        replace(statement, terms=" "),
        replace(statement, evidence="x" * 4097),
        replace(statement, names=["Ada", ""]),
    ):
        with pytest.raises(Malformed):
            blobs.read_statement(to_jcs(bad))
    with pytest.raises(Malformed):
        blobs.read_remark(to_jcs(replace(remark, text="a\u200bb")))
    with pytest.raises(Malformed):
        blobs.read_confirmation(to_jcs(replace(proof, proof="")))
    with pytest.raises(Malformed):
        blobs.read_remark(to_jcs(replace(remark, salt=bytes(31))))
