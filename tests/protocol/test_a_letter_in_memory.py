from support.letters import START, begun, make_letter
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
