"""`undersigned serve`: all rooms in one process, or the named ones."""

import asyncio
from pathlib import Path

import click

from undersigned.cli.options import data_option
from undersigned.client.keeping import read_whole
from undersigned.config.all_in_one import ROOMS, Room, Rooms
from undersigned.config.hosting import HostFolder, make_folder, read_folder
from undersigned.config.running import listen

_NO_WITNESSES = "quorum none\n"


@click.command()
@click.argument("rooms", nargs=-1, type=click.Choice(ROOMS))
@data_option("Where everything is kept; made at the first start.")
@click.option("--base-url", envvar="UNDERSIGNED_BASE_URL", help="The host's address, needed at the first start only.")
@click.option("--registrar-name", default="The host", show_default=True, help="First start: who attests.")
@click.option("--policy", type=click.Path(path_type=Path), help="First start: witnesses and their URLs.")
@click.option("--bind", default="127.0.0.1", show_default=True, help="The address to listen at.")
@click.option("--port", default=8000, show_default=True, help="The port to listen at.")
@click.option("--log-url", help="Where the log is, when it runs elsewhere.")
def serve(
    rooms: tuple[Room, ...],
    data: Path,
    base_url: str | None,
    registrar_name: str,
    policy: Path | None,
    bind: str,
    port: int,
    log_url: str | None,
) -> None:
    """Run all rooms (log, registrar, site) in this process, or only the named ones."""
    folder = _open(data, base_url or f"http://{bind}:{port}", registrar_name, policy)
    asyncio.run(_serve(folder, rooms or ROOMS, log_url=log_url, bind=bind, port=port))


async def _serve(folder: HostFolder, rooms: tuple[Room, ...], *, log_url: str | None, bind: str, port: int) -> None:
    running = Rooms(folder, rooms=rooms, log_url=log_url)

    def ready() -> None:
        click.echo(f"{', '.join(rooms)} at http://{bind}:{port}")

    await listen({port: running.router}, bind=bind, tasks=running.tasks(), ready=ready, after=running.close)


def _open(data: Path, base_url: str, registrar_name: str, policy: Path | None) -> HostFolder:
    if (data / "host.json").exists():
        return read_folder(data)
    text = _NO_WITNESSES if policy is None else read_whole(policy, what="a policy").decode()
    folder = make_folder(data, base_url=base_url, registrar_name=registrar_name, policy=text)
    click.echo(f"A new data directory: {data}")
    click.echo(f"Organizers publish with the code in {data / 'secrets' / 'publish.code'}")
    if policy is None:
        click.echo("WARNING: no witnesses: nobody but this host vouches for times and for one history.")
        click.echo("Letters with sealed signatures need them: give --policy at the first start.")
    return folder
