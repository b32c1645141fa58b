"""The ladder and the arrival curve, drawn with characters for a terminal."""

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from undersigned.protocol.state import LetterState
from undersigned.story.people import Character

WIDTH, HEIGHT = 60, 12
_BLOCKS = " ▁▂▃▄▅▆▇█"


def ladder(state: LetterState) -> Text:
    """How many would stand if so many did; the last crossing with the dotted diagonal is N*."""
    tiers = [tier.at_least for tier in state.letter.publication.tiers]
    top = max([sum(state.conditions.values()), *tiers, 10])
    rows = [[" "] * (WIDTH + 1) for _ in range(HEIGHT + 1)]
    for column in range(WIDTH + 1):
        n = round(column * top / WIDTH)
        rows[_row(n, top)][column] = "·"
        rows[_row(state.standing(n), top)][column] = "━"
    rows[_row(state.n_star, top)][round(state.n_star * WIDTH / top)] = "●"
    found = Text()
    for number, row in enumerate(rows):
        scale = f"{round((HEIGHT - number) * top / HEIGHT):>5} " if number % 4 == 0 else " " * 6
        found.append(scale, "dim")
        for character in row:
            found.append(character, {"●": "bold red", "·": "dim"}.get(character, ""))
        found.append("\n")
    found.append(" " * 6 + _marks({f"{a:,}": round(a * WIDTH / top) for a in tiers}) + "\n", "dim")
    found.append(f"      {state.n_star:,} stand together: the last step above the diagonal\n", "bold")
    return found


def arrivals(people: Sequence[Character]) -> Text:
    """How many arrived in each two hours of the first three days."""
    counts = [0] * 36
    for person in people:
        counts[min(int(person.hour // 2), 35)] += 1
    top = max([*counts, 1])
    bars = "".join(_BLOCKS[-(-number * 8 // top)] for number in counts)
    found = Text()
    found.append(f"  {bars}  at most {top:,} in two hours\n")
    found.append("  " + _marks({"Mon 6h": 0, "Tue 6h": 12, "Wed 6h": 24}) + "\n", "dim")
    return found


def closing_table(rows: Sequence[tuple[str, str]]) -> Table:
    """What happened, in two columns."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim")
    table.add_column(justify="right")
    for what, number in rows:
        table.add_row(what, number)
    return table


def _row(people: int, top: int) -> int:
    return HEIGHT - round(people * HEIGHT / top)


def _marks(places: dict[str, int]) -> str:
    line = ""
    for label, at in places.items():
        line = line.ljust(at) + label + " "
    return line
