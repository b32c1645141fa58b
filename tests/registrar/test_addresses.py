"""One person, one mailbox: aliases merge where hosts are known to ignore them, and different people never do."""

from hypothesis import given
from hypothesis import strategies as st

from undersigned.registrar.addresses import canonical, read_address

# The model: at these hosts, what names a mailbox, and what the owner may vary.
HOSTS = {
    "example.org": (False, False, ["example.org"]),
    "gmail.com": (True, True, ["gmail.com", "googlemail.com"]),
    "outlook.com": (True, False, ["outlook.com"]),
    "icloud.com": (True, False, ["icloud.com", "me.com", "mac.com"]),
    "proton.me": (True, True, ["proton.me", "protonmail.com", "pm.me"]),
}
WORD = st.text("abcdefgh0123456789", min_size=1, max_size=4)


@st.composite
def mailboxes(draw: st.DrawFn) -> tuple[str, str]:
    """(name, host): two are the same mailbox when they are equal, once dots are gone where the host ignores them."""
    host = draw(st.sampled_from(sorted(HOSTS)))
    name = ".".join(draw(st.lists(WORD, min_size=1, max_size=3)))
    return (name.replace(".", "") if HOSTS[host][1] else name), host


@st.composite
def spellings(draw: st.DrawFn, mailbox: tuple[str, str]) -> str:
    name, host = mailbox
    tags, dots, names = HOSTS[host]
    if dots:
        marks = draw(st.lists(st.sampled_from(["", "."]), min_size=len(name), max_size=len(name)))
        name = "".join(letter + mark for letter, mark in zip(name, marks, strict=True)).rstrip(".")
    if tags and draw(st.booleans()):
        name += "+" + draw(WORD)
    case = draw(st.sampled_from([str.lower, str.upper, str.title]))
    return case(name) + "@" + case(draw(st.sampled_from(names)))


@given(st.data())
def test_every_spelling_of_a_mailbox_is_one_person(data: st.DataObject) -> None:
    mailbox = data.draw(mailboxes())
    first, second = data.draw(spellings(mailbox)), data.draw(spellings(mailbox))
    assert canonical(read_address(first)) == canonical(read_address(second))


@given(st.data())
def test_two_people_are_never_taken_for_one(data: st.DataObject) -> None:
    one, other = data.draw(mailboxes()), data.draw(mailboxes())
    first, second = data.draw(spellings(one)), data.draw(spellings(other))
    assert (canonical(read_address(first)) == canonical(read_address(second))) == (one == other)


def test_mail_goes_to_the_address_as_it_was_typed() -> None:
    assert read_address(" Ada.Lovelace+x@GoogleMail.com ") == "Ada.Lovelace+x@googlemail.com"
