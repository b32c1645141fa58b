from support.letters import START, begun, make_letter
from undersigned.protocol import entry as entries
from undersigned.protocol.dossier import read_zip, write_zip


def test_a_letter_is_signed_frozen_and_opened():
    cast = make_letter(tiers=(5, 8))
    log = begun(cast)
    for number in range(3):
        log.append(*cast.signature(cast.person(f"Public {number}")))
    for number in range(4):
        log.append(*cast.signature(cast.person(f"Sealed {number}"), "sealed", tier=1))
    log.append(*cast.signature(cast.person(), "anonymous"))
    assert log.state.n_star == 7
    log.freeze(1, at=START)
    log.open()
    assert [record.opened is not None for record in log.state.by_index.values()].count(True) == 4
    log.witness(START + 1_000)
    packed = write_zip(log.dossier())
    assert write_zip(read_zip(packed)) == packed


def test_who_consents_to_a_new_text_has_a_hold_of_their_own_before_being_opened():
    cast = make_letter(tiers=(3,))
    log = begun(cast)
    people = [cast.person(f"Sealed {number}") for number in range(5)]
    for person in people:
        log.append(*cast.signature(person, "sealed", tier=1))
    fields = {name: getattr(cast.letter.publication, name) for name in ("title", "language", "addressee", "demands")}
    amendment = entries.Amendment(**fields, text="A new text.", pledge="", summary="Shorter.")
    log.append(cast.sign(amendment, cast.organizer))
    consents = [
        cast.sign(entries.Consent(key=person.key, text_hash=log.state.text_hash), person.seed) for person in people
    ]
    for consent in consents[:4]:
        log.append(consent)
    log.log_entry(entries.Reached(tier=1))
    since = log.size
    log.append(consents[4])
    assert len(log.state.frozen_set(1, since)) == 4
    assert len(log.state.frozen_set(1, log.size)) == 5
