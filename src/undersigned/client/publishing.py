"""Publishes a letter: from a draft and a host's keys to entry 0, signed by the organizer and by nobody else."""

import secrets
import time
from base64 import b64decode
from dataclasses import dataclass
from typing import Any

from undersigned.client.signing import sign_entry, submit
from undersigned.client.source import HttpSource, Source, b64, get_json, post_json, unb64
from undersigned.crypto import ed25519
from undersigned.draft import Draft, DraftClass
from undersigned.errors import Malformed, Refused
from undersigned.protocol import blob as blobs
from undersigned.protocol import entry as entries
from undersigned.protocol.encoding import sha256, to_jcs
from undersigned.protocol.letter import Letter, sign_publication
from undersigned.protocol.state import LetterState
from undersigned.transparency.checkpoint import Checkpoint
from undersigned.transparency.note import ed25519_vkey

DEFAULT_DEADLINE = 30 * 24 * 3600
SUCCESSION = """This letter succeeds an earlier one, whose log has ended.

lid {lid}
origin {origin}
size {size}
root {root_hash}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """What a host says of itself: where it is, its keys, its registrar, the witnesses it works with."""

    host: str
    log_key: bytes
    promise_key: bytes
    registrar_name: str
    registrar_key: bytes
    policy: str
    shape: str


def ask_host(source: Source) -> Host:
    """Read /host.json; Malformed when it is not one."""
    told = get_json(source, "host.json")
    try:
        return Host(
            host=str(told["host"]),
            log_key=unb64(told["log_key"]),
            promise_key=unb64(told["promise_key"]),
            registrar_name=str(told["registrar"]["name"]),
            registrar_key=unb64(told["registrar"]["key"]),
            policy=str(told["policy"]),
            shape=str(told["shape"]),
        )
    except (KeyError, TypeError):
        raise Malformed("this address answers, but not as a host of letters") from None


def publish(draft: Draft, *, source: HttpSource, organizer: bytes) -> Letter:
    """Publish the draft on the host behind `source` (which carries the publish code); `organizer` is a 32-byte seed.

    1. ask the host  2. let its registrar make issuer keys  3. sign entry 0  4. give it to the log  5. to the registrar
    """
    host = ask_host(source)  # 1
    classes = [_registration(number, item) for number, item in enumerate(draft.classes, 1)]
    made = post_json(source, "r/letters", {"slug": draft.slug, "classes": classes})  # 2
    issuers = _read_issuers(made, draft)
    publication = make_publication(draft, host=host, issuers=issuers, organizer=organizer)
    data = sign_publication(publication, seed=organizer)  # 3
    letter = Letter.from_entry(data)
    post_json(source, "letters", {"entry": b64(data)})  # 4
    post_json(source, f"r/letters/{made.get('draft')}/publication", {"entry": b64(data)})  # 5
    return letter


def make_publication(draft: Draft, *, host: Host, issuers: dict[int, bytes], organizer: bytes) -> entries.Publication:
    """Entry 0 without its signature."""
    origin = f"{host.host}/l/{draft.slug}"
    return entries.Publication(
        **_text_fields(draft),
        origin=origin,
        log_vkey=ed25519_vkey(origin, host.log_key).encode(),
        policy=host.policy,
        shape="separate" if host.shape == "separate" else "one-process",
        classes=[
            _class(number, item, issuers[number], namespace=_namespace(draft))
            for number, item in enumerate(draft.classes, 1)
        ],
        tiers=[entries.Tier(id=number, at_least=at_least) for number, at_least in enumerate(draft.tiers, 1)],
        modes=list(draft.modes),
        trustees=[
            entries.Party(id=number, name=item.name, key=_trustee_key(item.key, item.name))
            for number, item in enumerate(draft.trustees, 1)
        ],
        quorum=draft.quorum,
        deadline=draft.deadline or int(time.time()) + DEFAULT_DEADLINE,
        hold_seconds=draft.hold,
        batch_seconds=draft.batch,
        margin_seconds=draft.margin,
        forget_seconds=draft.forget,
        registrars=[entries.Party(id=1, name=host.registrar_name, key=host.registrar_key)],
        promise_key=host.promise_key,
        organizer_key=ed25519.public_key(organizer),
    )


def amend(draft: Draft, summary: str, *, source: Source, letter: Letter, organizer: bytes) -> bytes:
    """Submit the draft's text as a new version; the entry's bytes."""
    entry = entries.Amendment(**_text_fields(draft), summary=summary)
    data = sign_entry(entry, seed=organizer, letter=letter)
    submit(data, None, source=source, letter=letter)
    return data


def state_words(
    entry_id: int, type_: str, words: blobs.StatementBlob, *, source: Source, letter: Letter, organizer: bytes
) -> bytes:
    """Submit a statement of a named party or an update; the entry's bytes."""
    blob = to_jcs(words)
    blobs.read_statement(blob)
    entry = entries.Statement(id=entry_id, type=type_, blob=sha256(blob))  # type: ignore[arg-type]
    data = sign_entry(entry, seed=organizer, letter=letter)
    submit(data, blob, source=source, letter=letter)
    return data


