"""In which order the sequencer writes what is pending, so that arrival leaves no trace. spec/log.md."""

from collections.abc import Iterable

from undersigned.protocol import entry as entries
from undersigned.protocol.entry import Entry
from undersigned.transparency.merkle import leaf_hash

_RANK: dict[type, int] = {
    entries.Signature: 1,
    entries.Consent: 2,
    entries.Condition: 3,
    entries.Remark: 4,
    entries.Withdrawal: 5,
}


def in_order(pending: Iterable[tuple[bytes, Entry]]) -> list[tuple[bytes, Entry]]:
    """(bytes, entry) pairs in admission order -> in log order: others as admitted, then signatories' by leaf hash."""
    return sorted(pending, key=_place)  # sorted() is stable: what is not a signatory's keeps its order


def _place(item: tuple[bytes, Entry]) -> tuple[int, bytes]:
    data, entry = item
    rank = _RANK.get(type(entry), 0)
    return (rank, leaf_hash(data)) if rank else (0, b"")
