"""`pip install undersigned` without its extras: enough to verify, to check a receipt and to sign."""

import subprocess
import sys
from pathlib import Path

import pytest

EXTRAS = ("uvicorn", "uvloop", "httptools", "websockets", "watchfiles", "aiosmtpd", "hypothesis", "psycopg")
WITHOUT = f"""
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {EXTRAS!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
sys.argv = ["undersigned", *sys.argv[1:]]
from undersigned.cli import main
main()
"""


def without_extras(*words: str) -> "subprocess.CompletedProcess[str]":
    done = subprocess.run([sys.executable, "-c", WITHOUT, *words], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return done


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["verify", "--help"],
        ["receipt", "--help"],
        ["sign", "--help"],
        ["withdraw", "--help"],
        ["watch", "--help"],
        ["letter", "publish", "--help"],
        ["trustee", "open", "--help"],
    ],
    ids=" ".join,
)
def test_what_a_reader_a_signatory_an_organizer_and_a_trustee_need_is_there(words: list[str]) -> None:
    done = without_extras(*words)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_letter_is_verified_without_the_server() -> None:
    example = Path(__file__).parents[2] / "spec" / "example" / "letter.dossier"
    assert without_extras("verify", str(example), "--json").returncode == 0


@pytest.mark.parametrize("command", ["try", "serve", "witness"])
def test_a_command_that_needs_the_server_says_what_to_install(command: str) -> None:
    done = without_extras(command, "--help")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert f"`undersigned {command}` needs uvicorn: install it with pip install 'undersigned[server]'" in done.stderr
