"""What is promised and not in the log yet: at most one entry of each kind for each key."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from undersigned.log.storage import Waiting
from undersigned.protocol import entry as entries

SignatorysEntry: TypeAlias = (
    entries.Signature | entries.Consent | entries.Condition | entries.Remark | entries.Withdrawal
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One promised entry; `kept` is done once it is on disk."""

    waiting: Waiting
    entry: SignatorysEntry
    kept: asyncio.Future[None] | None = None


class Pending:
    """The promised entries of one letter, by leaf hash and by key and kind."""

    def __init__(self, items: Iterable[Item] = ()) -> None:
        self._by_leaf: dict[bytes, Item] = {}
        self._by_key: dict[bytes, dict[str, Item]] = {}
        self._signatures: Counter[int] = Counter()
        for item in items:
            self.add(item)

    def __len__(self) -> int:
        return len(self._by_leaf)

    def __iter__(self) -> Iterator[Item]:
        return iter(list(self._by_leaf.values()))

    def by_leaf(self, leaf: bytes) -> Item | None:
        """The entry with this 32-byte leaf hash."""
        return self._by_leaf.get(leaf)

    def of_key(self, key: bytes) -> dict[str, Item]:
        """What waits of one key, by kind."""
        return self._by_key.get(key, {})

    def signature_of(self, key: bytes) -> entries.Signature | None:
        """The signature of this key, while it waits."""
        item = self.of_key(key).get("signature")
        return item.entry if item and isinstance(item.entry, entries.Signature) else None

    def signatures(self, class_id: int) -> int:
        """How many signatures of a class wait."""
        return self._signatures[class_id]

    def add(self, item: Item) -> None:
        """Take in an entry whose key and kind nothing else waits under."""
        self._by_leaf[item.waiting.leaf] = item
        self._by_key.setdefault(item.entry.key, {})[item.waiting.kind] = item
        if isinstance(item.entry, entries.Signature):
            self._signatures[item.entry.class_] += 1

    def remove(self, item: Item) -> None:
        """Let go of an entry that went into the log, or could not be kept."""
        if self._by_leaf.pop(item.waiting.leaf, None) is None:
            return
        kinds = self._by_key[item.entry.key]
        del kinds[item.waiting.kind]
        if not kinds:
            del self._by_key[item.entry.key]
        if isinstance(item.entry, entries.Signature):
            self._signatures[item.entry.class_] -= 1
