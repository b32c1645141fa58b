"""The worked example: rebuilt byte for byte from its published secrets, and verified step by step for ever."""

import json
from functools import lru_cache
from pathlib import Path

import pytest

from support import flip_bit
from support.example_cast import EXAMPLE, read_secrets
from support.example_vectors import vectors
from support.worked_example import Story, read_envelopes, tell
from undersigned.crypto import hpke
from undersigned.protocol import sealing
from undersigned.protocol.dossier import read_zip, write_zip
from undersigned.protocol.entry import decode_entry, kind_of
from undersigned.protocol.exchange import read_message
from undersigned.protocol.receipt import read_receipt, unlock_secret, verify_receipt
from undersigned.protocol.rules import _RULES
from undersigned.transparency.policy import parse_policy
from undersigned.trustee import exchange
from undersigned.verifier import verify_dossier

STALE = "if this change is meant, run `make example` and read the difference"
GOLDEN = Path(__file__).parent / "golden"


@lru_cache
def story() -> Story:
    return tell(read_secrets(), read_envelopes())


def test_the_committed_example_is_what_its_secrets_give_byte_for_byte():
    committed = {path.relative_to(EXAMPLE).as_posix(): path for path in EXAMPLE.rglob("*") if path.is_file()}
    assert set(committed) - {".gitattributes", "README.md", "secrets.json"} == set(story().files)
    assert [name for name, data in story().files.items() if committed[name].read_bytes() != data] == [], STALE


def test_the_committed_vectors_are_what_the_example_gives():
    folder = EXAMPLE.parents[1] / "vectors" / "undersigned"
    made = vectors(story())
    assert {path.name for path in folder.iterdir()} == set(made)
    assert [name for name, data in made.items() if (folder / name).read_bytes() != data] == [], STALE


def test_every_step_of_the_example_dossier_holds():
    verdict = verify_dossier(read_zip((EXAMPLE / "letter.dossier").read_bytes()))
    assert [step.detail for step in verdict.steps if not step.ok] == []
    assert verdict.ok
    assert verdict.witnessed
    assert verdict.warnings == ()
    assert sorted(card.card.name for card in verdict.names.values()) == ["Ada Okafor", "Bea Lindqvist", "Cem Aydın"]


def test_the_example_shows_every_kind_of_entry():
    kinds = {kind_of(decode_entry(data)) for data in story().log.log}
    assert kinds == {str(kind.__struct_config__.tag) for kind in _RULES} | {"opening", "abort"}


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.dossier")), ids=lambda path: path.stem)
def test_a_dossier_once_given_out_verifies_for_ever(path: Path):
    data = path.read_bytes()
    files = read_zip(data)
    assert write_zip(files) == data
    verdict = verify_dossier(files)
    assert [step.detail for step in verdict.steps if not step.ok] == []
    assert verdict.figures is not None
    assert verdict.figures.n_star == 3


def test_a_reader_may_check_the_example_with_a_policy_of_their_own():
    policy = parse_policy((EXAMPLE / "policy.txt").read_text(encoding="utf-8"))
    verdict = verify_dossier(read_zip((EXAMPLE / "letter.dossier").read_bytes()), policy=policy)
    assert verdict.ok
    assert verdict.own_policy


def test_the_receipt_proves_the_signature_and_gives_its_key_back():
    receipt = read_receipt((EXAMPLE / "ada.receipt").read_bytes())
    letter, checkpoint = verify_receipt(receipt)
    assert letter.lid == story().letter.lid
    assert checkpoint is not None
    assert checkpoint.size == story().log.size
    assert not isinstance(receipt.secret, type(None))
    seed = unlock_secret(receipt.secret, passphrase=read_secrets()["receipt"]["passphrase"])
    assert seed == story().people["Ada Okafor"].seed


def test_trustees_read_the_example_message_and_bind_shares_to_the_freeze():
    told, vector = story(), vectors(story())
    message = read_message(told.files["exchange/sig.json"], letter=told.letter)
    assert (message.from_, message.to, message.type) == (1, 0, "sig")
    known, frozen = json.loads(vector["exchange.json"]), told.log.state.rounds[0].freeze
    channel = exchange.channel(
        frozen, letter=told.letter, entry=told.log.log[frozen.index], tree=told.log.tree, sender=1, recipient=3
    )
    assert channel.info.hex() == known["info"]
    seed = told.cast.seal_seeds[3][1]
    sealed = hpke.seal(
        public_key=hpke.public_key(told.cast.seal_seeds[3][1]),
        info=channel.info,
        plaintext=bytes.fromhex(known["rows"]),
    )
    shares = exchange.open_shares(sealed, channel=channel, seed=seed)
    assert shares[told.index["Ivo Novák"]] is None
    assert len(shares[told.index["Bea Lindqvist"]] or b"") == 33


@pytest.mark.parametrize("trustees", [(1, 2), (1, 3), (2, 3)])
def test_any_two_of_the_three_trustees_can_open_the_example_envelope(trustees: tuple[int, int]):
    data, letter = (EXAMPLE / "envelopes" / "bea-tier-1.usb1").read_bytes(), story().letter
    key = story().people["Bea Lindqvist"].key
    envelope = sealing.read_envelope(data, letter=letter, tier=1)
    shares = [
        sealing.open_share(envelope, letter=letter, trustee=one, key=key, seed=story().cast.seal_seeds[one][0])
        for one in trustees
    ]
    dek = sealing.recover_dek(shares, envelope=envelope, letter=letter, key=key)
    opened = sealing.open_box(envelope, letter=letter, key=key, open_key=sealing.derive_open_key(dek))
    assert opened.card.name == "Bea Lindqvist"


@pytest.mark.parametrize("name", ["tile/entries/000.p/46", "checkpoint", "checkpoints/30.last", "opened/16", "README"])
def test_one_flipped_bit_in_a_file_of_the_example_fails_it(name: str):
    files = read_zip((EXAMPLE / "letter.dossier").read_bytes())
    files[name] = flip_bit(files[name], 8 * (len(files[name]) // 2) + 3)
    assert not verify_dossier(files).ok
