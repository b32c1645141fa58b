"""A sealed envelope: a name locked to the trustees of one tier, in the browser or terminal. spec/envelope.md.

"USB1" suite(1) n(1) k(1) tier(1)  dek_hash(32)  open_hash(32)  box(2064)
    n x [x(1) share_hash(32) sealed share(1169)]
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from undersigned.crypto import hpke, shamir
from undersigned.errors import Malformed, VerificationError
from undersigned.protocol.blob import PublicBlob, check_card, read_public_blob
from undersigned.protocol.encoding import Reader, sha256, to_jcs
from undersigned.protocol.letter import Letter

MAGIC = b"USB1"
SUITE = 1
PLAINTEXT_BYTES = 2048
SHARE_BYTES = 33
SEALED_SHARE_BYTES = hpke.ENC_BYTES + SHARE_BYTES + 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One trustee's part: Shamir x, the hash of its share, the share sealed to its key of the tier."""

    x: int
    share_hash: bytes
    sealed: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    tier: int
    dek_hash: bytes
    open_hash: bytes
    box: bytes
    rows: tuple[Row, ...]


def envelope_bytes(n: int) -> int:
    """The exact length of an envelope to `n` trustees: 8,146 bytes for five."""
    return 8 + 64 + PLAINTEXT_BYTES + 16 + n * (33 + SEALED_SHARE_BYTES)


def seal(
    card: PublicBlob,
    *,
    letter: Letter,
    tier: int,
    key: bytes,
    seal_keys: Sequence[bytes],
    randbytes: Callable[[int], bytes],
) -> bytes:
    """Seal a name card with its certificates for the key `key` at `tier`; `seal_keys` in entry-0 order of trustees."""
    check_card(card.card)
    publication = letter.publication
    dek = randbytes(32)
    open_key = derive_open_key(dek)
    shares = shamir.split(dek, k=publication.quorum, n=len(publication.trustees), randbytes=randbytes)
    context = letter.lid + key
    head = MAGIC + bytes([SUITE, len(shares), publication.quorum, tier])
    hashes = _hash(b"dek", context, dek) + _hash(b"open", context, open_key)
    box = AESGCM(open_key).encrypt(bytes(12), _pad(to_jcs(card)), _box_aad(letter, tier, key))
    rows = [
        _seal_share(share, letter=letter, tier=tier, trustee=trustee, key=key, seal_key=seal_key)
        for share, trustee, seal_key in zip(shares, letter.trustees, seal_keys, strict=True)
    ]
    return head + hashes + box + b"".join(rows)


def _seal_share(share: bytes, *, letter: Letter, tier: int, trustee: int, key: bytes, seal_key: bytes) -> bytes:
    info = seal_info(letter=letter, tier=tier, trustee=trustee, key=key)
    sealed = hpke.seal(public_key=seal_key, info=info, plaintext=share)
    return share[-1:] + share_hash(letter=letter, key=key, trustee=trustee, share=share) + sealed


def read_envelope(data: bytes, *, letter: Letter, tier: int) -> Envelope:
    """Read an envelope of this letter and tier, up to its last byte; Malformed."""
    n = len(letter.publication.trustees)
    reader = Reader(data, what="the sealed envelope")
    reader.expect(MAGIC, name="kind of envelope")
    reader.expect(bytes([SUITE]), name="suite")
    reader.expect(bytes([n, letter.publication.quorum]), name="number of trustees")
    reader.expect(bytes([tier]), name="tier")
    envelope = Envelope(
        tier=tier,
        dek_hash=reader.take(32),
        open_hash=reader.take(32),
        box=reader.take(PLAINTEXT_BYTES + 16),
        rows=tuple(
            Row(x=reader.byte(), share_hash=reader.take(32), sealed=reader.take(SEALED_SHARE_BYTES)) for _ in range(n)
        ),
    )
    reader.end()
    return envelope


def check_rows(envelope: Envelope) -> None:
    """Malformed when the rows' x are zero or repeat: no honest sharing has them."""
    xs = [row.x for row in envelope.rows]
    if 0 in xs or len(set(xs)) != len(xs):
        raise Malformed("the sealed envelope holds shares that cannot be told apart")


