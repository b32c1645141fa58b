"""A letter as its organizer writes it: CommonMark under a front matter in YAML, read with line-exact complaints.

docs/organizing/letter-file.md. Every scalar is a text here: `No`, `1e3` and `2026-01-01` stay what was typed.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast, get_args

import yaml

from undersigned.errors import Malformed
from undersigned.protocol import entry as entries
from undersigned.protocol import text as texts

_FENCE = "---"
_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,63}", re.ASCII)
_SPAN = re.compile(r"([0-9]{1,9})(s|m|h|d)?", re.ASCII)
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
    """Read a letter file in UTF-8; DraftError with every complaint and its line."""
    try:
        source = data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise DraftError([Complaint(line, "the file is not UTF-8 from here on: save it as UTF-8")]) from None
    lines = source.split("\n")
    if lines[0].strip() != _FENCE or _FENCE not in (line.strip() for line in lines[1:]):
        raise DraftError([Complaint(1, "the file must begin with a front matter between two lines of three dashes")])
    end = next(number for number, line in enumerate(lines[1:], 1) if line.strip() == _FENCE)
    return _Reader("\n".join(lines[1:end]), "\n".join(lines[end + 1 :]).strip() + "\n", end).draft()


class _Reader:
    """Collects complaints instead of stopping at the first, so that one run shows all of them."""

    def __init__(self, front: str, body: str, end: int) -> None:
        self.complaints: list[Complaint] = []
        self.body, self.end = body, end
        self.fields = self._compose(front)
        self.used: set[str] = set()

    def draft(self) -> Draft:
        """Everything, or DraftError."""
        tiers = tuple(self._numbers("tiers"))
        found = Draft(
            slug=self._text("slug", check=_check_slug),
            title=self._text("title", check=lambda text: texts.check_name(text, what="title")),
            language=self._text("language", default="en"),
            text=self._body(),
            addressee=self._text("addressee", check=lambda text: texts.check_line(text, what="addressee")),
            demands=tuple(self._demands()),
            pledge=self._text("pledge", default="").strip(),
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
        if any(low >= high for low, high in zip(draft.tiers, draft.tiers[1:], strict=False)):
            self._complain(self.fields["tiers"], "each tier must ask for more than the one before")
        if "sealed" not in draft.modes:
            return
        if not draft.tiers:
            self._complain(self.fields.get("tiers"), "sealed signing needs tiers, such as [50, 250, 500]")
        n, k = len(draft.trustees), draft.quorum
        if not (n == k == 1 or (2 <= k <= n <= 9 and (k < n or n == 2))):
            self._complain(
                self.fields.get("quorum"),
                "sealed signing needs 2 to 9 trustees and a quorum of at least 2, fewer than all of them above 2",
            )

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
        return self._choices(node, name, allowed)

    def _span(self, name: str, default: str) -> int:
        text = self._text(name, default=default)
        match = _SPAN.fullmatch(text)
        if not match:
            self._complain(self.fields.get(name), f"{name} must be a time such as 48h, 10m or 30s")
            return 0
        return int(match[1]) * _UNITS[match[2]]

    def _when(self, name: str) -> int:
        node = self._take(name)
        if node is None:
            return 0
        try:
            when = datetime.fromisoformat(self._scalar(node, name))
        except ValueError:
            self._complain(node, f"{name} must be a date and time such as 2026-12-01T18:00+01:00")
            return 0
        return int((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp())

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
            self._complain(node, "this class has no attesters, such as [e-mail] or [roster]")
        return DraftClass(
            name=self._scalar(fields["name"], "name") if "name" in fields else "",
            eligible=self._integer(fields["eligible"], "eligible") if "eligible" in fields else 0,
            source=self._scalar(fields["source"], "source") if "source" in fields else "",
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
            key = self._scalar(fields["key"], "key") if "key" in fields else ""
            found.append(DraftTrustee(name=self._scalar(fields["name"], "name"), key=key))
        return found

    def _body(self) -> str:
        line = self.end + 2
        try:
            texts.check_text(self.body.strip("\n"), what="text")
        except Malformed as refusal:
            self.complaints.append(Complaint(line + self._line_of_fault(), str(refusal)))
        return self.body.strip("\n")

    def _line_of_fault(self) -> int:
        for number, line in enumerate(self.body.split("\n")):
            try:
                texts.check_line(line.strip() or "-", what="line", at_most=texts.TEXT_BYTES)
            except Malformed:
                return number
        return 0

    # Nodes

    def _compose(self, front: str) -> dict[str, yaml.Node]:
        try:
            node = yaml.compose(front, Loader=yaml.BaseLoader)
        except yaml.MarkedYAMLError as error:
            line = (error.problem_mark.line if error.problem_mark else 0) + 2
            raise DraftError([Complaint(line, f"the front matter cannot be read here: {error.problem}")]) from None
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
        words = []
        for one in self._items(node, name):
            word = self._scalar(one, name)
            if word not in allowed:
                self._complain(one, f"{name} may be {', '.join(allowed)}")
            words.append(word)
        return words

    def _scalar(self, node: yaml.Node, name: str, check: Callable[[str], None] | None = None) -> str:
        if not isinstance(node, yaml.ScalarNode):
            self._complain(node, f"{name} must be one line of text")
            return ""
        try:
            if check:
                check(str(node.value))
        except Malformed as refusal:
            self._complain(node, str(refusal))
        return str(node.value)

    def _integer(self, node: yaml.Node, name: str) -> int:
        text = self._scalar(node, name)
        if not (text.isascii() and text.isdigit() and len(text) <= 12):
            self._complain(node, f"{name} must be a whole number")
            return 0
        return int(text)

    def _take(self, name: str) -> yaml.Node | None:
        self.used.add(name)
        return self.fields.get(name)

    def _complain(self, node: yaml.Node | None, what: str) -> None:
        line = node.start_mark.line + 2 if node is not None else 2
        self.complaints.append(Complaint(line, what))


def _check_slug(text: str) -> None:
    if not _SLUG.fullmatch(text):
        raise Malformed("the slug must be small letters, digits and dashes, 64 at most")
