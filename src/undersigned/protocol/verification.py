"""The cryptography and the plain shape of one entry, looked at alone: who must have signed it, and did they?

What an entry may do to a letter is `rules.check`; both are run by admission, sequencer, trustees and verifiers.
"""

from collections.abc import Sequence
from typing import assert_never

from msgspec import UNSET

from undersigned.crypto import ed25519, hpke
from undersigned.errors import Malformed, Refused, VerificationError
from undersigned.protocol import entry as entries
from undersigned.protocol import text as texts
from undersigned.protocol.entry import Entry, TrusteeSig, message_to_sign
from undersigned.protocol.letter import Letter, check_text_fields
from undersigned.protocol.opening_list import OpeningList
from undersigned.protocol.token import verify_token


def verify_entry(entry: Entry, letter: Letter) -> None:
    """Check texts, keys, tokens and signatures of one entry. Malformed, Refused (no such party), VerificationError."""
    check_shape(entry)
    message = message_to_sign(entry, lid=letter.lid)
    if isinstance(entry, entries.Opening | entries.Abort):
        _verify_quorum(entry.sigs, message, letter)
        return
    assert isinstance(entry.sig, bytes)
    if isinstance(entry, entries.Signature):
        verify_tokens(entry, letter)
    try:
        ed25519.verify(public_key=signer_key(entry, letter), message=message, sig=entry.sig)
    except VerificationError:
        raise VerificationError(f"this {entries.kind_of(entry)} is not signed by the key it must be") from None


def verify_tokens(entry: entries.Signature, letter: Letter) -> None:
    """Check one token of each registrar of the class, in entry-0 order."""
    issuing = letter.issuing.get(entry.class_)
    if issuing is None:
        raise Refused("this letter has no such class of signatories")
    if len(entry.tokens) != len(issuing):
        raise VerificationError("a signature needs one token of each registrar of its class")
    for token, issuer in zip(entry.tokens, issuing, strict=True):
        try:
            verify_token(token, issuer=issuer.key, lid=letter.lid, class_id=entry.class_, key=entry.key)
        except VerificationError:
            raise VerificationError("a token is not this letter's and class's for this signature") from None


def verify_left(listed: OpeningList, letter: Letter) -> None:
    """Check the withdrawals that trustees took beside the log; each must be the signatory's own."""
    for withdrawal in listed.left:
        if withdrawal.registrar is not UNSET or not isinstance(withdrawal.sig, bytes):
            raise VerificationError("a withdrawal taken by trustees must be signed by the signatory")
        message = message_to_sign(withdrawal, lid=letter.lid)
        ed25519.verify(public_key=withdrawal.key, message=message, sig=withdrawal.sig)


def signer_key(entry: entries.SignedEntry, letter: Letter) -> bytes:
    """The Ed25519 key that must have signed this kind of entry; Refused when the letter has no such party."""
    match entry:
        case entries.Publication() | entries.Amendment() | entries.Statement():
            return letter.publication.organizer_key
        case entries.Signature() | entries.Consent() | entries.Condition() | entries.Remark():
            return entry.key
        case entries.Withdrawal():
            return _registrar_key(letter, entry.registrar) if isinstance(entry.registrar, int) else entry.key
        case entries.Registrar() | entries.Issuance() | entries.Confirmation() | entries.Dispute():
            return _registrar_key(letter, entry.registrar)
        case entries.Trustee() | entries.Missing():
            return _trustee_key(letter, entry.trustee)
        case entries.Standing():
            return _registrar_key(letter, entry.by) if entry.by else letter.publication.organizer_key
        case entries.Destruction():
            return _party_key(letter, entry)
        case entries.Closing():
            return letter.log_vkey.key if entry.by == "log" else letter.publication.organizer_key
        case entries.Removal() | entries.Reached() | entries.Freeze() | entries.Lapse() | entries.Client():
            return letter.log_vkey.key
        case _:
            assert_never(entry)


def check_shape(entry: Entry) -> None:
    """Malformed unless texts and public keys inside the entry are clean; binary lengths were checked when read."""
    match entry:
        case entries.Signature():
            pass  # its key is checked by the signature it must carry
        case entries.Amendment():
            check_text_fields(entry)
            texts.check_text(entry.summary, what="summary of the amendment", at_most=4096)
        case entries.Trustee():
            texts.check_line(entry.statement, what="trustee's statement")
            for key in entry.seal_keys:
                hpke.check_public_key(key)
        case entries.Registrar():
            texts.check_line(entry.statement, what="registrar's statement")
        case entries.Closing():
            texts.check_name(entry.reason, what="reason for closing")
        case entries.Destruction():
            texts.check_name(entry.what, what="statement of destruction")
        case _:
            pass


def _party_key(letter: Letter, entry: entries.Destruction) -> bytes:
    match entry.role:
        case "trustee":
            return _trustee_key(letter, entry.by)
        case "registrar":
            return _registrar_key(letter, entry.by)
        case "log":
            return letter.log_vkey.key
        case _:
            assert_never(entry.role)


def _registrar_key(letter: Letter, registrar: int) -> bytes:
    if registrar not in letter.registrars:
        raise Refused("this letter has no such registrar")
    return letter.registrars[registrar].key


def _trustee_key(letter: Letter, trustee: int) -> bytes:
    if trustee not in letter.trustees:
        raise Refused("this letter has no such trustee")
    return letter.trustees[trustee].key


def _verify_quorum(sigs: object, message: bytes, letter: Letter) -> None:
    if not isinstance(sigs, list) or len(sigs) < max(letter.publication.quorum, 1):
        raise VerificationError("fewer trustees have signed this opening than the letter asks for")
    given: Sequence[TrusteeSig] = sigs
    ids = [item.trustee for item in given]
    if ids != sorted(set(ids)):
        raise Malformed("the trustees' signatures must be in the order of their ids, each once")
    for item in given:
        ed25519.verify(public_key=_trustee_key(letter, item.trustee), message=message, sig=item.sig)
