"""Signs a letter: a token, a name card, an envelope, an entry, a promise, a receipt. spec/signing.md.

Nothing is said to a host that could tie the token's request to the entry, and what was made is kept before it is sent.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from unicodedata import normalize

import msgspec
from msgspec import UNSET

from undersigned.client.follow import LogClient
from undersigned.client.source import Source, b64, post_json, unb64
from undersigned.crypto import blind_rsa, ed25519
from undersigned.errors import Malformed, Refused, VerificationError
from undersigned.protocol import blob as blobs
from undersigned.protocol import entry as entries
from undersigned.protocol import sealing
from undersigned.protocol import token as tokens
from undersigned.protocol.encoding import sha256, to_jcs
from undersigned.protocol.letter import Letter
from undersigned.protocol.promise import Promise, verify_promise
from undersigned.protocol.receipt import Receipt, Secret, make_receipt, with_proof
from undersigned.protocol.rules import check_signature
from undersigned.protocol.state import LetterState
from undersigned.protocol.verification import verify_entry
from undersigned.transparency.merkle import leaf_hash
from undersigned.transparency.proof import parse_proof, verify_proof

RandBytes = Callable[[int], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """How somebody shows that they belong: an attester with the code it gave; e-mail also the secret of the tab."""

    attester: entries.Attester
    code: str
    tab: str | None = None

    def fields(self) -> dict[str, object]:
        """As the registrar wants them."""
        extra = {} if self.tab is None else {"tab": self.tab}
        return {"attester": self.attester, "code": self.code, **extra}


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """Everything made for one signature before anybody hears of it; keep it, and the same request can be sent again."""

    class_id: int
    mode: entries.Mode
    seed: bytes
    card: blobs.Card | None
    r: bytes
    prefixes: tuple[bytes, ...]
    blinded: tuple[bytes, ...]
    inverses: tuple[bytes, ...]

    @property
    def key(self) -> bytes:
        return ed25519.public_key(self.seed)

    @property
    def commitment(self) -> bytes:
        """C, or zeros for an anonymous signature."""
        return tokens.NO_COMMITMENT if self.card is None else tokens.commitment(r=self.r, key=self.key)

    @property
    def card_hash(self) -> bytes:
        return bytes(32) if self.card is None else blobs.card_hash(self.card)


@dataclass(frozen=True, slots=True, kw_only=True)
class Right:
    """An attempt with its finished tokens and, unless anonymous, its certificates: enough to sign, now or later."""

    attempt: Attempt
    tokens: tuple[bytes, ...]
    identities: tuple[blobs.Identity, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsent:
    """A signature made and not promised yet: keep it, for only the same bytes can be sent again."""

    entry: bytes
    blob: bytes | None
    secret: Secret | None


def begin_attempt(
    letter: Letter,
    *,
    class_id: int,
    mode: entries.Mode,
    name: str = "",
    title: str = "",
    randbytes: RandBytes,
) -> Attempt:
    """Make a fresh key, a card in NFC and a blinded message for each issuer of the class. Malformed for a bad name."""
    if class_id not in letter.issuing:
        raise Refused("this letter has no such class of signatories")
    card = None
    if mode != "anonymous":
        card = blobs.Card(name=normalize("NFC", name), title=normalize("NFC", title), salt=randbytes(32))
        blobs.check_card(card)
    seed = randbytes(32)
    message = tokens.token_message(lid=letter.lid, class_id=class_id, key=ed25519.public_key(seed))
    prefixes, pairs = [], []
    for issuer in letter.issuing[class_id]:
        prefixes.append(randbytes(tokens.PREFIX_BYTES))
        prepared = blind_rsa.prepare(message, prefix=prefixes[-1])
        pairs.append(blind_rsa.blind(issuer.key, prepared, randbytes=randbytes))
    return Attempt(
        class_id=class_id,
        mode=mode,
        seed=seed,
        card=card,
        r=randbytes(32),
        prefixes=tuple(prefixes),
        blinded=tuple(blinded for blinded, _ in pairs),
        inverses=tuple(inverse for _, inverse in pairs),
    )


def check_open(attempt: Attempt, *, state: LetterState, tier: int, text_hash: bytes) -> None:
    """Refused while the letter would not take this signature, whatever its token: ask before a token is spent."""
    blob_hash = None if attempt.mode == "anonymous" else bytes(32)
    check_signature(state, _signature(attempt, tier=tier, text_hash=text_hash, tokens=(), blob_hash=blob_hash))


def request_right(attempt: Attempt, proof: Proof, *, letter: Letter, registrars: Mapping[int, Source]) -> Right:
    """Ask every registrar of the class, finalize the tokens and check all it gave before anything is believed."""
    found: list[bytes] = []
    identities: list[blobs.Identity] = []
    for place, issuer in enumerate(letter.issuing[attempt.class_id]):
        body = _request(attempt, proof, place)
        answer = post_json(registrars[issuer.registrar.id], "token", body)
        found.append(_finalize(attempt, place, unb64(answer.get("blind_sig")), letter))
        if attempt.card is not None:
            identities.append(_read_identity(answer.get("identity")))
    if attempt.card is not None:
        card = blobs.PublicBlob(card=attempt.card, r=attempt.r, identities=identities)
        blobs.verify_identities(card, letter=letter, class_id=attempt.class_id, key=attempt.key)
    return Right(attempt=attempt, tokens=tuple(found), identities=tuple(identities))


def make_signature(
    right: Right,
    *,
    client: LogClient,
    tier: int = 0,
    text_hash: bytes,
    randbytes: RandBytes,
) -> tuple[bytes, bytes | None]:
    """The entry's bytes and its blob, sealed or public; None for an anonymous one. Sends nothing."""
    letter, attempt = client.letter, right.attempt
    blob = None
    if attempt.mode == "public":
        blob = to_jcs(card_of(right))
    elif attempt.mode == "sealed":
        blob = seal_card(right, client=client, tier=tier, randbytes=randbytes)
    data = sign_with_blob(right, blob, letter=letter, tier=tier, text_hash=text_hash)
    verify_entry(entries.decode_entry(data), letter)
    return data, blob


