"""Blind RSA held against RFC 9474 appendix A (four variants, 4096 bit), Wycheproof, and a flipped bit anywhere."""

import json
import os
import pickle
import re

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from support import ROOT, VECTORS, flip_bit
from undersigned.crypto import blind_rsa
from undersigned.crypto.blind_rsa import PrivateKey, PublicKey
from undersigned.errors import Malformed, Unavailable, VerificationError

RFC9474 = json.loads((VECTORS / "blind-rsa/rfc9474.json").read_text())
WYCHEPROOF = json.loads((VECTORS / "wycheproof/rsa_pss_2048_sha384_mgf1_48_test.json").read_text())
VARIANTS = {variant.name: variant for variant in blind_rsa.VARIANTS}


@pytest.fixture(scope="module")
def private_key():
    return PrivateKey.generate(2048)


@pytest.fixture(scope="module")
def issued(private_key):
    """(prepared, blinded, inverse, blind_sig, sig) of one token."""
    prepared = blind_rsa.prepare(b"a fresh key" * 8, prefix=os.urandom(32))
    blinded, inverse = blind_rsa.blind(private_key.public, prepared, randbytes=os.urandom)
    blind_sig = blind_rsa.blind_sign(private_key, blinded)
    return prepared, blinded, inverse, blind_sig, blind_rsa.finalize(private_key.public, prepared, blind_sig, inverse)


@pytest.mark.parametrize("case", RFC9474, ids=[case["name"] for case in RFC9474])
def test_every_step_gives_the_bytes_of_the_rfc(case):
    variant = VARIANTS[case["name"]]
    key = PrivateKey.from_numbers(p=int(case["p"], 16), q=int(case["q"], 16), e=int(case["e"], 16))
    assert key.public == PublicKey(n=int(case["n"], 16), e=int(case["e"], 16))
    assert (variant.salt_bytes, variant.randomized) == (int(case["sLen"], 16), int(case["is_randomized"], 16) == 1)

    prepared = blind_rsa.prepare(_hex(case["msg"]), prefix=_hex(case["msg_prefix"]), variant=variant)
    assert prepared == _hex(case["input_msg"])
    inv = int(case["inv"], 16)
    r = pow(inv, -1, key.public.n)
    blinded, inverse = blind_rsa.blind_with(key.public, prepared, salt=_hex(case["salt"]), r=r)
    assert blinded == _hex(case["blinded_msg"])
    assert inverse == inv.to_bytes(512, "big")
    assert blind_rsa.blind_sign(key, blinded) == _hex(case["blind_sig"])
    sig = blind_rsa.finalize(key.public, prepared, _hex(case["blind_sig"]), inverse, variant=variant)
    assert sig == _hex(case["sig"])
    blind_rsa.verify(key.public, prepared, sig, variant=variant)


@pytest.mark.parametrize("case", WYCHEPROOF["testGroups"][0]["tests"], ids=lambda case: f"tcId{case['tcId']}")
def test_every_wycheproof_pss_case_is_answered_as_wycheproof_answers_it(case):
    public_key = PublicKey.from_spki(_hex(WYCHEPROOF["testGroups"][0]["publicKeyDer"]))
    if case["result"] == "valid":
        blind_rsa.verify(public_key, _hex(case["msg"]), _hex(case["sig"]))
    else:
        with pytest.raises(VerificationError):
            blind_rsa.verify(public_key, _hex(case["msg"]), _hex(case["sig"]))


@given(message=st.binary(max_size=200), prefix=st.binary(min_size=32, max_size=32), salt=st.binary(max_size=64))
def test_our_pss_encoding_is_what_the_library_recovers_from_its_own_sig(message, prefix, salt):
    """The library's verifier, run on the encoding raised to d by Python's integers, accepts what we encoded."""
    key = _small_known_key()
    numbers = key.private_numbers()
    encoded = blind_rsa.emsa_pss_encode(prefix + message, em_bits=1023, salt=salt)
    sig = pow(int.from_bytes(encoded, "big"), numbers.d, numbers.public_numbers.n).to_bytes(128, "big")
    pss = padding.PSS(mgf=padding.MGF1(blind_rsa._SHA384), salt_length=len(salt))
    key.public_key().verify(sig, prefix + message, pss, blind_rsa._SHA384)


