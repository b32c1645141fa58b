"""Signatures admitted per second, durable and promised: the log over HTTP, against what cannot be avoided.

The server has one core, the senders another. Ceilings are measured in the same run: an empty handler of the same
server that reads the same bodies, and the bare cryptography, JCS and hash of one signature. Ratios are of processor
time per signature: (empty handler + bare cryptography) / admission.

    python benchmarks/admission.py [--quick] [--json FILE]
"""

import asyncio
import contextlib
import json
import multiprocessing
import os
import resource
import socket
import statistics
import sys
import tempfile
import time
from base64 import b64decode, b64encode
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import click

from _bench import options, report, seconds_per_call
from undersigned.config.running import listen
from undersigned.log.room import LogRoom
from undersigned.protocol.blob import verify_public_blob
from undersigned.protocol.encoding import sha256, to_jcs
from undersigned.protocol.entry import decode_entry
from undersigned.protocol.verification import verify_entry
from undersigned.web import Answer, Request, Router, json_answer

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.letters import Cast, make_letter

HOST = "127.0.0.1"
CODE = "benchmark"
CONNECTIONS = 32


@click.command()
@options
def main(quick: bool, json_file: Path | None) -> None:
    """Admission of public and of sealed signatures, SQLite with synchronous=FULL, one worker."""
    count = 400 if quick else 2_000
    ratios: dict[str, float] = {}
    figures: dict[str, Any] = {"signatures_each": count, "connections": CONNECTIONS}
    for mode in ("public", "sealed"):
        measured = _measure(mode, count)
        ratios[mode] = measured.pop("ratio")
        figures |= {f"{mode}_{name}": value for name, value in measured.items()}
    report(
        "Admission over HTTP, one core",
        ratios=ratios,
        targets={"public": 0.60, "sealed": 0.50},
        figures=figures,
        json_file=json_file,
    )


def _measure(mode: str, count: int) -> dict[str, float]:
    cast = make_letter(origin=f"{HOST}/l/board", deadline=int(time.time()) + 86_400, eligible=0, tiers=(50, 250))
    bodies = [_body(cast, mode) for _ in range(count)]
    with tempfile.TemporaryDirectory() as directory, _server(cast, Path(directory)) as (port, answers):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
        empty = asyncio.run(_send(port, "/empty", bodies))
        admitted = asyncio.run(_send(port, "/l/board/submit", bodies))
        del answers
    os.sched_setaffinity(0, range(os.cpu_count() or 1))
    bare = _bare(cast, bodies[: min(count, 400)])
    return {
        "ratio": (empty["cpu"] + bare) / admitted["cpu"],
        "per_second": count / admitted["wall"],
        "p50_ms": statistics.median(admitted["latencies"]) * 1e3,
        "p99_ms": statistics.quantiles(admitted["latencies"], n=100)[98] * 1e3,
        "cpu_us_each": admitted["cpu"] * 1e6,
        "empty_handler_cpu_us": empty["cpu"] * 1e6,
        "empty_handler_per_second": count / empty["wall"],
        "bare_cryptography_us": bare * 1e6,
        "body_bytes": float(len(bodies[0])),
    }


def _body(cast: Cast, mode: str) -> bytes:
    entry, blob = cast.signature(cast.person(), mode, tier=1 if mode == "sealed" else 0)  # type: ignore[arg-type]
    sent = {"entry": b64encode(entry).decode(), "blob": b64encode(blob or b"").decode()}
    return json.dumps(sent).encode()


def _bare(cast: Cast, bodies: list[bytes]) -> float:
    """Seconds of what no admission can leave out: parse, JCS, hash, RSA-PSS, Ed25519 (a card has one more)."""
    sent = [json.loads(body) for body in bodies]
    pairs = [(b64decode(one["entry"]), b64decode(one["blob"])) for one in sent]

    def check() -> None:
        for data, blob in pairs:
            entry = decode_entry(data)
            sha256(data, to_jcs(entry), blob)
            verify_entry(entry, cast.letter)
            if entry.mode == "public":  # type: ignore[union-attr]
                verify_public_blob(blob, letter=cast.letter, class_id=1, key=entry.key)  # type: ignore[union-attr]

    return seconds_per_call({"bare": check}, rounds=5, repeat=1)["bare"] / len(bodies)


@contextlib.contextmanager
def _server(cast: Cast, directory: Path) -> Any:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    secrets = (cast.letter.data, cast.log, cast.promise, cast.accept(issued=1_000_000))
    process = context.Process(target=_serve, args=(there, directory, *secrets), daemon=True)
    process.start()
    try:
        yield here.recv(), here
    finally:
        process.terminate()
        process.join()


def _serve(pipe: Connection, directory: Path, entry0: bytes, seed: bytes, promise: bytes, first: list[bytes]) -> None:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    asyncio.run(_run(pipe, directory, entry0, seed, promise, first))


async def _run(
    pipe: Connection, directory: Path, entry0: bytes, seed: bytes, promise: bytes, first: list[bytes]
) -> None:
    room = LogRoom(directory=directory, host=HOST, seed=seed, promise_seed=promise, publish_code=CODE)
    await room.publish(entry0)
    for entry in first:
        await room.submit("board", entry)
    router = Router()
    router.include(room.router)
    router.add("POST", "/empty", _empty)
    router.add("GET", "/cpu", _cpu)
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = int(probe.getsockname()[1])
    await listen({port: router}, bind=HOST, tasks=[room.run()], ready=lambda: pipe.send(port), after=room.close)


def _empty(request: Request) -> Answer:
    request.json()
    return json_answer({"leaf": "0" * 64})


def _cpu(request: Request) -> Answer:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return json_answer(used.ru_utime + used.ru_stime)


async def _send(port: int, path: str, bodies: list[bytes]) -> dict[str, Any]:
    """Send every body once over a few connections; processor seconds each, wall seconds, latencies."""
    before = await _cpu_seconds(port)
    waiting, latencies = list(bodies), []
    start = time.perf_counter()

    async def sender() -> None:
        reader, writer = await asyncio.open_connection(HOST, port)
        while waiting:
            body = waiting.pop()
            began = time.perf_counter()
            head = f"POST {path} HTTP/1.1\r\nhost: {HOST}\r\ncontent-length: {len(body)}\r\n\r\n"
            writer.write(head.encode() + body)
            status, _ = await _answer(reader)
            assert status == 200, status
            latencies.append(time.perf_counter() - began)
        writer.close()

    await asyncio.gather(*(sender() for _ in range(CONNECTIONS)))
    wall = time.perf_counter() - start
    return {"cpu": (await _cpu_seconds(port) - before) / len(bodies), "wall": wall, "latencies": latencies}


async def _cpu_seconds(port: int) -> float:
    reader, writer = await asyncio.open_connection(HOST, port)
    writer.write(b"GET /cpu HTTP/1.1\r\nhost: x\r\n\r\n")
    _, body = await _answer(reader)
    writer.close()
    return float(json.loads(body))


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    length = next(int(line.split(":")[1]) for line in head.split("\r\n") if line.lower().startswith("content-length"))
    return int(head.split(" ")[1]), await reader.readexactly(length)


if __name__ == "__main__":
    main()
