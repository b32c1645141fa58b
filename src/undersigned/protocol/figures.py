"""The figures every page, press kit and verifier shows, from one state. spec/count.md says what each one is."""

from collections import Counter
from dataclasses import dataclass

from undersigned.protocol.entry import Tier
from undersigned.protocol.state import LetterState, Record, Round


@dataclass(frozen=True, slots=True, kw_only=True)
class TierFigures:
    """`reached` while its condition holds by a live entry; `standing` is F(at_least); `opened` names opened at it."""

    id: int
    at_least: int
    reached: bool
    opened: int
    standing: int
    sealed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassFigures:
    """`issued` tokens at most; `signatures` that stand, of which `named` count towards conditions if `counts`."""

    id: int
    name: str
    eligible: int
    source: str
    issued: int
    signatures: int
    named: int
    anonymous: int
    counts: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Everything always shown. `opened` names are those of sealed signatures opened and standing.

    Each signature ever taken is in just one of: `signatures` (public, anonymous, sealed or opened), `withdrawn`,
    `removed`, `dropped`, `disputed`, `late`, `older_version`. `not_openable` ones are among the sealed.
    """

    n_star: int
    signatures: int
    tiers: tuple[TierFigures, ...]
    classes: tuple[ClassFigures, ...]
    public: int
    anonymous: int
    sealed: int
    opened: int
    withdrawn: int
    disputed: int
    removed: int
    removals: dict[str, int]
    dropped: int
    not_openable: int
    older_version: int
    late: int


def figures(state: LetterState) -> Figures:
    """Count the letter as it stands."""
    modes: Counter[str] = Counter()
    by_class: Counter[tuple[int, str]] = Counter()
    opened_at: Counter[int] = Counter()
    sealed_at: Counter[int] = Counter()
    for record in state.effective():
        mode = "opened" if record.opened is not None else record.mode
        modes[mode] += 1
        by_class[record.entry.class_, record.mode] += 1
        (opened_at if mode == "opened" else sealed_at)[record.tier] += 1
    everyone = list(state.by_index.values())
    return Figures(
        n_star=state.n_star,
        signatures=sum(modes.values()),
        tiers=tuple(_tiers(state, opened_at, sealed_at)),
        classes=tuple(_classes(state, by_class)),
        public=modes["public"],
        anonymous=modes["anonymous"],
        sealed=modes["sealed"],
        opened=modes["opened"],
        withdrawn=sum(record.withdrawn is not None for record in everyone),
        disputed=sum(record.disputed and not record.gone for record in everyone),
        removed=sum(record.removed is not None for record in everyone),
        removals=dict(sorted(state.removals.items())),
        dropped=sum(record.dropped is not None for record in everyone),
        not_openable=sum(_not_openable(state.by_index[index]) for index in state.missing),
        older_version=sum(_stands_behind(state, record) for record in everyone),
        late=sum(_too_late(state, record) for record in everyone),
    )


def _not_openable(record: Record) -> bool:
    """Its envelope is missing, and nobody has left or named it since."""
    return record.hidden and not record.gone


def _stands_behind(state: LetterState, record: Record) -> bool:
    """It would stand, but under an older text."""
    elsewhere = record.gone or record.disputed or state.is_late(record.index)
    return not elsewhere and state.text_hash not in record.texts


def _too_late(state: LetterState, record: Record) -> bool:
    """It came after the deadline, and there is no other reason why it does not stand."""
    return state.is_late(record.index) and not (record.gone or record.disputed)


def _tiers(state: LetterState, opened_at: Counter[int], sealed_at: Counter[int]) -> list[TierFigures]:
    return [
        TierFigures(
            id=tier.id,
            at_least=tier.at_least,
            reached=tier.id in state.reached or any(_opened_at(tier, one) for one in state.rounds),
            opened=opened_at[tier.id],
            standing=state.standing(tier.at_least),
            sealed=sealed_at[tier.id],
        )
        for tier in state.letter.publication.tiers
    ]


def _opened_at(tier: Tier, finished: Round) -> bool:
    """Whether names were opened at this tier or above, and as many then stood together as it asks for."""
    return bool(finished.named) and finished.freeze.tier >= tier.id and finished.together >= tier.at_least


def _classes(state: LetterState, by_class: Counter[tuple[int, str]]) -> list[ClassFigures]:
    found = []
    for item in state.letter.publication.classes:
        named = by_class[item.id, "public"] + by_class[item.id, "sealed"]
        anonymous = by_class[item.id, "anonymous"]
        issued = min(state.issued.get((one.registrar.id, item.id), 0) for one in state.letter.issuing[item.id])
        found.append(
            ClassFigures(
                id=item.id,
                name=item.name,
                eligible=item.eligible,
                source=item.source,
                issued=issued,
                signatures=named + anonymous,
                named=named,
                anonymous=anonymous,
                counts=item.counts,
            )
        )
    return found
