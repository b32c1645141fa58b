"""The page of one letter: its exact text, the counts, the ladder, the names, and the ways to check them. No script."""

from collections.abc import Iterable
from html import escape

import nh3
from markdown_it import MarkdownIt

from undersigned.protocol.figures import ClassFigures, Figures, figures
from undersigned.site.ladder import ladder_svg
from undersigned.site.view import LetterView

_MARKDOWN = MarkdownIt("commonmark", {"html": False})
_TAGS = {"p", "em", "strong", "ul", "ol", "li", "blockquote", "br", "hr", "h2", "h3", "h4", "code", "pre"}


def letter_page(view: LetterView, *, alone: bool = False) -> str:
    """The whole page in HTML; everything that people wrote is escaped or cleaned.

    `alone`: for a folder of plain files, with links that hold wherever it lies.
    """
    shown = figures(view.state)
    fields = view.state.versions[-1].fields
    parts = [
        f'<p class="kind">Open letter · version {len(view.state.versions)}</p>',
        f"<h1>{_text(fields.title)}</h1>",
        f'<p class="addressee">To: {_text(fields.addressee)}</p>' if fields.addressee else "",
        _brief(view, shown),
        f'<div lang="{escape(fields.language)}">{_markdown(fields.text)}</div>',
        _demands([item.text for item in fields.demands]),
        f'<section class="pledge"><h2>What we may do</h2>{_markdown(fields.pledge)}</section>' if fields.pledge else "",
        _names(view),
        _classes(shown.classes),
        _ladder(view, shown),
        _checks(view, alone=alone),
    ]
    return _shell(
        title=fields.title, language=fields.language, main="\n".join(part for part in parts if part), alone=alone
    )


def list_page(views: Iterable[LetterView]) -> str:
    """All letters of this host, newest last."""
    rows = [
        f'<li><a href="/l/{escape(view.state.letter.slug)}">{_text(view.state.versions[-1].fields.title)}</a>'
        f"<i>{view.state.n_star:,} stand together</i></li>"
        for view in views
    ]
    told = f'<ul class="names">{"".join(rows)}</ul>' if rows else "<p>No letter has been published here yet.</p>"
    return _shell(title="Open letters", language="en", main=f"<h1>Open letters</h1>{told}")


def missing_page() -> str:
    """There is no such letter."""
    main = '<h1>There is no letter here</h1><p><a href="/">All letters of this host</a></p>'
    return _shell(title="No letter here", language="en", main=main)


def _brief(view: LetterView, shown: Figures) -> str:
    parts = [f"{shown.public:,} in public"]
    parts += [f"{shown.sealed:,} under seal"] if shown.sealed else []
    parts += [f"{shown.opened:,} opened from under seal"] if shown.opened else []
    apart = f" {shown.anonymous:,} more sign anonymously and are counted apart." if shown.anonymous else ""
    uncounted = sum(item.named for item in shown.classes if not item.counts)
    apart += f" {uncounted:,} are in classes that are shown and not counted." if uncounted else ""
    left = f" {shown.withdrawn:,} have withdrawn." if shown.withdrawn else ""
    shares = "".join(
        f" {item.signatures:,} of {item.eligible:,} {_text(item.name.lower())} (eligible by {_text(item.source)})."
        for item in shown.classes
        if item.counts and item.eligible
    )
    return (
        f'<section class="brief" aria-label="The count"><strong>{shown.n_star:,}</strong> stand together now'
        f"<br><small>{', '.join(parts)}.{apart}{left}{shares}</small></section>"
    )


def _demands(demands: list[str]) -> str:
    if not demands:
        return ""
    rows = "".join(f"<li>{_text(item)}</li>" for item in demands)
    return f'<section><h2>We demand</h2><ol class="demands">{rows}</ol></section>'


def _names(view: LetterView) -> str:
    rows, sealed, anonymous = [], [0] * (len(view.state.letter.publication.tiers) + 1), 0
    for record in view.standing():
        card = view.cards.get(record.index)
        if record.mode == "anonymous":
            anonymous += 1
        elif record.hidden:
            sealed[record.tier] += 1
        elif card is not None:
            title = f"<i>{_text(card.title)}</i>" if card.title else ""
            rows.append(f"<li><bdi>{_text(card.name)}</bdi>{title}</li>")
    for tier, number in enumerate(sealed):
        if number:
            at_least = view.state.letter.at_least(tier)
            rows.append(f'<li class="blank"><span>{number:,} sealed names</span><b>open at {at_least:,}</b></li>')
    if anonymous:
        rows.append(f'<li class="blank"><span>{anonymous:,} anonymous, attested</span></li>')
    told = f'<ul class="names">{"".join(rows)}</ul>' if rows else "<p>Nobody has signed yet.</p>"
    return f"<section><h2>We, the undersigned</h2>{told}</section>"


