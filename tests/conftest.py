"""Which suites can run here: every one whose tools are installed; the others are named with their Debian package.

A test or module says `pytest.mark.needs("node")`. Under UNDERSIGNED_TEST_ALL=1 a missing tool is a failure.
"""

import os
import shutil
from glob import glob

import pytest
from hypothesis import settings

settings.register_profile("undersigned", deadline=None)  # machines differ, and neighbours steal time
settings.load_profile("undersigned")

DEBIAN_PACKAGES = {"pg_ctl": "postgresql"}  # command -> the Debian package that brings it

# Debian keeps a database server's own commands off the path, one directory for each version.
os.environ["PATH"] = os.pathsep.join([os.environ["PATH"], *sorted(glob("/usr/lib/postgresql/*/bin"), reverse=True)])


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if _all_wanted():
        return
    missing = set(_missing_tools())
    left_out = [item for item in items if _tools_of(item) & missing]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not _tools_of(item) & missing]


def pytest_runtest_setup(item: pytest.Item) -> None:
    for tool in sorted(_tools_of(item)):
        if tool not in DEBIAN_PACKAGES:
            pytest.fail(f"{tool} has no Debian package in tests/conftest.py")
        if shutil.which(tool) is None:
            pytest.fail(f"{tool} is missing: apt-get install {DEBIAN_PACKAGES[tool]}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for tool in _missing_tools():
        terminalreporter.write_line(f"not run: suites that need {tool} (apt-get install {DEBIAN_PACKAGES[tool]})")


def _all_wanted() -> bool:
    return os.environ.get("UNDERSIGNED_TEST_ALL") == "1"


def _missing_tools() -> list[str]:
    return [tool for tool in sorted(DEBIAN_PACKAGES) if shutil.which(tool) is None]


def _tools_of(item: pytest.Item) -> set[str]:
    return {mark.args[0] for mark in item.iter_markers("needs")}
