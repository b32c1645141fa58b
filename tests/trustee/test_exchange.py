"""Messages between trustees: what is bound to its place, and what is refused."""

import dataclasses
import random

import msgspec
import pytest

from support.letters import begun, make_letter
from undersigned.crypto import ed25519, hpke
from undersigned.errors import Malformed, Refused, UndersignedError, VerificationError
from undersigned.protocol.encoding import to_jcs
from undersigned.protocol.exchange import MAX_MESSAGE_BYTES, Message, read_message, sign_message
from undersigned.protocol.state import Frozen
from undersigned.trustee import exchange
from undersigned.trustee.exchange import Channel

CAST = make_letter()
RNG = random.Random(3)
SEED = bytes(range(32))
CHANNEL = Channel(lid=bytes(32), tier=2, freeze_leaf=b"f" * 32, root=b"r" * 32, sender=1, recipient=4)
SHARES: exchange.Shares = {3: b"s" * 33, 7: None, 2**40: b"t" * 33}


def sealed(shares: exchange.Shares = SHARES, channel: Channel = CHANNEL) -> bytes:
    return exchange.seal_shares(shares, channel=channel, seal_key=hpke.public_key(SEED))


def message(**changes: object) -> Message:
    plain = Message(freeze=9, from_=1, to=4, type="shares", part=1, parts=1, payload=b"anything")
    return msgspec.structs.replace(plain, **changes)


def signed(plain: Message, trustee: int = 1) -> bytes:
    return sign_message(plain, sign=lambda text: ed25519.sign(CAST.trustees[trustee], text), letter=CAST.letter)


def test_shares_arrive_as_they_were_sent_and_no_share_is_said_in_so_many_words() -> None:
    assert exchange.open_shares(sealed(), channel=CHANNEL, seed=SEED) == SHARES


@pytest.mark.parametrize(
    "elsewhere",
    [
        {"lid": b"l" * 32},
        {"tier": 1},
        {"freeze_leaf": b"g" * 32},
        {"root": b"q" * 32},
        {"sender": 2},
        {"recipient": 5},
    ],
)
def test_shares_sent_in_one_place_open_in_no_other(elsewhere: dict[str, object]) -> None:
    with pytest.raises(VerificationError):
        exchange.open_shares(sealed(), channel=dataclasses.replace(CHANNEL, **elsewhere), seed=SEED)  # type: ignore[arg-type]


def test_a_channel_names_the_letter_the_freeze_and_the_history_up_to_it() -> None:
    log = begun(CAST)
    frozen = Frozen(index=5, tier=1, since=4, until=4, members=frozenset())
    made = exchange.channel(frozen, letter=CAST.letter, entry=log.log[5], tree=log.tree, sender=1, recipient=2)
    assert made.root == log.tree.root(6)
    assert made.info.startswith(b"undersigned/v1/exchange\0" + CAST.letter.lid + b"\1")
    assert made.info.endswith(b"\1\2")


@pytest.mark.parametrize(
    "rows",
    [
        b"\0" * 8 + b"\2",
        b"\0" * 8 + b"\1" + b"s" * 32,
        b"\0" * 7,
        (b"\0" * 8 + b"\0") * 2,
        b"\0" * 7 + b"\2\0" + b"\0" * 7 + b"\1\0",
    ],
    ids=["an unknown marker", "a short share", "half an index", "an index twice", "indexes backwards"],
)
def test_rows_that_mean_nothing_are_refused(rows: bytes) -> None:
    payload = hpke.seal(public_key=hpke.public_key(SEED), info=CHANNEL.info, plaintext=rows)
    with pytest.raises(Malformed):
        exchange.open_shares(payload, channel=CHANNEL, seed=SEED)


def test_a_full_part_of_shares_fits_in_a_message() -> None:
    shares: exchange.Shares = {index: RNG.randbytes(33) for index in range(exchange.PART_SHARES)}
    assert len(signed(message(payload=sealed(shares)))) <= MAX_MESSAGE_BYTES


def test_a_full_part_of_a_list_fits_in_a_message() -> None:
    assert len(signed(message(type="list", to=0, payload=bytes(exchange.PART_BYTES)))) <= MAX_MESSAGE_BYTES


def test_a_message_over_the_limit_is_not_even_made() -> None:
    with pytest.raises(Malformed):
        signed(message(payload=bytes(200_000)))


def test_a_message_is_read_as_it_was_signed() -> None:
    read = read_message(signed(message()), letter=CAST.letter)
    assert msgspec.structs.replace(read, sig=msgspec.UNSET) == message()
    assert b'"from":1' in signed(message())


@pytest.mark.parametrize(
    "change",
    [{"freeze": 8}, {"from_": 2}, {"to": 5}, {"type": "list"}, {"part": 2, "parts": 2}, {"payload": b"anythinG"}],
)
def test_a_message_changed_on_its_way_is_refused(change: dict[str, object]) -> None:
    read = read_message(signed(message()), letter=CAST.letter)
    with pytest.raises(VerificationError):
        read_message(to_jcs(msgspec.structs.replace(read, **change)), letter=CAST.letter)


def test_a_message_for_another_letter_is_refused() -> None:
    with pytest.raises(VerificationError):
        read_message(signed(message()), letter=make_letter(seed=1, origin="letters.example.org/l/x").letter)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (to_jcs(message()), Malformed),
        (signed(message())[:-1], Malformed),
        (b" " + signed(message()), Malformed),
        (signed(message(part=2)), Malformed),
        (signed(message(from_=9)), Refused),
        (signed(message(to=9)), Refused),
        (bytes(MAX_MESSAGE_BYTES + 1), Malformed),
    ],
    ids=["unsigned", "cut", "spaced", "part 2 of 1", "no trustee", "to no trustee", "too long"],
)
def test_what_is_not_a_message_is_refused(data: bytes, error: type[UndersignedError]) -> None:
    with pytest.raises(error):
        read_message(data, letter=CAST.letter)


def test_a_list_in_parts_is_whole_only_when_all_are_there_and_agree() -> None:
    first, second = (message(type="list", part=part, parts=2, payload=b"%d" % part) for part in (1, 2))
    assert exchange.joined({1: first, 2: second}) == b"12"
    assert exchange.joined({1: first}) is None
    assert exchange.joined({1: message(parts=1), 2: second}) == b"anything"
    assert exchange.joined({2: second}) is None
    assert exchange.joined({}) is None
