"""Trustees open a frozen set together, whatever a few of them, a signatory or the host does."""

import itertools
import json
import random
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from unittest import mock

import msgspec
import pytest

from support.letters import MemoryLog, Person, make_letter
from support.trustees import Council, council, seat
from undersigned.crypto import shamir
from undersigned.errors import Malformed, Refused, UndersignedError
from undersigned.protocol import entry as entries
from undersigned.protocol import sealing
from undersigned.protocol.exchange import read_message
from undersigned.protocol.opening_list import read_opening_list
from undersigned.trustee import exchange


@pytest.fixture
def table(tmp_path: Path) -> Council:
    """Two public signatures; the tiers ask for 5 and 8."""
    made = council(make_letter(tiers=(5, 8)), tmp_path)
    made.public()
    made.public()
    return made


def dropped(table: Council) -> dict[int, str]:
    return {item.index: item.reason for item in table.log.state.rounds[-1].dropped}


def names(table: Council) -> set[str]:
    letter, state = table.cast.letter, table.log.state
    found = set()
    for index, data in table.log.opened.items():
        record = state.by_index[index]
        envelope = sealing.read_envelope(data[32:], letter=letter, tier=record.tier)
        card = sealing.open_box(envelope, letter=letter, key=record.entry.key, open_key=data[:32])
        found.add(card.card.name)
    return found


def lie(*liars: int) -> Callable[..., bytes]:
    """Make these trustees send random shares."""
    honest, rng = exchange.seal_shares, random.Random(8)

    def seal_shares(shares: exchange.Shares, *, channel: exchange.Channel, seal_key: bytes) -> bytes:
        if channel.sender in liars:
            shares = {index: share and rng.randbytes(32) + share[-1:] for index, share in shares.items()}
        return honest(shares, channel=channel, seal_key=seal_key)

    return seal_shares


@pytest.mark.parametrize("ids", list(itertools.combinations(range(1, 6), 3)))
def test_any_three_of_five_trustees_open_every_name_of_the_set(table: Council, ids: tuple[int, ...]) -> None:
    people = [table.cast.person(f"Person {number}") for number in range(4)]
    members = {table.sealed(1, person=person) for person in people}
    later = table.sealed(2)
    table.freeze(1)
    said = table.rounds(3, ids)
    assert table.opened() == members
    assert names(table) == {person.card.name for person in people}
    assert later not in table.log.state.rounds[-1].named
    assert {status.phase for status in said.values()} == {"quiet"}


def test_two_trustees_alone_open_nothing_and_say_whom_they_wait_for(table: Council) -> None:
    for _ in range(4):
        table.sealed(1)
    table.freeze(1)
    said = table.rounds(4, [1, 4])
    assert not table.log.state.rounds
    assert said[1].says == "4 envelopes are undecided until shares come from trustees 2, 3, 5"
    assert said[1].phase == "waiting"


def test_a_trustee_that_lies_is_named_and_the_others_open(table: Council) -> None:
    for _ in range(4):
        table.sealed(1)
    table.freeze(1)
    with mock.patch.object(exchange, "seal_shares", lie(2)):
        said = table.rounds(4)
    assert len(table.opened()) == 4
    assert not dropped(table)
    assert all(said[number].liars == (2,) for number in (1, 3, 4, 5))


def test_with_two_liars_three_honest_trustees_still_open(table: Council) -> None:
    for _ in range(4):
        table.sealed(1)
    table.freeze(1)
    with mock.patch.object(exchange, "seal_shares", lie(1, 5)):
        said = table.rounds(4)
    assert len(table.opened()) == 4
    assert said[3].liars == (1, 5)


def test_shares_sealed_for_another_freeze_make_their_sender_a_liar(table: Council) -> None:
    for _ in range(4):
        table.sealed(1)
    table.freeze(1)
    honest = exchange.seal_shares

    def transplant(shares: exchange.Shares, *, channel: exchange.Channel, seal_key: bytes) -> bytes:
        elsewhere = replace(channel, freeze_leaf=bytes(32)) if channel.sender == 3 else channel
        return honest(shares, channel=elsewhere, seal_key=seal_key)

    with mock.patch.object(exchange, "seal_shares", transplant):
        said = table.rounds(4)
    assert len(table.opened()) == 4
    assert said[1].liars == (3,)


def garbage(table: Council, person: Person) -> bytes:
    return random.Random(1).randbytes(sealing.envelope_bytes(5))


