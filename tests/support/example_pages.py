"""Keeps the examples on spec's pages equal to the real bytes: a marked block is written from the file it names.

    ```json example=entries/05-issuance.json           the file's JSON with line breaks for reading
    ```json example=entries/02-trustee.json short      the same, long values cut after 24 characters: …
    ```text example=checkpoint.txt                     the file as it is
    ```hex example=envelopes/bea-tier-1.usb1@0:72      these bytes, 32 a line

Paths are under spec/example, or under vectors/undersigned when they begin with `vectors/`.
"""

import json
import re
from pathlib import Path

from support import ROOT, VECTORS

SPEC = ROOT / "spec"
_BLOCK = re.compile(r"^```(json|text|hex) example=(\S+)( short)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def pages() -> list[Path]:
    """Every page of spec/."""
    return sorted(SPEC.glob("*.md"))


def fill(page: str) -> str:
    """The page with every marked block written anew."""
    return _BLOCK.sub(lambda match: f"{match[0].partition(chr(10))[0]}\n{_show(*match.groups()[:3])}```", page)


def blocks(page: str) -> list[str]:
    """What each marked block of a page shows: `example=` paths."""
    return [match[2] for match in _BLOCK.finditer(page)]


def _show(form: str, place: str, short: str | None) -> str:
    name, _, span = place.partition("@")
    data = _file(name).read_bytes()
    if form == "hex":
        first, last = (int(part) for part in span.split(":"))
        part = data[first:last]
        return "".join(part[at : at + 32].hex() + "\n" for at in range(0, len(part), 32))
    if form == "text":
        return data.decode() if data.endswith(b"\n") else data.decode() + "\n"
    value = json.loads(data)
    return json.dumps(_shorten(value) if short else value, indent=2, ensure_ascii=False) + "\n"


def _file(name: str) -> Path:
    if name.startswith("vectors/"):
        return VECTORS / "undersigned" / name.removeprefix("vectors/")
    return SPEC / "example" / name


def _shorten(value: object) -> object:
    if isinstance(value, dict):
        return {name: _shorten(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_shorten(item) for item in value]
    return f"{value[:24]}…" if isinstance(value, str) and len(value) > 100 and " " not in value else value
