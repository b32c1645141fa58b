from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from support import flip_bit
from support.letters import ORIGIN, Cast, make_letter, policy_text
from undersigned.crypto import blind_rsa, ed25519
from undersigned.errors import Malformed, Refused, UndersignedError, VerificationError
from undersigned.protocol import entry as entries
from undersigned.protocol.encoding import sha256, to_jcs
from undersigned.protocol.entry import Publication, decode_entry, encode_entry
from undersigned.protocol.letter import Letter, letter_id, sign_publication, text_hash
from undersigned.transparency.note import cosignature_vkey, ed25519_vkey

CAST = make_letter()
FIRST = CAST.letter.publication
SPKI = FIRST.classes[0].issuers[0].spki
replace = msgspec.structs.replace
Change = Callable[[Publication], dict[str, Any]]


def der(key: Any) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def staff(**changes: Any) -> dict[str, Any]:
    return {"classes": [replace(FIRST.classes[0], **changes), *FIRST.classes[1:]]}


def issued_by(spki: bytes) -> dict[str, Any]:
    return staff(issuers=[entries.Issuer(registrar=1, spki=spki)])


def tiers(*levels: int) -> dict[str, Any]:
    return {"tiers": [entries.Tier(id=number, at_least=level) for number, level in enumerate(levels, 1)]}


def trustees(n: int, k: int) -> dict[str, Any]:
    keys = [ed25519.public_key(bytes([number]) * 32) for number in range(1, n + 1)]
    parties = [entries.Party(id=number, name=f"T{number}", key=key) for number, key in enumerate(keys, 1)]
    return {"trustees": parties, "quorum": k}


def log_key(name: str) -> dict[str, Any]:
    return {"log_vkey": ed25519_vkey(name, ed25519.public_key(CAST.log)).encode()}


def registrars(*parties: tuple[int, str, bytes]) -> dict[str, Any]:
    return {"registrars": [entries.Party(id=number, name=name, key=key) for number, name, key in parties]}