def garbage_within(table: Council, person: Person) -> bytes:
    honest = table.cast.envelope(person, 1)
    return honest[:8] + random.Random(1).randbytes(64) + honest[72 : 72 + 2064] + _random_rows()


def _random_rows() -> bytes:
    rng = random.Random(2)
    return b"".join(bytes([x]) + rng.randbytes(32 + sealing.SEALED_SHARE_BYTES) for x in range(1, 6))


def share_at_zero(table: Council, person: Person) -> bytes:
    honest = bytearray(table.cast.envelope(person, 1))
    honest[8 + 64 + 2064] = 0
    return bytes(honest)


def another_persons(table: Council, person: Person) -> bytes:
    return table.cast.envelope(table.cast.person("Somebody Else"), 1)


def another_tiers(table: Council, person: Person) -> bytes:
    return table.cast.envelope(person, 2)


def another_letters(table: Council, person: Person) -> bytes:
    return make_letter(tiers=(5, 8), origin="letters.example.org/l/other").envelope(person, 1)


def inconsistent_shares(table: Council, person: Person) -> bytes:
    honest = shamir.split

    def split(secret: bytes, **how: object) -> list[bytes]:
        shares = honest(secret, **how)  # type: ignore[arg-type]
        return [*shares[:-1], bytes(32) + shares[-1][-1:]]

    with mock.patch.object(sealing.shamir, "split", split):
        return table.cast.envelope(person, 1)


def broken_box(table: Council, person: Person) -> bytes:
    honest = bytearray(table.cast.envelope(person, 1))
    honest[100] ^= 1
    return bytes(honest)


def name_not_attested(table: Council, person: Person) -> bytes:
    card = table.cast.public_blob(person)
    other = msgspec.structs.replace(card, card=msgspec.structs.replace(card.card, name="The Chair"))
    seal_keys = table.cast.seal_keys(1)
    randbytes = table.cast.rng.randbytes
    return sealing.seal(
        other, letter=table.cast.letter, tier=1, key=person.key, seal_keys=seal_keys, randbytes=randbytes
    )


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (garbage, "envelope"),
        (share_at_zero, "envelope"),
        (another_tiers, "envelope"),
        (garbage_within, "shares"),
        (another_persons, "shares"),
        (another_letters, "shares"),
        (inconsistent_shares, "shares"),
        (broken_box, "box"),
        (name_not_attested, "identity"),
    ],
)
def test_an_envelope_that_is_no_honest_name_is_dropped_and_the_others_open(
    table: Council, make: Callable[[Council, Person], bytes], reason: str
) -> None:
    good = {table.sealed(1) for _ in range(4)}
    bad = table.sealed(1, blob=lambda person: make(table, person))
    table.freeze(1)
    said = table.rounds(4)
    assert dropped(table) == {bad: reason}
    assert table.opened() == good
    assert not any(status.liars for status in said.values())


def test_garbage_that_tripped_a_tier_calls_the_opening_off(table: Council) -> None:
    for _ in range(2):
        table.sealed(1)
    bad = table.sealed(1, blob=lambda person: garbage(table, person))
    table.freeze(1)
    table.rounds(4)
    assert dropped(table) == {bad: "envelope"}
    assert table.log.state.rounds[-1].named == ()
    assert not table.opened()


def test_who_withdraws_in_the_log_after_the_freeze_is_not_named(table: Council) -> None:
    members = {table.sealed(1) for _ in range(5)}
    table.freeze(1)
    table.rounds(1, [1, 2])
    leaver = min(members)
    table.log.append(table.cast.withdrawal(table.people[leaver]))
    table.host.witness()
    table.rounds(4)
    assert table.opened() == members - {leaver}


def test_a_withdrawal_that_the_host_withholds_is_honoured_by_trustees_who_hear_of_it_from_one_another(
    table: Council,
) -> None:
    members = {table.sealed(1) for _ in range(5)}
    table.freeze(1)
    leaver = min(members)
    table.host.deaf_to = (entries.Withdrawal,)
    table.trustees[1].step()  # it meets the letter, and sends its shares
    table.trustees[4].step()
    with pytest.raises(Malformed, match="not a withdrawal"):
        table.trustees[4].add_withdrawal(table.log.log[1])
    table.trustees[4].add_withdrawal(table.cast.withdrawal(table.people[leaver]))
    table.rounds(6)
    done = table.log.state.rounds[-1]
    listed = read_opening_list(table.log.lists[done.list_hash])
    assert [item.key for item in listed.left] == [table.people[leaver].key]
    assert table.opened() == members - {leaver}
    assert table.log.record(leaver).withdrawn == done.index


