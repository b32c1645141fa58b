from pathlib import Path

from click.testing import CliRunner

from support.example_cast import read_secrets
from undersigned.cli import cli
from undersigned.protocol.entry import Withdrawal, decode_entry
from undersigned.protocol.receipt import read_receipt, receipt_letter, signature_of
from undersigned.protocol.verification import verify_entry

EXAMPLE = Path(__file__).parents[2] / "spec" / "example"


def test_who_leaves_by_word_to_a_trustee_needs_no_host(tmp_path):
    receipt, file = EXAMPLE / "ada.receipt", tmp_path / "ada.withdrawal"
    passphrase = read_secrets()["receipt"]["passphrase"]
    told = CliRunner().invoke(cli, ["withdraw", str(receipt), "--to", str(file), "--yes", "--passphrase", passphrase])
    assert told.exit_code == 0, told.output
    entry, kept = decode_entry(file.read_bytes()), read_receipt(receipt.read_bytes())
    assert isinstance(entry, Withdrawal)
    assert entry.key == signature_of(kept).key
    verify_entry(entry, receipt_letter(kept))
