"""The registrar's doorway: reads requests, calls the flows, writes answers. Keeps nothing of a request itself."""

import asyncio
import hmac
import secrets
import time
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

import msgspec

from undersigned.crypto import blind_rsa
from undersigned.errors import Malformed
from undersigned.registrar import forgetting, outbox
from undersigned.registrar.attesters import Attestation, Attester
from undersigned.registrar.attesters.email_code import EmailCode
from undersigned.registrar.attesters.roster import Member, RosterCode, import_roster
from undersigned.registrar.flows.attest import attest
from undersigned.registrar.flows.begin import begin
from undersigned.registrar.flows.dispute import DisputeRequest, dispute
from undersigned.registrar.flows.request_token import TokenRequest, request_token
from undersigned.registrar.letters import Desk, Letters
from undersigned.registrar.mail import Mail
from undersigned.registrar.office import DayCount, EntryAt, Office, Submit
from undersigned.registrar.requests import (
    AttestBody,
    BeginBody,
    DisputeBody,
    DraftBody,
    PublicationBody,
    TokenBody,
    read_body,
)
from undersigned.registrar.storage import Storage
from undersigned.web import Answer, Forbidden, Request, Router, json_answer

TICK_SECONDS = 1.0
HOUSEKEEPING_SECONDS = 60.0
_SLUG = r"/r/(?P<slug>[a-z0-9][a-z0-9-]{0,63})"