def sign_with_blob(right: Right, blob: bytes | None, *, letter: Letter, tier: int, text_hash: bytes) -> bytes:
    """The entry's bytes over a blob made before."""
    blob_hash = None if blob is None else sha256(blob)
    entry = _signature(right.attempt, tier=tier, text_hash=text_hash, tokens=right.tokens, blob_hash=blob_hash)
    return sign_entry(entry, seed=right.attempt.seed, letter=letter)


def _signature(
    attempt: Attempt, *, tier: int, text_hash: bytes, tokens: tuple[bytes, ...], blob_hash: bytes | None
) -> entries.Signature:
    return entries.Signature(
        text_hash=text_hash,
        class_=attempt.class_id,
        mode=attempt.mode,
        tier=tier,
        key=attempt.key,
        tokens=list(tokens),
        blob=UNSET if blob_hash is None else blob_hash,
    )


def seal_card(right: Right, *, client: LogClient, tier: int, randbytes: RandBytes) -> bytes:
    """The name sealed to the letter's trustees at a tier; Refused until all of them have accepted."""
    return seal_blob(card_of(right), client=client, tier=tier, key=right.attempt.key, randbytes=randbytes)


def seal_blob(card: blobs.PublicBlob, *, client: LogClient, tier: int, key: bytes, randbytes: RandBytes) -> bytes:
    """Any name card sealed at a tier."""
    letter, accepted = client.letter, client.state.trustees
    if not 1 <= tier <= len(letter.publication.tiers):
        raise Refused("this letter has no such tier")
    if any(trustee not in accepted for trustee in letter.trustees):
        raise Refused("signing under seal has not begun: not every trustee has accepted yet")
    seal_keys = [accepted[trustee].seal_keys[tier - 1] for trustee in letter.trustees]
    return sealing.seal(card, letter=letter, tier=tier, key=key, seal_keys=seal_keys, randbytes=randbytes)


def sign_entry(entry: entries.SignedEntry, *, seed: bytes, letter: Letter) -> bytes:
    """The entry's bytes under the 32-byte seed's signature."""
    sig = ed25519.sign(seed, entries.message_to_sign(entry, lid=letter.lid))
    return entries.encode_entry(msgspec.structs.replace(entry, sig=sig))


def submit(
    entry: bytes, blob: bytes | None, *, source: Source, letter: Letter, attachment: bytes | None = None
) -> Promise | None:
    """Hand an entry and what lies beside it to the log; a signatory's entry earns a promise, which is checked here."""
    body = {"entry": b64(entry)}
    if blob is not None:
        body["blob"] = b64(blob)
    if attachment is not None:
        body["list"] = b64(attachment)
    answer = post_json(source, "submit", body)
    if answer.get("leaf") != leaf_hash(entry).hex():
        raise VerificationError("the host confirms another entry than the one sent")
    decoded = entries.decode_entry(entry)
    if not isinstance(
        decoded, entries.Signature | entries.Consent | entries.Condition | entries.Withdrawal | entries.Remark
    ):
        return None
    promise = _read_promise(answer.get("promise"))
    verify_promise(promise, entry=entry, key=decoded.key, letter=letter)
    return promise


def sign_and_submit(
    right: Right,
    *,
    client: LogClient,
    tier: int = 0,
    text_hash: bytes,
    randbytes: RandBytes,
    secret: Secret | None = None,
) -> Receipt:
    """Sign, submit, and return the receipt (without proof yet)."""
    data, blob = make_signature(right, client=client, tier=tier, text_hash=text_hash, randbytes=randbytes)
    return send(Unsent(entry=data, blob=blob, secret=secret), source=client.source, letter=client.letter)


