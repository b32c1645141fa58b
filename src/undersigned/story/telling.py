"""How a story is told: steps with progress bars on a terminal, or not at all for machines."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

Done = Callable[[], None]


class Teller:
    """Says what happens. `quiet` says nothing."""

    def __init__(self, *, quiet: bool) -> None:
        self.console = Console(quiet=quiet, highlight=False)
        self._step = 0

    def step(self, title: str) -> None:
        """A new chapter."""
        self._step += 1
        self.console.print(Text.assemble((f"\n{self._step:>2}  ", "dim"), (title, "bold")))

    def say(self, words: str) -> None:
        """One line of the chapter."""
        self.console.print(Text("    " + words))

    def show(self, picture: RenderableType) -> None:
        """A picture or a table."""
        self.console.print(picture)

    @contextmanager
    def progress(self, what: str, total: int | None) -> Iterator[Done]:
        """A bar that the yielded function moves by one; a spinner when `total` is not known."""
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(32))
        with Progress(*columns, MofNCompleteColumn(), TimeElapsedColumn(), console=self.console, transient=True) as bar:
            task = bar.add_task(f"   {what}", total=total)
            yield lambda: bar.advance(task)
