"""Merkle trees over SHA-256 and their proofs (RFC 9162 section 2.1, the same hashing as RFC 6962)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256

from undersigned.errors import Malformed, Unavailable, VerificationError

HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()


def leaf_hash(data: bytes) -> bytes:
    """Hash one entry to its leaf: 32 bytes. RFC 9162 section 2.1.1."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash two nodes of 32 bytes to the node above them: 32 bytes. RFC 9162 section 2.1.1."""
    return sha256(b"\x01" + left + right).digest()


def root_hash(leaf_hashes: Iterable[bytes]) -> bytes:
    """Return the root, 32 bytes, of the tree over these leaf hashes of 32 bytes each. RFC 9162 section 2.1.1."""
    return Tree(leaf_hashes).root()


def verify_inclusion(*, leaf_hash: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Check that `leaf_hash` sits at `index` in the tree of `size` leaves under `root`, or raise VerificationError.

    RFC 9162 section 2.1.3.2; `fn` and `sn` are its names. Every hash has 32 bytes; `proof` goes from leaf to root.
    """
    if not 0 <= index < size:
        raise VerificationError("the inclusion proof is for an index outside the tree")
    _check_lengths((leaf_hash, root, *proof))
    fn, sn, r = index, size - 1, leaf_hash
    for p in proof:
        if sn == 0:
            raise VerificationError("the inclusion proof is longer than the tree is high")
        if fn & 1 or fn == sn:
            r = sha256(b"\x01" + p + r).digest()
            while not fn & 1 and fn:
                fn >>= 1
                sn >>= 1
        else:
            r = sha256(b"\x01" + r + p).digest()
        fn >>= 1
        sn >>= 1
    if sn or r != root:
        raise VerificationError("the inclusion proof does not lead to the root of the tree")


def verify_consistency(
    *, first_size: int, second_size: int, first_root: bytes, second_root: bytes, proof: Sequence[bytes]
) -> None:
    """Check that the tree of `second_size` leaves begins with that of `first_size`, or raise VerificationError.

    RFC 9162 section 2.1.4.2; `fn`, `sn`, `fr` and `sr` are its names. Every hash has 32 bytes. A first size of 0 is
    refused: from the empty tree there is nothing to prove, and whoever starts there must know it.
    """
    if not 0 < first_size <= second_size:
        raise VerificationError("the consistency proof is for sizes that cannot follow each other")
    if first_size == second_size:
        if proof or first_root != second_root:
            raise VerificationError("the two trees have the same size and are not the same tree")
        return
    _check_lengths((first_root, second_root, *proof))
    complete = first_size & (first_size - 1) == 0
    fr, sr, sn = _climb(first_size, second_size, (first_root, *proof) if complete else proof)
    if sn or fr != first_root or sr != second_root:
        raise VerificationError("the consistency proof does not join the two trees")


def roots_of_path(*, first_size: int, second_size: int, path: Sequence[bytes]) -> tuple[bytes, bytes]:
    """Return the roots, 32 bytes each, that `path` gives to the first `first_size` leaves and to all `second_size`.

    `path` is the consistency proof of the larger tree and always begins with the subtree where the smaller one ends,
    which RFC 9162 leaves out when that is the smaller tree's root. Who knows the second root so learns the only first
    root that belongs to it. VerificationError when the path has another length than the sizes ask for.
    """
    if not 0 < first_size < second_size:
        raise VerificationError("the path is for sizes that cannot follow each other")
    _check_lengths(path)
    fr, sr, sn = _climb(first_size, second_size, path)
    if sn or not path:
        raise VerificationError("the path does not reach the root of the tree")
    return fr, sr


def _climb(first_size: int, second_size: int, path: Sequence[bytes]) -> tuple[bytes, bytes, int]:
    """Recompute both roots: RFC 9162 section 2.1.4.2, steps 2 to 6. Returns fr, sr and what is left of sn."""
    fn, sn = first_size - 1, second_size - 1
    while fn & 1:
        fn >>= 1
        sn >>= 1
    fr = sr = path[0] if path else b""
    for c in path[1:]:
        if sn == 0:
            raise VerificationError("the consistency proof is longer than the tree is high")
        if fn & 1 or fn == sn:
            fr = sha256(b"\x01" + c + fr).digest()
            sr = sha256(b"\x01" + c + sr).digest()
            while not fn & 1 and fn:
                fn >>= 1
                sn >>= 1
        else:
            sr = sha256(b"\x01" + sr + c).digest()
        fn >>= 1
        sn >>= 1
    return fr, sr, sn


def _check_lengths(hashes: Iterable[bytes]) -> None:
    if any(len(h) != HASH_BYTES for h in hashes):
        raise VerificationError("the proof holds a hash that has not 32 bytes")


class Tree:
    """A growing Merkle tree that keeps the hash of every complete subtree: 64 bytes a leaf, one hashing an append.

    Roots and proofs of any earlier size are read from what is stored. Level 0 holds the leaf hashes; node `index` of
    `level` covers the leaves from `index * 2**level` to `(index + 1) * 2**level`.
    """

    __slots__ = ("_levels",)

    def __init__(self, leaf_hashes: Iterable[bytes] = ()) -> None:
        """Build the tree over these leaf hashes of 32 bytes each, or raise Malformed."""
        leaves = leaf_hashes if isinstance(leaf_hashes, list | tuple) else list(leaf_hashes)
        if any(len(leaf) != HASH_BYTES for leaf in leaves):
            raise Malformed("a leaf hash has 32 bytes")
        level = bytearray().join(leaves)
        self._levels = [level]
        while len(level) >= 2 * HASH_BYTES:
            pairs = range(0, len(level) - HASH_BYTES, 2 * HASH_BYTES)
            level = bytearray().join([sha256(b"\x01" + level[i : i + 64]).digest() for i in pairs])
            self._levels.append(level)

    @property
    def size(self) -> int:
        """The number of leaves."""
        return len(self._levels[0]) >> 5

    def append(self, leaf_hash: bytes) -> None:
        """Add one leaf hash of 32 bytes, or raise Malformed."""
        if len(leaf_hash) != HASH_BYTES:
            raise Malformed("a leaf hash has 32 bytes")
        levels, index, level = self._levels, self.size, 0
        levels[0] += leaf_hash
        while index & 1:
            node = sha256(b"\x01" + levels[level][-64:]).digest()
            level += 1
            if level == len(levels):
                levels.append(bytearray())
            levels[level] += node
            index >>= 1

    def root(self, size: int | None = None) -> bytes:
        """Return the root, 32 bytes, of the first `size` leaves (all of them by default)."""
        size = self.size if size is None else size
        self._check_size(size)
        return self._edge(size.bit_length(), size) if size else EMPTY_ROOT

    def inclusion_proof(self, index: int, size: int) -> list[bytes]:
        """Return the hashes, 32 bytes each, that prove leaf `index` in the first `size`. RFC 9162 section 2.1.3.1."""
        self._check_size(size)
        if not 0 <= index < size:
            raise Malformed("an inclusion proof is of a leaf inside the tree")
        return self._path(0, index, size)

    def consistency_proof(self, first: int, second: int) -> list[bytes]:
        """Return the hashes, 32 bytes each, that prove the first `second` leaves to begin with the first `first`.

        RFC 9162 section 2.1.4.1. From the empty tree there is nothing to prove, and the list is empty (tlog-witness).
        """
        self._check_size(second)
        if not 0 <= first <= second:
            raise Malformed("a consistency proof goes from a smaller tree to a larger one")
        if first in (0, second):
            return []
        level = ((first - 1) ^ first).bit_length() - 1  # the largest complete subtree that ends where `first` ends
        fn = (first - 1) >> level
        return ([self.node(level, fn)] if fn else []) + self._path(level, fn, second)

    def consistency_path(self, first: int, second: int) -> list[bytes]:
        """Return the path for `roots_of_path`, 32 bytes a hash, from a tree of `first` to one of `second` leaves."""
        if not 0 < first < second:
            raise Malformed("a path goes from a tree with leaves to a larger one")
        ends = [self.root(first)] if first & (first - 1) == 0 else []
        return ends + self.consistency_proof(first, second)

    def node(self, level: int, index: int) -> bytes:
        """Return the hash, 32 bytes, of the complete subtree of `2**level` leaves number `index`, or Unavailable."""
        return self.nodes(level, index, 1)

    def nodes(self, level: int, first: int, count: int) -> bytes:
        """Return `count` neighbouring hashes of one level, 32 bytes each, from number `first`, or Unavailable."""
        if not 0 <= level < len(self._levels) or min(first, count) < 0:
            raise Unavailable("the tree has no such node")
        found = bytes(self._levels[level][first << 5 : (first + count) << 5])
        if len(found) != count << 5:
            raise Unavailable("the tree has no such node yet")
        return found

    def _check_size(self, size: int) -> None:
        if not 0 <= size <= self.size:
            raise Unavailable("the tree has not as many leaves yet")

    def _path(self, level: int, fn: int, size: int) -> list[bytes]:
        """List the siblings on the way up from node `fn` of `level` to the root of the first `size` leaves."""
        path = []
        sn = (size - 1) >> level
        while sn:
            sibling = fn ^ 1
            if sibling < sn:
                path.append(bytes(self._levels[level][sibling << 5 : (sibling + 1) << 5]))
            elif sibling == sn:
                path.append(self._last(level, size))
            fn, sn, level = fn >> 1, sn >> 1, level + 1
        return path

    def _last(self, level: int, size: int) -> bytes:
        """Hash the last subtree of `level`, which may be incomplete, in the tree of the first `size` leaves."""
        complete = size & ((1 << level) - 1) == 0
        return self.node(level, (size >> level) - 1) if complete else self._edge(level, size)

    def _edge(self, level: int, size: int) -> bytes:
        """Hash the last `size mod 2**level` leaves, at least one, of the first `size`: one subtree for each bit."""
        r = b""
        for low in range(level):
            if size >> low & 1:
                node = self.node(low, (size >> low) - 1)
                r = sha256(b"\x01" + node + r).digest() if r else node
        return r
