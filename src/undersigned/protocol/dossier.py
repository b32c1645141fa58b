"""The dossier: one file from which anybody recounts the letter offline, for ever. spec/dossier.md.

A ZIP whose members are stored, sorted and dated 1980-01-01, so that re-encoding gives the same bytes; or a directory
of the same files. Names: `checkpoint`, `tile/...`, `checkpoints/<size>.first|.last`, `blobs/<hash>`, `opened/<index>`,
`lists/<hash>`, `README`.
"""

import io
import zipfile
from collections.abc import Mapping, Sequence

from undersigned.errors import Malformed
from undersigned.protocol.letter import Letter
from undersigned.transparency import merkle, tiles

MAX_FILES = 20_000_000
MAX_FILE_BYTES = 64 * 1024 * 1024


def build_dossier(
    *,
    letter: Letter,
    entries: Sequence[bytes],
    checkpoint: bytes,
    checkpoints: Mapping[str, bytes],
    blobs: Mapping[bytes, bytes],
    opened: Mapping[int, bytes],
    lists: Mapping[bytes, bytes],
) -> dict[str, bytes]:
    """The files by name. `checkpoints` by `<size>.first|.last`; blobs and lists by their 32-byte hashes;
    `opened` by index: open_key(32) || envelope."""
    files = {"checkpoint": checkpoint, "README": readme(letter)}
    files |= tile_files(entries)
    files |= {f"checkpoints/{name}": note for name, note in checkpoints.items()}
    files |= {f"blobs/{key.hex()}": blob for key, blob in blobs.items()}
    files |= {f"opened/{index}": data for index, data in opened.items()}
    files |= {f"lists/{key.hex()}": listed for key, listed in lists.items()}
    return files


def tile_files(entries: Sequence[bytes], tree: merkle.Tree | None = None) -> dict[str, bytes]:
    """All tiles and entry bundles of a log with just these entries, by C2SP path; `tree` is theirs, where known."""
    if tree is None:
        tree = merkle.Tree([merkle.leaf_hash(entry) for entry in entries])
    found = {}
    for tile in tiles.layout(len(entries)):
        found[tiles.tile_path(tile.level, tile.index, tile.width)] = tiles.tile_bytes(tree, tile)
        if tile.level == 0:
            bundle = entries[tile.index * 256 : tile.index * 256 + tile.width]
            found[tiles.entries_path(tile.index, tile.width)] = tiles.encode_entries(bundle)
    return found


def read_entries(files: Mapping[str, bytes], size: int) -> list[bytes]:
    """The entries of a dossier of `size`, from its bundles; Malformed when one is missing or does not fit."""
    if size > tiles.FULL_WIDTH * len(files):
        raise Malformed("the dossier lacks most of the entries its checkpoint speaks of")
    found: list[bytes] = []
    for tile in tiles.layout(size):
        if tile.level == 0:
            path = tiles.entries_path(tile.index, tile.width)
            if path not in files:
                raise Malformed(f"the dossier lacks {path}")
            found += tiles.decode_entries(files[path], tile.width)
    return found


def readme(letter: Letter) -> bytes:
    """The fixed words inside every dossier of a letter; a dossier with other words is refused."""
    return _README.format(origin=letter.origin, lid=letter.lid.hex()).encode()


def write_zip(files: Mapping[str, bytes]) -> bytes:
    """The dossier as one file, the same bytes for the same files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for name in sorted(files):
            info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            info.create_system = 3
            info.external_attr = 0o644 << 16
            archive.writestr(info, files[name])
    return buffer.getvalue()


def read_zip(data: bytes) -> dict[str, bytes]:
    """Read a dossier file; Malformed unless it is just what `write_zip` writes, byte for byte."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            _check_members(members, len(data))
            files = {member.filename: archive.read(member) for member in members}
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, EOFError, OSError, OverflowError) as bad:
        raise Malformed(f"this is not a dossier: its ZIP cannot be read ({type(bad).__name__})") from None
    if len(files) != len(members) or write_zip(files) != data:
        raise Malformed("this is not a dossier: its ZIP is not in the one form a dossier has")
    return files


def _check_members(members: Sequence[zipfile.ZipInfo], size: int) -> None:
    """Nothing compressed and nothing larger than the file itself, so that no file can blow up."""
    if any(member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1 for member in members):
        raise Malformed("this is not a dossier: its files must be stored, not compressed or locked")
    if sum(member.file_size for member in members) > size:
        raise Malformed("this is not a dossier: it claims to hold more than it is long")


_README = """This is a dossier: everything needed to recount one open letter offline.

Letter  {origin}
lid     {lid}

To check it:    pip install undersigned    and then    undersigned verify letter.dossier

checkpoint            the log's head, signed by the log and cosigned by witnesses
tile/                 the whole log in C2SP tlog-tiles layout, entries included
checkpoints/          heads that show, by witnesses' clocks, when things happened
blobs/<hash>          published name cards, statements and remarks
opened/<index>        keys and envelopes of sealed names that trustees opened
lists/<hash>          what trustees decided at each opening

What no file can show: who was given tokens, that unopened envelopes are valid, that keys were destroyed,
that no trustee looked early, and that the host never turned somebody away before promising anything.
"""
