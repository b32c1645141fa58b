"""A letter as its organizer writes it: CommonMark under a front matter in YAML, read with line-exact complaints.

docs/organizing/letter-file.md. Every scalar is a text here: `No`, `1e3` and `2026-01-01` stay what was typed.
"""

import re
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import cast, get_args
from unicodedata import normalize

import yaml

from undersigned.crypto import ed25519
from undersigned.errors import Malformed
from undersigned.protocol import entry as entries
from undersigned.protocol import text as texts
from undersigned.protocol.letter import MAX_CLASSES, MAX_TIERS, check_language, check_quorum

_FENCE = "---"
_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,63}", re.ASCII)
_SPAN = re.compile(r"([0-9]{1,9})(s|m|h|d)?", re.ASCII)
_HINT = "a value that begins with [ or {, or holds a colon and a space, goes between quotes; tabs do not indent"
_EPOCH = datetime.fromtimestamp(0, UTC)
_UNITS = {None: 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftClass:
    name: str
    eligible: int
    source: str
    attesters: tuple[entries.Attester, ...]
    counts: bool
    domains: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftTrustee:
    """`key`: the Ed25519 public key in base64, empty until the trustee has made one."""

    name: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What the file says, with defaults filled in; spans in seconds, `deadline` in Unix seconds (0: not given)."""

    slug: str
    title: str
    language: str
    text: str
    addressee: str
    demands: tuple[str, ...]
    pledge: str
    classes: tuple[DraftClass, ...]
    tiers: tuple[int, ...]
    modes: tuple[entries.Mode, ...]
    trustees: tuple[DraftTrustee, ...]
    quorum: int
    deadline: int
    hold: int
    batch: int
    margin: int
    forget: int


@dataclass(frozen=True, slots=True)
class Complaint:
    """What is wrong in which line of the file, counted from 1."""

    line: int
    what: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.what}"


class DraftError(Malformed):
    """The file has these complaints; its sentence is the first."""

    def __init__(self, complaints: list[Complaint]) -> None:
        super().__init__(str(complaints[0]))
        self.complaints = complaints


def read_draft(data: bytes) -> Draft:
    """Read a letter file in UTF-8, with any line ends, into composed form (NFC); DraftError with every complaint."""
    try:
        source = normalize("NFC", data.decode("utf-8-sig").replace("\r\n", "\n"))
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise DraftError([Complaint(line, "the file is not UTF-8 from here on: save it as UTF-8")]) from None
    lines = source.split("\n")
    if lines[0].strip() != _FENCE or _FENCE not in (line.strip() for line in lines[1:]):
        raise DraftError([Complaint(1, "the file must begin with a front matter between two lines of three dashes")])
    end = next(number for number, line in enumerate(lines[1:], 1) if line.strip() == _FENCE)
    return _Reader("\n".join(lines[1:end]), lines[end + 1 :], first=end + 2).draft()


class _Reader:
    """Collects complaints instead of stopping at the first, so that one run shows all of them."""

    def __init__(self, front: str, body: list[str], *, first: int) -> None:
        """`first`: the number of the body's first line in the file; the front matter begins in line 2."""
        self.complaints: list[Complaint] = []
        self.body, self.first = body, first
        self.fields = self._compose(front)
        self.used: set[str] = set()

    def draft(self) -> Draft:
        """Everything, or DraftError."""
        tiers = tuple(self._numbers("tiers"))
        found = Draft(
            slug=self._text("slug", check=_check_slug),
            title=self._text("title", check=lambda text: texts.check_name(text, what="title")),
            language=self._text("language", default="en", check=check_language),
            text=self._body(),
            addressee=self._text("addressee", check=lambda text: texts.check_line(text, what="addressee")),
            demands=tuple(self._demands()),
            pledge=self._text("pledge", default="", check=_check_pledge).strip(),
            classes=tuple(self._classes()),
            tiers=tiers,
            modes=cast(tuple[entries.Mode, ...], tuple(self._words("modes", get_args(entries.Mode), default=True))),
            trustees=tuple(self._trustees()),
            quorum=self._number("quorum", default=0),
            deadline=self._when("deadline"),
            hold=self._span("hold", "48h"),
            batch=self._span("batch", "6h"),
            margin=self._span("margin", "10m"),
            forget=self._span("forget", "7d"),
        )
        self._check_whole(found)
        for name in self.fields.keys() - self.used:
            self._complain(self.fields[name], f"there is no field called {name}: see docs/organizing/letter-file.md")
        if self.complaints:
            raise DraftError(sorted(self.complaints, key=lambda one: one.line))
        return found

    def _check_whole(self, draft: Draft) -> None:
        if any(low >= high for low, high in pairwise((0, *draft.tiers))):
            self._complain(self.fields["tiers"], "each tier must ask for more than the one before, the first for one")
        for name, many, most in (("tiers", draft.tiers, MAX_TIERS), ("classes", draft.classes, MAX_CLASSES)):
            if len(many) > most:
                self._complain(self.fields[name], f"a letter has at most {most} {name}")
        if "sealed" in draft.modes and not draft.tiers:
            self._complain(self.fields.get("tiers"), "sealed signing needs tiers, such as [50, 250, 500]")
        if "sealed" in draft.modes and not draft.trustees:
            self._complain(self.fields.get("trustees"), "sealed signing needs trustees, each with a name and a key")
        else:
            where = self.fields.get("quorum", self.fields.get("trustees"))
            self._try(where, lambda: check_quorum(len(draft.trustees), draft.quorum))

    # Fields

    def _text(self, name: str, *, default: str | None = None, check: Callable[[str], None] | None = None) -> str:
        node = self._take(name)
        if node is None:
            if default is None:
                self._complain(None, f"the field {name} is missing")
            return default or ""
        return self._scalar(node, name, check)

    def _number(self, name: str, *, default: int) -> int:
        node = self._take(name)
        return default if node is None else self._integer(node, name)

    def _numbers(self, name: str) -> list[int]:
        return [self._integer(node, name) for node in self._items(self._take(name), name)]

    def _words(self, name: str, allowed: tuple[str, ...], *, default: bool) -> list[str]:
        node = self._take(name)
        if node is None and default:
            return list(allowed)
        words = self._choices(node, name, allowed)
        if not words:
            self._complain(node, f"{name} is empty: leave it out for all of them")
        return words

    def _span(self, name: str, default: str) -> int:
        match = _SPAN.fullmatch(self._text(name, default=default))
        if not match:
            self._complain(self.fields.get(name), f"{name} must be a time such as 48h, 10m or 30s")
            return 0
        return int(match[1]) * _UNITS[match[2]]

    def _when(self, name: str) -> int:
        node = self._take(name)
        if node is None:
            return 0
        try:
            when = datetime.fromisoformat(str(node.value))
        except ValueError:
            when = _EPOCH
        seconds = int((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp())
        if seconds <= 0:
            self._complain(node, f"{name} must be a date and time such as 2026-12-01T18:00+01:00")
        return seconds

    def _demands(self) -> list[str]:
        found = []
        for node in self._items(self._take("demands"), "demands"):
            found.append(self._scalar(node, "demand", lambda text: texts.check_name(text, what="demand", at_most=1000)))
        return found

    def _classes(self) -> list[DraftClass]:
        node = self._take("classes")
        if node is None:
            self._complain(None, "the field classes is missing: say who may sign")
        return [self._class(one) for one in self._items(node, "classes")]

    def _class(self, node: yaml.Node) -> DraftClass:
        fields = self._mapping(node, {"name", "eligible", "source", "attesters", "counts", "domains"})
        counts = self._scalar(fields["counts"], "counts") if "counts" in fields else "yes"
        if counts not in ("yes", "no"):
            self._complain(fields["counts"], "counts must be yes or no")
        if "name" not in fields:
            self._complain(node, "this class has no name")
        attesters = self._choices(fields.get("attesters"), "attesters", get_args(entries.Attester))
        if not attesters:
            self._complain(fields.get("attesters", node), "this class has no attesters, such as [e-mail] or [roster]")
        return DraftClass(
            name=self._scalar(fields["name"], "name", _check_name) if "name" in fields else "",
            eligible=self._integer(fields["eligible"], "eligible") if "eligible" in fields else 0,
            source=self._scalar(fields["source"], "source", _check_source) if "source" in fields else "",
            attesters=cast(tuple[entries.Attester, ...], tuple(attesters)),
            counts=counts == "yes",
            domains=tuple(self._scalar(one, "domain") for one in self._items(fields.get("domains"), "domains")),
        )

    def _trustees(self) -> list[DraftTrustee]:
        found = []
        for node in self._items(self._take("trustees"), "trustees"):
            fields = self._mapping(node, {"name", "key"})
            if "name" not in fields:
                self._complain(node, "this trustee has no name")
                continue
            key = self._scalar(fields["key"], "key", _check_key) if "key" in fields else ""
            found.append(DraftTrustee(name=self._scalar(fields["name"], "name", _check_name), key=key))
        return found

    def _body(self) -> str:
        text = "\n".join(self.body).strip()
        try:
            texts.check_text(text, what="text")
        except Malformed as refusal:
            self.complaints.append(Complaint(self.first + self._line_of_fault(), str(refusal)))
        return text

    def _line_of_fault(self) -> int:
        """The first line that no text may hold; if it is all of them together, the first."""
        for number, line in enumerate(self.body):
            try:
                texts.check_text("-" + line, what="line")
            except Malformed:
                return number
        return 0

    # Nodes

    def _compose(self, front: str) -> dict[str, yaml.Node]:
        try:
            node = yaml.compose(front, Loader=yaml.BaseLoader)
        except yaml.MarkedYAMLError as error:
            line = (error.problem_mark.line if error.problem_mark else 0) + 2
            raise DraftError([Complaint(line, f"this cannot be read: {error.problem} ({_HINT})")]) from None
        except yaml.reader.ReaderError as error:
            line = front.count("\n", 0, error.position) + 2
            raise DraftError([Complaint(line, "here is an invisible control character: remove it")]) from None
        except (yaml.YAMLError, RecursionError):
            raise DraftError([Complaint(2, "the front matter cannot be read")]) from None
        if not isinstance(node, yaml.MappingNode):
            raise DraftError([Complaint(2, "the front matter must be fields such as `title: ...`")])
        return self._mapping(node, None)

    def _mapping(self, node: yaml.Node, allowed: set[str] | None) -> dict[str, yaml.Node]:
        if not isinstance(node, yaml.MappingNode):
            self._complain(node, "here must be fields such as `name: ...`")
            return {}
        found: dict[str, yaml.Node] = {}
        for key, value in node.value:
            name = self._scalar(key, "field")
            if name in found:
                self._complain(key, f"the field {name} is given twice")
            if allowed is not None and name not in allowed:
                self._complain(key, f"there is no field called {name} here")
            found[name] = value
        return found

    def _items(self, node: yaml.Node | None, name: str) -> list[yaml.Node]:
        if node is None:
            return []
        if not isinstance(node, yaml.SequenceNode):
            self._complain(node, f"{name} must be a list")
            return []
        return list(node.value)

    def _choices(self, node: yaml.Node | None, name: str, allowed: tuple[str, ...]) -> list[str]:
        words: list[str] = []
        for one in self._items(node, name):
            word = self._scalar(one, name)
            if word not in allowed:
                self._complain(one, f"{name} may be {', '.join(allowed)}")
            elif word in words:
                self._complain(one, f"{name} has {word} twice")
            words.append(word)
        return words

    def _scalar(self, node: yaml.Node, name: str, check: Callable[[str], None] | None = None) -> str:
        if not isinstance(node, yaml.ScalarNode):
            self._complain(node, f"{name} must be one line of text")
            return ""
        text = str(node.value)
        if check:
            self._try(node, lambda: check(text))
        return text

    def _integer(self, node: yaml.Node, name: str) -> int:
        text = self._scalar(node, name)
        if not (text.isascii() and text.isdigit() and len(text) <= 12):
            self._complain(node, f"{name} must be a whole number")
            return 0
        return int(text)

    def _take(self, name: str) -> yaml.Node | None:
        self.used.add(name)
        return self.fields.get(name)

    def _try(self, node: yaml.Node | None, check: Callable[[], None]) -> None:
        try:
            check()
        except Malformed as refusal:
            self._complain(node, str(refusal))

    def _complain(self, node: yaml.Node | None, what: str) -> None:
        """One complaint a line, for what follows from a fault is none; what is missing has no line of its own."""
        line = node.start_mark.line + 2 if node is not None else 2
        if node is None or all(one.line != line for one in self.complaints):
            self.complaints.append(Complaint(line, what))


def _check_name(text: str) -> None:
    texts.check_name(text, what="name")


def _check_source(text: str) -> None:
    texts.check_line(text, what="source")


def _check_pledge(text: str) -> None:
    if text.strip():
        texts.check_text(text, what="pledge", at_most=4096)


def _check_key(text: str) -> None:
    if not text:
        return
    try:
        data = b64decode(text, validate=True)
    except ValueError:
        data = b""
    if len(data) != 32:
        raise Malformed("the key must be the one line that `undersigned trustee keygen` prints")
    ed25519.check_public_key(data)


def _check_slug(text: str) -> None:
    if not _SLUG.fullmatch(text):
        raise Malformed("the slug must be small letters, digits and dashes, 64 at most")
