"""Who takes part in the worked example of spec/, with every secret: read from spec/example/secrets.json."""

import json
import random
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa

from support import ROOT
from support.letters import Cast, Person, policy_text
from undersigned.crypto import blind_rsa, ed25519
from undersigned.protocol import blob as blobs
from undersigned.protocol import entry as entries
from undersigned.protocol.letter import Letter, sign_publication
from undersigned.transparency.note import ed25519_vkey

EXAMPLE = ROOT / "spec" / "example"
START = 1_800_000_000  # Friday 15 January 2027, 08:00 UTC
HOUR, DAY = 3_600, 86_400
DEADLINE = START + 40 * DAY
ORIGIN = "letters.example.org/l/board"
PEOPLE = {  # name -> title, class
    "Ada Okafor": ("Engineer", 1),
    "Hal Jensen": ("Designer", 1),
    "Fay Moreau": ("", 2),
    "Bea Lindqvist": ("Researcher", 1),
    "Cem Aydın": ("Director", 1),
    "Dan": ("", 1),
    "Ivo Novák": ("Analyst", 1),
    "Kim Tran": ("Writer", 1),
}
SEALINGS = {"Bea Lindqvist": 1, "Cem Aydın": 2, "Ivo Novák": 1, "Kim Tran": 1}


def make_person(name: str, secrets: Mapping[str, Any]) -> Person:
    """One signatory."""
    own = {key: bytes.fromhex(secrets["people"][name][key]) for key in ("seed", "r", "salt")}
    card = blobs.Card(name=name, title=PEOPLE[name][0], salt=own["salt"])
    return Person(seed=own["seed"], key=ed25519.public_key(own["seed"]), r=own["r"], card=card)


def make_cast(secrets: Mapping[str, Any]) -> Cast:
    """Everybody else, and entry 0."""
    seeds = {name: bytes.fromhex(secrets[name]) for name in ("organizer", "log", "promise")}
    numbered = {
        kind: {int(n): bytes.fromhex(s) for n, s in secrets[kind].items()} for kind in ("registrars", "trustees")
    }
    issuers = {
        (1, int(class_id)): blind_rsa.PrivateKey.from_numbers(p=int(primes["p"], 16), q=int(primes["q"], 16))
        for class_id, primes in secrets["issuers"].items()
    }
    witnesses = {name: bytes.fromhex(seed) for name, seed in secrets["witnesses"].items()}
    return Cast(
        letter=Letter.from_entry(_publication(seeds, numbered, issuers, witnesses)),
        rng=random.Random(0),
        issuers=issuers,
        seal_seeds={int(n): [bytes.fromhex(seed) for seed in many] for n, many in secrets["seal_seeds"].items()},
        witnesses=witnesses,
        **seeds,
        **numbered,
    )


def _publication(
    seeds: Mapping[str, bytes],
    parties: Mapping[str, Mapping[int, bytes]],
    issuers: Mapping[tuple[int, int], blind_rsa.PrivateKey],
    witnesses: dict[str, bytes],
) -> bytes:
    keys = {kind: {n: ed25519.public_key(seed) for n, seed in many.items()} for kind, many in parties.items()}
    trustees = {1: "Notary Brandt", 2: "The Daily Example", 3: "Workers' Aid"}
    staff = {"name": "Staff", "eligible": 12, "source": "Annual report 2026", "namespace": "roster row", "counts": True}
    friends = {"name": "Friends", "eligible": 0, "source": "", "namespace": "mail address", "counts": False}
    publication = entries.Publication(
        title="To the board of Example Works",
        language="en",
        text="We, the undersigned, have lost our trust in you.\n\nYou decided without us.",
        addressee="The board of Example Works",
        demands=[entries.Demand(id=1, text="Resign."), entries.Demand(id=2, text="Let staff elect two members.")],
        pledge="If you have not resigned within a month, we may leave.",
        origin=ORIGIN,
        log_vkey=ed25519_vkey(ORIGIN, ed25519.public_key(seeds["log"])).encode(),
        policy=policy_text(witnesses, 2),
        shape="separate",
        classes=[
            entries.Class(id=number, attesters=[attester], issuers=[_issuer(issuers[1, number])], **about)  # type: ignore[arg-type]
            for number, attester, about in ((1, "roster", staff), (2, "open", friends))
        ],
        tiers=[entries.Tier(id=1, at_least=2), entries.Tier(id=2, at_least=3)],
        modes=["public", "anonymous", "sealed"],
        trustees=[entries.Party(id=number, name=trustees[number], key=key) for number, key in keys["trustees"].items()],
        quorum=2,
        deadline=DEADLINE,
        hold_seconds=2 * DAY,
        batch_seconds=6 * HOUR,
        margin_seconds=600,
        forget_seconds=7 * DAY,
        registrars=[entries.Party(id=1, name="Registrar of letters.example.org", key=keys["registrars"][1])],
        promise_key=ed25519.public_key(seeds["promise"]),
        organizer_key=ed25519.public_key(seeds["organizer"]),
    )
    return sign_publication(publication, seed=seeds["organizer"])


def _issuer(private: blind_rsa.PrivateKey) -> entries.Issuer:
    return entries.Issuer(registrar=1, spki=private.public.spki())


def make_secrets() -> dict[str, Any]:
    """Secrets for an example that has none yet. They are published, so their chance need not be good."""
    rng = random.Random("the worked example of Undersigned")

    def draw(count: int = 32) -> str:
        return rng.randbytes(count).hex()

    def person(name: str) -> dict[str, Any]:
        own: dict[str, Any] = {key: draw() for key in ("seed", "r", "salt", "prefix")}
        own |= {"pss_salt": draw(48), "blinding": draw(255)}
        if name in SEALINGS:
            own["sealings"] = [{"dek": draw(), "coefficients": [draw()]} for _ in range(SEALINGS[name])]
        return own

    return {
        "about": "Published and for tests only: whoever uses one of these keys protects nothing.",
        **{name: draw() for name in ("organizer", "log", "promise")},
        "registrars": {"1": draw()},
        "issuers": {class_id: _primes() for class_id in ("1", "2")},
        "trustees": {number: draw() for number in ("1", "2", "3")},
        "seal_seeds": {number: [draw(), draw()] for number in ("1", "2", "3")},
        "witnesses": {f"{name}.example.org": draw() for name in ("north", "south", "west")},
        "people": {name: person(name) for name in PEOPLE},
        "salts": {name: draw() for name in ("remark", "statement 1", "statement 2", "confirmation")},
        "receipt": {"passphrase": "correct horse battery staple", "salt": draw()},
    }


def _primes() -> dict[str, str]:
    numbers = rsa.generate_private_key(65537, 2048).private_numbers()
    return {"p": f"{numbers.p:x}", "q": f"{numbers.q:x}"}


def read_secrets() -> dict[str, Any]:
    """The committed secrets."""
    secrets: dict[str, Any] = json.loads((EXAMPLE / "secrets.json").read_text(encoding="utf-8"))
    return secrets
