"""The rule book: may this entry come next? One function for admission, sequencer, trustees and every verifier.

Each refusal is one sentence for the person who meets it. Cryptography is `verification`, times are `times`.
"""

from collections.abc import Callable
from typing import Any

from undersigned.errors import Refused
from undersigned.protocol import entry as entries
from undersigned.protocol.count import n_star
from undersigned.protocol.entry import Entry
from undersigned.protocol.letter import text_hash
from undersigned.protocol.opening_list import OpeningList, encode_opening_list, opening_list_hash
from undersigned.protocol.state import LetterState, Record

_AFTER_CLOSING = (
    entries.Withdrawal
    | entries.Remark
    | entries.Standing
    | entries.Statement
    | entries.Confirmation
    | entries.Dispute
    | entries.Removal
    | entries.Client
    | entries.Destruction
    | entries.Issuance
    | entries.Missing
    | entries.Freeze
    | entries.Lapse
    | entries.Opening
    | entries.Abort
)

_CLOSED = "the letter is closed: nothing can be signed or changed any more"


def check(state: LetterState, entry: Entry, opening_list: OpeningList | None = None) -> None:
    """Raise Refused unless `entry`, verified alone, may be the next of this letter; an opening comes with its list."""
    if state.closed is not None and not isinstance(entry, _AFTER_CLOSING):
        raise Refused(_CLOSED)
    if isinstance(entry, entries.Opening | entries.Abort):
        _check_quorum_entry(state, entry, opening_list)
    else:
        _RULES[type(entry)](state, entry)


def _publication(state: LetterState, entry: entries.Publication) -> None:
    raise Refused("a letter is published once, as entry 0 of its log")


def _registrar(state: LetterState, entry: entries.Registrar) -> None:
    if entry.registrar in state.registrars:
        raise Refused("this registrar has accepted already")
    own = {
        class_id: issuing.spki_hash
        for class_id, many in state.letter.issuing.items()
        for issuing in many
        if issuing.registrar.id == entry.registrar
    }
    if [(item.class_, item.spki_hash) for item in entry.issuers] != sorted(own.items()):
        raise Refused("the registrar accepts other issuer keys than entry 0 names")


def _trustee(state: LetterState, entry: entries.Trustee) -> None:
    if entry.trustee in state.trustees:
        raise Refused("this trustee has accepted already")
    if len(entry.seal_keys) != len(state.letter.publication.tiers):
        raise Refused("a trustee gives one seal key for each tier")


def _issuance(state: LetterState, entry: entries.Issuance) -> None:
    place = (entry.registrar, entry.class_)
    item = state.letter.classes.get(entry.class_)
    if item is None or all(one.registrar.id != entry.registrar for one in state.letter.issuing[entry.class_]):
        raise Refused("this registrar issues no tokens for this class")
    if item.eligible and entry.issued > item.eligible:
        raise Refused("a registrar cannot issue more tokens than people are eligible")
    if entry.issued < state.ever[entry.class_]:
        raise Refused("there are more signatures than this registrar says it has issued tokens")
    if state.closed is None and entry.issued <= state.issued.get(place, 0):
        raise Refused("the number of tokens issued only grows until the letter closes")
    if state.closed is not None and place in state.final_issued:
        raise Refused("the final number of tokens issued has been given")


def _signature(state: LetterState, entry: entries.Signature) -> None:
    check_signature(state, entry)
    check_issued(state, entry.class_, already=state.ever[entry.class_])


def check_signature(state: LetterState, entry: entries.Signature) -> None:
    """What can be refused of a signature before there is a token for it; `tokens`, `blob` and `sig` are not read."""
    if state.closed is not None:
        raise Refused(_CLOSED)
    publication = state.letter.publication
    if entry.key in state.records:
        raise Refused("this signature is in the log already: each token signs once")
    if entry.mode not in publication.modes:
        raise Refused("this letter does not take this kind of signature")
    if entry.tier > len(publication.tiers):
        raise Refused("this letter has no such tier")
    if all(entry.text_hash != version.text_hash for version in state.versions):
        raise Refused("this is not a text of this letter: read it again, then sign that one")
    if entry.class_ not in state.letter.classes:
        raise Refused("this letter has no such class of signatories")
    _check_accepted(state)


def _check_accepted(state: LetterState) -> None:
    if len(state.registrars) < len(state.letter.registrars):
        raise Refused("signing has not begun: not every registrar has accepted yet")
    if "sealed" in state.letter.publication.modes and len(state.trustees) < len(state.letter.trustees):
        raise Refused("signing has not begun: not every trustee has accepted yet")


def check_issued(state: LetterState, class_id: int, *, already: int) -> None:
    """Refused when one more signature than `already` would exceed what a registrar of the class says it issued."""
    least = min(state.issued.get((one.registrar.id, class_id), 0) for one in state.letter.issuing[class_id])
    if already >= least:
        raise Refused("there would be more signatures than tokens issued: try again in a minute")


