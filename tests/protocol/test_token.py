from itertools import pairwise

import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from support import flip_bit
from support.letters import make_letter
from undersigned.crypto import blind_rsa
from undersigned.errors import Malformed, VerificationError
from undersigned.protocol import token as tokens
from undersigned.protocol.encoding import sha256

CAST = make_letter()
LETTER = CAST.letter
PERSON = CAST.person()
TOKEN = CAST.tokens(PERSON)[0]
ISSUER = LETTER.issuing[1][0].key


def verify(token=TOKEN, *, issuer=ISSUER, lid=LETTER.lid, class_id=1, key=PERSON.key):
    tokens.verify_token(token, issuer=issuer, lid=lid, class_id=class_id, key=key)


def test_a_token_is_a_prefix_and_a_signature_over_86_bytes():
    message = tokens.token_message(lid=LETTER.lid, class_id=1, key=PERSON.key)
    assert message == b"undersigned/v1/token\0" + LETTER.lid + b"\x01" + PERSON.key
    assert (len(message), len(TOKEN)) == (86, tokens.TOKEN_BYTES)
    verify()


@pytest.mark.parametrize(
    "other",
    [
        {"lid": make_letter(origin="letters.example.org/l/other").letter.lid},
        {"class_id": 2},
        {"key": CAST.person().key},
        {"issuer": LETTER.issuing[2][0].key},
    ],
    ids=["letter", "class", "key", "issuer"],
)
def test_a_token_is_worth_nothing_for_another(other):
    with pytest.raises(VerificationError):
        verify(**other)


def test_a_token_of_another_length_is_worth_nothing():
    for token in (b"", TOKEN[:-1], TOKEN + b"\0", TOKEN[:32]):
        with pytest.raises(VerificationError):
            verify(token)


def test_no_flipped_bit_leaves_a_token_valid():
    for bit in range(0, 8 * len(TOKEN), 11):
        with pytest.raises(VerificationError):
            verify(flip_bit(TOKEN, bit))


def test_an_issuer_key_is_rsa_with_2048_bits_and_e_65537():
    spki = LETTER.publication.classes[0].issuers[0].spki
    assert tokens.read_issuer_key(spki).spki() == spki
    for private in (rsa.generate_private_key(65537, 1024), rsa.generate_private_key(3, 2048)):
        der = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        with pytest.raises(Malformed, match="2,048 bits and e = 65537"):
            tokens.read_issuer_key(der)


def test_a_signature_by_pkcs1_padding_is_no_token():
    message = tokens.token_message(lid=LETTER.lid, class_id=1, key=PERSON.key)
    other = rsa.generate_private_key(65537, 2048)
    issuer = blind_rsa.PublicKey(n=other.public_key().public_numbers().n, e=65537)
    prepared = bytes(32) + message
    with pytest.raises(VerificationError):
        verify(bytes(32) + other.sign(prepared, padding.PKCS1v15(), SHA384()), issuer=issuer)
    pss = padding.PSS(mgf=padding.MGF1(SHA384()), salt_length=48)
    verify(bytes(32) + other.sign(prepared, pss, SHA384()), issuer=issuer)


def test_commitment_certificate_and_request_are_hashed_as_written_down():
    r, key, card, lid = (bytes([number]) * 32 for number in (1, 2, 3, 4))
    commitment = tokens.commitment(r=r, key=key)
    assert commitment == sha256(b"undersigned/v1/identity\0" + r + key)
    message = tokens.certificate_message(
        lid=lid, class_id=5, method=2, attested=3, commitment=commitment, card_hash=card
    )
    assert message == b"undersigned/v1/identity-certificate\0" + lid + bytes([5, 2, 3]) + commitment + card
    request = tokens.request_hash(class_id=5, blinded=bytes(256), commitment=commitment, card_hash=card)
    assert request == sha256(bytes([5]) + bytes(256) + commitment + card)


def test_two_people_never_hold_the_same_token():
    found = sorted(CAST.tokens(CAST.person())[0] for _ in range(20))
    assert all(one != two for one, two in pairwise(found))
