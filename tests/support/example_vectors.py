"""Our own vectors for other implementations, taken from the worked example: vectors/undersigned. All bytes are hex."""

import json
from collections.abc import Sequence
from typing import Any

from msgspec import UnsetType

from support.example_cast import PEOPLE
from support.worked_example import Story
from undersigned.crypto import blind_rsa, ed25519, hpke, shamir
from undersigned.protocol import blob as blobs
from undersigned.protocol import entry as entries
from undersigned.protocol import sealing, token
from undersigned.protocol.count import self_consistent_count
from undersigned.protocol.encoding import sha256, to_jcs
from undersigned.protocol.letter import text_hash
from undersigned.protocol.promise import promise_message, read_promise
from undersigned.protocol.receipt import read_receipt
from undersigned.transparency.merkle import leaf_hash

Vector = dict[str, Any]
CONDITIONS = (  # pairs of at_least and how many people ask for it
    [],
    [(1, 1)],
    [(2, 1)],
    [(1, 1), (2, 1)],
    [(1, 1), (2, 2), (3, 1)],
    [(1, 1), (3, 2)],
    [(2, 2), (5, 3)],
    [(1, 100), (250, 150), (500, 350)],
    [(1, 100), (450, 250), (500, 149)],
    [(250, 100), (500, 450)],
    [(250, 100), (500, 399)],
    [(1, 505)],
)


def vectors(story: Story) -> dict[str, bytes]:
    """Every vector file by name."""
    made = {
        "letter": _letter(story),
        "entries": _entries(story),
        "token": _token(story, "Ada Okafor"),
        "identity": _identity(story, "Ada Okafor"),
        "envelope": _envelope(story, "Bea Lindqvist"),
        "promise": _promise(story),
        "receipt": _receipt(story),
        "opening": _opening(story),
        "exchange": _exchange(story),
        "tree": _tree(story),
        "count": {"cases": [_count(case) for case in CONDITIONS]},
    }
    return {
        f"{name}.json": (json.dumps(vector, indent=1, ensure_ascii=False) + "\n").encode()
        for name, vector in made.items()
    }


def _count(people: Sequence[tuple[int, int]]) -> Vector:
    at_least = [asked for asked, many in people for _ in range(many)]
    return {"people": [list(pair) for pair in people], "n_star": self_consistent_count(at_least)}


def _letter(story: Story) -> Vector:
    six = {name: getattr(story.letter.publication, name) for name in _SIX}
    return {
        "publication": story.letter.data.decode(),
        "lid": story.letter.lid.hex(),
        "text_fields": to_jcs(six).decode(),
        "text_hash": story.letter.text_hash.hex(),
        "text_hash_after_amendment": text_hash(story.log.state.versions[-1].fields).hex(),
    }


_SIX = ("title", "language", "text", "addressee", "demands", "pledge")


def _entries(story: Story) -> Vector:
    rows = []
    for index, data in enumerate(story.log.log):
        entry = entries.decode_entry(data)
        message = entries.message_to_sign(entry, lid=story.letter.lid if index else bytes(32))
        row = {"index": index, "kind": entries.kind_of(entry), "entry": data.decode()}
        rows.append(row | {"message_sha256": sha256(message).hex(), "leaf_hash": leaf_hash(data).hex()})
    return {"lid": story.letter.lid.hex(), "entries": rows}


def _token(story: Story, name: str) -> Vector:
    person, chance = story.people[name], story.secrets["people"][name]
    private = story.cast.issuers[1, 1]
    message = token.token_message(lid=story.letter.lid, class_id=1, key=person.key)
    prefix, salt, r = bytes.fromhex(chance["prefix"]), bytes.fromhex(chance["pss_salt"]), int(chance["blinding"], 16)
    prepared = blind_rsa.prepare(message, prefix=prefix)
    blinded, inverse = blind_rsa.blind_with(private.public, prepared, salt=salt, r=r)
    return {
        "lid": story.letter.lid.hex(),
        "class": 1,
        "key": person.key.hex(),
        "issuer_spki": private.public.spki().hex(),
        "issuer_p": story.secrets["issuers"]["1"]["p"],
        "issuer_q": story.secrets["issuers"]["1"]["q"],
        "message": message.hex(),
        "prefix": prefix.hex(),
        "pss_salt": salt.hex(),
        "blinding": chance["blinding"],
        "blinded": blinded.hex(),
        "inverse": inverse.hex(),
        "blind_sig": blind_rsa.blind_sign(private, blinded).hex(),
        "token": story.token(name).hex(),
    }


def _identity(story: Story, name: str) -> Vector:
    person = story.people[name]
    blob = blobs.read_public_blob(story.card(name))
    identity = blob.identities[0]
    c, card_hash = token.commitment(r=person.r, key=person.key), blobs.card_hash(blob.card)
    message = token.certificate_message(
        lid=story.letter.lid,
        class_id=PEOPLE[name][1],
        method=identity.method,
        attested=identity.attested,
        commitment=c,
        card_hash=card_hash,
    )
    blinded = bytes.fromhex(_token(story, name)["blinded"])
    request = token.request_hash(class_id=1, blinded=blinded, commitment=c, card_hash=card_hash)
    return {
        "lid": story.letter.lid.hex(),
        "class": 1,
        "key": person.key.hex(),
        "r": person.r.hex(),
        "commitment": c.hex(),
        "card": to_jcs(blob.card).decode(),
        "card_hash": card_hash.hex(),
        "method": identity.method,
        "attested": identity.attested,
        "certificate_message": message.hex(),
        "registrar_key": story.letter.registrars[1].key.hex(),
        "sig": identity.sig.hex(),
        "request_hash": request.hex(),
    }