def _classes(classes: Iterable[ClassFigures]) -> str:
    rows = []
    for item in classes:
        share = f"{100 * item.signatures / item.eligible:.1f} %" if item.eligible else "–"
        size = f"{item.eligible:,}" if item.eligible else "unknown"
        name = _text(item.name) + ("" if item.counts else " (not counted)")
        source = f'<br><span class="note">{_text(item.source)}</span>' if item.source else ""
        cells = "".join(f"<td>{cell}</td>" for cell in (f"{item.signatures:,}", f"{item.issued:,}", size, share))
        rows.append(f"<tr><td>{name}{source}</td>{cells}</tr>")
    head = "".join(
        f'<th scope="col">{cell}</th>' for cell in ("Class", "Signatures", "Tokens, at most", "Eligible", "Share")
    )
    return (
        '<section><h2>Who signs</h2><div class="wide" tabindex="0" role="region" aria-label="Classes">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div></section>"
    )


def _ladder(view: LetterView, shown: Figures) -> str:
    if not shown.tiers:
        return ""
    rows = "".join(
        f"<tr><td>{tier.at_least:,}</td><td>{tier.standing:,}</td><td>{'reached' if tier.reached else 'not yet'}</td>"
        f"<td>{tier.sealed:,}</td><td>{tier.opened:,}</td></tr>"
        for tier in shown.tiers
    )
    head = "".join(
        f'<th scope="col">{cell}</th>' for cell in ("If at least", "would stand", "Tier", "Still sealed", "Opened")
    )
    return (
        f"<section><h2>The ladder</h2>{ladder_svg(view.state)}"
        '<p class="note">How many would stand if so many did. Everyone sealed asks for a number; '
        "nobody is named with fewer named beside them than they asked for.</p>"
        '<div class="wide" tabindex="0" role="region" aria-label="The ladder as a table">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div></section>"
    )


def _checks(view: LetterView, *, alone: bool) -> str:
    letter = view.state.letter
    base = "" if alone else f"/l/{escape(letter.slug)}/"
    others = "" if alone else '<li><a href="/">All letters</a></li>'
    cosigned = "cosigned by the letter's witnesses" if view.witnessed else "not cosigned by enough witnesses yet"
    closed = "<p>This letter is closed: nobody can sign it any more.</p>" if view.state.closed is not None else ""
    return (
        f'<section class="foot"><h2>Check it yourself</h2>{closed}'
        f"<p>As of {view.checkpoint.size:,} log entries, {cosigned}. With one registrar, a dishonest one could invent "
        "signatories up to the stated number of tokens; everything else on this page can be recounted offline.</p>"
        f"<p>lid <code>{letter.lid.hex()}</code><br>text <code>{view.state.text_hash.hex()}</code><br>"
        f"root <code>{view.checkpoint.root_hash.hex()}</code></p>"
        f'<nav aria-label="Files"><ul><li><a href="{base}letter.dossier">Dossier</a></li>'
        f'<li><a href="{base}counts.json">Counts</a></li><li><a href="{base}checkpoint">Checkpoint</a></li>'
        f"{others}</ul></nav>"
        f"<p>In a terminal: <code>undersigned verify http(s)://{escape(letter.origin)}</code> and "
        f"<code>undersigned sign http(s)://{escape(letter.origin)}</code></p></section>"
    )


def _shell(*, title: str, language: str, main: str, alone: bool = False) -> str:
    css = "static/letter.css" if alone else "/static/letter.css"
    direction = "rtl" if language.split("-")[0] in ("ar", "fa", "he", "ur") else "ltr"
    return (
        f'<!doctype html>\n<html lang="{escape(language)}" dir="{direction}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<title>{_text(title)}</title>\n<link rel="stylesheet" href="{css}">\n</head>\n<body>\n'
        '<a class="skip" href="#letter">To the letter</a>\n'
        f'<main class="sheet" id="letter">\n{main}\n</main>\n</body>\n</html>\n'
    )


def _markdown(text: str) -> str:
    return nh3.clean(_MARKDOWN.render(text), tags=_TAGS, attributes={})


def _text(text: str) -> str:
    return escape(text, quote=True)
