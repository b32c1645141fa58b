"""Where a log keeps what it must not lose: changes go in together, durably, and are then read back as they were.

`LogStorage` is all the log asks of a database. A letter is known here by a number of its own.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredLetter:
    """A letter as it was left: its signed head, what readers were shown last, and the last note with a quorum."""

    letter: int
    slug: str
    head: bytes
    published: bytes
    cosigned: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A promised entry that is not in the log yet; `latest` is the promise's, in Unix seconds."""

    leaf: bytes
    key: bytes
    kind: str
    entry: bytes
    latest: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Included:
    """Where an entry is, and the `latest` of the promise it was given, if any."""

    index: int
    latest: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewLetter:
    """Create a log with entry 0, whose signed head is of size 1."""

    letter: int
    slug: str
    entry: bytes
    leaf: bytes
    head: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Admit:
    """Keep an entry and its blob until the sequencer takes them."""

    letter: int
    waiting: Waiting
    blob: bytes | None
    blob_hash: bytes | None
    sealed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEntry:
    """The next entry. A waiting one brings its blob along; another gives it here."""

    index: int
    leaf: bytes
    data: bytes
    waiting: bool
    latest: int | None = None
    blob: bytes | None = None
    blob_hash: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """What goes once readers are shown a log of more than `cause` entries: a blob, or an opened name, by index."""

    cause: int
    index: int
    opened: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Append:
    """The next entries with all that follows from them, and the head that covers them."""

    letter: int
    entries: Sequence[NewEntry]
    erasures: Sequence[Erasure]
    head: bytes
    lists: dict[bytes, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Publish:
    """Show readers this note, of `size` entries; erase what was due; keep witnessed notes and let go of old ones."""

    letter: int
    size: int
    note: bytes
    cosigned: bool
    keep: dict[str, bytes]
    forget: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepBlob:
    """A blob that was lost and that its holder handed in again, for the entry at `index`."""

    letter: int
    index: int
    blob: bytes
    blob_hash: bytes
    sealed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepOpened:
    """An opened name: open_key(32) || envelope for signature `index`. The envelope at entry `blob_at` is let go."""

    letter: int
    index: int
    blob_at: int
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepMessage:
    """One message between trustees; it replaces the one in the same place."""

    letter: int
    freeze: int
    place: tuple[int, int, str, int]  # to, from, type, part
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetMessages:
    """The messages of a round that is over."""

    letter: int
    freeze: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DestroySealed:
    """All sealed envelopes of a letter."""

    letter: int


TAKEN = "something else was kept in this place first: read the letter again, then try once more"
NOT_LEADING = "this process does not lead the log: only the one that does puts entries in order"
OUT_OF_STEP = "the log's memory and its disk differ: it reads its disk again, so try in a minute"

Change: TypeAlias = (
    NewLetter | Admit | Append | Publish | KeepBlob | KeepOpened | KeepMessage | ForgetMessages | DestroySealed
)  # fmt: skip


class LogStorage(Protocol):
    """`write` is called by one thread at a time, and reading by any. Unavailable when the database does not answer."""

    @property
    def leads(self) -> bool:
        """Whether this is, as far as it knows, the one storage that may write everything."""

    def lead(self) -> None:
        """Become the one that orders entries; Unavailable while another does, and it stays the other.

        Who leads no longer can write nothing. Who never led can only admit, and unique keys decide races.
        """

    def write(self, changes: Sequence[Change]) -> None:
        """Make all of the changes durable, or none of them. They wait until whatever was written before has ended.

        Refused when something else was kept in the place of one of them: then none is. Unavailable when they were not
        kept, or when nobody can know: after that, read again what is there.
        """

    def letters(self) -> list[StoredLetter]: ...

    def entries(self, letter: int, start: int, stop: int) -> list[bytes]: ...

    def all_entries(self, letter: int) -> Iterator[bytes]: ...

    def included(self, letter: int, leaf: bytes) -> Included | None: ...

    def waiting(self, letter: int) -> list[Waiting]: ...

    def blob_at(self, letter: int, index: int) -> bytes | None: ...

    def public_blob(self, letter: int, blob_hash: bytes) -> bytes | None: ...

    def public_blobs(self, letter: int, size: int) -> dict[bytes, bytes]: ...

    def has_sealed(self, letter: int) -> bool: ...

    def opened(self, letter: int, index: int) -> bytes | None: ...

    def all_opened(self, letter: int) -> dict[int, bytes]: ...

    def opening_list(self, letter: int, list_hash: bytes) -> bytes | None: ...

    def lists(self, letter: int) -> dict[bytes, bytes]: ...

    def notes(self, letter: int) -> dict[str, bytes]: ...

    def message(self, letter: int, freeze: int, place: tuple[int, int, str, int]) -> bytes | None: ...

    def messages(self, letter: int, freeze: int, to: int) -> list[bytes]: ...

    def close(self) -> None: ...