def open_share(envelope: Envelope, *, letter: Letter, trustee: int, key: bytes, seed: bytes) -> bytes:
    """A trustee's own 33-byte share, y || x. VerificationError when it does not open or misses its hash."""
    row = envelope.rows[letter.trustee_row(trustee)]
    info = seal_info(letter=letter, tier=envelope.tier, trustee=trustee, key=key)
    share = hpke.open_sealed(seed=seed, info=info, sealed=row.sealed)
    check_share(share, envelope=envelope, letter=letter, trustee=trustee, key=key)
    return share


def check_share(share: bytes, *, envelope: Envelope, letter: Letter, trustee: int, key: bytes) -> None:
    """VerificationError unless `share` is the one the envelope committed to for this trustee."""
    row = envelope.rows[letter.trustee_row(trustee)]
    fits = len(share) == SHARE_BYTES and share[-1] == row.x and row.x != 0
    if not fits or share_hash(letter=letter, key=key, trustee=trustee, share=share) != row.share_hash:
        raise VerificationError("a share does not match the hash in its envelope")


def recover_dek(shares: Sequence[bytes], *, envelope: Envelope, letter: Letter, key: bytes) -> bytes:
    """The 32-byte dek from k checked shares; VerificationError when they lie on no one polynomial or give another."""
    check_rows(envelope)
    dek = shamir.combine(shares)
    for row, trustee in zip(envelope.rows, letter.trustees, strict=True):
        share = shamir.share_at(shares, row.x)
        if share_hash(letter=letter, key=key, trustee=trustee, share=share) != row.share_hash:
            raise VerificationError("the shares of this envelope do not lie on one polynomial")
    if _hash(b"dek", letter.lid + key, dek) != envelope.dek_hash:
        raise VerificationError("the shares of this envelope do not give the key it names")
    return dek


def open_box(envelope: Envelope, *, letter: Letter, key: bytes, open_key: bytes) -> PublicBlob:
    """The name card inside, by the 32-byte open_key. VerificationError, or Malformed for what lies within.

    The certificates are not checked here: `blob.verify_identities` does.
    """
    if len(open_key) != 32 or _hash(b"open", letter.lid + key, open_key) != envelope.open_hash:
        raise VerificationError("this is not the key that opens the envelope")
    try:
        padded = AESGCM(open_key).decrypt(bytes(12), envelope.box, _box_aad(letter, envelope.tier, key))
    except InvalidTag:
        raise VerificationError("the sealed envelope does not open under its own key") from None
    return read_public_blob(_unpad(padded))


def derive_open_key(dek: bytes) -> bytes:
    """open_key, 32 bytes: HKDF-SHA256(dek, empty salt, "undersigned/v1/open"). RFC 5869."""
    return HKDF(algorithm=SHA256(), length=32, salt=b"", info=b"undersigned/v1/open").derive(dek)


def seal_info(*, letter: Letter, tier: int, trustee: int, key: bytes) -> bytes:
    """HPKE info of one share: letter, tier, trustee and signatory."""
    return b"undersigned/v1/seal\0" + letter.lid + bytes([tier, trustee]) + key


def share_hash(*, letter: Letter, key: bytes, trustee: int, share: bytes) -> bytes:
    """The commitment to one trustee's share, 32 bytes."""
    return _hash(b"share", letter.lid + key + bytes([trustee]), share)


def _hash(label: bytes, context: bytes, value: bytes) -> bytes:
    return sha256(b"undersigned/v1/", label, b"\0", context, value)


def _box_aad(letter: Letter, tier: int, key: bytes) -> bytes:
    return letter.lid + bytes([tier]) + key


def _pad(data: bytes) -> bytes:
    """ISO/IEC 7816-4: 0x80, then zeros, to exactly 2,048 bytes, so that a long name looks like a short one."""
    if len(data) >= PLAINTEXT_BYTES:
        raise Malformed("the name card is too long to be sealed: shorten name or title")
    return data + b"\x80" + bytes(PLAINTEXT_BYTES - len(data) - 1)


def _unpad(padded: bytes) -> bytes:
    data = padded.rstrip(b"\0")
    if len(padded) != PLAINTEXT_BYTES or not data.endswith(b"\x80"):
        raise Malformed("the sealed envelope is not padded as it must be")
    return data[:-1]