def succeed(old: Letter, head: Checkpoint, *, source: Source, state: LetterState, organizer: bytes) -> bytes:
    """State that the letter of `state` succeeds `old`, whose log ended at `head`; the entry's bytes. spec/log.md."""
    text = SUCCESSION.format(lid=old.lid.hex(), origin=old.origin, size=head.size, root_hash=b64(head.root_hash))
    words = blobs.StatementBlob(
        salt=secrets.token_bytes(32), party="The organizers", text=text, source=f"https://{old.origin}"
    )
    number = max(state.statements, default=0) + 1
    return state_words(number, "import", words, source=source, letter=state.letter, organizer=organizer)


def close(reason: str, *, source: Source, letter: Letter, organizer: bytes) -> bytes:
    """Close the letter by the organizer's word; the entry's bytes."""
    data = sign_entry(entries.Closing(by="organizer", reason=reason), seed=organizer, letter=letter)
    submit(data, None, source=source, letter=letter)
    return data


def _text_fields(draft: Draft) -> dict[str, Any]:
    """The six fields that people sign."""
    return {
        "title": draft.title,
        "language": draft.language,
        "text": draft.text,
        "addressee": draft.addressee,
        "demands": [entries.Demand(id=number, text=text) for number, text in enumerate(draft.demands, 1)],
        "pledge": draft.pledge,
    }


def _registration(number: int, item: DraftClass) -> dict[str, object]:
    return {
        "id": number,
        "attesters": list(item.attesters),
        "domains": list(item.domains),
        "eligible": item.eligible,
    }


def _read_issuers(made: dict[str, Any], draft: Draft) -> dict[int, bytes]:
    """The registrar's issuer key (SPKI) of each class by number."""
    found = made.get("issuers")
    numbers = range(1, len(draft.classes) + 1)
    if not isinstance(found, dict) or set(found) != {str(number) for number in numbers}:
        raise Malformed("the registrar did not make one issuer key for each class")
    return {number: unb64(found[str(number)]) for number in numbers}


def _namespace(draft: Draft) -> str:
    """One for the whole letter, so that two classes give nobody two tokens: addresses where any class has them."""
    return "mail" if any("e-mail" in item.attesters or "open" in item.attesters for item in draft.classes) else "roster"


def _class(number: int, item: DraftClass, spki: bytes, *, namespace: str) -> entries.Class:
    return entries.Class(
        id=number,
        name=item.name,
        eligible=item.eligible,
        source=item.source,
        namespace=namespace,
        attesters=list(item.attesters),
        issuers=[entries.Issuer(registrar=1, spki=spki)],
        counts=item.counts and "open" not in item.attesters,
    )


def _trustee_key(text: str, name: str) -> bytes:
    if not text:
        raise Refused(f"trustee “{name}” has no key yet: ask them to run `undersigned trustee keygen` and add it")
    try:
        return b64decode(text, validate=True)
    except ValueError:
        raise Malformed(f"the key of trustee “{name}” is not base64") from None


def text_of(fields: entries.TextFields) -> str:
    """The exact words people sign, laid out for a terminal."""
    lines = [fields.title, "", fields.text]
    if fields.demands:
        lines += ["", *(f"{item.id}. {item.text}" for item in fields.demands)]
    if fields.pledge:
        lines += ["", fields.pledge]
    return "\n".join([f"To: {fields.addressee}", "", *lines])
