"""What a trustee asks of the witnesses before it moves: hold and clock were kept, and no higher tier passed over."""

from undersigned.client.follow import LogClient
from undersigned.protocol import entry as entries
from undersigned.protocol import times
from undersigned.protocol.replay import begin, find_list
from undersigned.protocol.state import Frozen, LetterState


def check_history(log: LogClient) -> None:
    """VerificationError when a lapse or the closing came before the witnesses' clocks allow."""
    state = log.state
    for _, lapse in state.lapses:
        times.check_lapse(lapse, times=log.times)
    if state.closed is not None and state.closed_by == "log":
        times.check_closing(state.closed, times=log.times, letter=log.letter)


def check_freeze(log: LogClient, frozen: Frozen) -> None:
    """VerificationError unless witnesses show the hold, and no higher tier had been held as well."""
    times.check_freeze(frozen, times=log.times, letter=log.letter)
    freeze = entries.decode_entry(log.entries[frozen.index])
    assert isinstance(freeze, entries.Freeze)
    times.check_highest(state_before(log, frozen.index), freeze, times=log.times)


def state_before(log: LogClient, index: int) -> LetterState:
    """The state just before the entry at `index`; the entries have been verified when they were followed."""
    state = begin(log.letter, log.state.late_from)
    for data in log.entries[1:index]:
        entry = entries.decode_entry(data)
        state.apply(entry, find_list(entry, log.list_bytes, log.letter))
    return state
