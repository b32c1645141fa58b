"""A log comes back from its dossier, or stays silent: it never writes a second history, whatever it was set back to."""

import asyncio
import json
import logging
import shutil
from base64 import b64decode
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from support.hosts import make_host, write_secrets
from support.keepers import Keeper
from support.letters import START, Cast, begun, make_letter
from support.log_rooms import HOST, PUBLISH_CODE, SLUG, Place, make_reachable_letter
from support.terminal import Terminal
from support.trustees import MemoryHost
from support.whole import whole_letter
from undersigned.cli import log as cli_log
from undersigned.client.follow import LogClient
from undersigned.errors import Unavailable
from undersigned.log.letter_log import load_letter_log
from undersigned.log.reading import dossier_files
from undersigned.log.restoring import restore
from undersigned.log.room import LogRoom
from undersigned.log.scrubbing import scrub
from undersigned.protocol.blob import read_statement
from undersigned.protocol.dossier import read_zip, write_zip
from undersigned.protocol.encoding import sha256
from undersigned.protocol.promise import Promise
from undersigned.protocol.receipt import make_receipt, verify_receipt, with_proof
from undersigned.transparency.merkle import leaf_hash
from undersigned.verifier import verify_dossier


@pytest.fixture
def undersigned(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Terminal:
    return Terminal(capsys, monkeypatch)


def play(tmp_path: Path, story: Callable[[Place], Awaitable[None]], **changes: object) -> None:
    async def whole() -> None:
        place = Place(tmp_path / "old", make_reachable_letter(**changes))
        make_host(tmp_path / "old", place.cast)
        await place.publish()
        await story(place)

    asyncio.run(whole())


def start_in(place: Place, directory: Path) -> None:
    """Let the same host go on with what lies in another data directory; its witnesses are as they were."""
    place.room = LogRoom(
        directory=directory / "log",
        host=HOST,
        seed=place.cast.log,
        promise_seed=place.cast.promise,
        publish_code=PUBLISH_CODE,
        clock=place.clock,
        post=place.post,
    )


async def dossier_of(place: Place, path: Path) -> Path:
    path.write_bytes((await place.get("letter.dossier")).content)
    return path


def test_of_fifty_older_backups_each_refuses_to_go_on_and_says_what_to_do(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def story(place: Place) -> None:
        live = place.directory / "log"
        for number in range(50):
            await place.sign("anonymous" if number % 2 else "public")
            await place.sign()
            await place.step(60)
            await place.room.close()
            shutil.copytree(live, tmp_path / f"backup-{number}")
            place.start()
            await place.step(60)
        await place.sign()
        await place.step(60)
        await place.room.close()
        for number in range(50):
            shutil.rmtree(live)
            shutil.copytree(tmp_path / f"backup-{number}", live)
            place.start()
            size, head = place.state.size, (await place.get("checkpoint")).content
            caplog.clear()
            await place.step(60)
            assert any("undersigned restore" in one.message and "set back" in one.message for one in caplog.records)
            with pytest.raises(Unavailable, match="set back to an older copy"):
                await place.sign()
            await place.step(3600)
            assert place.state.size == size
            assert (await place.get("checkpoint")).content == head
            await place.room.close()

    with caplog.at_level(logging.ERROR):
        play(tmp_path, story)


def test_a_letter_goes_on_from_its_public_dossier_and_the_old_keys_on_a_new_machine(
    tmp_path: Path, undersigned: Terminal
) -> None:
    async def story(place: Place) -> None:
        kept = []
        for mode in ("public", "anonymous", "public", "sealed", "sealed", "sealed"):
            person = place.cast.person()
            entry, blob = place.cast.signature(person, mode, tier=2 if mode == "sealed" else 0)
            promise = (await place.submit(entry, blob)).promise
            kept.append((entry, blob, promise))
        await place.step(60)
        leaver = await place.sign()
        await place.submit(place.cast.withdrawal(leaver))
        await place.step(60)
        file = await dossier_of(place, tmp_path / "letter.dossier")
        counts = (await place.get("counts.json")).json()
        await place.room.close()
        shutil.rmtree(tmp_path / "old" / "log")

        write_secrets(tmp_path / "new", place.cast)
        done = undersigned("restore", file, "--data", tmp_path / "new")
        assert done.code == 0, done.err
        assert f"{counts['size']} entries, {counts['size']} of them new here" in done.out
        assert "3 sealed envelopes are in no dossier" in done.out
        start_in(place, tmp_path / "new")
        with pytest.raises(Unavailable, match="asking its witnesses"):
            await place.sign()
        await place.step(60)
        assert (await place.get("counts.json")).json() == counts
        await place.sign()
        await place.step(60)
        for entry, blob, promise in kept:
            await check_receipt(place, entry, blob, promise)
        verdict = verify_dossier(read_zip((await place.get("letter.dossier")).content))
        assert verdict.ok
        assert verdict.witnessed
        assert verdict.figures is not None
        assert verdict.figures.public == counts["public"] + 1
        await hand_in_again(place, *kept[3][:2])
        await place.room.close()
        assert undersigned("log", "scrub", "--data", tmp_path / "new").code == 1  # two envelopes are still missing

    play(tmp_path, story)


async def check_receipt(place: Place, entry: bytes, blob: bytes | None, promise: Promise | None) -> None:
    """An old receipt holds with a proof by the log as it is now."""
    assert promise is not None
    receipt = make_receipt(letter=place.cast.letter, entry=entry, promise=promise, blob=blob, secret=None)
    proof = (await place.get(f"proof/{leaf_hash(entry).hex()}")).content
    _, checkpoint = verify_receipt(with_proof(receipt, proof))
    assert checkpoint is not None


async def hand_in_again(place: Place, entry: bytes, blob: bytes) -> None:
    """The promise's time is lost with the old machine, but the envelope is there again."""
    with pytest.raises(Unavailable, match="its promise is not known any more"):
        await place.submit(entry, blob)
    record = next(one for one in place.state.by_index.values() if one.blob == sha256(blob))
    assert place.room.storage.blob_at(1, record.changed) == blob


def test_a_dossier_older_than_the_witnesses_is_refused_and_a_newer_one_sets_it_right(
    tmp_path: Path, undersigned: Terminal
) -> None:
    async def story(place: Place) -> None:
        await place.sign()
        await place.step(60)
        older = await dossier_of(place, tmp_path / "older.dossier")
        await place.sign()
        await place.step(60)
        newer = await dossier_of(place, tmp_path / "newer.dossier")
        await place.room.close()
        write_secrets(tmp_path / "new", place.cast)
        assert undersigned("restore", older, "--data", tmp_path / "new").code == 0
        start_in(place, tmp_path / "new")
        await place.step(60)
        with pytest.raises(Unavailable, match="set back to an older copy"):
            await place.sign()
        running = undersigned("restore", newer, "--data", tmp_path / "new")
        assert (running.code, "another log is running" in running.sentence) == (3, True)
        await place.room.close()
        done = undersigned("restore", newer, "--data", tmp_path / "new")
        assert "1 of them new here" in done.out
        start_in(place, tmp_path / "new")
        await place.step(60)
        await place.sign()
        await place.step(60)
        assert verify_dossier(read_zip((await place.get("letter.dossier")).content)).ok
        await place.room.close()
        assert undersigned("log", "scrub", "--data", tmp_path / "new").code == 0
        backwards = undersigned("restore", older, "--data", tmp_path / "new")
        assert (backwards.code, "nothing to restore" in backwards.sentence) == (1, True)

    play(tmp_path, story)


def test_an_older_backup_brought_up_to_a_newer_dossier_keeps_envelopes_promises_and_what_waited(
    tmp_path: Path, undersigned: Terminal
) -> None:
    async def story(place: Place) -> None:
        entry, envelope = place.cast.signature(place.cast.person(), "sealed", tier=2)
        promised = await place.submit(entry, envelope)
        for _ in range(4):
            await place.sign("sealed", tier=2)
        await place.step(1)
        leaver = await place.sign()
        waiting, _ = place.cast.signature(place.cast.person(), "anonymous")
        first = await place.submit(waiting)
        await place.step(60)
        assert len(place.room.log(SLUG).pending) == 1
        await place.room.close()
        shutil.copytree(tmp_path / "old", tmp_path / "backup")
        place.start()
        await place.step(60)
        await place.submit(place.cast.withdrawal(leaver))
        for _ in range(4):
            await place.sign("anonymous")
        await place.step(60)
        assert leaf_hash(waiting) in {leaf_hash(one) for one in place.room.entries(SLUG, 0, 1_000)}
        file = await dossier_of(place, tmp_path / "letter.dossier")
        counts = (await place.get("counts.json")).json()
        await place.room.close()

        done = undersigned("restore", file, "--data", tmp_path / "backup")
        assert done.code == 0, done.err
        assert "in no dossier" not in done.out
        start_in(place, tmp_path / "backup")
        await place.step(60)
        assert (await place.get("counts.json")).json() == counts
        assert (await place.submit(entry, envelope)).promise == promised.promise
        assert (await place.submit(waiting)).promise == first.promise
        assert not len(place.room.log(SLUG).pending)
        gone = place.state.records[leaver.key]
        assert place.room.storage.blob_at(1, gone.index) is None
        await place.room.close()
        assert undersigned("log", "scrub", "--data", tmp_path / "backup").code == 0

    play(tmp_path, story)


def restored(undersigned: Terminal, data: Path, cast: Cast, file: Path) -> str:
    """Bring the secrets of a cast to a new machine and try; the sentence of its refusal."""
    write_secrets(data, cast)
    done = undersigned("restore", file, "--data", data)
    assert done.code == 1
    assert not (data / "log" / "log.sqlite").exists()
    return done.sentence


def test_without_the_old_keys_or_with_a_dossier_that_does_not_hold_nothing_is_restored(
    tmp_path: Path, undersigned: Terminal
) -> None:
    log = begun(make_letter())
    log.append(*log.cast.signature(log.cast.person()))
    log.witness(START)
    file = tmp_path / "letter.dossier"
    file.write_bytes(write_zip(log.dossier()))
    assert "are not those this letter names" in restored(undersigned, tmp_path / "a", make_letter(seed=9), file)
    bare = undersigned("restore", file, "--data", tmp_path / "b")
    assert (bare.code, "undersigned log succeed" in bare.sentence) == (1, True)
    broken = {**log.dossier(), "checkpoint": log.head.replace(b"example", b"sample!")}
    (tmp_path / "broken.dossier").write_bytes(write_zip(broken))
    assert "does not hold" in restored(undersigned, tmp_path / "c", log.cast, tmp_path / "broken.dossier")
    make_host(tmp_path / "d", log.cast)
    settings = tmp_path / "d" / "host.json"
    settings.write_text(settings.read_text().replace(HOST, "other.example.org"))
    assert "is the data directory of other.example.org" in restored(undersigned, tmp_path / "d", log.cast, file)


def test_another_history_of_the_same_letter_is_not_mixed_with_what_is_there(
    tmp_path: Path, undersigned: Terminal
) -> None:
    cast = make_letter()
    for number in (1, 2):
        log = begun(cast)
        for _ in range(number):
            log.append(*cast.signature(cast.person()))
        log.witness(START)
        (tmp_path / f"{number}.dossier").write_bytes(write_zip(log.dossier()))
    write_secrets(tmp_path / "data", cast)
    assert undersigned("restore", tmp_path / "1.dossier", "--data", tmp_path / "data").code == 0
    done = undersigned("restore", tmp_path / "2.dossier", "--data", tmp_path / "data")
    assert (done.code, "another history" in done.sentence) == (1, True)
    assert undersigned("log", "scrub", "--data", tmp_path / "data").code == 0


def test_either_storage_takes_a_whole_letter_back_and_is_as_it_was_signed(tmp_path: Path, keeper: Keeper) -> None:
    log = whole_letter()
    files = log.dossier()
    storage = keeper.open(tmp_path)
    storage.lead()
    seeds = {"seed": log.cast.log, "promise_seed": log.cast.promise}
    for added in (log.size, 0):
        done = restore(files, verify_dossier(files), storage=storage, **seeds)
        assert (done.size, done.added) == (log.size, added)
    assert [one.damages for one in scrub(storage)] == [[]]
    (stored,) = storage.letters()
    found = load_letter_log(stored, storage)
    assert dossier_files(found, storage, note=found.published, size=found.published_size) == files
    storage.close()


def test_a_scrub_says_at_a_terminal_what_is_damaged_and_what_to_do(tmp_path: Path, undersigned: Terminal) -> None:
    async def story(place: Place) -> None:
        await place.sign()
        await place.step(60)
        size = place.state.size
        await place.room.close()
        well = undersigned("log", "scrub", "--data", tmp_path / "old")
        assert (well.code, well.out) == (0, f"{SLUG}: {size} entries, 0 damaged\n")
        place.execute("UPDATE entries SET data = zeroblob(9) WHERE idx = 3")
        done = undersigned("log", "scrub", "--data", tmp_path / "old")
        assert done.code == 1
        assert "entry 3 is damaged: not what the log signed" in done.err
        assert "undersigned restore" in done.err
        told = undersigned("log", "scrub", "--data", tmp_path / "old", "--json").out
        assert '"ok": false' in told

    play(tmp_path, story)


def test_a_successor_states_which_log_went_before_it_and_where_that_one_ended(
    tmp_path: Path, undersigned: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = begun(make_letter())
    old.append(*old.cast.signature(old.cast.person()))
    old.witness(START)
    file = tmp_path / "old.dossier"
    file.write_bytes(write_zip(old.dossier()))
    new = begun(make_letter(seed=2, origin="new.example.org/l/board"))
    host = MemoryHost(log=new)
    new.witness(START)
    sent: list[bytes] = []

    def post(path: str, body: bytes) -> bytes:
        sent.append(body)
        return host.post(path, body)

    client = LogClient(SimpleNamespace(get=host.get, post=post))
    client.refresh()
    monkeypatch.setattr(cli_log, "ready", lambda url, key_file, passphrase: (client, new.cast.organizer))
    words = ("log", "succeed", file, "https://new.example.org/l/board", "--key", file, "--passphrase", "x")
    done = undersigned(*words)
    assert done.code == 0, done.err
    assert "another organizer key than the old letter's" in done.out
    (_, statement), *_ = client.refresh().statements.values()
    said = read_statement(b64decode(json.loads(sent[0])["blob"]))
    assert statement.type == "import"
    for fact in (old.cast.letter.lid.hex(), old.cast.letter.origin, f"size {old.size}\n"):
        assert fact in said.text
    new.witness(START + 60)
    assert verify_dossier(new.dossier()).ok
    host.log = old
    itself = LogClient(SimpleNamespace(get=host.get, post=host.post))
    itself.refresh()
    monkeypatch.setattr(cli_log, "ready", lambda url, key_file, passphrase: (itself, old.cast.organizer))
    refused = undersigned(*words)
    assert (refused.code, "does not succeed itself" in refused.sentence) == (1, True)