def _consent(state: LetterState, entry: entries.Consent) -> None:
    record = _living(state, entry.key)
    if all(entry.text_hash != version.text_hash for version in state.versions):
        raise Refused("this is not a text of this letter")
    if entry.text_hash in record.texts:
        raise Refused("your signature stands under this text already")


def _condition(state: LetterState, entry: entries.Condition) -> None:
    record = _living(state, entry.key)
    if not record.hidden:
        raise Refused("only a sealed signature has a condition to change")
    if state.frozen is not None and record.index in state.frozen.members:
        raise Refused("the names of your tier are being opened: you may still withdraw, but not change your condition")
    if entry.tier > len(state.letter.publication.tiers):
        raise Refused("this letter has no such tier")


def _withdrawal(state: LetterState, entry: entries.Withdrawal) -> None:
    record = _known(state, entry.key)
    if not isinstance(entry.registrar, int):
        return
    if record.entry.assisted is not True:
        raise Refused("only the signatory can withdraw this signature, with the receipt")
    if all(one.registrar.id != entry.registrar for one in state.letter.issuing[record.entry.class_]):
        raise Refused("this registrar has no part in this signature")


def _remark(state: LetterState, entry: entries.Remark) -> None:
    record = _living(state, entry.key)
    if record.hidden or record.mode == "anonymous":
        raise Refused("only a signatory whose name is public can add words to it")


def _standing(state: LetterState, entry: entries.Standing) -> None:
    record = _signature_at(state, entry.index)
    if record.hidden or record.mode == "anonymous":
        raise Refused("only a signature whose name is public can be marked")


def _amendment(state: LetterState, entry: entries.Amendment) -> None:
    if state.frozen is not None:
        raise Refused("the text cannot change while names are being opened")
    if text_hash(entry) == state.text_hash:
        raise Refused("this is the text the letter already has")


def _statement(state: LetterState, entry: entries.Statement) -> None:
    if entry.id in state.statements:
        raise Refused("a statement with this number exists already")


def _confirmation(state: LetterState, entry: entries.Confirmation) -> None:
    if entry.statement not in state.statements:
        raise Refused("there is no such statement to confirm")
    if any(item.registrar == entry.registrar and item.statement == entry.statement for _, item in state.confirmations):
        raise Refused("this registrar has confirmed the statement already")


def _dispute(state: LetterState, entry: entries.Dispute) -> None:
    record = _signature_at(state, entry.index)
    if record.hidden or record.mode == "anonymous":
        raise Refused("only a signature whose name is public can be disputed")
    if all(one.registrar.id != entry.registrar for one in state.letter.issuing[record.entry.class_]):
        raise Refused("this registrar has no part in this signature")
    if record.disputed == (entry.state == "open"):
        raise Refused("the dispute about this signature is in that state already")


def _removal(state: LetterState, entry: entries.Removal) -> None:
    record = _signature_at(state, entry.index)
    if state.frozen is not None and record.index in state.frozen.members:
        raise Refused("nobody is removed from a set whose names are being opened")


def _reached(state: LetterState, entry: entries.Reached) -> None:
    _check_tier(state, entry.tier)
    if state.is_late(state.size):
        return  # without effect: whoever wrote it had not yet seen that the deadline was past
    if entry.tier in state.reached:
        raise Refused("this tier is reached already")
    if not state.holds(entry.tier):
        raise Refused("the condition of this tier does not hold")


def _missing(state: LetterState, entry: entries.Missing) -> None:
    if entry.indexes != sorted(set(entry.indexes)):
        raise Refused("the indexes of missing envelopes must be ascending and distinct")
    if any(index not in state.by_index or not state.by_index[index].hidden for index in entry.indexes):
        raise Refused("only envelopes of sealed signatures can be missing")


def _freeze(state: LetterState, entry: entries.Freeze) -> None:
    _check_tier(state, entry.tier)
    if state.frozen is not None:
        raise Refused("names are being opened already: one freeze at a time")
    if entry.tier not in state.reached:
        raise Refused("this tier is not reached")
    if not state.reached[entry.tier] < entry.since <= entry.until <= state.size:
        raise Refused("the hold of a freeze lies between the entry that says reached and the freeze itself")
    members = state.frozen_set(entry.tier, entry.since)
    a = state.letter.at_least(entry.tier)
    if not members or sum(n for t, n in state.support(members).items() if t <= a) < a:
        raise Refused("too few who signed before the hold remain for this tier")


def _lapse(state: LetterState, entry: entries.Lapse) -> None:
    if state.frozen is None or state.frozen.index != entry.freeze:
        raise Refused("there is no such freeze to lapse")
    if not state.frozen.index < entry.since <= entry.until <= state.size:
        raise Refused("the checkpoints of a lapse must lie between the freeze and the lapse")