@settings(max_examples=20)
@given(message=st.binary(max_size=200), prefix=st.binary(min_size=32, max_size=32))
def test_what_was_blinded_signed_and_finalized_verifies(private_key, message, prefix):
    prepared = blind_rsa.prepare(message, prefix=prefix)
    blinded, inverse = blind_rsa.blind(private_key.public, prepared, randbytes=os.urandom)
    sig = blind_rsa.finalize(private_key.public, prepared, blind_rsa.blind_sign(private_key, blinded), inverse)
    blind_rsa.verify(private_key.public, prepared, sig)
    assert len(blinded) == len(inverse) == len(sig) == 256


def test_the_same_blinded_message_gets_the_same_answer(private_key, issued):
    _, blinded, _, blind_sig, _ = issued
    assert all(blind_rsa.blind_sign(private_key, blinded) == blind_sig for _ in range(5))


def test_the_same_message_is_blinded_differently_each_time(private_key):
    blinded = {blind_rsa.blind(private_key.public, b"same", randbytes=os.urandom)[0] for _ in range(5)}
    assert len(blinded) == 5


@settings(max_examples=200)
@given(data=st.data())
def test_a_flipped_bit_anywhere_in_message_or_sig_is_refused(private_key, issued, data):
    prepared, _, _, _, sig = issued
    flipped = flip_bit(prepared + sig, data.draw(st.integers(0, (len(prepared) + 256) * 8 - 1)))
    with pytest.raises(VerificationError):
        blind_rsa.verify(private_key.public, flipped[: len(prepared)], flipped[len(prepared) :])


@settings(max_examples=100)
@given(data=st.data())
def test_a_flipped_bit_in_the_answer_or_the_inverse_makes_no_token(private_key, issued, data):
    prepared, _, inverse, blind_sig, _ = issued
    flipped = flip_bit(blind_sig + inverse, data.draw(st.integers(0, 512 * 8 - 1)))
    with pytest.raises((VerificationError, Malformed)):
        blind_rsa.finalize(private_key.public, prepared, flipped[:256], flipped[256:])


def test_a_token_of_another_key_is_refused(private_key, issued):
    prepared, _, _, _, sig = issued
    with pytest.raises(VerificationError):
        blind_rsa.verify(PrivateKey.generate(2048).public, prepared, sig)


def test_a_token_of_another_variant_is_refused(private_key, issued):
    prepared, _, _, _, sig = issued
    with pytest.raises(VerificationError):
        blind_rsa.verify(private_key.public, prepared, sig, variant=blind_rsa.PSSZERO_RANDOMIZED)


def test_a_sig_of_another_length_is_refused(private_key, issued):
    prepared, _, _, _, sig = issued
    for wrong in (b"", sig[:-1], sig + b"\0", b"\0" + sig):
        with pytest.raises(VerificationError):
            blind_rsa.verify(private_key.public, prepared, wrong)


def test_a_blinded_message_of_another_length_or_above_the_modulus_is_malformed(private_key):
    n = private_key.public.n
    for wrong in (b"", bytes(255), bytes(257), n.to_bytes(256, "big"), b"\xff" * 256):
        with pytest.raises(Malformed):
            blind_rsa.blind_sign(private_key, wrong)
        with pytest.raises(Malformed):
            blind_rsa.finalize(private_key.public, b"", wrong, bytes(256))
    assert blind_rsa.blind_sign(private_key, (n - 1).to_bytes(256, "big")) == (n - 1).to_bytes(256, "big")
    assert blind_rsa.blind_sign(private_key, bytes(256)) == bytes(256)


def test_a_prefix_of_another_length_is_malformed():
    with pytest.raises(Malformed):
        blind_rsa.prepare(b"m", prefix=b"")
    with pytest.raises(Malformed):
        blind_rsa.prepare(b"m", prefix=bytes(32), variant=blind_rsa.PSS_DETERMINISTIC)


def test_a_machine_that_miscalculates_one_half_keeps_the_signature_back(private_key, issued):
    """A fault in one half of the Chinese remainder theorem would give the primes to whoever asked."""
    faulty = PrivateKey.from_pkcs8(private_key.pkcs8())
    faulty._dp += 2
    with pytest.raises(Unavailable, match="kept back"):
        blind_rsa.blind_sign(faulty, issued[1])


def test_every_signature_is_blinded_with_chance_of_its_own(private_key, issued):
    drawn = []

    def randbytes(count):
        drawn.append(os.urandom(count))
        return drawn[-1]

    for _ in range(3):
        blind_rsa.blind_sign(private_key, issued[1], randbytes=randbytes)
    assert len(drawn) >= 6
    assert len(set(drawn)) == len(drawn)


