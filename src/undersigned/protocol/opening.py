"""What trustees work out privately between a freeze and an opening: which envelopes are valid, and who is named.

spec/opening.md. Pure functions: keys, shares and blobs come in as arguments.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from undersigned.errors import Malformed, VerificationError
from undersigned.protocol import sealing
from undersigned.protocol.blob import verify_identities
from undersigned.protocol.entry import Withdrawal
from undersigned.protocol.letter import Letter
from undersigned.protocol.opening_list import Dropped, OpeningList, Reason
from undersigned.protocol.rules import named_count, remaining
from undersigned.protocol.state import LetterState, Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One member's envelope looked into: its open_key if valid, else the reason; and trustees whose share failed."""

    index: int
    open_key: bytes | None
    reason: Reason | None
    liars: frozenset[int]


def examine(
    record: Record, blob: bytes | None, shares: Mapping[int, bytes | None], *, letter: Letter
) -> Finding | None:
    """Decide one envelope from its blob and what each trustee, by id, answered: its share, or None for "no share here".

    Shares that miss their hash name the liar and are left aside; any k others decide. None while too few have
    answered to tell. Never raises for what a signatory sent.
    """
    if blob is None:
        return _invalid(record, "missing")
    key = record.entry.key
    try:
        envelope = sealing.read_envelope(blob, letter=letter, tier=record.tier)
        sealing.check_rows(envelope)
    except Malformed:
        return _invalid(record, "envelope")
    good, liars, without = _sort_shares(shares, envelope, letter=letter, key=key)
    quorum = letter.publication.quorum
    if len(good) < quorum:
        could_still_fit = len(envelope.rows) - len(liars | without) >= quorum
        return None if could_still_fit else _invalid(record, "shares", liars)
    try:
        dek = sealing.recover_dek(good[:quorum], envelope=envelope, letter=letter, key=key)
    except (Malformed, VerificationError):
        return _invalid(record, "shares", liars)
    open_key = sealing.derive_open_key(dek)
    reason = check_open_key(record, blob, open_key, letter=letter)
    return Finding(index=record.index, open_key=None if reason else open_key, reason=reason, liars=liars)


def check_open_key(record: Record, blob: bytes, open_key: bytes, *, letter: Letter) -> Reason | None:
    """None when `open_key` opens the blob to a card whose certificates hold; else why not."""
    key = record.entry.key
    try:
        envelope = sealing.read_envelope(blob, letter=letter, tier=record.tier)
        card = sealing.open_box(envelope, letter=letter, key=key, open_key=open_key)
    except (Malformed, VerificationError):
        return "box"
    try:
        verify_identities(card, letter=letter, class_id=record.entry.class_, key=key)
    except VerificationError:
        return "identity"
    return None


def make_list(state: LetterState, findings: Iterable[Finding], left: Iterable[Withdrawal]) -> tuple[OpeningList, int]:
    """The list a trustee would sign now, and N'. An empty list of indexes asks for an abort."""
    assert state.frozen is not None
    dropped = [Dropped(index=item.index, reason=item.reason) for item in findings if item.reason]
    dropped.sort(key=lambda item: item.index)
    leaving = sorted((item for item in left if _is_member(state, item)), key=lambda item: item.key)
    draft = OpeningList(indexes=[], dropped=dropped, left=leaving)
    valid = remaining(state, draft)
    n = named_count(state, valid)
    indexes = [record.index for record in valid if state.condition_of(record) <= n]
    return OpeningList(indexes=indexes, dropped=dropped, left=leaving), n


def _is_member(state: LetterState, withdrawal: Withdrawal) -> bool:
    record = state.records.get(withdrawal.key)
    return record is not None and state.frozen is not None and record.index in state.frozen.members


def _sort_shares(
    shares: Mapping[int, bytes | None], envelope: sealing.Envelope, *, letter: Letter, key: bytes
) -> tuple[list[bytes], frozenset[int], frozenset[int]]:
    good, liars = [], set()
    for trustee, share in sorted(shares.items()):
        if share is None:
            continue
        try:
            sealing.check_share(share, envelope=envelope, letter=letter, trustee=trustee, key=key)
        except VerificationError:
            liars.add(trustee)
        else:
            good.append(share)
    return good, frozenset(liars), frozenset(trustee for trustee, share in shares.items() if share is None)


def _invalid(record: Record, reason: Reason, liars: frozenset[int] = frozenset()) -> Finding:
    return Finding(index=record.index, open_key=None, reason=reason, liars=liars)
