"""Options that several commands share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click


def data_option(words: str) -> Callable[[Any], Any]:
    """`--data`: the data directory of a host, with `words` for what the command does there."""
    return click.option(
        "--data",
        type=click.Path(path_type=Path),
        envvar="UNDERSIGNED_DATA_DIR",
        default=Path("undersigned-data"),
        show_default=True,
        help=words,
    )


DATA = data_option("The data directory of `undersigned serve`.")
