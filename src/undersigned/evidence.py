"""Evidence that a letter's host broke its word: one file, checked offline by anybody. spec/evidence.md.

Pure: files come in as bytes, a policy of the reader's own as an argument. Nothing here asks who saw it first.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, TypeAlias, assert_never

import msgspec

from undersigned.errors import Malformed, VerificationError
from undersigned.protocol import entry as entries
from undersigned.protocol.encoding import from_jcs, to_jcs
from undersigned.protocol.entry import Hash, decode_entry, kind_of
from undersigned.protocol.letter import Letter
from undersigned.protocol.promise import Promise, verify_promise
from undersigned.transparency.checkpoint import Checkpoint, open_checkpoint
from undersigned.transparency.cosignature import verify_cosignature
from undersigned.transparency.merkle import HASH_BYTES, Tree, leaf_hash, roots_of_path
from undersigned.transparency.note import Note, parse_note
from undersigned.transparency.policy import Policy

MAX_EVIDENCE_BYTES = 512 * 1024 * 1024
_YEAR_9999 = 253_370_764_800
_PROMISED = entries.Signature | entries.Consent | entries.Condition | entries.Remark | entries.Withdrawal


class _Evidence(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    v: Literal[1] = 1
    publication: bytes


class Fork(_Evidence, frozen=True, kw_only=True, tag="fork"):
    """Two signed heads of one letter that no single history has.

    `path`: for two sizes, the hashes of `roots_of_path` from the larger tree; for one size, none.
    """

    smaller: str
    larger: str
    path: list[Hash]


class BrokenPromise(_Evidence, frozen=True, kw_only=True, tag="broken-promise"):
    """A promised entry, a head that witnesses signed after the promise's `latest`, and all leaf hashes below it."""

    entry: bytes
    promise: Promise
    head: str
    leaves: bytes


Evidence: TypeAlias = Fork | BrokenPromise
_DECODER: msgspec.json.Decoder[Evidence] = msgspec.json.Decoder(Evidence)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a piece of evidence proves of `letter`, in one sentence, and by whose signatures, a line each."""

    letter: Letter
    kind: str
    sentence: str
    details: tuple[str, ...]


def check_evidence(evidence: Evidence, *, policy: Policy | None = None, lid: bytes | None = None) -> Finding:
    """Say what the evidence proves. `policy`: the reader's own witnesses; `lid`: the letter it must be about.

    VerificationError when it proves nothing, Malformed when a part of it cannot be read.
    """
    letter = Letter.from_entry(evidence.publication)
    if lid is not None and letter.lid != lid:
        raise VerificationError("this evidence is about another letter than the one asked for: its lid differs")
    match evidence:
        case Fork():
            return _check_fork(evidence, letter, policy or letter.policy)
        case BrokenPromise():
            return _check_promise(evidence, letter, policy or letter.policy)
        case _:
            assert_never(evidence)


def fork(letter: Letter, one: bytes, other: bytes, *, tree: Tree | None = None) -> Fork:
    """Put two heads together that contradict each other; `tree` is that of the larger one, where the sizes differ."""
    sizes = [open_checkpoint(data, letter.log_vkey)[0].size for data in (one, other)]
    smaller, larger = (one, other) if sizes[0] <= sizes[1] else (other, one)
    path: list[bytes] = []
    if sizes[0] != sizes[1]:
        if tree is None:
            raise Malformed("two heads of different sizes need the larger one's tree")
        path = tree.consistency_path(min(sizes), max(sizes))
    return Fork(publication=letter.data, smaller=smaller.decode(), larger=larger.decode(), path=path)


def broken_promise(letter: Letter, *, entry: bytes, promise: Promise, head: bytes, tree: Tree) -> BrokenPromise:
    """Put a promised entry beside a head that lacks it; `tree` begins with that head's leaves."""
    size = open_checkpoint(head, letter.log_vkey)[0].size
    leaves = tree.nodes(0, 0, size)
    return BrokenPromise(publication=letter.data, entry=entry, promise=promise, head=head.decode(), leaves=leaves)


def shows_after(note: Note, moment: int, *, policy: Policy) -> bool:
    """Whether a quorum of the policy cosigned this note later than `moment` (Unix s)."""
    late = {name for name, at in _cosigners(note, policy).items() if at > moment}
    return policy.has_quorum and policy.satisfied(late)


def encode_evidence(evidence: Evidence) -> bytes:
    """Its JCS bytes and a line feed."""
    return to_jcs(evidence) + b"\n"