def send(unsent: Unsent, *, source: Source, letter: Letter) -> Receipt:
    """Submit a signature, for the first time or again, and return the receipt (without proof yet)."""
    promise = submit(unsent.entry, unsent.blob, source=source, letter=letter)
    if promise is None:
        raise Malformed("what was kept to be sent is not a signature")
    return make_receipt(letter=letter, entry=unsent.entry, promise=promise, blob=unsent.blob, secret=unsent.secret)


def fetch_proof(receipt: Receipt, *, source: Source, letter: Letter) -> Receipt:
    """The receipt with its inclusion proof, verified with witnesses; NotThere while the entry is pending."""
    data = source.get(f"proof/{leaf_hash(receipt.entry).hex()}")
    proof = parse_proof(data)
    verify_proof(proof, leaf_hash=leaf_hash(receipt.entry), vkey=letter.log_vkey, policy=letter.policy)
    return with_proof(receipt, data)


def withdraw(seed: bytes, *, source: Source, letter: Letter) -> Promise | None:
    """Leave the letter, for good."""
    entry = entries.Withdrawal(key=ed25519.public_key(seed))
    return submit(sign_entry(entry, seed=seed, letter=letter), None, source=source, letter=letter)


def consent(seed: bytes, text_hash: bytes, *, source: Source, letter: Letter) -> Promise | None:
    """Also stand under another version."""
    entry = entries.Consent(key=ed25519.public_key(seed), text_hash=text_hash)
    return submit(sign_entry(entry, seed=seed, letter=letter), None, source=source, letter=letter)


def change_condition(
    seed: bytes, card: blobs.PublicBlob, tier: int, *, client: LogClient, randbytes: RandBytes
) -> Promise | None:
    """A sealed signatory takes another tier, or goes public with tier 0; `card` is their own name card."""
    key = ed25519.public_key(seed)
    blob = seal_blob(card, client=client, tier=tier, key=key, randbytes=randbytes) if tier else to_jcs(card)
    entry = entries.Condition(key=key, tier=tier, blob=sha256(blob))
    data = sign_entry(entry, seed=seed, letter=client.letter)
    return submit(data, blob, source=client.source, letter=client.letter)


def remark(
    seed: bytes, type_: str, text: str, *, source: Source, letter: Letter, randbytes: RandBytes
) -> Promise | None:
    """Add words to a public or opened signature: opening, regret or deed."""
    blob = to_jcs(blobs.RemarkBlob(salt=randbytes(32), text=text))
    blobs.read_remark(blob)
    if type_ not in ("opening", "regret", "deed"):
        raise Malformed("a remark is an opening, a regret or a deed")
    entry = entries.Remark(key=ed25519.public_key(seed), type=type_, blob=sha256(blob))  # type: ignore[arg-type]
    return submit(sign_entry(entry, seed=seed, letter=letter), blob, source=source, letter=letter)


def card_of(right: Right) -> blobs.PublicBlob:
    """The name card with its certificates; not for an anonymous signature, which has none."""
    assert right.attempt.card is not None
    return blobs.PublicBlob(card=right.attempt.card, r=right.attempt.r, identities=list(right.identities))


def _request(attempt: Attempt, proof: Proof, place: int) -> dict[str, object]:
    body: dict[str, object] = {
        "class": attempt.class_id,
        **proof.fields(),
        "blinded": b64(attempt.blinded[place]),
        "commitment": b64(attempt.commitment),
        "card_hash": b64(attempt.card_hash),
    }
    if attempt.card is not None and proof.attester in ("roster", "oidc"):
        card = attempt.card
        body["card"] = {"name": card.name, "title": card.title, "salt": b64(card.salt)}
    return body


def _finalize(attempt: Attempt, place: int, blind_sig: bytes, letter: Letter) -> bytes:
    issuer, prefix = letter.issuing[attempt.class_id][place].key, attempt.prefixes[place]
    message = tokens.token_message(lid=letter.lid, class_id=attempt.class_id, key=attempt.key)
    prepared = blind_rsa.prepare(message, prefix=prefix)
    return prefix + blind_rsa.finalize(issuer, prepared, blind_sig, attempt.inverses[place])


def _read_identity(value: object) -> blobs.Identity:
    try:
        return msgspec.convert(value, blobs.Identity)
    except (msgspec.MsgspecError, ValueError):
        raise Malformed("the registrar gave no certificate for this name") from None


def _read_promise(value: object) -> Promise:
    try:
        return msgspec.convert(value, Promise)
    except (msgspec.MsgspecError, ValueError):
        raise Malformed("the host gave no promise for this entry") from None
