"""Our own vectors against the formulas of spec/, written here with the standard library alone."""

import hashlib
import hmac
import json
from itertools import accumulate
from typing import Any

import pytest

from support import VECTORS


def read(name: str) -> dict[str, Any]:
    vector: dict[str, Any] = json.loads((VECTORS / "undersigned" / f"{name}.json").read_bytes())
    return vector


def unhex(vector: dict[str, Any], *names: str) -> list[bytes]:
    return [bytes.fromhex(vector[name]) for name in names]


def h(*parts: bytes) -> str:
    return hashlib.sha256(b"".join(parts)).hexdigest()


def test_lid_and_text_hash_follow_their_formulas():
    v = read("letter")
    assert v["lid"] == h(b"undersigned/v1/letter\0", v["publication"].encode())
    assert v["text_hash"] == h(b"undersigned/v1/text\0", v["text_fields"].encode())
    published = json.loads(v["publication"])
    assert json.loads(v["text_fields"]) == {name: published[name] for name in json.loads(v["text_fields"])}


def test_entries_are_canonical_json_and_sign_their_bytes_without_signatures():
    v = read("entries")
    for row in v["entries"]:
        entry = json.loads(row["entry"])
        assert canonical(entry) == row["entry"].encode()
        bare = {name: value for name, value in entry.items() if name not in ("sig", "sigs")}
        lid = bytes.fromhex(v["lid"]) if row["index"] else bytes(32)
        assert row["message_sha256"] == h(b"undersigned/v1/entry\0", lid, canonical(bare))
        assert row["leaf_hash"] == h(b"\0", row["entry"].encode())


def canonical(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def test_the_token_is_a_plain_rsa_pss_signature_over_prefix_and_message():
    v = read("token")
    lid, key, message, prefix, blinded, blind_sig, token = unhex(
        v, "lid", "key", "message", "prefix", "blinded", "blind_sig", "token"
    )
    assert message == b"undersigned/v1/token\0" + lid + bytes([v["class"]]) + key
    assert len(message) == 86
    assert token[:32] == prefix
    n = int(v["issuer_p"], 16) * int(v["issuer_q"], 16)
    s, r, inverse = (int.from_bytes(part, "big") for part in (token[32:], *unhex(v, "blinding", "inverse")))
    assert r * inverse % n == 1
    m = pow(s, 65537, n)
    assert int.from_bytes(blinded, "big") == m * pow(r, 65537, n) % n
    assert int.from_bytes(blind_sig, "big") * inverse % n == s
    encoded = m.to_bytes(256, "big")
    assert (
        encoded[-49:-1]
        == hashlib.sha384(bytes(8) + hashlib.sha384(prefix + message).digest() + unhex(v, "pss_salt")[0]).digest()
    )


def test_the_identity_certificate_covers_letter_class_method_commitment_and_card():
    v = read("identity")
    lid, key, r, commitment, card_hash = unhex(v, "lid", "key", "r", "commitment", "card_hash")
    assert v["commitment"] == h(b"undersigned/v1/identity\0", r, key)
    assert v["card_hash"] == h(v["card"].encode())
    numbers = bytes([v["class"], v["method"], v["attested"]])
    expected = b"undersigned/v1/identity-certificate\0" + lid + numbers + commitment + card_hash
    assert v["certificate_message"] == expected.hex()
    assert v["request_hash"] == h(bytes([1]), bytes.fromhex(read("token")["blinded"]), commitment, card_hash)


def test_the_envelope_lies_as_its_layout_says_and_its_hashes_fit():
    v = read("envelope")
    data, lid, key, dek, open_key = unhex(v, "envelope", "lid", "key", "dek", "open_key")
    part = {row["part"]: data[row["offset"] : row["offset"] + row["bytes"]] for row in v["layout"]}
    sizes = [row["bytes"] for row in v["layout"]]
    assert [0, *accumulate(sizes)] == [*(row["offset"] for row in v["layout"]), len(data)]
    assert [part["magic"], part["suite"], part["n"], part["k"], part["tier"]] == [b"USB1", b"\1", b"\3", b"\2", b"\1"]
    assert part["dek_hash"].hex() == h(b"undersigned/v1/dek\0", lid, key, dek)
    assert part["open_hash"].hex() == h(b"undersigned/v1/open\0", lid, key, open_key)
    extracted = hmac.digest(bytes(32), dek, "sha256")
    assert open_key == hmac.digest(extracted, b"undersigned/v1/open\1", "sha256")
    for row in v["shares"]:
        share, trustee = bytes.fromhex(row["share"]), bytes([row["trustee"]])
        assert part[f"x {row['trustee']}"] == share[-1:]
        expected = h(b"undersigned/v1/share\0", lid, key, trustee, share)
        assert part[f"share_hash {row['trustee']}"].hex() == row["share_hash"] == expected
        assert row["info"] == (b"undersigned/v1/seal\0" + lid + bytes([v["tier"]]) + trustee + key).hex()


def test_two_shares_on_a_line_over_gf_256_give_the_dek():
    v = read("envelope")
    slope = bytes.fromhex(v["coefficients"][0])
    for row in v["shares"]:
        share = bytes.fromhex(row["share"])
        assert share[:-1] == bytes(a ^ times(b, share[-1]) for a, b in zip(bytes.fromhex(v["dek"]), slope, strict=True))


def times(a: int, b: int) -> int:
    product = 0
    while b:
        product ^= a if b & 1 else 0
        a, b = (a << 1) ^ (0x11B if a & 0x80 else 0), b >> 1
    return product


def test_the_promise_covers_letter_leaf_key_and_time():
    v = read("promise")
    lid, leaf, key = unhex(v, "lid", "leaf_hash", "key")
    assert v["leaf_hash"] == h(b"\0", v["entry"].encode())
    assert v["message"] == (b"undersigned/v1/promise\0" + lid + leaf + key + v["latest"].to_bytes(8, "big")).hex()


def test_the_opening_list_hash_follows_its_formula():
    v = read("opening")
    assert v["list_hash"] == h(b"undersigned/v1/opening-list\0", v["list"].encode())
    listed = json.loads(v["list"])
    assert listed["indexes"] == v["named"]
    assert set(listed["indexes"]) < set(v["frozen"])


def test_the_tree_is_the_one_of_rfc_9162():
    v = read("tree")
    leaves = [bytes.fromhex(one) for one in v["leaf_hashes"]]
    assert v["roots_by_size"] == [root(leaves[:size]).hex() for size in range(len(leaves) + 1)]


def root(leaves: list[bytes]) -> bytes:
    if len(leaves) < 2:
        return leaves[0] if leaves else hashlib.sha256(b"").digest()
    k = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + root(leaves[:k]) + root(leaves[k:])).digest()


@pytest.mark.parametrize("case", read("count")["cases"], ids=lambda case: str(case["people"]))
def test_the_count_agrees_with_its_definition_tried_on_every_n(case: dict[str, Any]):
    total = sum(many for _, many in case["people"])
    agrees = [n for n in range(total + 1) if sum(many for asked, many in case["people"] if asked <= n) >= n]
    assert case["n_star"] == max(agrees)