KEY = ed25519.public_key(bytes(range(32)))
SMALL_ORDER = bytes([1]) + bytes(31)
NOT_CANONICAL = bytes([0xF0]) + bytes([0xFF]) * 30 + bytes([0x7F])
OFF_CURVE = bytes([2]) + bytes(31)
FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "an empty title": ({"title": ""}, "the title of the letter is empty"),
    "a title of 201 bytes": ({"title": "x" * 201}, "the title of the letter is 201 bytes long"),
    "a title on two lines": ({"title": "To the\nboard"}, "the title of the letter holds an invisible"),
    "a title that turns direction": ({"title": "To \u202ethe board"}, r"invisible or direction-changing .*U\+202E"),
    "an empty text": ({"text": " \n"}, "the text of the letter is empty"),
    "a text over 24 KiB": ({"text": "x" * (24 * 1024 + 1)}, "the text of the letter is 24577 bytes long"),
    "a text that is not composed": ({"text": "Cafe\u0301"}, "composed form"),
    "an addressee with a space at the end": ({"addressee": "The board "}, "the addressee has a space"),
    "a pledge with a zero-width space": ({"pledge": "We\u200bleave."}, "the pledge holds an invisible"),
    "a language that is no tag": ({"language": "English"}, "a tag such as en, de or pt-BR"),
    "an empty language": ({"language": ""}, "a tag such as"),
    "demands numbered from 2": ({"demands": [entries.Demand(id=2, text="Go.")]}, "numbered 1, 2, 3"),
    "an empty demand": ({"demands": [entries.Demand(id=1, text="")]}, "demand 1 is empty"),
    "65 demands": ({"demands": [entries.Demand(id=n, text="Go.") for n in range(1, 66)]}, "at most 64 demands"),
    "an origin without a slug": ({"origin": "letters.example.org"}, "the origin must be"),
    "an origin in capitals": ({"origin": "Letters.example.org/l/board"}, "the origin must be"),
    "an origin with a path upwards": ({"origin": "letters.example.org/l/../board"}, "the origin must be"),
    "an origin with another path": ({"origin": "letters.example.org/p/board"}, "the origin must be"),
    "an origin with a line feed": ({"origin": ORIGIN + "\n"}, "the origin must be"),
    "a log key of another origin": (log_key("letters.example.org/l/other"), "carry the letter.s origin"),
    "a log key that is no key": ({"log_vkey": "letters"}, "verifier key"),
    "a log key for cosignatures": (
        {"log_vkey": cosignature_vkey(ORIGIN, ed25519.public_key(CAST.log)).encode()},
        "one that signs notes",
    ),
    "a promise key of small order": ({"promise_key": SMALL_ORDER}, "small order"),
    "a promise key not canonical": ({"promise_key": NOT_CANONICAL}, "canonical"),
    "a promise key off the curve": ({"promise_key": OFF_CURVE}, "not a point of the curve"),
    "a policy that is none": ({"policy": "two of three"}, "policy"),
    "no classes": ({"classes": []}, "at least one registrar and 1 to 16 classes"),
    "17 classes": (
        {"classes": [replace(FIRST.classes[0], id=number) for number in range(1, 18)]},
        "1 to 16 classes",
    ),
    "two classes with one id": (
        {"classes": [FIRST.classes[0], replace(FIRST.classes[1], id=1)]},
        "same class id twice",
    ),
    "one issuer key for two classes": (
        {"classes": [FIRST.classes[0], replace(FIRST.classes[1], issuers=FIRST.classes[0].issuers)]},
        "same issuer key twice",
    ),
    "a class without a name": (staff(name=""), "the name of class 1 is empty"),
    "a class without a namespace": (staff(namespace=""), "the namespace of class 1 is empty"),
    "a class without an attester": (staff(attesters=[]), "class 1 needs an attester"),
    "an attester twice": (staff(attesters=["roster", "roster"]), "same attester of class 1 twice"),
    "an open class that counts": (staff(attesters=["open"]), "open to any mailbox, so its signatures cannot count"),
    "a class without an issuer": (staff(issuers=[]), "one to three issuers"),
    "a class with two issuers of one registrar": (staff(issuers=FIRST.classes[0].issuers * 2), "registrar of class 1"),
    "an issuer nobody knows": (staff(issuers=[entries.Issuer(registrar=2, spki=SPKI)]), "does not have"),
    "no registrars": (registrars(), "at least one registrar"),
    "two registrars with one id": (registrars((1, "A", FIRST.registrars[0].key), (1, "B", KEY)), "registrar id twice"),
    "two registrars with one key": (
        registrars((1, "A", FIRST.registrars[0].key), (2, "B", FIRST.registrars[0].key)),
        "registrar key twice",
    ),
    "a registrar without a name": (registrars((1, "", FIRST.registrars[0].key)), "name of registrar 1 is empty"),
    "a registrar with a small-order key": (registrars((1, "A", SMALL_ORDER)), "small order"),
    "an issuer key of 1024 bits": (issued_by(der(rsa.generate_private_key(65537, 1024))), "2,048 bits and e = 65537"),
    "an issuer key of 3072 bits": (issued_by(der(rsa.generate_private_key(65537, 3072))), "2,048 bits and e = 65537"),
    "an issuer key with e = 3": (issued_by(der(rsa.generate_private_key(3, 2048))), "2,048 bits and e = 65537"),
    "an issuer key on a curve": (issued_by(der(ec.generate_private_key(ec.SECP256R1()))), "not an RSA key"),
    "an issuer key with a byte after it": (issued_by(SPKI + b"\0"), "issuer key"),
    "an issuer key cut short": (issued_by(SPKI[:-1]), "issuer key"),
    "no modes": ({"modes": []}, "at least one way to sign"),
    "a mode twice": ({"modes": ["public", "public"]}, "same mode twice"),
    "tiers not numbered from 1": ({"tiers": [entries.Tier(id=2, at_least=5)]}, "numbered 1, 2, 3"),
    "tiers that do not rise": (tiers(5, 5), "each tier must ask for more"),
    "tiers that fall": (tiers(8, 5), "each tier must ask for more"),
    "a tier for nobody": (tiers(0), "each tier must ask for more"),
    "33 tiers": (tiers(*range(1, 34)), "32 at most"),
    "sealing without tiers": ({"tiers": []}, "needs tiers, trustees and a witness quorum"),
    "sealing without trustees": ({"trustees": [], "quorum": 0}, "needs tiers, trustees and a witness quorum"),
    "sealing without witnesses": ({"policy": "quorum none\n"}, "needs tiers, trustees and a witness quorum"),
    "all trustees of five": (trustees(5, 5), "the quorum must be"),
    "one of five trustees": (trustees(5, 1), "the quorum must be"),
    "six of five trustees": (trustees(5, 6), "the quorum must be"),
    "ten trustees": (trustees(10, 5), "the quorum must be"),
    "none of one trustee": (trustees(1, 0), "the quorum must be"),
    "two trustees with one key": (
        {"trustees": [FIRST.trustees[0], replace(FIRST.trustees[0], id=2), FIRST.trustees[2]], "quorum": 2},
        "trustee key twice",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_entry_0_is_refused_for(fault):
    changes, sentence = FAULTS[fault]
    with pytest.raises(Malformed, match=sentence) as refusal:
        Letter.from_entry(sign_publication(replace(FIRST, **changes), seed=CAST.organizer))
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(("n", "k"), [(1, 1), (2, 2), (3, 2), (5, 3), (9, 8)])
def test_a_quorum_that_can_lose_a_trustee_is_taken(n, k):
    letter = Letter.from_entry(sign_publication(replace(FIRST, **trustees(n, k)), seed=CAST.organizer))
    assert (len(letter.trustees), letter.publication.quorum) == (n, k)


def test_a_letter_without_sealed_names_needs_neither_tiers_nor_trustees_nor_witnesses():
    changes = {"modes": ["public"], "tiers": [], "trustees": [], "quorum": 0, "policy": "quorum none\n"}
    letter = Letter.from_entry(sign_publication(replace(FIRST, **changes), seed=CAST.organizer))
    assert not letter.policy.has_quorum


@pytest.mark.parametrize("origin", ["localhost:8000/l/a", "a.b.example/l/staff-letter-2", "1.example/l/0"])
def test_an_origin_is_a_host_and_a_slug(origin):
    letter = make_letter(origin=origin).letter
    assert letter.slug == origin.rsplit("/", 1)[1]


def test_another_entry_cannot_begin_a_letter():
    with pytest.raises(Malformed, match="begins with its publication"):
        Letter.from_entry(CAST.accept()[0])


def test_entry_0_signed_by_somebody_else_is_refused():
    with pytest.raises(VerificationError, match="not signed by the organizer key it names"):
        Letter.from_entry(sign_publication(FIRST, seed=CAST.log))


def test_no_flipped_bit_of_entry_0_is_read_as_a_letter():
    data = CAST.letter.data
    for bit in range(5, 8 * len(data), 97):
        with pytest.raises(UndersignedError):
            Letter.from_entry(flip_bit(data, bit))


def test_the_lid_covers_all_bytes_of_entry_0_its_signature_included():
    assert CAST.letter.lid == sha256(b"undersigned/v1/letter\0" + CAST.letter.data)
    other = encode_entry(replace(FIRST, sig=bytes(64)))
    assert letter_id(other) != CAST.letter.lid


def test_the_text_hash_covers_the_six_fields_and_nothing_else():
    six = {name: getattr(FIRST, name) for name in ("title", "language", "text", "addressee", "demands", "pledge")}
    assert text_hash(FIRST) == sha256(b"undersigned/v1/text\0" + to_jcs(six))
    assert text_hash(replace(FIRST, deadline=1, origin="x")) == text_hash(FIRST)
    changed = {"title": "x", "language": "de", "text": "x", "addressee": "x", "demands": [], "pledge": ""}
    assert len({text_hash(FIRST), *(text_hash(replace(FIRST, **{name: new})) for name, new in changed.items())}) == 7


def test_the_same_words_under_two_origins_are_two_letters_with_one_text_hash():
    one, two = (make_letter(origin=f"letters.example.org/l/{slug}").letter for slug in ("a", "b"))
    assert one.text_hash == two.text_hash
    assert one.lid != two.lid


def test_a_trustee_has_a_row_and_a_stranger_has_none():
    assert [CAST.letter.trustee_row(number) for number in (1, 2, 3, 4, 5)] == [0, 1, 2, 3, 4]
    with pytest.raises(Refused, match="no such trustee"):
        CAST.letter.trustee_row(6)


def test_entry_0_reads_back_to_its_own_bytes():
    cast: Cast = make_letter(registrars_per_class=3, tiers=(50, 250, 500))
    assert encode_entry(decode_entry(cast.letter.data)) == cast.letter.data
    assert [len(many) for many in cast.letter.issuing.values()] == [3, 3]
    assert policy_text(cast.witnesses, 3) == cast.letter.publication.policy
    assert all(isinstance(one.key, blind_rsa.PublicKey) for many in cast.letter.issuing.values() for one in many)
