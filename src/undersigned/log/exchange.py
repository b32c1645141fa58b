"""Carries messages between a letter's trustees during an opening; they are sealed, and any host could carry them."""

import asyncio

from undersigned.errors import Refused
from undersigned.log.letter_log import LetterLog
from undersigned.log.storage import KeepMessage, LogStorage
from undersigned.log.writer import Writer
from undersigned.protocol.exchange import Message, read_message

_REPLACED = ("list", "sig")


async def carry(data: bytes, *, log: LetterLog, storage: LogStorage, writer: Writer) -> None:
    """Keep one message for its recipient until an hour after the round. Malformed, Refused, VerificationError."""
    message = read_message(data, letter=log.letter)
    _check_round(message, log)
    place = (message.to, message.from_, message.type, message.part)
    kept = storage.message(log.number, message.freeze, place)
    if kept == data:
        return
    if kept is not None and message.type not in _REPLACED:
        raise Refused("this part of the shares was sent already, and differently")
    await asyncio.shield(writer.write(KeepMessage(letter=log.number, freeze=message.freeze, place=place, data=data)))


def _check_round(message: Message, log: LetterLog) -> None:
    live = log.state.frozen
    just_done = log.state.rounds[-1].freeze.index if log.state.rounds else None
    if not (live and live.index == message.freeze) and not (
        message.freeze == just_done and message.freeze not in log.forgotten
    ):
        raise Refused("there is no such opening under way")
