import io
import json

import msgspec
from rich.console import Console

from support.letters import START, begun, make_letter
from undersigned.cli.verify import show_verdict, verdict_json
from undersigned.protocol.letter import Letter, sign_publication
from undersigned.verifier import Verdict, verify_dossier


def verdict_of_a_letter_whose_class_is_called(name: str, *, source: str) -> Verdict:
    cast = make_letter(friends=False)
    named = msgspec.structs.replace(cast.letter.publication.classes[0], name=name, source=source)
    publication = msgspec.structs.replace(cast.letter.publication, classes=[named])
    cast.letter = Letter.from_entry(sign_publication(publication, seed=cast.organizer))
    log = begun(cast)
    log.append(*cast.signature(cast.person()))
    log.witness(START)
    return verify_dossier(log.dossier())


def shown(verdict: Verdict) -> str:
    file = io.StringIO()
    show_verdict(verdict, Console(file=file, width=200))
    return file.getvalue()


def test_a_class_is_shown_as_it_is_called_whatever_that_means_to_the_terminal():
    text = shown(verdict_of_a_letter_whose_class_is_called("[/bold] staff", source="[red]list[/red]"))
    assert "[/bold] staff" in text
    assert "[red]list[/red]" in text


def test_a_share_comes_with_the_source_of_its_denominator():
    verdict = verdict_of_a_letter_whose_class_is_called("Staff", source="Annual report 2026")
    assert "Annual report 2026" in shown(verdict)
    told = json.loads(json.dumps(verdict_json(verdict)))
    assert told["classes"][0]["source"] == "Annual report 2026"