def _envelope(story: Story, name: str) -> Vector:
    person, chance = story.people[name], story.secrets["people"][name]["sealings"][0]
    data = story.files[f"envelopes/{name.split()[0].lower()}-tier-1.usb1"]
    dek = bytes.fromhex(chance["dek"])
    drawn = iter([dek, *map(bytes.fromhex, chance["coefficients"])])
    next(drawn)
    shares = shamir.split(dek, k=2, n=3, randbytes=lambda _: next(drawn))
    return {
        "lid": story.letter.lid.hex(),
        "key": person.key.hex(),
        "tier": 1,
        "n": 3,
        "k": 2,
        "layout": layout(3),
        "dek": dek.hex(),
        "coefficients": chance["coefficients"],
        "open_key": sealing.derive_open_key(dek).hex(),
        "plaintext": story.card(name).decode(),
        "box_aad": (story.letter.lid + bytes([1]) + person.key).hex(),
        "shares": [_share(story, person.key, trustee, share) for trustee, share in zip((1, 2, 3), shares, strict=True)],
        "envelope": data.hex(),
    }


def _share(story: Story, key: bytes, trustee: int, share: bytes) -> Vector:
    seed = story.cast.seal_seeds[trustee][0]
    return {
        "trustee": trustee,
        "share": share.hex(),
        "share_hash": sealing.share_hash(letter=story.letter, key=key, trustee=trustee, share=share).hex(),
        "seal_seed": seed.hex(),
        "seal_key_sha256": sha256(hpke.public_key(seed)).hex(),
        "info": sealing.seal_info(letter=story.letter, tier=1, trustee=trustee, key=key).hex(),
    }


def layout(n: int) -> list[Vector]:
    """Where the parts of an envelope to n trustees lie."""
    parts = [("magic", 4), ("suite", 1), ("n", 1), ("k", 1), ("tier", 1), ("dek_hash", 32), ("open_hash", 32)]
    parts += [("box", sealing.PLAINTEXT_BYTES + 16)]
    for row in range(1, n + 1):
        parts += [(f"x {row}", 1), (f"share_hash {row}", 32), (f"enc {row}", 1120), (f"ct {row}", 49)]
    found, offset = [], 0
    for name, size in parts:
        found.append({"part": name, "offset": offset, "bytes": size})
        offset += size
    return found


def _promise(story: Story) -> Vector:
    index, key = story.index["Ada Okafor"], story.people["Ada Okafor"].key
    entry, promise = story.log.log[index], read_promise(story.files["ada.promise"])
    return {
        "lid": story.letter.lid.hex(),
        "entry": entry.decode(),
        "leaf_hash": leaf_hash(entry).hex(),
        "key": key.hex(),
        "latest": promise.latest,
        "message": promise_message(entry, key=key, latest=promise.latest, lid=story.letter.lid).hex(),
        "promise_key": story.letter.publication.promise_key.hex(),
        "sig": promise.sig.hex(),
    }


def _receipt(story: Story) -> Vector:
    secret = read_receipt(story.files["ada.receipt"]).secret
    assert not isinstance(secret, UnsetType)
    return {
        "passphrase": story.secrets["receipt"]["passphrase"],
        "salt": secret.salt.hex(),
        "rounds": secret.rounds,
        "seed": story.people["Ada Okafor"].seed.hex(),
        "box": secret.box.hex(),
    }


def _opening(story: Story) -> Vector:
    data = story.log.log[story.index["opening"]]
    entry = entries.decode_entry(data)
    assert isinstance(entry, entries.Opening)
    return {
        "freeze": entry.freeze,
        "frozen": sorted(story.log.state.rounds[0].freeze.members),
        "list": story.files["lists/opening.json"].decode(),
        "list_hash": entry.list_hash.hex(),
        "message": entries.message_to_sign(entry, lid=story.letter.lid).hex(),
        "named": list(story.log.state.rounds[0].named),
        "open_keys": {str(index): data[:32].hex() for index, data in sorted(story.log.opened.items())},
        "trustee_keys": {str(n): ed25519.public_key(seed).hex() for n, seed in story.cast.trustees.items()},
    }


def _exchange(story: Story) -> Vector:
    """Trustee 1's share of Bea's envelope, and "no share" of Ivo's, as it goes to trustee 3."""
    log, frozen = story.log, story.log.state.rounds[0].freeze
    share = bytes.fromhex(_envelope(story, "Bea Lindqvist")["shares"][0]["share"])
    bea, ivo = story.index["Bea Lindqvist"], story.index["Ivo Novák"]
    rows = {bea: bea.to_bytes(8, "big") + b"\1" + share, ivo: ivo.to_bytes(8, "big") + b"\0"}
    place = story.letter.lid + bytes([frozen.tier]) + leaf_hash(log.log[frozen.index]) + log.tree.root(frozen.index + 1)
    return {
        "freeze": frozen.index,
        "tier": frozen.tier,
        "freeze_leaf_hash": leaf_hash(log.log[frozen.index]).hex(),
        "root_after_freeze": log.tree.root(frozen.index + 1).hex(),
        "from": 1,
        "to": 3,
        "info": (b"undersigned/v1/exchange\0" + place + bytes([1, 3])).hex(),
        "rows": b"".join(rows[index] for index in sorted(rows)).hex(),
        "sig_message": story.files["exchange/sig.json"].decode(),
    }


def _tree(story: Story) -> Vector:
    log = story.log
    return {
        "leaf_hashes": [leaf_hash(data).hex() for data in log.log],
        "roots_by_size": [log.tree.root(size).hex() for size in range(log.size + 1)],
        "inclusion": {
            "index": story.index["Ada Okafor"],
            "proof": [one.hex() for one in log.tree.inclusion_proof(story.index["Ada Okafor"], log.size)],
        },
    }
