"""Policies: which logs and witnesses a reader believes, and how many witnesses are enough (C2SP tlog-policy).

witness north north.example+1c9e6de9+BPsR...
witness south south.example+85a4b1b7+BIx0...
witness west west.example+0b3f7c11+BL2m...
group two-of-three 2 north south west
quorum two-of-three
"""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from undersigned.errors import Malformed, VerificationError
from undersigned.transparency.cosignature import check_cosignature
from undersigned.transparency.encoding import read_decimal
from undersigned.transparency.note import (
    COSIGNATURE,
    ED25519,
    Note,
    VerifierKey,
    find_signature,
    parse_vkey,
    verify_note,
)

NONE = "none"
MAX_POLICY_CHARACTERS = 1 << 16
MAX_OF_A_KIND = 100

_FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f]")
_WHITESPACE = re.compile("[ \t]+")


class Log(NamedTuple):
    """A log that the policy accepts, and where it may be reached."""

    vkey: VerifierKey
    url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """A witness under its name in the policy, which may differ from the name of its key."""

    name: str
    vkey: VerifierKey
    url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A name for `k` of the members, which are witnesses and groups defined earlier."""

    name: str
    k: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Logs, witnesses by name, groups in their order, and the name that makes the quorum (`none` asks for nobody)."""

    logs: tuple[Log, ...] = ()
    witnesses: Mapping[str, Witness]
    groups: tuple[Group, ...] = ()
    quorum: str
    _bits: dict[str, int] = field(init=False, repr=False, compare=False)
    _steps: tuple[tuple[int, int, int], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check every definition, and give each name one bit, so that a group is a mask and a number."""
        names = _Names()
        for log in self.logs:
            names.add_log(log)
        for key, witness in self.witnesses.items():
            if key != witness.name:
                raise Malformed("a witness of the policy stands under another name than its own")
            names.add_witness(witness)
        for group in self.groups:
            names.add_group(group)
        names.check_quorum(self.quorum)
        object.__setattr__(self, "_bits", names.bits)
        object.__setattr__(self, "_steps", tuple(names.steps))

    @property
    def has_quorum(self) -> bool:
        """Whether the policy asks for witnesses at all."""
        return self.quorum != NONE

    def satisfied(self, names: Container[str]) -> bool:
        """Whether the witnesses of these names (names of the policy, not of keys) are enough for the quorum."""
        if not self.has_quorum:
            return True
        seen = sum(self._bits[name] for name in self.witnesses if name in names)
        for mask, k, bit in self._steps:
            if (seen & mask).bit_count() >= k:
                seen |= bit
        return seen & self._bits[self.quorum] != 0

    def timestamps(self, note: Note) -> dict[str, int]:
        """Return the Unix second of every cosignature on the note by a witness of the policy, by its name there.

        Cosignatures by others are ignored; one of a known witness that does not verify is a VerificationError.
        """
        times = {}
        for name, witness in self.witnesses.items():
            signature = find_signature(note, witness.vkey)
            if signature is not None:
                times[name] = check_cosignature(note, witness.vkey, signature)
        return times

    def check(self, note: Note) -> dict[str, int]:
        """Return what `timestamps` returns if the policy accepts the checkpoint, or raise VerificationError.

        Where the policy lists logs, one of them must have signed the checkpoint as its own.
        """
        if self.logs:
            self._check_log(note)
        times = self.timestamps(note)
        if not self.satisfied(times):
            raise VerificationError("the checkpoint is not cosigned by enough witnesses of the policy")
        return times

    def _check_log(self, note: Note) -> None:
        origin = note.text.partition("\n")[0]
        signers = [log.vkey for log in self.logs if log.vkey.name == origin and find_signature(note, log.vkey)]
        if not signers:
            raise VerificationError("the checkpoint is signed by no log of the policy")
        for vkey in signers:
            verify_note(note, vkey)


class _Names:
    """What is defined so far: the bit of each name, and for each group its members' mask, its k and its own bit."""

    def __init__(self) -> None:
        self.bits: dict[str, int] = {}
        self.steps: list[tuple[int, int, int]] = []
        self._keys: dict[int, set[bytes]] = {ED25519: set(), COSIGNATURE: set()}
        self._members: set[str] = set()

    def add_log(self, log: Log) -> None:
        self._add_key(log.vkey, algorithm=ED25519, kind="log")

    def add_witness(self, witness: Witness) -> None:
        self._add_key(witness.vkey, algorithm=COSIGNATURE, kind="witness")
        self._define(witness.name)

    def add_group(self, group: Group) -> None:
        if not 1 <= group.k <= len(group.members):
            raise Malformed("a group asks for at least one and at most all of its members")
        mask = 0
        for member in group.members:
            if member not in self.bits:
                raise Malformed("a member of the group is not defined before it")
            if member in self._members:
                raise Malformed("a name can be a member only once")
            self._members.add(member)
            mask |= self.bits[member]
        if len(self.steps) == MAX_OF_A_KIND:
            raise Malformed(f"a policy has at most {MAX_OF_A_KIND} groups")
        self.steps.append((mask, group.k, self._define(group.name)))

    def check_quorum(self, name: str) -> None:
        if name != NONE and name not in self.bits:
            raise Malformed("the quorum is not defined before it")

    def _add_key(self, vkey: VerifierKey, *, algorithm: int, kind: str) -> None:
        keys = self._keys[algorithm]
        if vkey.algorithm != algorithm:
            raise Malformed(f"the key is not of the type that a {kind} has")
        if vkey.key in keys:
            raise Malformed(f"the key is that of another {kind} already")
        if len(keys) == MAX_OF_A_KIND:
            raise Malformed(f"a policy lists at most {MAX_OF_A_KIND} of a kind")
        keys.add(vkey.key)

    def _define(self, name: str) -> int:
        if not name or name == NONE or name in self.bits:
            raise Malformed("the name is empty, taken or reserved")
        return self.bits.setdefault(name, 1 << len(self.bits))


def parse_policy(text: str) -> Policy:
    """Read a policy of at most 65,536 characters, or raise Malformed with the number of the line."""
    if len(text) > MAX_POLICY_CHARACTERS:
        raise Malformed(f"a policy has at most {MAX_POLICY_CHARACTERS:,} characters")
    *lines, last = text.split("\n")
    reader = _Reader()
    for number, line in enumerate(lines, start=1):
        try:
            reader.read(line)
        except Malformed as error:
            raise Malformed(f"line {number} of the policy: {error}") from error
    if last:
        raise Malformed(f"line {len(lines) + 1} of the policy: it does not end with a newline")
    return reader.policy()


class _Reader:
    """Reads a policy line by line, and refuses each line that does not stand on those before it."""

    def __init__(self) -> None:
        self._names = _Names()
        self._logs: list[Log] = []
        self._witnesses: dict[str, Witness] = {}
        self._groups: list[Group] = []
        self._quorum: str | None = None

    def read(self, line: str) -> None:
        if _FORBIDDEN.search(line):
            raise Malformed("the only control character here is the tab")
        words = [word for word in _WHITESPACE.split(line) if word]
        if not words or words[0].startswith("#"):
            return
        match words:
            case ["log", vkey, *url] if len(url) <= 1:
                self._read_log(Log(parse_vkey(vkey), *url))
            case ["witness", name, vkey, *url] if len(url) <= 1:
                self._read_witness(Witness(name=name, vkey=parse_vkey(vkey), url=url[0] if url else None))
            case ["group", name, k, *members]:
                self._read_group(Group(name=name, k=_read_k(k, len(members)), members=tuple(members)))
            case ["quorum", name]:
                self._read_quorum(name)
            case _:
                raise Malformed("this is neither a log, a witness, a group nor a quorum")

    def _read_log(self, log: Log) -> None:
        self._names.add_log(log)
        self._logs.append(log)

    def _read_witness(self, witness: Witness) -> None:
        self._names.add_witness(witness)
        self._witnesses[witness.name] = witness

    def _read_group(self, group: Group) -> None:
        self._names.add_group(group)
        self._groups.append(group)

    def _read_quorum(self, name: str) -> None:
        if self._quorum is not None:
            raise Malformed("a policy has one quorum only")
        self._names.check_quorum(name)
        self._quorum = name

    def policy(self) -> Policy:
        if self._quorum is None:
            raise Malformed("the policy has no quorum line")
        return Policy(
            logs=tuple(self._logs), witnesses=self._witnesses, groups=tuple(self._groups), quorum=self._quorum
        )


def _read_k(word: str, members: int) -> int:
    match word:
        case "any":
            return 1
        case "all":
            return members
        case _:
            return read_decimal(word, what="the number of a group")
