"""A trustee's desk for one letter: its keys, the log as followed, the host, its memory, and the envelopes in hand."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from undersigned.client.follow import LogClient
from undersigned.errors import Refused, UndersignedError
from undersigned.protocol.encoding import sha256
from undersigned.protocol.entry import Withdrawal, encode_entry
from undersigned.protocol.letter import Letter
from undersigned.protocol.state import LetterState, Record
from undersigned.protocol.verification import verify_entry
from undersigned.trustee import duties
from undersigned.trustee.host import Host
from undersigned.trustee.keys import TrusteeKeys
from undersigned.trustee.vault import Vault


@dataclass(slots=True, kw_only=True)
class Desk:
    """`blobs` by hash, each checked; `absent`: indexes the host could not hand over last time; `notes` of this step."""

    keys: TrusteeKeys
    log: LogClient
    host: Host
    vault: Vault
    clock: Callable[[], int]
    blobs: dict[bytes, bytes] = field(default_factory=dict)
    absent: set[int] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)

    @property
    def letter(self) -> Letter:
        return self.log.letter

    @property
    def state(self) -> LetterState:
        return self.log.state

    @property
    def trustee(self) -> int:
        """This trustee's id in the letter."""
        return self.host.trustee

    def staying(self, indexes: Iterable[int]) -> list[Record]:
        """Those of these signatures that stand, and whose signatory has not left by word to this trustee."""
        left = self.vault.withdrawals
        records = (self.state.by_index[index] for index in sorted(indexes))
        return [record for record in records if self.state.is_effective(record) and record.entry.key not in left]

    def left(self, members: Iterable[int]) -> list[Withdrawal]:
        """Withdrawals taken beside the log of members of a set whom the log still shows as signed."""
        known = self.vault.withdrawals
        records = (self.state.by_index[index] for index in members)
        return [known[one.entry.key] for one in records if one.entry.key in known and not one.gone]

    def add_withdrawal(self, entry: Withdrawal) -> None:
        """Take a withdrawal from the signatory's own hand, and relay it. Refused, VerificationError."""
        if isinstance(entry.registrar, int):
            raise Refused("a withdrawal by a registrar goes to the log, not to a trustee")
        verify_entry(entry, self.letter)
        if entry.key not in self.state.records:
            raise Refused("the log has no signature by this key")
        self.vault.add_withdrawals([entry])
        self.relay_withdrawals()

    def relay_withdrawals(self) -> None:
        """Give the log each withdrawal that it does not show; what it refuses is noted, and the name stays out."""
        for entry in self.vault.withdrawals.values():
            record = self.state.records.get(entry.key)
            if record is None or record.withdrawn is not None or record.removed is not None:
                continue
            try:
                self.host.submit(encode_entry(entry))
            except UndersignedError as refusal:
                self.notes.append(f"the log does not take a withdrawal that was given to you: {refusal}")

    def add_blob(self, data: bytes) -> None:
        """Take an envelope from the signatory, as the receipt holds it; Refused when nobody signed with it."""
        blob_hash = sha256(data)
        if all(record.blob != blob_hash for record in self.state.by_index.values() if record.hidden):
            raise Refused("no sealed signature of this letter has this envelope")
        self.blobs[blob_hash] = data

    def fetch(self, records: Iterable[Record]) -> dict[int, bytes]:
        """The envelopes of these signatures by index, asking the host for those not in hand; checks each hash.

        What it fails to hand over twice, in two steps, is named by a `missing` entry.
        """
        wanted = {record.index: record.blob or b"" for record in records}
        asked = [index for index, blob_hash in wanted.items() if blob_hash not in self.blobs]
        for index, blob in self.host.sealed(asked).items():
            if sha256(blob) == wanted[index]:
                self.blobs[wanted[index]] = blob
        absent = {index for index in asked if wanted[index] not in self.blobs}
        self._state_missing((absent & self.absent) - self.state.missing)
        self.absent = absent
        return {index: self.blobs[wanted[index]] for index in wanted if index not in absent}

    def forget(self, indexes: Iterable[int]) -> None:
        """Drop envelopes from memory."""
        for index in indexes:
            self.blobs.pop(self.state.by_index[index].blob or b"", None)

    def destroy(self, *, waiting: bool) -> None:
        """Destroy the seeds nothing needs any more, and state it; with work `waiting`, only after the last day."""
        tiers = [] if waiting else duties.tiers_to_destroy(self.state, covered_size=self.log.covered_size)
        if duties.is_last_day_over(self.letter, self.clock()):
            tiers = [tier.id for tier in self.letter.publication.tiers]
        gone = self.keys.destroyed(self.letter)
        if set(tiers) - set(gone) and self.letter.lid in self.keys.seals:
            self.keys.destroy(self.letter, tiers)
            gone = self.keys.destroyed(self.letter)
        if gone:
            self._state_destruction(gone)

    def _state_destruction(self, tiers: list[int]) -> None:
        entry = duties.destruction(tiers, trustee=self.trustee)
        if self.log.is_whole and not duties.is_stated(self.state, entry):
            self._submit(self.keys.sign_entry(entry, letter=self.letter), "that you destroyed seal seeds")

    def _state_missing(self, indexes: Iterable[int]) -> None:
        for entry in duties.missing_entries(indexes, trustee=self.trustee):
            self._submit(self.keys.sign_entry(entry, letter=self.letter), "which envelopes it could not hand over")

    def _submit(self, entry: bytes, what: str) -> None:
        try:
            self.host.submit(entry)
        except UndersignedError as refusal:
            self.notes.append(f"the log does not write down {what}: {refusal}")
