"""The ladder as a picture: steps are how many would stand, dots are as many as asked for, the last crossing is N*."""

from undersigned.protocol.state import LetterState

WIDTH, HEIGHT, MARGIN = 640, 300, 40


def ladder_svg(state: LetterState) -> str:
    """SVG drawn by the server, coloured by the stylesheet, with its text equivalent."""
    asked = sorted(state.conditions.elements())
    tiers = [tier.at_least for tier in state.letter.publication.tiers]
    top = max([len(asked), *tiers, 10])
    points = [(0, 0)]
    for n in sorted({1, *asked}):
        points += [(n, points[-1][1]), (n, state.standing(n))]
    points.append((top, len(asked)))
    line = " ".join(f"{_x(n, top):.1f},{_y(people, top):.1f}" for n, people in points)
    together = state.n_star
    label = f"{together} stand together; " + ", ".join(f"if {a} do, {state.standing(a)} would" for a in tiers)
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">'
        f'<polyline class="asked" points="{_x(0, top):.1f},{_y(0, top):.1f} {_x(top, top):.1f},{_y(top, top):.1f}"/>'
        f"{''.join(_tick(a, top) for a in tiers)}"
        f'<polyline class="steps" points="{line}"/>'
        f'<circle class="dot" cx="{_x(together, top):.1f}" cy="{_y(together, top):.1f}" r="5"/>'
        f'<text x="{_x(together, top) + 8:.1f}" y="{_y(together, top) + 16:.1f}">{together:,} stand together</text>'
        "</svg>"
    )


def _tick(at_least: int, top: int) -> str:
    x, y = _x(at_least, top), HEIGHT - MARGIN
    return (
        f'<line class="tick" x1="{x:.1f}" y1="{y - 5}" x2="{x:.1f}" y2="{y + 5}"/>'
        f'<text x="{x:.1f}" y="{y + 20}" text-anchor="middle">{at_least:,}</text>'
    )


def _x(n: int, top: int) -> float:
    return MARGIN + n * (WIDTH - 2 * MARGIN) / top


def _y(people: int, top: int) -> float:
    return HEIGHT - MARGIN - people * (HEIGHT - 2 * MARGIN) / top
