"""A trustee's key file: made once, kept before anything leaves, and really without what was destroyed."""

import os
import random
from pathlib import Path

import pytest

from support.letters import Cast, make_letter
from undersigned.crypto import hpke
from undersigned.errors import Malformed, Refused, Unavailable, VerificationError
from undersigned.protocol.encoding import to_jcs
from undersigned.protocol.entry import Trustee, decode_entry
from undersigned.protocol.verification import verify_entry
from undersigned.trustee.keys import TrusteeKeys, keygen, load_keys

PASSPHRASE = "five words and a comma, more"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "trustee.keys"


def keys_for(cast: Cast, path: Path) -> TrusteeKeys:
    keys = TrusteeKeys(
        path=path, seed=cast.trustees[2], passphrase=PASSPHRASE, rounds=1, randbytes=random.Random(5).randbytes
    )
    keys.save()
    return keys


def test_new_keys_are_read_back_with_the_passphrase_and_only_with_it(path: Path) -> None:
    keys = keygen(path, passphrase=PASSPHRASE)
    assert load_keys(path, passphrase=PASSPHRASE).seed == keys.seed
    with pytest.raises(VerificationError, match="passphrase"):
        load_keys(path, passphrase=PASSPHRASE + " ")


def test_a_key_file_is_for_its_owner_only_and_never_written_over(path: Path) -> None:
    keygen(path, passphrase=PASSPHRASE, rounds=1)
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(Refused, match="never written over"):
        keygen(path, passphrase=PASSPHRASE, rounds=1)


def test_keys_show_none_of_their_secrets_when_printed(path: Path) -> None:
    keys = keys_for(make_letter(), path)
    assert repr(keys.seed) not in repr(keys)
    assert PASSPHRASE not in repr(keys)


def test_a_trustee_accepts_with_one_fresh_seal_key_per_tier_that_is_on_disk_before(path: Path) -> None:
    cast = make_letter(tiers=(5, 8, 20))
    data = keys_for(cast, path).accept(cast.letter, statement="I will keep them.")
    entry = decode_entry(data)
    assert isinstance(entry, Trustee)
    verify_entry(entry, cast.letter)
    kept = load_keys(path, passphrase=PASSPHRASE)
    assert entry.trustee == 2
    assert entry.seal_keys == [hpke.public_key(kept.seal_seed(cast.letter, tier)) for tier in (1, 2, 3)]
    assert kept.accept(cast.letter, statement="I will keep them.") == data


def test_an_entry_does_not_leave_when_its_seeds_cannot_be_kept(path: Path) -> None:
    cast = make_letter()
    keys = keys_for(cast, path)
    keys.path = Path("/proc/nowhere/trustee.keys")
    for _ in range(2):
        with pytest.raises(Unavailable):
            keys.accept(cast.letter)


def test_seeds_count_as_destroyed_only_when_the_file_is_without_them(path: Path) -> None:
    cast = make_letter()
    keys = keys_for(cast, path)
    keys.accept(cast.letter)
    keys.path = Path("/proc/nowhere/trustee.keys")
    with pytest.raises(Unavailable):
        keys.destroy(cast.letter, [1, 2])
    assert keys.destroyed(cast.letter) == []


def test_a_letter_that_names_somebody_else_is_not_accepted(path: Path) -> None:
    keys = keygen(path, passphrase=PASSPHRASE, rounds=1)
    with pytest.raises(Refused, match="does not name you"):
        keys.accept(make_letter().letter)


def test_destroyed_seeds_are_neither_in_the_file_nor_in_what_it_was_before_and_never_come_back(path: Path) -> None:
    cast = make_letter(tiers=(5, 8))
    keys = keys_for(cast, path)
    keys.accept(cast.letter)
    os.link(path, path.with_name("old"))
    keys.destroy(cast.letter, [2])
    again = load_keys(path, passphrase=PASSPHRASE)
    assert again.destroyed(cast.letter) == [2]
    assert again.seal_seed(cast.letter, 1) == keys.seal_seed(cast.letter, 1)
    assert not any(path.with_name("old").read_bytes())
    with pytest.raises(Unavailable, match="no seal seed of tier 2"):
        again.seal_seed(cast.letter, 2)
    with pytest.raises(Refused, match="destroyed"):
        again.accept(cast.letter)


def test_two_runs_on_one_file_lose_nothing_of_one_another(path: Path) -> None:
    cast, other = make_letter(), make_letter(origin="letters.example.org/l/other")
    watching = keys_for(cast, path)
    watching.accept(cast.letter)
    load_keys(path, passphrase=PASSPHRASE).accept(other.letter)
    watching.destroy(cast.letter, [1, 2])
    again = load_keys(path, passphrase=PASSPHRASE)
    assert again.destroyed(cast.letter) == [1, 2]
    assert again.destroyed(other.letter) == []
    assert len(again.seal_seed(other.letter, 2)) == 32


def test_a_key_file_with_other_bytes_is_refused(path: Path) -> None:
    keys_for(make_letter(), path)
    path.write_bytes(path.read_bytes().replace(b'"rounds":1,', b'"rounds":0,'))
    with pytest.raises(Malformed):
        load_keys(path, passphrase=PASSPHRASE)
    path.write_bytes(to_jcs({"v": 1}))
    with pytest.raises(Malformed):
        load_keys(path, passphrase=PASSPHRASE)
    path.unlink()
    with pytest.raises(Unavailable):
        load_keys(path, passphrase=PASSPHRASE)
