import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from undersigned.cli import cli

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("spec/**/*.md")])
DOCS = "\n".join(page.read_text() for page in sorted(ROOT.glob("docs/**/*.md")))
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


ALL = dict(commands(cli))


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_command_is_on_a_page(path: tuple[str, ...]):
    assert f"undersigned {' '.join(path)}" in DOCS


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_option_is_on_a_page_that_shows_its_command(path: tuple[str, ...]):
    pages = [page.read_text() for page in ROOT.glob("docs/**/*.md")]
    near = "\n".join(text for text in pages if f"undersigned {' '.join(path)}" in text)
    options = [max(item.opts, key=len) for item in ALL[path].params if isinstance(item, click.Option)]
    missing = [option for option in options if not re.search(rf"{re.escape(option)}(?![\w-])", near)]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(page: Path):
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    targets = [target for target in LINK.findall(text) if "://" not in target]
    assert [target for target in targets if not leads_somewhere(page, target)] == []


def leads_somewhere(page: Path, target: str) -> bool:
    name, _, fragment = target.partition("#")
    file = (page.parent / name).resolve() if name else page
    if not file.exists():
        return False
    return not fragment or fragment in {anchor(title) for title in HEADING.findall(file.read_text())}


def anchor(title: str) -> str:
    """As code hosts make it: small letters, dashes for spaces, other signs left out."""
    bare = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title).replace("`", "").lower()
    return re.sub(r"[^\w\- ]", "", bare).replace(" ", "-")
