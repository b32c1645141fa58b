"""What a trustee remembers between two runs."""

from pathlib import Path

import pytest

from support.letters import begun, make_letter
from undersigned.errors import VerificationError
from undersigned.protocol import entry as entries
from undersigned.protocol.entry import decode_entry
from undersigned.transparency.merkle import Tree, leaf_hash
from undersigned.trustee.vault import Vault

CAST = make_letter()


def test_a_longer_history_is_followed_and_a_shorter_or_other_one_is_not(tmp_path: Path) -> None:
    log = begun(CAST)
    Vault.open(tmp_path, CAST.letter).follow(log.tree)
    vault = Vault.open(tmp_path, CAST.letter)
    vault.follow(log.tree)
    with pytest.raises(VerificationError, match="older"):
        vault.follow(Tree([leaf_hash(data) for data in log.log[:-1]]))
    with pytest.raises(VerificationError, match="another history"):
        vault.follow(Tree([leaf_hash(data) for data in [*log.log[:-1], b"forged", b"more"]]))


def test_withdrawals_and_finished_rounds_survive_a_restart(tmp_path: Path) -> None:
    entry = decode_entry(CAST.withdrawal(CAST.person()))
    assert isinstance(entry, entries.Withdrawal)
    vault = Vault.open(tmp_path, CAST.letter)
    assert vault.add_withdrawals([entry])
    assert not vault.add_withdrawals([entry])
    vault.finish(12)
    again = Vault.open(tmp_path, CAST.letter)
    assert again.withdrawals == {entry.key: entry}
    assert again.is_finished(12)
    assert not again.is_finished(13)


def test_the_memory_of_one_letter_is_not_taken_for_anothers(tmp_path: Path) -> None:
    vault = Vault.open(tmp_path, CAST.letter)
    vault.finish(1)
    other = make_letter(seed=2).letter
    vault.path.rename(tmp_path / f"{other.lid.hex()}.json")
    with pytest.raises(VerificationError, match="another letter"):
        Vault.open(tmp_path, other)
