"""What a trustee would open now, what the others propose, and the entry once a quorum has signed the same list."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec

from undersigned.crypto import ed25519
from undersigned.errors import Malformed, VerificationError
from undersigned.protocol import entry as entries
from undersigned.protocol import opening, rules
from undersigned.protocol.entry import Withdrawal, encode_entry, message_to_sign
from undersigned.protocol.exchange import Message
from undersigned.protocol.letter import Letter
from undersigned.protocol.opening import Finding
from undersigned.protocol.opening_list import encode_opening_list, opening_list_hash, read_opening_list
from undersigned.protocol.state import LetterState
from undersigned.protocol.verification import verify_left
from undersigned.trustee.exchange import joined

HASH_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """An opening or abort, still unsigned, the bytes of its list, and N'."""

    entry: entries.QuorumEntry
    listed: bytes
    n: int

    def message(self, letter: Letter) -> bytes:
        """What each trustee of the quorum signs."""
        return message_to_sign(self.entry, lid=letter.lid)

    def signed(self, sigs: Mapping[int, bytes]) -> bytes:
        """The entry's bytes with the sigs of these trustees."""
        given = [entries.TrusteeSig(trustee=trustee, sig=sig) for trustee, sig in sorted(sigs.items())]
        return encode_entry(msgspec.structs.replace(self.entry, sigs=given))


def propose(state: LetterState, findings: Iterable[Finding], left: Iterable[Withdrawal]) -> Proposal:
    """What this trustee would sign now, by the state as it stands; Refused when the rule book would not take it."""
    assert state.frozen is not None
    listed, n = opening.make_list(state, findings, left)
    data = encode_opening_list(listed)
    kind = entries.Opening if listed.indexes else entries.Abort
    entry = kind(freeze=state.frozen.index, list_hash=opening_list_hash(data))
    rules.check(state, entry, listed)
    return Proposal(entry=entry, listed=data, n=n)


def left_by(messages: Iterable[Message], *, letter: Letter) -> list[Withdrawal]:
    """Withdrawals on the others' lists, each verified; lists that are incomplete or wrong say nothing."""
    by_sender: dict[int, dict[int, Message]] = defaultdict(dict)
    for message in messages:
        if message.type == "list":
            by_sender[message.from_][message.part] = message
    return [item for parts in by_sender.values() for item in _read_left(parts, letter)]


def sigs_for(proposal: Proposal, messages: Iterable[Message], *, letter: Letter) -> dict[int, bytes]:
    """The sigs among the messages that are for just this list, by trustee."""
    found = {}
    for message in messages:
        list_hash, sig = message.payload[:HASH_BYTES], message.payload[HASH_BYTES:]
        if message.type == "sig" and list_hash == proposal.entry.list_hash:
            key = letter.trustees[message.from_].key
            if _is_signed(proposal.message(letter), key, sig):
                found[message.from_] = sig
    return found


def _read_left(parts: Mapping[int, Message], letter: Letter) -> list[Withdrawal]:
    data = joined(parts)
    if data is None:
        return []
    try:
        listed = read_opening_list(data)
        verify_left(listed, letter)
    except (Malformed, VerificationError):
        return []  # a list replaced by halves, or a trustee's nonsense: it is not signed by us, and that is enough
    return listed.left


def _is_signed(message: bytes, key: bytes, sig: bytes) -> bool:
    try:
        ed25519.verify(public_key=key, message=message, sig=sig)
    except VerificationError:
        return False
    return True
