"""A trustee at work on one letter: it follows the log, and when a tier is frozen it opens names with the others.

Each `step` does whatever can be done now and may be repeated at any time, after a crash too. spec/opening.md.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from undersigned.client.follow import LogClient
from undersigned.client.source import Source
from undersigned.errors import Malformed, Unavailable, UndersignedError
from undersigned.protocol.entry import Withdrawal, decode_entry
from undersigned.protocol.state import Frozen, Round
from undersigned.transparency.policy import Policy
from undersigned.trustee import checks, duties
from undersigned.trustee.desk import Desk
from undersigned.trustee.host import Host
from undersigned.trustee.keys import TrusteeKeys
from undersigned.trustee.round import RoundWork
from undersigned.trustee.status import Status, count
from undersigned.trustee.vault import Vault

PATIENCE_SECONDS = 24 * 3600


class Trustee:
    """One trustee of one letter. `source` is the letter's host, `directory` holds what is remembered between runs.

    `clock` gives Unix seconds; `policy` is the trustee's own and must hold beside the letter's; after `patience`
    seconds of a round, trustees that have sent nothing are taken to have no shares.
    """

    def __init__(
        self,
        *,
        keys: TrusteeKeys,
        source: Source,
        directory: Path,
        clock: Callable[[], int],
        policy: Policy | None = None,
        lid: bytes | None = None,
        patience: int = PATIENCE_SECONDS,
        lies: bool = False,
    ) -> None:
        """`lies`: send false shares, for rehearsals in which the others must find out."""
        self.log = LogClient(source, lid=lid)
        self._views = [self.log] + ([LogClient(source, lid=lid, policy=policy)] if policy else [])
        self._keys, self._source, self._directory = keys, source, directory
        self._clock, self._patience, self._lies = clock, patience, lies
        self._desk: Desk | None = None
        self._rounds: dict[int, RoundWork] = {}
        self._checked: set[int] = set()
        self._liars: set[int] = set()

    def step(self) -> Status:
        """Do what can be done: 1. follow the log  2. relay withdrawals  3. publish the keys of finished openings
        4. destroy what nothing needs  5. work on the freeze that stands, or keep what a hold will need.
        """
        try:
            desk = self._follow()  # 1
            desk.relay_withdrawals()  # 2
            unpublished = [done for done in desk.state.rounds if not self._publish(desk, done)]  # 3
            desk.destroy(waiting=bool(unpublished))  # 4
            status = self._advance(desk, desk.state.frozen) if desk.state.frozen else _watch(desk, unpublished)  # 5
        except Unavailable as missing:
            status = Status(phase="waiting", says=str(missing))
        except UndersignedError as wrong:
            status = Status(phase="refusing", says=str(wrong))
        return self._completed(status)

    def accept(self, *, statement: str = "") -> None:
        """Accept the letter, once: the seal seeds are on disk before the log hears of them. Refused, Unavailable."""
        desk = self._follow()
        if desk.trustee not in desk.state.trustees:
            desk.host.submit(self._keys.accept(desk.letter, statement=statement))

    def add_withdrawal(self, entry: bytes) -> None:
        """Take a signatory's withdrawal (entry bytes) by hand: the name is dropped here, and the log is told.

        Malformed, Refused, VerificationError; Unavailable before the log has been followed once.
        """
        withdrawal = decode_entry(entry)
        if not isinstance(withdrawal, Withdrawal):
            raise Malformed("this entry is not a withdrawal")
        self._at_desk().add_withdrawal(withdrawal)

    def add_blob(self, blob: bytes) -> None:
        """Take an envelope that the host withholds, from its signatory's receipt. Refused, Unavailable."""
        self._at_desk().add_blob(blob)

    def _at_desk(self) -> Desk:
        if self._desk is None:
            raise Unavailable("the log has not been read yet: try again in a minute")
        return self._desk

    def _follow(self) -> Desk:
        """Take in what is new in every view, and refuse forks, replays and clocks that do not fit."""
        for view in self._views:
            view.refresh()
        if self._desk is None:
            self._desk = self._sit_down()
        for view in self._views:
            self._desk.vault.follow(view.tree)
            checks.check_history(view)
        return self._desk

    def _sit_down(self) -> Desk:
        letter = self.log.letter
        host = Host(
            source=self._source,
            letter=letter,
            trustee=self._keys.id_in(letter),
            sign=self._keys.sign,
            clock=self._clock,
        )
        vault = Vault.open(self._directory, letter)
        return Desk(keys=self._keys, log=self.log, host=host, vault=vault, clock=self._clock)

    def _covers(self, index: int) -> bool:
        """Whether a witness quorum of every view has signed a checkpoint with the entry at `index` in it."""
        return all(view.covered_size > index for view in self._views)

    def _check_freeze(self, frozen: Frozen) -> None:
        if frozen.index not in self._checked:
            for view in self._views:
                checks.check_freeze(view, frozen)
            self._checked.add(frozen.index)

    def _work_on(self, desk: Desk, frozen: Frozen) -> RoundWork:
        self._check_freeze(frozen)
        if frozen.index not in self._rounds:
            self._rounds[frozen.index] = RoundWork(desk, frozen, patience=self._patience, lies=self._lies)
        return self._rounds[frozen.index]

    def _advance(self, desk: Desk, frozen: Frozen) -> Status:
        if not self._covers(frozen.index):
            return Status(phase="waiting", says="the witnesses have not yet seen the freeze")
        return self._work_on(desk, frozen).advance()

    def _publish(self, desk: Desk, done: Round) -> bool:
        """Whether nothing is left to do about a finished round."""
        if desk.vault.is_finished(done.freeze.index):
            return True
        if not self._covers(done.index):
            return False
        if done.named and not self._work_on(desk, done.freeze).publish(done):
            return False
        desk.vault.finish(done.freeze.index)
        if done.freeze.index in self._rounds:
            self._liars.update(self._rounds.pop(done.freeze.index).liars)
        return True

    def _completed(self, status: Status) -> Status:
        """The status with what the desk noted, and with liars named; seeds go on the last day, host or no host."""
        if self._desk is None:
            return status
        if status.phase != "quiet":
            self._destroy_at_last(self._desk)
        notes, self._desk.notes = tuple(self._desk.notes), []
        liars = self._liars.union(*(work.liars for work in self._rounds.values()))
        return replace(status, notes=notes, liars=tuple(sorted(liars)))

    def _destroy_at_last(self, desk: Desk) -> None:
        try:
            desk.destroy(waiting=True)
        except UndersignedError as failure:
            desk.notes.append(f"your seal seeds are due to be destroyed, and were not: {failure}")


def _watch(desk: Desk, unpublished: Sequence[Round]) -> Status:
    """With no freeze standing: say so, and in a hold fetch what a freeze will need."""
    if unpublished:
        return Status(phase="waiting", says="an opening is not over: its witnesses, or its shares, are not all there")
    if desk.trustee not in desk.state.trustees:
        return Status(phase="waiting", says="you have not accepted this letter: nobody can sign it under seal before")
    records = duties.wanted_in_hold(desk.state)
    if not records:
        return Status(phase="quiet", says="no tier is reached, and there is nothing to do")
    held = len(desk.fetch(records))
    envelopes = count(len(records), "envelope", "envelopes")
    return Status(phase="quiet", says=f"a tier is reached, and its hold runs: {held} of {envelopes} are here")
