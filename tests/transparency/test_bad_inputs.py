"""Every file in bad/ is named for its one fault, and its reader refuses it; those in good/ come back byte for byte."""

from collections.abc import Callable
from pathlib import Path

import pytest

from undersigned.errors import Malformed
from undersigned.transparency.checkpoint import parse_checkpoint
from undersigned.transparency.note import parse_note, parse_vkey
from undersigned.transparency.policy import parse_policy
from undersigned.transparency.proof import parse_proof
from undersigned.transparency.tiles import decode_entries, encode_entries, parse_tile_path

HERE = Path(__file__).parent
BAD = sorted((HERE / "bad").iterdir())
GOOD = sorted((HERE / "good").iterdir())

READ_AND_WRITE: dict[str, Callable[[bytes], bytes]] = {
    ".note": lambda data: parse_note(data).encode(),
    ".checkpoint": lambda data: parse_checkpoint(data.decode()).encode().encode(),
    ".tlog-proof": lambda data: parse_proof(data).encode(),
    ".vkey": lambda data: parse_vkey(data.decode()).encode().encode(),
    ".tile-path": lambda data: parse_tile_path(data.decode()).path.encode(),
    ".entries": lambda data: encode_entries(decode_entries(data, 3)),
    ".policy": lambda data: data if parse_policy(data.decode()).witnesses else b"",
}


@pytest.mark.parametrize("file", GOOD, ids=lambda file: file.name)
def test_a_good_file_is_read_and_written_back_as_it_was(file):
    assert READ_AND_WRITE[file.suffix](file.read_bytes()) == file.read_bytes()


@pytest.mark.parametrize("file", BAD, ids=lambda file: file.name)
def test_a_file_with_a_fault_is_refused(file):
    with pytest.raises(Malformed) as refusal:
        READ_AND_WRITE[file.suffix](file.read_bytes())
    assert str(refusal.value)


def test_every_format_has_good_and_bad_files():
    assert {file.suffix for file in BAD} == {file.suffix for file in GOOD} == set(READ_AND_WRITE)
