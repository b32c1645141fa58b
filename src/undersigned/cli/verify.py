"""`undersigned verify` and `undersigned receipt`: what a stranger runs. spec/verify.md has steps and JSON keys."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from undersigned import evidence, verifier
from undersigned.client.folder import read_dossier_folder
from undersigned.client.keeping import load_receipt, read_whole
from undersigned.client.source import HttpSource
from undersigned.errors import Malformed, Unavailable, UndersignedError, VerificationError
from undersigned.protocol.dossier import read_zip
from undersigned.protocol.receipt import signature_of, verify_receipt
from undersigned.transparency.policy import Policy, parse_policy
from undersigned.verifier import UNPROVABLE, Verdict, verify_dossier

MAX_DOSSIER_BYTES = 16 * 1024**3


@click.command()
@click.argument("where", metavar="FILE|DIRECTORY|URL")
@click.option("--policy", type=click.Path(path_type=Path), help="Witnesses of your own: a C2SP policy file.")
@click.option("--lid", help="The letter it must be: its 64 hex digits, from page, receipt or press kit.")
@click.option("--json", "as_json", is_flag=True, help="The verdict for machines, on standard output.")
def verify(where: str, policy: Path | None, lid: str | None, as_json: bool) -> None:
    """Recount a letter from its dossier and check everything a file can show; or say what evidence proves.

    Exit code 0: everything holds; 1: a check failed, or the file is malformed; 3: it could not be checked.
    """
    chosen = read_policy(policy)
    wanted = _read_lid(lid)
    if is_evidence(where):
        try:
            show_evidence(Path(where), policy=chosen, lid=wanted, as_json=as_json)
        except (Malformed, VerificationError) as refusal:
            _refuse(str(refusal), as_json=as_json)
        return
    try:
        files = read_files(where)
    except Malformed as refusal:
        _refuse(str(refusal), as_json=as_json)
    with _progress(as_json) as progress:
        verdict = verify_dossier(files, policy=chosen, lid=wanted, progress=progress)
    if as_json:
        click.echo(json.dumps(verdict_json(verdict), ensure_ascii=False, indent=2))
    else:
        show_verdict(verdict, Console())
    sys.exit(0 if verdict.ok else 1)


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--policy", type=click.Path(path_type=Path), help="Witnesses of your own: a C2SP policy file.")
@click.option("--json", "as_json", is_flag=True, help="The result for machines, on standard output.")
def receipt(file: Path, policy: Path | None, as_json: bool) -> None:
    """Check one receipt: the letter inside it, the signature, the promise and, once there, the proof.

    Exit code 0: it holds; 1: it does not, or is no receipt; 3: it could not be read.
    """
    chosen = read_policy(policy)
    try:
        kept = load_receipt(file)
        letter, checkpoint = verify_receipt(kept, policy=chosen)
        entry = signature_of(kept)
    except Unavailable:
        raise
    except UndersignedError as refusal:
        _refuse(str(refusal), what="The receipt is read and checked", page="spec/receipt.md", as_json=as_json)
    if as_json:
        told = {
            "ok": True,
            "letter": {"lid": letter.lid.hex(), "title": letter.publication.title, "origin": letter.origin},
            "mode": entry.mode,
            "tier": entry.tier,
            "text_hash": entry.text_hash.hex(),
            "included": checkpoint is not None,
            "checkpoint_size": checkpoint.size if checkpoint else None,
            "promised_until": kept.promise.latest,
        }
        click.echo(json.dumps(told, ensure_ascii=False, indent=2))
        return
    click.echo(f"Letter     {letter.publication.title}")
    click.echo(f"lid        {letter.lid.hex()}")
    click.echo(f"Signature  {entry.mode}, for the text with hash {entry.text_hash.hex()}")
    if checkpoint is None:
        click.echo("Promised   the log signed a promise to include it; the proof of inclusion is not in this file yet")
    else:
        click.echo(f"Included   in the log at size {checkpoint.size:,}, cosigned by the letter's witnesses")
    click.echo("This receipt holds.")


def read_files(where: str) -> dict[str, bytes]:
    """A dossier's files from a file, a directory or a letter's address. Malformed, Unavailable."""
    if where.startswith(("http://", "https://")):
        base = where.rstrip("/").removesuffix("/letter.dossier")
        return read_zip(HttpSource(base, at_most=MAX_DOSSIER_BYTES).get("letter.dossier"))
    path = Path(where)
    if path.is_dir():
        return read_dossier_folder(path)
    return read_zip(read_whole(path, what="a dossier", at_most=MAX_DOSSIER_BYTES))


def is_evidence(where: str) -> bool:
    """Whether this is a file of evidence: JSON, where a dossier is a ZIP."""
    path = Path(where)
    return path.is_file() and _first_byte(path) == b"{"


def _first_byte(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(1)
    except OSError as error:
        raise Unavailable(f"{path} cannot be read: {error.strerror}") from None


def show_evidence(path: Path, *, policy: Policy | None, lid: bytes | None, as_json: bool) -> None:
    """Say what a file of evidence proves. Malformed or VerificationError when it proves nothing."""
    data = read_whole(path, what="evidence", at_most=evidence.MAX_EVIDENCE_BYTES)
    found = evidence.check_evidence(evidence.read_evidence(data), policy=policy, lid=lid)
    letter = found.letter
    if as_json:
        named = {"lid": letter.lid.hex(), "title": letter.publication.title, "origin": letter.origin}
        told = {"ok": True, "evidence": found.kind, "verdict": found.sentence, "letter": named}
        click.echo(json.dumps(told | {"details": list(found.details)}, ensure_ascii=False, indent=2))
        return
    click.echo(f"{letter.publication.title}\nlid {letter.lid.hex()}\norigin {letter.origin}\n")
    for line in found.details:
        click.echo(f"   - {line}")
    click.echo(f"\nThis evidence holds against the letter's host: {found.sentence}.")


def show_verdict(verdict: Verdict, console: Console) -> None:
    """The numbered steps, the figures, what no file can show, and the verdict."""
    if verdict.letter:
        console.print(Text(verdict.letter.publication.title, style="bold"))
        console.print(f"lid {verdict.letter.lid.hex()}\n", highlight=False)
    marks = {True: ("✓", "green"), False: ("✗", "bold red"), None: ("·", "dim")}
    for step in verdict.steps:
        mark, style = marks[step.ok]
        line = Text.assemble((f"{mark} {step.n:>2}  {step.name}", style), (f"  {step.page}", "dim"))
        console.print(line)
        console.print(Text("      " + step.detail), highlight=False)
    console.print()
    if verdict.figures and verdict.ok:
        _show_figures(verdict, console)
    for warning in verdict.warnings:
        console.print(Text(f"!  {warning}", style="yellow"))
    if verdict.ok:
        console.print("What no file can show:", style="dim")
        for unproved in UNPROVABLE:
            console.print(Text(f"   - {unproved}", style="dim"))
    console.print()
    console.print(Text(sentence(verdict), style="bold green" if verdict.ok else "bold red"))


def sentence(verdict: Verdict) -> str:
    """The verdict in one sentence."""
    failed = next((step for step in verdict.steps if step.ok is False), None)
    if failed:
        return f"This does not hold: step {failed.n}, {failed.name[0].lower()}{failed.name[1:]}: {failed.detail}."
    if not verdict.witnessed:
        whose = "times and single history by the host's word"
    elif verdict.own_policy:
        whose = "by witnesses of your own policy"
    else:
        whose = "by witnesses the letter itself names"
    assert verdict.figures is not None
    assert verdict.checkpoint is not None
    together, size = verdict.figures.n_star, verdict.checkpoint.size
    return f"This letter holds: {together:,} stand together, as of {size:,} entries, {whose}."


def _show_figures(verdict: Verdict, console: Console) -> None:
    assert verdict.figures is not None
    shown = verdict.figures
    table = Table(title="Classes", title_justify="left", box=None, pad_edge=False)
    for heading in ("class", "named", "anonymous", "signatures", "tokens", "eligible", "share"):
        table.add_column(heading, justify="left" if heading == "class" else "right")
    for item in shown.classes:
        share = f"{100 * item.signatures / item.eligible:.1f} %" if item.eligible else "–"
        name = Text(item.name + ("" if item.counts else "*"))
        row = (item.named, item.anonymous, item.signatures, item.issued)
        eligible = f"{item.eligible:,}" if item.eligible else "–"
        table.add_row(name, *(f"{number:,}" for number in row), eligible, share)
    console.print(table)
    for item in shown.classes:
        if item.source:
            console.print(Text(f"eligible, {item.name}: {item.source}", style="dim"))
    if not all(item.counts for item in shown.classes):
        console.print(Text("* shown, and not counted", style="dim"))
    console.print()
    table = Table(title="The ladder", title_justify="left", box=None, pad_edge=False)
    for heading in ("tier", "at least", "would stand", "reached", "opened", "still sealed"):
        table.add_column(heading, justify="right")
    for tier in shown.tiers:
        reached = "yes" if tier.reached else "no"
        table.add_row(
            str(tier.id), f"{tier.at_least:,}", f"{tier.standing:,}", reached, str(tier.opened), str(tier.sealed)
        )
    console.print(table)
    console.print()
    console.print(
        f"public {shown.public:,}, opened {shown.opened:,}, sealed {shown.sealed:,}; anonymous {shown.anonymous:,}; "
        f"withdrawn {shown.withdrawn}, disputed {shown.disputed}, removed {shown.removed}, dropped {shown.dropped}, "
        f"not openable {shown.not_openable}, under an older text {shown.older_version}",
        highlight=False,
    )
    console.print()


def verdict_json(verdict: Verdict) -> dict[str, object]:
    """The verdict with the stable keys of spec/verify.md."""
    told: dict[str, object] = {"ok": verdict.ok, "verdict": sentence(verdict)}
    if verdict.letter:
        letter = verdict.letter
        told["letter"] = {
            "lid": letter.lid.hex(),
            "title": letter.publication.title,
            "origin": letter.origin,
            "text_hash": (verdict.state.text_hash if verdict.state else letter.text_hash).hex(),
        }
    if verdict.checkpoint:
        told["checkpoint"] = {"size": verdict.checkpoint.size, "root_hash": verdict.checkpoint.root_hash.hex()}
    if verdict.figures:
        told |= figures_json(verdict)
    told["witnessed"] = verdict.witnessed
    told["own_policy"] = verdict.own_policy
    told["warnings"] = list(verdict.warnings)
    told["steps"] = [
        {"n": step.n, "name": step.name, "page": step.page, "ok": step.ok, "detail": step.detail}
        for step in verdict.steps
    ]
    return told


def figures_json(verdict: Verdict) -> dict[str, object]:
    """The figures among those keys."""
    shown = verdict.figures
    assert shown is not None
    return {
        "n_star": shown.n_star,
        "signatures": shown.signatures,
        "tiers": [
            {
                "id": tier.id,
                "at_least": tier.at_least,
                "reached": tier.reached,
                "opened": tier.opened,
                "standing": tier.standing,
                "sealed": tier.sealed,
            }
            for tier in shown.tiers
        ],
        "classes": [
            {
                "id": item.id,
                "name": item.name,
                "eligible": item.eligible,
                "source": item.source,
                "issued": item.issued,
                "signatures": item.signatures,
                "named": item.named,
                "anonymous": item.anonymous,
                "counts": item.counts,
            }
            for item in shown.classes
        ],
        "modes": {"public": shown.public, "anonymous": shown.anonymous, "sealed": shown.sealed},
        "opened": shown.opened,
        "withdrawn": shown.withdrawn,
        "disputed": shown.disputed,
        "removed": shown.removed,
        "removals": shown.removals,
        "dropped": shown.dropped,
        "not_openable": shown.not_openable,
        "older_version": shown.older_version,
        "late": shown.late,
    }


def read_policy(path: Path | None) -> Policy | None:
    """The policy in a file, None without one. Malformed, Unavailable."""
    if path is None:
        return None
    try:
        return parse_policy(read_whole(path, what="a policy").decode())
    except UnicodeDecodeError:
        raise Malformed(f"{path} is not a policy: it is not text") from None


def _read_lid(text: str | None) -> bytes | None:
    if text is None:
        return None
    try:
        lid = bytes.fromhex(text)
    except ValueError:
        lid = b""
    if len(lid) != 32:
        raise click.BadParameter("a lid is 64 hex digits", param_hint="--lid")
    return lid


def _refuse(detail: str, *, what: str = "The file is read", page: str = "spec/dossier.md", as_json: bool) -> NoReturn:
    if as_json:
        step = {"n": 1, "name": what, "page": page, "ok": False, "detail": detail}
        click.echo(json.dumps({"ok": False, "verdict": detail, "steps": [step]}, ensure_ascii=False, indent=2))
    else:
        click.echo(f"This does not hold: {detail}.", err=True)
    sys.exit(1)


@contextmanager
def _progress(quiet: bool) -> Iterator[verifier.Progress | None]:
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield None
        return
    columns = (TextColumn("checking entries"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