class RegistrarRoom:
    """The registrar as one room of a process.

    `data_dir` is its own folder, `seed` its 32-byte Ed25519 seed. `submit` gives an entry to a letter's log and returns
    when the log has kept it; `entry_at` reads the log's entry at an index. Both may be coroutines.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        seed: bytes,
        publish_code: str,
        mail: Mail,
        submit: Submit,
        entry_at: EntryAt,
        clock: Callable[[], float] = time.time,
        randbytes: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        blind_rsa.self_test()
        keys = data_dir / "keys"
        keys.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._publish_code = publish_code.encode()
        self._office = Office(
            seed=seed,
            keys=keys,
            storage=Storage(data_dir / "registrar.sqlite"),
            mail=mail,
            submit=submit,
            entry_at=entry_at,
            clock=clock,
            randbytes=randbytes,
            asked=DayCount(randbytes),
        )
        self._letters = Letters(self._office)
        self._attesters: dict[str, Attester] = {
            "e-mail": EmailCode("e-mail"),
            "open": EmailCode("open"),
            "roster": RosterCode(),
        }
        self._wake = asyncio.Event()
        self.router = self._routes()

    @property
    def public_key(self) -> bytes:
        """The 32-byte Ed25519 key that entry 0 must name."""
        return self._office.public_key

    async def run(self) -> None:
        """Send codes and keep house, for ever; cancel it to stop."""
        last_housekeeping = 0.0
        while True:
            while await self.send_mail():
                pass
            if time.monotonic() - last_housekeeping >= HOUSEKEEPING_SECONDS or not last_housekeeping:
                await self.housekeep()
                last_housekeeping = time.monotonic()
            try:
                await asyncio.wait_for(self._wake.wait(), TICK_SECONDS)
            except TimeoutError:
                continue
            self._wake.clear()

    async def send_mail(self) -> bool:
        """Send what waits in the outbox, 50 mails at most; True when more may be waiting."""
        return await outbox.send_due(self._office, self._letters)

    async def housekeep(self) -> None:
        """Expire codes, give final figures, forget letters whose time has come."""
        await forgetting.housekeep(self._office, self._letters)

    def closed_at(self, lid: bytes, when: int) -> None:
        """Be told that a letter's log has closed, at Unix second `when`; the first time counts."""
        self._office.storage.set_closed(lid, when)

    async def close_letter(self, lid: bytes) -> None:
        """Give the log the exact number of tokens now."""
        await forgetting.close_letter(self._office, lid)

    async def forget(self, lid: bytes) -> None:
        """Forget a letter now."""
        await forgetting.forget(self._office, self._letters, lid)

    def lid_of(self, slug: str) -> bytes:
        """The lid of a letter published here; NotFound, Refused."""
        return self._letters.desk(slug).letter.lid

    def import_roster(self, data: bytes, *, slug: str, class_id: int) -> list[tuple[Member, str]]:
        """Take in a CSV roster for a class of a published letter; members with their codes. Malformed, Refused."""
        return import_roster(data, office=self._office, desk=self._letters.desk(slug), class_id=class_id)

    def close(self) -> None:
        """Let the database go."""
        self._office.storage.close()

    def _routes(self) -> Router:
        router = Router()
        router.add("POST", "/r/letters", self._post_draft)
        router.add("POST", "/r/letters/(?P<draft>[0-9a-f]{32})/publication", self._post_publication)
        router.add("POST", f"{_SLUG}/begin", self._post_begin)
        router.add("POST", f"{_SLUG}/attest", self._post_attest)
        router.add("POST", f"{_SLUG}/token", self._post_token)
        router.add("POST", f"{_SLUG}/dispute", self._post_dispute)
        return router

    async def _post_draft(self, request: Request) -> Answer:
        self._check_publish_code(request)
        body = read_body(DraftBody, request)
        draft, issuers = await self._letters.open_draft(slug=body.slug, classes=body.classes)
        named = {str(class_id): _b64(spki) for class_id, spki in issuers.items()}
        return json_answer({"draft": draft.hex(), "issuers": named}, status=201)

    async def _post_publication(self, request: Request) -> Answer:
        self._check_publish_code(request)
        desk = await self._letters.publish(
            bytes.fromhex(request.part["draft"]), read_body(PublicationBody, request).entry
        )
        return json_answer({"lid": desk.letter.lid.hex(), "registrar": desk.registrar})

    def _post_begin(self, request: Request) -> Answer:
        desk, body = self._desk(request), read_body(BeginBody, request)
        tab = begin(
            self._office,
            desk,
            attesters=self._attesters,
            class_id=body.class_,
            attester=body.attester,
            address=body.address,
        )
        self._wake.set()
        return json_answer({"tab": tab})

    def _post_attest(self, request: Request) -> Answer:
        attestation = self._attest(self._desk(request), read_body(AttestBody, request))
        return json_answer({"name": attestation.name, "title": attestation.title})

    async def _post_token(self, request: Request) -> Answer:
        desk, body = self._desk(request), read_body(TokenBody, request)
        wanted = TokenRequest(
            blinded=body.blinded, commitment=body.commitment, card_hash=body.card_hash, card=body.card
        )
        issued = await request_token(self._office, desk, wanted, attestation=self._attest(desk, body))
        return json_answer({"blind_sig": _b64(issued.blind_sig), "identity": msgspec.to_builtins(issued.identity)})

    async def _post_dispute(self, request: Request) -> Answer:
        desk, body = self._desk(request), read_body(DisputeBody, request)
        if body.attester not in self._attesters:
            raise Malformed("this registrar knows no such attester")
        attestation = self._attesters[body.attester].prove(self._office, desk, tab=body.tab, code=body.code)
        wanted = DisputeRequest(index=body.index, key=body.key, r=body.r, card=body.card)
        leaf = await dispute(self._office, desk, wanted, attestation=attestation)
        return json_answer({"leaf": leaf.hex()})

    def _attest(self, desk: Desk, body: AttestBody) -> Attestation:
        return attest(
            self._office,
            desk,
            attesters=self._attesters,
            class_id=body.class_,
            attester=body.attester,
            tab=body.tab,
            code=body.code,
        )

    def _desk(self, request: Request) -> Desk:
        return self._letters.desk(request.part["slug"])

    def _check_publish_code(self, request: Request) -> None:
        given = request.headers.get("authorization", "").encode()
        if not hmac.compare_digest(given, b"Bearer " + self._publish_code):
            raise Forbidden("only whoever holds the publish code of this server may publish letters")


def _b64(data: bytes) -> str:
    return b64encode(data).decode()
