"""The work of one round: envelopes, shares to and from the others, a list they sign, and at last the keys."""

from collections.abc import Sequence

from undersigned.errors import Refused, UndersignedError
from undersigned.protocol.entry import Withdrawal
from undersigned.protocol.exchange import Message, MessageType, read_message, sign_message
from undersigned.protocol.state import Frozen, Record, Round
from undersigned.trustee import exchange
from undersigned.trustee.desk import Desk
from undersigned.trustee.exchange import Shares
from undersigned.trustee.gathering import Gathering
from undersigned.trustee.proposal import Proposal, left_by, propose, sigs_for
from undersigned.trustee.status import Status, count, trustees


class RoundWork:
    """One freeze at one trustee's desk, until its keys are out."""

    def __init__(self, desk: Desk, frozen: Frozen, *, patience: int, lies: bool = False) -> None:
        self._desk, self._frozen, self._patience, self._lies = desk, frozen, patience, lies
        self._gathering = Gathering(letter=desk.letter, frozen=frozen, trustee=desk.trustee, began=desk.clock())
        self._published: bytes | None = None

    @property
    def liars(self) -> tuple[int, ...]:
        """Trustees whose shares were false."""
        return tuple(sorted(self._gathering.liars))

    def advance(self) -> Status:
        """Towards an opening: 1. learn who left  2. fetch and open own shares  3. send them  4. collect and decide
        5. propose  6. submit.
        """
        desk, gathering = self._desk, self._gathering
        public = self._messages(0)
        if desk.vault.add_withdrawals(self._members_only(left_by(public, letter=desk.letter))):  # 1
            desk.relay_withdrawals()
        records = desk.staying(self._frozen.members)
        self._prepare(records)  # 2
        unsettled = [one.index for one in records if one.index in desk.absent - desk.state.missing]
        if unsettled:
            asked = count(len(unsettled), "envelope", "envelopes")
            return self._waiting(f"the host has not handed over {asked}: it is asked again, then they count as missing")
        self._send(records)  # 3
        self._collect_and_decide(records)  # 4
        undecided = [one.index for one in records if one.index not in gathering.findings]
        if undecided:
            names = count(len(undecided), "envelope is", "envelopes are")
            return self._waiting(f"{names} undecided until shares come from {trustees(gathering.unheard)}")
        findings = [gathering.findings[one.index] for one in records]
        proposal = propose(desk.state, findings, desk.left(self._frozen.members))
        return self._agree(proposal, public)  # 5, 6

    def publish(self, done: Round) -> bool:
        """Give the log the open_keys of whom the opening names and who has not left since; whether all are out."""
        desk, gathering = self._desk, self._gathering
        records = [one for one in self._named(done) if not one.gone]
        closed = [one for one in records if not self._key_of(one.index)]
        if closed:
            self._prepare(closed)
            self._collect_and_decide([one for one in closed if one.index in gathering.blobs])
        keys = {one.index: self._key_of(one.index) for one in records}
        kept = desk.host.publish_keys({index: key for index, key in keys.items() if key})
        waiting = sorted(set(keys) - kept)
        if waiting and not desk.host.shows_all(waiting):
            listed = count(len(waiting), "listed name", "listed names")
            desk.notes.append(f"the log does not show {listed} yet")
            return False
        desk.forget(self._frozen.members)
        return True

    def _named(self, done: Round) -> list[Record]:
        left = self._desk.vault.withdrawals
        records = (self._desk.state.by_index[index] for index in done.named)
        return [record for record in records if record.entry.key not in left]

    def _key_of(self, index: int) -> bytes | None:
        finding = self._gathering.findings.get(index)
        return finding.open_key if finding else None

    def _prepare(self, records: Sequence[Record]) -> None:
        self._gathering.blobs |= self._desk.fetch(records)
        self._gathering.open_own(records, seed_of=lambda tier: self._desk.keys.seal_seed(self._desk.letter, tier))

    def _send(self, records: Sequence[Record]) -> None:
        """Each other trustee gets this one's shares of the set, a fixed slice of the members in each part."""
        if self._gathering.sent is None:
            self._gathering.sent = {
                (other, message.part)
                for other in self._gathering.others
                for message in self._messages(other)
                if message.from_ == self._desk.trustee and message.type == "shares"
            }
        staying = {record.index for record in records}
        parts = exchange.slices(sorted(self._frozen.members), exchange.PART_SHARES)
        for other in self._gathering.others:
            for part, members in enumerate(parts, 1):
                if (other, part) not in self._gathering.sent:
                    self._send_part(other, part, len(parts), [index for index in members if index in staying])
                    self._gathering.sent.add((other, part))

    def _send_part(self, other: int, part: int, parts: int, indexes: Sequence[int]) -> None:
        own = self._gathering.answers[self._desk.trustee]
        seal_key = self._desk.state.trustees[other].seal_keys[self._frozen.tier - 1]
        channel = self._channel(sender=self._desk.trustee, recipient=other)
        shares: Shares = {index: own.get(index) for index in indexes}
        if self._lies:
            shares = {index: share and bytes([share[0] ^ 1]) + share[1:] for index, share in shares.items()}
        payload = exchange.seal_shares(shares, channel=channel, seal_key=seal_key)
        self._say("shares", payload, to=other, part=part, parts=parts)

    def _collect_and_decide(self, records: Sequence[Record]) -> None:
        desk, gathering = self._desk, self._gathering
        if gathering.unheard:
            for message in self._messages(desk.trustee):
                if message.type == "shares" and message.from_ in gathering.others:
                    gathering.take(message, self._open, desk.state.by_index)
        impatient = desk.clock() >= gathering.began + self._patience
        gathering.decide(records, silent=gathering.others if impatient else gathering.liars)

    def _open(self, message: Message) -> Shares:
        channel = self._channel(sender=message.from_, recipient=self._desk.trustee)
        seed = self._desk.keys.seal_seed(self._desk.letter, self._frozen.tier)
        return exchange.open_shares(message.payload, channel=channel, seed=seed)

    def _agree(self, proposal: Proposal, public: Sequence[Message]) -> Status:
        letter, me = self._desk.letter, self._desk.trustee
        own = self._desk.keys.sign(proposal.message(letter))
        if self._published != proposal.entry.list_hash:
            pieces = exchange.slices(proposal.listed, exchange.PART_BYTES)
            for part, piece in enumerate(pieces, 1):
                self._say("list", bytes(piece), part=part, parts=len(pieces))
            self._say("sig", proposal.entry.list_hash + own)
            self._published = proposal.entry.list_hash
        sigs = sigs_for(proposal, public, letter=letter) | {me: own}
        if len(sigs) < letter.publication.quorum:
            return self._waiting(f"{len(sigs)} of {letter.publication.quorum} trustees have signed this list so far")
        return self._submit(proposal.signed(sigs), proposal)

    def _submit(self, entry: bytes, proposal: Proposal) -> Status:
        try:
            self._desk.host.submit(entry, listed=proposal.listed)
        except Refused as refusal:
            return self._waiting(f"the log did not take the opening: {refusal}")
        return self._waiting("the opening is with the log: its keys go out when witnesses have seen it")

    def _messages(self, to: int) -> list[Message]:
        """The round's messages to somebody that a trustee signed; others are noted and left aside."""
        found, strange = [], 0
        for data in self._desk.host.messages(self._frozen.index, to):
            try:
                message = read_message(data, letter=self._desk.letter)
            except UndersignedError:
                strange += 1
            else:
                found += [message] if (message.freeze, message.to) == (self._frozen.index, to) else []
        if strange:
            self._desk.notes.append(
                f"the relay hands out {count(strange, 'message', 'messages')} that no trustee signed"
            )
        return found

    def _say(self, type_: MessageType, payload: bytes, *, to: int = 0, part: int = 1, parts: int = 1) -> None:
        message = Message(
            freeze=self._frozen.index,
            from_=self._desk.trustee,
            to=to,
            type=type_,
            part=part,
            parts=parts,
            payload=payload,
        )
        self._desk.host.send(sign_message(message, sign=self._desk.keys.sign, letter=self._desk.letter))

    def _channel(self, *, sender: int, recipient: int) -> exchange.Channel:
        log = self._desk.log
        freeze = log.entries[self._frozen.index]
        return exchange.channel(
            self._frozen, letter=log.letter, entry=freeze, tree=log.tree, sender=sender, recipient=recipient
        )

    def _members_only(self, withdrawals: Sequence[Withdrawal]) -> list[Withdrawal]:
        records = self._desk.state.records
        return [item for item in withdrawals if item.key in records and records[item.key].index in self._frozen.members]

    def _waiting(self, says: str) -> Status:
        return Status(phase="waiting", says=says)
