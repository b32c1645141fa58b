"""`undersigned export`: a letter as files that outlive its host."""

from pathlib import Path

import click

from undersigned.cli.verify import read_files
from undersigned.config.hosting import read_folder
from undersigned.config.static import read_own, static_files, write_static


@click.group()
def export() -> None:
    """Write a letter as files that outlive its host."""


@export.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.argument("url", required=False)
@click.option("--data", type=click.Path(path_type=Path), help="Instead of a URL: the host's own data directory.")
@click.option("--letter", "slug", help="With --data: which letter, by the last part of its address.")
def static(directory: Path, url: str | None, data: Path | None, slug: str | None) -> None:
    """Write the whole letter into DIRECTORY for any web host, from its URL or from the host's own data.

    The letter is checked first, and an earlier export in DIRECTORY is replaced whole.
    """
    if url is not None and data is None and slug is None:
        files = read_files(url)
    elif url is None and data is not None and slug is not None:
        files = read_own(read_folder(data), slug)
    else:
        raise click.UsageError("say where the letter is: a URL, or --data DIR with --letter SLUG")
    write_static(directory, static_files(files))
    click.echo(f"The letter is in {directory}: `undersigned verify {directory}` checks it, and so will any reader.")