def test_a_trustee_sends_no_share_of_whom_it_knows_to_have_left(table: Council) -> None:
    members = [table.sealed(1) for _ in range(5)]
    table.host.witness()
    table.rounds(1)
    table.host.deaf_to = (entries.Withdrawal,)
    for trustee in table.trustees.values():
        trustee.add_withdrawal(table.cast.withdrawal(table.people[members[0]]))
    assert "host does not take this" in table.trustees[2].step().notes[0]
    sent = []
    honest = exchange.seal_shares

    def watch(shares: exchange.Shares, **how: object) -> bytes:
        sent.append(sorted(shares))
        return honest(shares, **how)  # type: ignore[arg-type]

    table.freeze(1)
    with mock.patch.object(exchange, "seal_shares", watch):
        table.rounds(4)
    assert len(sent) == 20
    assert all(indexes == members[1:] for indexes in sent)
    assert table.opened() == set(members[1:])


def test_a_withdrawal_forged_or_of_a_stranger_is_not_taken(table: Council) -> None:
    index = table.sealed(1)
    table.host.witness()
    table.rounds(1)
    forger = replace(table.cast.person(), key=table.people[index].key)
    with pytest.raises(UndersignedError):
        table.trustees[1].add_withdrawal(table.cast.withdrawal(forger))
    with pytest.raises(Refused, match="no signature by this key"):
        table.trustees[1].add_withdrawal(table.cast.withdrawal(table.cast.person()))


def test_when_a_public_signatory_leaves_between_signing_and_opening_the_quorum_signs_anew(tmp_path: Path) -> None:
    table = council(make_letter(tiers=(5, 8)), tmp_path)
    visible = [table.public() for _ in range(3)]
    near = {table.sealed(1) for _ in range(3)}
    for _ in range(2):
        table.sealed(2)
    table.freeze(2)
    table.host.deaf_to = (entries.Opening,)
    table.rounds(3)
    signed = next(data for data in reversed(table.host.submitted) if b'"kind":"opening"' in data)
    opening = entries.decode_entry(signed)
    assert isinstance(opening, entries.Opening)
    table.log.append(table.cast.withdrawal(table.people[visible[0]]))
    table.host.witness()
    table.host.deaf_to = ()
    old_list = next(data for data in _lists_sent(table) if len(read_opening_list(data).indexes) == 5)
    body = {"entry": b64encode(signed).decode(), "list": b64encode(old_list).decode()}
    with pytest.raises(Refused, match="sign a new list"):
        table.host.post("submit", json.dumps(body).encode())
    table.rounds(4)
    assert table.opened() == near


def _lists_sent(table: Council) -> list[bytes]:
    found = [read_message(data, letter=table.cast.letter) for data in table.host.relay.values()]
    return [message.payload for message in found if message.type == "list"]


def test_an_envelope_the_host_withholds_is_named_missing_and_then_dropped(table: Council) -> None:
    good = {table.sealed(1) for _ in range(4)}
    bad = table.sealed(1)
    table.host.withheld = {bad}
    table.freeze(1)
    table.rounds(6)
    assert dropped(table) == {bad: "missing"}
    assert bad in table.log.state.missing
    assert table.opened() == good


def test_envelopes_are_fetched_in_the_hold_and_withheld_ones_named_before_any_freeze(table: Council) -> None:
    indexes = [table.sealed(1) for _ in range(3)]
    table.host.withheld = {indexes[0]}
    table.log.log_entry(entries.Reached(tier=1))
    table.host.witness()
    said = table.rounds(2)
    assert table.log.state.missing == {indexes[0]}
    assert said[1].says == "a tier is reached, and its hold runs: 2 of 3 envelopes are here"


def test_an_envelope_with_another_hash_counts_as_withheld_and_its_holder_can_bring_it(table: Council) -> None:
    members = [table.sealed(1) for _ in range(4)]
    blob_hash = table.log.record(members[0]).blob or b""
    honest = table.log.sealed[blob_hash]
    table.log.sealed[blob_hash] = honest[:-1] + bytes([honest[-1] ^ 1])
    table.host.witness()
    table.rounds(1)
    for trustee in table.trustees.values():
        with pytest.raises(Refused):
            trustee.add_blob(b"something else")
        trustee.add_blob(honest)
    table.log.sealed[blob_hash] = honest
    table.freeze(1)
    table.rounds(3)
    assert table.opened() == set(members)


