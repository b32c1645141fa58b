"""What a trustee remembers of each letter between two runs: the last head it saw, who left by word to it, what is done.

One JSON file per letter, `<lid hex>.json`. Nothing in it is secret but that somebody wishes to leave.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from undersigned.errors import VerificationError
from undersigned.protocol.encoding import from_jcs, to_jcs
from undersigned.protocol.entry import Hash, Key, Part, Uint, Withdrawal
from undersigned.protocol.letter import Letter
from undersigned.transparency.merkle import Tree
from undersigned.trustee.files import read_whole, write_whole


class Memory(Part, frozen=True, kw_only=True):
    """`size` and `root` of the last head seen (0 and zeros at first); withdrawals by key; freezes wholly dealt with."""

    lid: Key
    size: Uint
    root: Hash
    withdrawals: list[Withdrawal]
    finished: Annotated[list[Uint], Meta(max_length=100_000)]


_DECODER = msgspec.json.Decoder(Memory)


@dataclass(slots=True, kw_only=True)
class Vault:
    """The memory of one letter, on disk after each change."""

    path: Path
    memory: Memory

    @classmethod
    def open(cls, directory: Path, letter: Letter) -> "Vault":
        """The memory of this letter in a directory, empty at first. Malformed, Unavailable."""
        path = directory / f"{letter.lid.hex()}.json"
        data = read_whole(path)
        if data is None:
            memory = Memory(lid=letter.lid, size=0, root=bytes(32), withdrawals=[], finished=[])
        else:
            memory = from_jcs(_DECODER, data.removesuffix(b"\n"), what="what a trustee remembers of a letter")
        if memory.lid != letter.lid:
            raise VerificationError("what you remember there is of another letter")
        return cls(path=path, memory=memory)

    @property
    def withdrawals(self) -> dict[bytes, Withdrawal]:
        """Withdrawals taken beside the log, by key."""
        return {item.key: item for item in self.memory.withdrawals}

    def follow(self, tree: Tree) -> None:
        """Go on to a newer head; VerificationError when it does not continue the last one seen, a fork or a replay."""
        size = self.memory.size
        if tree.size < size:
            raise VerificationError("the log shows an older history than it has shown you before")
        if size and tree.root(size) != self.memory.root:
            raise VerificationError("the log shows another history than it has shown you before: keep both as evidence")
        if tree.size > size:
            self._change(size=tree.size, root=tree.root())

    def add_withdrawals(self, more: Iterable[Withdrawal]) -> bool:
        """Remember withdrawals, verified before; the first of each key stays. Whether any was new."""
        known = self.withdrawals
        new = {item.key: item for item in more if item.key not in known}
        if new:
            self._change(withdrawals=sorted((new | known).values(), key=lambda item: item.key))
        return bool(new)

    def finish(self, freeze: int) -> None:
        """Nothing is left to do about the freeze at this index."""
        if freeze not in self.memory.finished:
            self._change(finished=sorted([*self.memory.finished, freeze]))

    def is_finished(self, freeze: int) -> bool:
        """Whether `finish` was called for the freeze at this index."""
        return freeze in self.memory.finished

    def _change(self, **changes: object) -> None:
        self.memory = msgspec.structs.replace(self.memory, **changes)
        write_whole(self.path, to_jcs(self.memory) + b"\n")
