"""What the site shows of a letter: from the log in this process, or from one it follows over HTTP like any reader."""

import time
from collections.abc import Callable, Iterable

from undersigned.client.follow import LogClient
from undersigned.client.source import HttpSource, NotThere, get_json
from undersigned.errors import Unavailable
from undersigned.log.room import LogRoom
from undersigned.protocol import sealing
from undersigned.protocol.blob import Card, read_public_blob
from undersigned.protocol.letter import Letter
from undersigned.protocol.state import LetterState, Record
from undersigned.site.view import LetterView
from undersigned.transparency.checkpoint import Checkpoint, parse_checkpoint
from undersigned.transparency.note import parse_note
from undersigned.web import NotFound

POLL_SECONDS = 2.0
Fetch = Callable[[], bytes | None]


class LocalViews:
    """Letters of the log room in this process."""

    def __init__(self, room: LogRoom) -> None:
        self._room = room
        self._cards: dict[str, _Cards] = {}

    def slugs(self) -> Iterable[str]:
        """The letters there are."""
        return [letter.slug for letter in self._room.letters()]

    def view(self, slug: str) -> LetterView | None:
        """One letter as its log stands now; None when there is none."""
        try:
            log = self._room.log(slug)
        except NotFound:
            return None
        cards = self._cards.setdefault(slug, _Cards(log.letter))
        note = parse_note(log.published)
        shown = cards.read(
            log.state,
            lambda record: self._room.blob(slug, record.blob or b""),
            lambda record: self._room.opened(slug, record.index),
        )
        witnessed = log.letter.policy.has_quorum and log.letter.policy.satisfied(log.letter.policy.timestamps(note))
        return LetterView(
            state=log.state,
            checkpoint=parse_checkpoint(note.text),
            cards=shown,
            witnessed=witnessed,
        )


class RemoteViews:
    """Letters of a host elsewhere, each followed and checked; asked again at most every two seconds."""

    def __init__(self, host: str) -> None:
        self._host = HttpSource(host)
        self._clients: dict[str, LogClient] = {}
        self._cards: dict[str, _Cards] = {}
        self._asked: dict[str, float] = {}

    def slugs(self) -> Iterable[str]:
        """The letters that host lists."""
        return [str(one["slug"]) for one in get_json(self._host, "letters").get("letters", [])]

    def view(self, slug: str) -> LetterView | None:
        """One letter as far as it was followed; None when the host has none."""
        client = self._clients.setdefault(slug, LogClient(self._host.below(f"l/{slug}")))
        if time.monotonic() - self._asked.get(slug, -POLL_SECONDS) >= POLL_SECONDS:
            try:
                client.refresh()
            except NotThere:
                return None
            self._asked[slug] = time.monotonic()
        cards = self._cards.setdefault(slug, _Cards(client.letter))
        shown = cards.read(
            client.state,
            lambda record: _ask(client, f"blobs/{(record.blob or b'').hex()}"),
            lambda record: _ask(client, f"opened/{record.index}"),
        )
        checkpoint: Checkpoint = client.checkpoint
        witnessed = client.covered_size >= checkpoint.size
        return LetterView(state=client.state, checkpoint=checkpoint, cards=shown, witnessed=witnessed)


class _Cards:
    """Name cards once read, by index; forgotten again when they may not be shown any more."""

    def __init__(self, letter: Letter) -> None:
        self._letter = letter
        self._kept: dict[int, Card] = {}

    def read(
        self,
        state: LetterState,
        blob: Callable[[Record], bytes | None],
        opened: Callable[[Record], bytes | None],
    ) -> dict[int, Card]:
        """Cards of everybody whose name is public or opened, and who stands."""
        shown = [record for record in state.effective() if record.mode != "anonymous" and not record.hidden]
        for record in shown:
            if record.index not in self._kept:
                data = opened(record) if record.opened is not None else blob(record)
                if data is not None:
                    self._kept[record.index] = self._card(record, data)
        self._kept = {record.index: self._kept[record.index] for record in shown if record.index in self._kept}
        return self._kept

    def _card(self, record: Record, data: bytes) -> Card:
        if record.opened is None:
            return read_public_blob(data).card
        envelope = sealing.read_envelope(data[32:], letter=self._letter, tier=record.tier)
        key = record.entry.key
        return sealing.open_box(envelope, letter=self._letter, key=key, open_key=data[:32]).card


def _ask(client: LogClient, path: str) -> bytes | None:
    try:
        return client.source.get(path)
    except Unavailable:
        return None