def test_a_trustee_started_again_in_the_middle_goes_on_and_sends_nothing_twice(table: Council, tmp_path: Path) -> None:
    members = {table.sealed(1) for _ in range(4)}
    table.freeze(1)
    table.rounds(1, [1, 2])
    before = dict(table.host.relay)
    for number in (1, 2):
        table.trustees[number] = seat(table.host, number, tmp_path)
    table.rounds(3, [1, 2, 3])
    assert before.items() <= table.host.relay.items()
    assert table.opened() == members


def test_a_trustee_that_was_away_publishes_the_keys_of_an_opening_it_had_no_part_in(table: Council) -> None:
    members = {table.sealed(1) for _ in range(4)}
    table.freeze(1)
    table.host.witnessing = False
    table.rounds(3, [1, 2, 3])
    assert table.log.state.rounds
    assert not table.opened()
    table.host.witness()
    table.rounds(1, [5])
    assert table.opened() == members


def test_no_key_goes_out_before_witnesses_have_seen_the_opening(table: Council) -> None:
    for _ in range(4):
        table.sealed(1)
    table.freeze(1)
    table.host.witnessing = False
    table.rounds(4)
    assert table.log.state.rounds
    table.log.witness(table.host.now, names=list(table.cast.witnesses)[:2])
    said = table.rounds(2)
    assert not table.opened()
    assert said[1].phase == "waiting"
    table.host.witness()
    table.rounds(1)
    assert len(table.opened()) == 4


def test_trustees_lost_for_good_hold_nobody_up_for_longer_than_patience(table: Council, tmp_path: Path) -> None:
    good = {table.sealed(1) for _ in range(4)}

    def one_row_is_noise(person: Person) -> bytes:
        honest = table.cast.envelope(person, 1)
        return honest[:-40] + bytes(40)

    bad = table.sealed(1, blob=one_row_is_noise)
    table.freeze(1)
    said = table.rounds(3, [3, 4, 5])
    assert said[3].says == "1 envelope is undecided until shares come from trustees 1, 2"
    table.host.now += 24 * 3600
    table.rounds(3, [3, 4, 5])
    assert dropped(table) == {bad: "shares"}
    assert table.opened() == good


def test_a_later_round_opens_who_joined_later_and_the_next_tier(table: Council) -> None:
    first = {table.sealed(1) for _ in range(3)}
    table.freeze(1)
    table.rounds(3)
    assert table.opened() == first
    second = {table.sealed(tier) for tier in (1, 2, 2)}
    table.freeze(2)
    table.rounds(3)
    assert table.opened() == first | second


def test_what_is_in_the_relay_and_no_trustee_signed_is_noted_and_left_aside(table: Council) -> None:
    for _ in range(4):
        table.sealed(1)
    freeze = table.freeze(1)
    table.host.relay[freeze, 1, 2, "shares", 1] = b"noise"
    table.host.relay[freeze, 1, 0, "list", 1] = b"noise"
    said = table.rounds(1)
    assert "the relay hands out 1 message that no trustee signed" in said[2].notes
    table.host.relay = {key: data for key, data in table.host.relay.items() if data != b"noise"}
    table.rounds(3)
    assert len(table.opened()) == 4


def test_a_key_that_the_log_does_not_take_is_sent_again_until_it_does(table: Council) -> None:
    members = {table.sealed(1) for _ in range(4)}
    table.freeze(1)
    with mock.patch.object(table.host, "_opened", return_value={"kept": []}):
        said = table.rounds(4)
    assert "the log does not show 4 listed names yet" in said[1].notes
    table.rounds(1, [2])
    assert table.opened() == members


def test_a_trustee_accepts_through_the_log_once_and_until_then_is_reminded(tmp_path: Path) -> None:
    cast = make_letter()
    made = council(cast, tmp_path)
    fresh = MemoryLog(cast=cast)
    made.host.log = fresh
    made.host.witness()
    newcomer = seat(made.host, 2, tmp_path)
    assert "you have not accepted" in newcomer.step().says
    newcomer.accept(statement="I keep them.")
    newcomer.accept(statement="I keep them.")
    assert list(fresh.state.trustees) == [2]
    assert newcomer.step().phase == "quiet"
