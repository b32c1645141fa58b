"""What a client writes down: private, whole or not at all, and read back strictly."""

import os
import stat
from pathlib import Path
from unittest import mock

import pytest

from support.letters import START, make_letter
from undersigned.client import keeping, signing
from undersigned.errors import Malformed, Unavailable
from undersigned.protocol.promise import make_promise
from undersigned.protocol.receipt import MAX_RECEIPT_BYTES, Secret, make_receipt

CAST = make_letter()


def attempt() -> signing.Attempt:
    return signing.begin_attempt(CAST.letter, class_id=1, mode="sealed", name="Ada", randbytes=CAST.rng.randbytes)


def test_a_file_is_only_for_its_owner_whatever_the_mask_and_whoever_it_was_for_before(tmp_path: Path) -> None:
    path = tmp_path / "receipt.json"
    path.write_bytes(b"old")
    path.chmod(0o644)
    before = os.umask(0)
    try:
        keeping.write_whole(path, b"new")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("failing", ["os.fsync", "pathlib.Path.replace"])
def test_a_disk_that_fails_leaves_the_old_file_as_it_was(tmp_path: Path, failing: str) -> None:
    path = tmp_path / "receipt.json"
    keeping.write_whole(path, b"old")
    with mock.patch(failing, side_effect=OSError(28, "No space left on device")), pytest.raises(Unavailable) as full:
        keeping.write_whole(path, b"new")
    assert "No space left" in str(full.value)
    assert path.read_bytes() == b"old"
    keeping.write_whole(path, b"newer")
    assert path.read_bytes() == b"newer"


def test_a_temporary_file_left_by_a_crash_does_not_lend_its_permissions(tmp_path: Path) -> None:
    path = tmp_path / "receipt.json"
    left = tmp_path / "receipt.json.new"
    left.write_bytes(b"half a rec")
    left.chmod(0o666)
    keeping.write_whole(path, b"whole")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_folder_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="cannot be written"):
        keeping.write_whole(tmp_path / "nowhere" / "receipt.json", b"x")
    with pytest.raises(Unavailable, match="cannot be read"):
        keeping.read_whole(tmp_path / "nothing", what="a receipt")
    with pytest.raises(Unavailable, match="cannot be read"):
        keeping.read_whole(tmp_path, what="a receipt")


def test_a_file_that_is_too_long_is_refused_before_it_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "receipt.json"
    with path.open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(Malformed, match="too long to be a receipt"):
        keeping.load_receipt(path)
    assert path.stat().st_size > MAX_RECEIPT_BYTES


def test_what_was_begun_and_receipts_come_back_as_they_were(tmp_path: Path) -> None:
    path, begun = tmp_path / "kept", attempt()
    assert keeping.load_begun(path) is None
    keeping.save_begun(path, begun)
    assert keeping.load_begun(path) == begun
    unsent = signing.Unsent(entry=b"an entry", blob=None, secret=Secret(salt=bytes(32), rounds=1, box=b"box"))
    keeping.save_begun(path, unsent)
    assert keeping.load_begun(path) == unsent
    person = CAST.person()
    entry, blob = CAST.signature(person)
    promise = make_promise(entry, key=person.key, latest=START, letter=CAST.letter, seed=CAST.promise)
    receipt = make_receipt(letter=CAST.letter, entry=entry, promise=promise, blob=blob, secret=None)
    keeping.save_receipt(path, receipt)
    assert keeping.load_receipt(path) == receipt


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"null", b"\xff", b"{" * 5_000, b'{"class_id": 1}'])
def test_a_file_that_is_none_of_them_is_refused_in_one_sentence(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "kept"
    path.write_bytes(data)
    for load in (keeping.load_begun, keeping.load_receipt):
        with pytest.raises(Malformed) as refusal:
            load(path)
        assert "\n" not in str(refusal.value)