def test_r_is_drawn_below_the_modulus_and_never_zero():
    draws = iter([b"\x00\x00", b"\xff\xff", b"\x80\x00", b"\x7f\xff"])
    assert blind_rsa._random_below(0x4001, lambda count: next(draws)) == 0x4000
    draws = iter([b"\x00\x01", b"\x00\x02"])
    assert blind_rsa._random_below(0x4001, lambda count: next(draws)) == 1


def test_the_known_answers_hold_here():
    blind_rsa.self_test()


def test_a_machine_with_other_answers_may_not_issue(monkeypatch):
    monkeypatch.setattr(blind_rsa._known_answer, "SIG_SHA256", "00" * 32)
    with pytest.raises(Unavailable):
        blind_rsa.self_test()


def test_keys_come_back_from_their_der_forms(private_key):
    assert PrivateKey.from_pkcs8(private_key.pkcs8()).pkcs8() == private_key.pkcs8()
    assert PublicKey.from_spki(private_key.public.spki()) == private_key.public
    assert (private_key.public.bits, private_key.public.modulus_bytes, private_key.public.e) == (2048, 256, 65537)
    assert len(private_key.public.spki()) == 294


@settings(max_examples=300)
@given(data=st.data())
def test_an_issuer_key_with_any_bit_flipped_is_malformed_or_another_key(private_key, data):
    der = private_key.public.spki()
    flipped = flip_bit(der, data.draw(st.integers(0, len(der) * 8 - 1)))
    try:
        other = PublicKey.from_spki(flipped)
    except Malformed:
        return
    assert other != private_key.public
    assert other.spki() == flipped


def test_an_issuer_key_in_any_other_form_is_malformed(private_key):
    library_key = private_key.public._key
    pkcs1 = library_key.public_bytes(Encoding.DER, PublicFormat.PKCS1)
    pem = library_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    elliptic = ec.generate_private_key(ec.SECP256R1()).public_key()
    other_kind = elliptic.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    der = private_key.public.spki()
    for wrong in (b"", pkcs1, pem, other_kind, der + b"\0", der[:-1], _with_pss_oid(der), _without_null(der)):
        with pytest.raises(Malformed):
            PublicKey.from_spki(wrong)


def test_numbers_that_are_no_key_are_malformed(private_key):
    with pytest.raises(Malformed):
        PublicKey(n=private_key.public.n + 1, e=65537)
    with pytest.raises(Malformed):
        PublicKey(n=private_key.public.n, e=2)
    with pytest.raises(Malformed):
        PrivateKey.from_numbers(p=15, q=7)
    with pytest.raises(Malformed):
        PrivateKey.from_pkcs8(b"")
    with pytest.raises(Malformed):
        PrivateKey.generate(17)


def test_a_private_key_shows_and_pickles_nothing_secret(private_key):
    assert repr(private_key) == "PrivateKey(2048 bits)"
    with pytest.raises(TypeError):
        pickle.dumps(private_key)


def test_no_code_of_ours_uses_pythons_pow():
    """Python's pow takes a time that depends on the exponent; the private operation is gmpy2's powmod_sec."""
    uses = re.compile(r"(?<![\w.])pow\(|\.__pow__\(")
    found = [path for path in (ROOT / "src").rglob("*.py") if uses.search(path.read_text())]
    assert found == []


def _small_known_key() -> rsa.RSAPrivateKey:
    return _SMALL_KEY


_SMALL_KEY = rsa.generate_private_key(65537, 1024)


def _with_pss_oid(der: bytes) -> bytes:
    """The same key marked id-RSASSA-PSS, 1.2.840.113549.1.1.10, which RFC 9474 implementations elsewhere use."""
    return der.replace(bytes.fromhex("06092a864886f70d010101"), bytes.fromhex("06092a864886f70d01010a"))


def _without_null(der: bytes) -> bytes:
    """The algorithm without its NULL parameter, lengths mended."""
    mended = der.replace(bytes.fromhex("300d06092a864886f70d0101010500"), bytes.fromhex("300b06092a864886f70d010101"))
    return mended[:2] + (len(mended) - 4).to_bytes(2, "big") + mended[4:]


def _hex(text: str | None) -> bytes:
    return bytes.fromhex(text or "")