def read_evidence(data: bytes) -> Evidence:
    """Read an evidence file strictly; Malformed."""
    if len(data) > MAX_EVIDENCE_BYTES:
        raise Malformed("this is not evidence: it is far too long")
    return from_jcs(_DECODER, data.removesuffix(b"\n"), what="evidence")


def _check_fork(evidence: Fork, letter: Letter, policy: Policy) -> Finding:
    """1. both heads are the log's  2. the larger tree has another root where the smaller one ends."""
    smaller, first = _open(evidence.smaller, letter)  # 1
    larger, second = _open(evidence.larger, letter)
    _check_path(evidence.path, smaller, larger)  # 2
    if smaller.size == larger.size:
        sentence = f"its log signed two histories: {smaller.size:,} entries with two different roots"
    else:
        sizes = f"the one of {larger.size:,} entries does not begin with that of {smaller.size:,}"
        sentence = f"its log signed two histories: {sizes}"
    signers = [_cosigners(note, policy) for note in (first, second)]
    details = [_tell(smaller, signers[0]), _tell(larger, signers[1])]
    both = sorted(signers[0].keys() & signers[1].keys())
    if both:
        details.append(f"{', '.join(both)} cosigned both, which no honest witness does")
    return Finding(letter=letter, kind="fork", sentence=sentence, details=tuple(details))


def _check_path(path: list[bytes], smaller: Checkpoint, larger: Checkpoint) -> None:
    if smaller.size == larger.size:
        if path:
            raise Malformed("two heads of one size need no path between them")
        root = larger.root_hash
    else:
        root, top = roots_of_path(first_size=smaller.size, second_size=larger.size, path=path)
        if top != larger.root_hash:
            raise VerificationError("this evidence proves nothing: its path is not of the larger head's tree")
    if root == smaller.root_hash:
        raise VerificationError("this evidence proves nothing: both heads belong to one history")


def _check_promise(evidence: BrokenPromise, letter: Letter, policy: Policy) -> Finding:
    """1. the promise is the letter's  2. the head is the log's, and late enough  3. its leaves lack the entry."""
    entry = decode_entry(evidence.entry)
    if not isinstance(entry, _PROMISED):
        raise Malformed("this evidence holds an entry of a kind that earns no promise")
    verify_promise(evidence.promise, entry=evidence.entry, key=entry.key, letter=letter)  # 1
    head, note = _open(evidence.head, letter)  # 2
    if not shows_after(note, evidence.promise.latest, policy=policy):
        raise VerificationError("this evidence proves nothing: no witness quorum signed its head after the promise")
    leaves = _split(evidence.leaves, head)  # 3
    if Tree(leaves).root() != head.root_hash:
        raise VerificationError("this evidence proves nothing: its leaves do not give the head's root")
    if leaf_hash(evidence.entry) in leaves:
        raise VerificationError("this evidence proves nothing: the promised entry is in the log")
    return Finding(
        letter=letter,
        kind="broken-promise",
        sentence=f"its host promised to take in a {kind_of(entry)} by {_when(evidence.promise.latest)} and did not",
        details=(
            f"leaf hash {leaf_hash(evidence.entry).hex()}, promised by the key in entry 0",
            f"{_tell(head, _cosigners(note, policy))}; it is not among them",
        ),
    )


def _split(leaves: bytes, head: Checkpoint) -> list[bytes]:
    if len(leaves) != head.size * HASH_BYTES:
        raise Malformed("this evidence does not hold just as many leaf hashes as its head has entries")
    return [leaves[at : at + HASH_BYTES] for at in range(0, len(leaves), HASH_BYTES)]


def _open(text: str, letter: Letter) -> tuple[Checkpoint, Note]:
    data = text.encode()
    return open_checkpoint(data, letter.log_vkey)[0], parse_note(data)


def _cosigners(note: Note, policy: Policy) -> dict[str, int]:
    """Whose cosignature holds, by its name in the policy, with its Unix second; a bad line takes nothing away."""
    found = {}
    for name, witness in policy.witnesses.items():
        try:
            found[name] = verify_cosignature(note, witness.vkey)
        except VerificationError:
            continue
    return found


def _tell(head: Checkpoint, cosigners: Mapping[str, int]) -> str:
    told = ", ".join(f"{name} at {_when(at)}" for name, at in cosigners.items())
    by = f"cosigned by {told}" if told else "cosigned by no witness of the policy"
    return f"{head.size:,} entries, root {head.root_hash.hex()}: signed by the log, {by}"


def _when(at: int) -> str:
    """A Unix second in UTC, or its bare number where no calendar reaches."""
    if at >= _YEAR_9999:
        return f"second {at} since 1970"
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")
