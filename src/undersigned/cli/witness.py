"""`undersigned witness`: vouch that logs have one history. One folder per witness; one process may serve several."""

import asyncio
import json
import secrets
from base64 import b64decode
from pathlib import Path

import click

from undersigned.client.keeping import read_whole, write_whole
from undersigned.config.running import listen
from undersigned.crypto import ed25519
from undersigned.errors import Malformed, Refused
from undersigned.transparency.note import VerifierKey, cosignature_vkey, parse_vkey
from undersigned.witness.asgi import Witness, make_witness


@click.group()
def witness() -> None:
    """Vouch that logs have one history."""


@witness.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--name", required=True, help="The witness's name, such as witness.example.org/w1.")
@click.option("--json", "as_json", is_flag=True, help="The key for machines.")
def keygen(directory: Path, name: str, as_json: bool) -> None:
    """Make a witness: its folder, its name and its key."""
    if (directory / "witness.json").exists():
        raise Refused(f"{directory} holds a witness already")
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    seed = secrets.token_bytes(32)
    vkey = cosignature_vkey(name, ed25519.public_key(seed)).encode()
    write_whole(directory / "witness.seed", seed)
    write_whole(directory / "witness.json", json.dumps({"name": name}).encode())
    if as_json:
        click.echo(json.dumps({"name": name, "vkey": vkey}))
        return
    click.echo(f"The witness's key, for letters' policies:\n{vkey}")


@witness.command()
@click.argument("directories", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--host", "hosts", multiple=True, metavar="HOST=KEY", help="All letters of a host, by its log key.")
@click.option("--log", "logs", multiple=True, metavar="VKEY", help="A single log, by its C2SP verifier key.")
@click.option("--bind", default="127.0.0.1", show_default=True)
@click.option("--port", default=8601, show_default=True, help="The first witness's port; the next ones follow.")
def serve(directories: tuple[Path, ...], hosts: tuple[str, ...], logs: tuple[str, ...], bind: str, port: int) -> None:
    """Run one or more witnesses: POST add-checkpoint, as C2SP tlog-witness has it."""
    if not hosts and not logs:
        raise click.UsageError("say whom to cosign: --host HOST=KEY or --log VKEY")
    known = dict(_read_host(text) for text in hosts)
    single = {key.name: key for key in map(parse_vkey, logs)}
    running = [_load(directory, known, single) for directory in directories]
    for number, one in enumerate(running):
        click.echo(f"{one.vkey.name} at http://{bind}:{port + number}")
    asyncio.run(listen({port + number: one.router for number, one in enumerate(running)}, bind=bind))


def _load(directory: Path, hosts: dict[str, bytes], logs: dict[str, VerifierKey]) -> Witness:
    try:
        name = str(json.loads(read_whole(directory / "witness.json", what="a witness"))["name"])
    except (ValueError, KeyError, TypeError):
        raise Malformed(f"{directory} is not a witness's folder: run `undersigned witness keygen`") from None
    seed = read_whole(directory / "witness.seed", what="a key", at_most=64)
    return make_witness(directory, name=name, seed=seed, hosts=hosts, logs=logs)


def _read_host(text: str) -> tuple[str, bytes]:
    host, found, key = text.partition("=")
    try:
        data = b64decode(key, validate=True)
    except ValueError:
        data = b""
    if not found or len(data) != 32:
        raise click.BadParameter("must be HOST=KEY, with the log key of /host.json", param_hint="--host")
    return host, data
