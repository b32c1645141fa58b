"""The libraries we lean on agree with the vectors of their standards, as they are installed here."""

import hmac
import json
from hashlib import sha256

import msgspec
import pytest
import rfc8785
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given, settings
from hypothesis import strategies as st

from support import VECTORS


def _cases(name):
    """(group, case) of every Wycheproof case in a file."""
    groups = json.loads((VECTORS / f"wycheproof/{name}_test.json").read_text())["testGroups"]
    return [(group, case) for group in groups for case in group["tests"]]


def test_aes_256_gcm_answers_every_wycheproof_case():
    answered = 0
    for group, case in _cases("aes_gcm"):
        if (group["keySize"], group["ivSize"]) != (256, 96):
            continue  # HPKE's AES-256-GCM knows one size of key and nonce
        key, nonce, aad, ct = (_hex(case[name]) for name in ("key", "iv", "aad", "ct"))
        try:
            opened = AESGCM(key).decrypt(nonce, ct + _hex(case["tag"]), aad)
        except InvalidTag:
            opened = None
        assert (opened == _hex(case["msg"])) == (case["result"] == "valid"), case["tcId"]
        answered += 1
    assert answered > 60


def test_hkdf_sha256_answers_every_wycheproof_case():
    for _, case in _cases("hkdf_sha256"):
        try:
            okm = HKDF(SHA256(), case["size"], _hex(case["salt"]), _hex(case["info"])).derive(_hex(case["ikm"]))
        except ValueError:
            okm = None
        assert (okm == _hex(case["okm"]) and okm is not None) == (case["result"] == "valid"), case["tcId"]


def test_hmac_sha256_answers_every_wycheproof_case():
    for group, case in _cases("hmac_sha256"):
        tag = hmac.digest(_hex(case["key"]), _hex(case["msg"]), sha256)[: group["tagSize"] // 8]
        assert (tag == _hex(case["tag"])) == (case["result"] == "valid"), case["tcId"]


def test_x25519_answers_every_wycheproof_case_and_refuses_a_shared_secret_of_zeros():
    for _, case in _cases("x25519"):
        private_key = X25519PrivateKey.from_private_bytes(_hex(case["private"]))
        public_key = X25519PublicKey.from_public_bytes(_hex(case["public"]))
        if set(case["shared"]) == {"0"}:
            with pytest.raises(ValueError, match="shared key"):
                private_key.exchange(public_key)
        else:
            assert private_key.exchange(public_key) == _hex(case["shared"]), case["tcId"]


def test_ml_kem_768_answers_every_wycheproof_case():
    for _, case in _cases("mlkem_768"):
        try:
            private_key = MLKEM768PrivateKey.from_seed_bytes(_hex(case["seed"]))
            shared = private_key.decapsulate(_hex(case["c"]))
        except ValueError:
            shared = None
        if case["result"] == "valid":
            assert private_key.public_key().public_bytes_raw() == _hex(case["ek"]), case["tcId"]
            assert shared == _hex(case["K"]), case["tcId"]
        else:
            assert shared is None or shared != _hex(case["K"]), case["tcId"]


@pytest.mark.parametrize("name", [path.stem for path in sorted((VECTORS / "jcs/input").iterdir())])
def test_canonical_json_gives_the_bytes_of_its_vectors(name):
    value = json.loads((VECTORS / f"jcs/input/{name}.json").read_text())
    canonical = rfc8785.dumps(value)
    assert canonical == (VECTORS / f"jcs/output/{name}.json").read_bytes()
    assert canonical == _hex((VECTORS / f"jcs/outhex/{name}.txt").read_text())


SCALARS = st.characters(exclude_categories=["Cs"])  # every Unicode scalar value: no lone surrogates
TEXT = st.text(SCALARS) | st.text(st.sampled_from([chr(c) for c in (*range(0x80), 0x2028, 0x2029, 0xFEFF, 0x10FFFF)]))
ASCII_KEYS = st.text(st.characters(max_codepoint=0x7F), max_size=8)
VALUES = st.recursive(
    TEXT | st.booleans() | st.integers(0, 2**53 - 1),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(ASCII_KEYS, inner, max_size=5),
    max_leaves=20,
)


@settings(max_examples=500)
@given(VALUES)
def test_msgspec_in_sorted_order_writes_canonical_json_for_the_values_our_formats_know(value):
    assert msgspec.json.encode(value, order="sorted") == rfc8785.dumps(value)


def test_msgspec_writes_every_single_character_as_canonical_json_does():
    encode = msgspec.json.Encoder(order="sorted").encode
    scalars = [chr(c) for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
    different = [hex(ord(char)) for char in scalars[:0x3000] if encode({"a": char}) != rfc8785.dumps({"a": char})]
    assert different == []
    everything = "".join(scalars)
    assert encode(everything) == rfc8785.dumps(everything)
    assert all(encode({chr(c): 1}) == rfc8785.dumps({chr(c): 1}) for c in range(0x80))


def _hex(text: str) -> bytes:
    return bytes.fromhex(text)
