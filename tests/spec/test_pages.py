"""The pages of spec/ cannot drift: their examples are the real bytes, and what they must name they name."""

import json
import re
from dataclasses import fields
from pathlib import Path

import msgspec
import pytest

from support import ROOT
from support.example_pages import SPEC, blocks, fill, pages
from undersigned.protocol import entry as entries
from undersigned.protocol.figures import ClassFigures, Figures, TierFigures
from undersigned.protocol.rules import _RULES
from undersigned.verifier import _STEPS

KINDS = {str(kind.__struct_config__.tag): kind for kind in (*_RULES, entries.Opening, entries.Abort)}


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_every_marked_block_shows_the_real_bytes(page: Path):
    text = page.read_text(encoding="utf-8")
    assert fill(text) == text, "run `make example`"


def test_the_index_links_every_page_and_no_other():
    linked = re.findall(r"\]\(([a-z]+\.md)\)", (SPEC / "README.md").read_text(encoding="utf-8"))
    assert sorted(set(linked)) == sorted(page.name for page in pages() if page.name != "README.md")


@pytest.mark.parametrize("page", [page for page in pages() if page.name != "README.md"], ids=lambda page: page.name)
def test_a_page_begins_with_an_example(page: Path):
    text = page.read_text(encoding="utf-8")
    assert text[: text.index("\n```")].count("\n## ") <= 1


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_of_entry_has_its_heading_signer_fields_and_example(kind: str):
    text = (SPEC / "entries.md").read_text(encoding="utf-8")
    parts = re.split(r"^## ", text, flags=re.MULTILINE)
    part = next(part for part in parts if part.startswith(f"{kind}\n"))
    assert "Signed by" in part
    assert any(f"-{kind}.json" in path for path in blocks(part))
    names = [item.encode_name for item in msgspec.structs.fields(KINDS[kind]) if item.name != "v"]
    assert [name for name in names if f"`{name}`" not in part and name != "sig"] == []


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_the_rules_say_when_every_kind_may_come(kind: str):
    text = (SPEC / "rules.md").read_text(encoding="utf-8")
    assert f"\n### {kind}\n" in text


def test_every_figure_is_explained():
    text = (SPEC / "count.md").read_text(encoding="utf-8")
    names = [item.name for figures in (Figures, TierFigures, ClassFigures) for item in fields(figures)]
    assert [name for name in names if f"`{name}`" not in text] == []


def test_the_verdict_for_machines_has_every_figure_and_every_key_is_explained():
    verdict = json.loads((SPEC / "example" / "verdict.json").read_bytes())
    assert set(verdict["tiers"][0]) == {item.name for item in fields(TierFigures)}
    assert set(verdict["classes"][0]) == {item.name for item in fields(ClassFigures)}
    assert {item.name for item in fields(Figures)} == set(verdict) & {item.name for item in fields(Figures)} | set(
        verdict["modes"]
    )
    text = (SPEC / "verify.md").read_text(encoding="utf-8")
    keys = [*verdict, *verdict["letter"], *verdict["checkpoint"], *verdict["modes"], *verdict["steps"][0]]
    assert [key for key in keys if f"`{key}`" not in text] == []


def test_every_step_of_the_verifier_is_on_its_page_in_order():
    text = (SPEC / "verify.md").read_text(encoding="utf-8")
    for n, (name, page, _) in enumerate(_STEPS, 1):
        assert f"\n### {n}. {name}\n" in text
        assert (ROOT / page).exists()


def test_every_page_that_the_code_names_exists():
    named = {
        name
        for path in (ROOT / "src").rglob("*")
        if path.suffix in (".py", ".js")
        for name in re.findall(r"spec/([a-z-]+\.md)", path.read_text(encoding="utf-8"))
    }
    assert [name for name in sorted(named) if not (SPEC / name).exists()] == []


def test_no_page_links_to_a_file_that_is_not_there():
    for page in [*pages(), ROOT / "docs" / "developing" / "differences.md"]:
        links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
        assert [link for link in links if not (page.parent / link).exists()] == [], page.name