def _check_quorum_entry(state: LetterState, entry: entries.Opening | entries.Abort, listed: OpeningList | None) -> None:
    if state.frozen is None or state.frozen.index != entry.freeze:
        raise Refused("there is no such freeze to open")
    if listed is None or opening_list_hash(encode_opening_list(listed)) != entry.list_hash:
        raise Refused("the opening names another list than the one beside it")
    _check_list(state, listed)
    valid = remaining(state, listed)
    if isinstance(entry, entries.Abort):
        n = named_count(state, valid)
        if listed.indexes or any(state.condition_of(record) <= n for record in valid):
            raise Refused("an opening is called off only when none of the set may be named")
        return
    _check_named(state, listed, valid)


def remaining(state: LetterState, listed: OpeningList) -> list[Record]:
    """The frozen set without whom the list drops, who left beside the log, and who is gone or suspended by now."""
    assert state.frozen is not None
    out = {item.index for item in listed.dropped} | {state.records[item.key].index for item in listed.left}
    members = (state.by_index[index] for index in sorted(state.frozen.members - out))
    return [record for record in members if state.is_effective(record)]


def named_count(state: LetterState, valid: list[Record]) -> int:
    """N': the greatest n that public, opened and these valid members support."""
    return n_star(state.support(record.index for record in valid))


def _check_list(state: LetterState, listed: OpeningList) -> None:
    assert state.frozen is not None
    members = state.frozen.members
    if not members.issuperset(listed.indexes) or not members.issuperset(item.index for item in listed.dropped):
        raise Refused("the opening lists a signature outside the frozen set")
    left = [state.records.get(item.key) for item in listed.left]
    if any(record is None or record.index not in members for record in left):
        raise Refused("the opening lists a withdrawal from outside the frozen set")
    if {record.index for record in left if record} & set(listed.indexes):
        raise Refused("the opening names somebody who left")
    if any(item.reason == "missing" and item.index not in state.missing for item in listed.dropped):
        raise Refused("the opening drops an envelope as missing, and no trustee has said that it is")


def _check_named(state: LetterState, listed: OpeningList, valid: list[Record]) -> None:
    """Nobody on the list may stand with fewer names than they asked for, and nobody who asked for as little is left."""
    wanted = set(listed.indexes)
    named = [record for record in valid if record.index in wanted]
    asked = [state.condition_of(record) for record in named]
    if not asked:
        raise Refused("nobody of the set is left to be named")
    if max(asked) > named_count(state, named):
        raise Refused("somebody on the list asked for more names beside theirs than there are now: sign a new list")
    if any(record.index not in wanted and state.condition_of(record) <= max(asked) for record in valid):
        raise Refused("the opening leaves out a valid member of the set who asked for no more than others on it")


def _destruction(state: LetterState, entry: entries.Destruction) -> None:
    known = {"trustee": state.letter.trustees, "registrar": state.letter.registrars, "log": (0,)}[entry.role]
    if entry.by not in known:
        raise Refused("this letter knows nobody who could state this destruction")


def _client(state: LetterState, entry: entries.Client) -> None:
    if entry.manifest == state.client:
        raise Refused("this is the code the site serves already")


def _closing(state: LetterState, entry: entries.Closing) -> None:
    """Whatever closed state there is has been refused before."""


def _check_tier(state: LetterState, tier: int) -> None:
    if tier > len(state.letter.publication.tiers):
        raise Refused("this letter has no such tier")


def _known(state: LetterState, key: bytes) -> Record:
    record = state.records.get(key)
    if record is None:
        raise Refused("the log has no signature by this key")
    return record


def _living(state: LetterState, key: bytes) -> Record:
    record = _known(state, key)
    if record.gone:
        raise Refused("this signature has left the letter")
    if record.entry.assisted is True:
        raise Refused("a signature given without a browser key can only be withdrawn")
    return record


def _signature_at(state: LetterState, index: int) -> Record:
    record = state.by_index.get(index)
    if record is None or record.gone:
        raise Refused("there is no such signature in the log, or it has left")
    return record


_RULES: dict[type, Callable[[LetterState, Any], None]] = {
    entries.Publication: _publication,
    entries.Registrar: _registrar,
    entries.Trustee: _trustee,
    entries.Issuance: _issuance,
    entries.Signature: _signature,
    entries.Consent: _consent,
    entries.Condition: _condition,
    entries.Withdrawal: _withdrawal,
    entries.Remark: _remark,
    entries.Standing: _standing,
    entries.Amendment: _amendment,
    entries.Statement: _statement,
    entries.Confirmation: _confirmation,
    entries.Dispute: _dispute,
    entries.Removal: _removal,
    entries.Reached: _reached,
    entries.Missing: _missing,
    entries.Freeze: _freeze,
    entries.Lapse: _lapse,
    entries.Destruction: _destruction,
    entries.Client: _client,
    entries.Closing: _closing,
}
