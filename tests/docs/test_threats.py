import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "docs" / "threats.md", ROOT / "SECURITY.md")
NAMED = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")


def functions_of(path: Path) -> set[str]:
    return {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)}


def test_every_test_that_is_named_as_an_answer_exists():
    missing = []
    for page in PAGES:
        for file, name in NAMED.findall(page.read_text()):
            path = ROOT / file
            if not path.is_file() or (name and name not in functions_of(path)):
                missing.append(f"{page.name}: {file}::{name}")
    assert not missing


def test_every_threat_has_a_test():
    rows = [line for line in (ROOT / "docs" / "threats.md").read_text().splitlines() if line.startswith("| ")]
    threats = [row for row in rows if not row.startswith("| | threat |")]
    assert threats
    assert all(NAMED.search(row) for row in threats)
