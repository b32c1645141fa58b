import io
import random
import struct
import time
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support import flip_bit
from support.whole import whole_letter
from undersigned.errors import Malformed
from undersigned.protocol import dossier
from undersigned.protocol.dossier import read_entries, read_zip, readme, tile_files, write_zip

FILES = whole_letter().dossier()
PACKED = write_zip(FILES)
NAMES = st.text(st.sampled_from("abc/0é"), min_size=1, max_size=12)


def zipped(
    files=FILES, *, order=None, date=(1980, 1, 1, 0, 0, 0), method=zipfile.ZIP_STORED, comment=b"", **info
) -> bytes:
    """A ZIP as other software might write it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name in order or sorted(files):
            member = zipfile.ZipInfo(name, date_time=date)
            member.compress_type, member.create_system, member.external_attr = method, 3, 0o644 << 16
            for field, value in info.items():
                setattr(member, field, value)
            archive.writestr(member, files[name])
        archive.comment = comment
    return buffer.getvalue()


def test_a_dossier_reads_back_and_writes_to_the_same_bytes():
    assert read_zip(PACKED) == FILES
    assert write_zip(read_zip(PACKED)) == PACKED
    assert zipped() == PACKED


def test_a_dossier_is_a_plain_zip_for_any_other_program():
    with zipfile.ZipFile(io.BytesIO(PACKED)) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == FILES


@given(st.dictionaries(NAMES, st.binary(max_size=40), max_size=6))
def test_whatever_files_there_are_come_back(files):
    assert read_zip(write_zip(files)) == files
    shuffled = dict(random.Random(1).sample(list(files.items()), len(files)))
    assert write_zip(shuffled) == write_zip(files)


FOREIGN = {
    "compressed": zipped(method=zipfile.ZIP_DEFLATED),
    "compressed otherwise": zipped(method=zipfile.ZIP_BZIP2),
    "compressed by lzma": zipped(method=zipfile.ZIP_LZMA),
    "dated today": zipped(date=(2026, 1, 1, 0, 0, 0)),
    "in another order": zipped(order=sorted(FILES, reverse=True)),
    "with a comment": zipped(comment=b"hello"),
    "with other rights": zipped(external_attr=0),
    "from another system": zipped(create_system=0),
    "with an extra field": zipped(extra=struct.pack("<HH", 0x9999, 0)),
    "with bytes before": b"#!/bin/sh\n" + PACKED,
    "with a byte after": PACKED + b"\0",
    "cut short": PACKED[:-1],
    "half of it": PACKED[: len(PACKED) // 2],
    "empty": b"",
    "no ZIP": b"This is a dossier.",
    "two of them": PACKED + PACKED,
}


@pytest.mark.parametrize("form", FOREIGN)
def test_a_dossier_is_refused(form):
    with pytest.raises(Malformed, match=r"^this is not a dossier: "):
        read_zip(FOREIGN[form])


def test_a_dossier_with_one_name_twice_is_refused():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo("checkpoint"), b"a")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr(zipfile.ZipInfo("checkpoint"), b"b")
    with pytest.raises(Malformed):
        read_zip(buffer.getvalue())


def test_a_bomb_is_refused_before_anything_is_unpacked():
    bomb = zipped({"README": bytes(200 * 1024 * 1024)}, method=zipfile.ZIP_DEFLATED)
    assert len(bomb) < 300_000
    before = time.process_time()
    with pytest.raises(Malformed, match="must be stored"):
        read_zip(bomb)
    assert time.process_time() - before < 0.5


def test_members_that_overlap_to_claim_more_than_the_file_holds_are_refused():
    """Many central records that point to one stored member: a quine-like bomb without compression."""
    one = zipped({"README": bytes(50_000)})
    at = one.index(b"PK\x01\x02")
    end = one.index(b"PK\x05\x06")
    record, many = one[at:end], 200
    tail = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, many, many, many * len(record), at, 0)
    with pytest.raises(Malformed):
        read_zip(one[:at] + record * many + tail)


def test_a_locked_member_is_refused():
    data = bytearray(PACKED)
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + offset] |= 1
    with pytest.raises(Malformed):
        read_zip(bytes(data))


def test_no_flipped_bit_of_a_small_dossier_gives_another_dossier():
    small = write_zip({"README": b"words", "checkpoint": b"note"})
    for bit in range(8 * len(small)):
        with pytest.raises(Malformed):
            read_zip(flip_bit(small, bit))


@given(st.binary(max_size=300), st.integers(0, len(PACKED)))
def test_noise_is_refused_and_raises_nothing_else(noise, at):
    changed = PACKED[:at] + noise + PACKED[at + len(noise) :]
    if changed != PACKED:
        with pytest.raises(Malformed):
            read_zip(changed)


def test_entries_come_back_from_their_bundles():
    log = [bytes([number % 256]) * (number % 300) for number in range(600)]
    assert read_entries(tile_files(log), 600) == log
    assert sorted(tile_files(log)) == [
        "tile/0/000",
        "tile/0/001",
        "tile/0/002.p/88",
        "tile/1/000.p/2",
        "tile/entries/000",
        "tile/entries/001",
        "tile/entries/002.p/88",
    ]


def test_a_missing_bundle_is_named():
    files = tile_files([b"x"] * 300)
    del files["tile/entries/001.p/44"]
    with pytest.raises(Malformed, match=r"the dossier lacks tile/entries/001\.p/44"):
        read_entries(files, 300)


@pytest.mark.parametrize("size", [10**6, 10**12, 2**63 - 1])
def test_a_checkpoint_that_speaks_of_absurdly_many_entries_costs_nothing(size):
    before = time.process_time()
    with pytest.raises(Malformed, match="lacks most of the entries"):
        read_entries(FILES, size)
    assert time.process_time() - before < 0.1


def test_the_readme_names_the_letter_and_how_to_check_it():
    words = readme(whole_letter().cast.letter).decode()
    assert whole_letter().cast.letter.lid.hex() in words
    assert "undersigned verify letter.dossier" in words
    assert dossier.readme(whole_letter().cast.letter) == FILES["README"]
