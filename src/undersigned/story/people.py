"""Invented people with names in many scripts, and what each of them will do. The same seed gives the same people."""

import random
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

Mode: TypeAlias = Literal["public", "anonymous", "sealed"]

# (given names, family names, family first?) of one script or language each.
_NAMES: tuple[tuple[str, str, bool], ...] = (
    ("Ada Grace Ruth Walter James Olive Hugh Edith", "Example Hartley Moss O'Neill Brooks Wren Fairfax Stone", False),
    ("Jürgen Käthe Björn Zoë René Élodie Søren Åsa", "Müller Groß Weiß Lefèvre Ångström Østergård Çelik", False),
    ("Łucja Dušan Žofia Őrs Ștefan Kärt Jānis Ģirts", "Wójcik Čapek Németh Ionescu Tamm Bērziņš Şahin", False),
    ("Nguyễn Trần Phạm Hoàng", "An Bình Thảo Quỳnh Dũng", True),
    ("Ελένη Γιώργος Σοφία Νίκος", "Παπαδοπούλου Ιωάννου Γεωργίου", False),
    ("Ольга Дмитрий Світлана Йордан Милица", "Иванова Шевченко Петров Јовановић", False),
    ("محمد فاطمة يوسف ليلى", "الحسن الخطيب منصور", False),
    ("زهرا رضا مریم کاوه", "محمدی حسینی پارسا", False),
    ("נועה דוד מרים יעקב", "כהן לוי פרץ", False),
    ("आशा रवि सुनीता अर्जुन", "शर्मा पटेल वर्मा", False),
    ("অনন্যা রাহুল মিতা", "সেন দাস ইসলাম", False),
    ("ਹਰਪ੍ਰੀਤ ਗੁਰਦੀਪ ਸਿਮਰਨ", "ਸਿੰਘ ਕੌਰ", False),
    ("આરતી કિરણ મેહુલ", "પટેલ શાહ", False),
    ("ଅନିତା ସୁରେଶ", "ମହାନ୍ତି ଦାସ", False),
    ("கவிதா முருகன் லதா", "சுந்தரம் ராமன்", False),
    ("సీత రాము లక్ష్మి", "రెడ్డి రావు", False),
    ("ಲತಾ ಮಂಜುನಾಥ", "ಗೌಡ ಶೆಟ್ಟಿ", False),
    ("അനിത രാജേഷ്", "നായർ മേനോൻ", False),
    ("නිමල් කුමාරි", "පෙරේරා සිල්වා", False),
    ("สมชาย มาลี วิชัย", "สุขใจ ทองดี", False),
    ("ສົມພອນ ບຸນມີ", "ວົງສາ ພົມມະ", False),
    ("សុខា ច័ន្ទ", "លឹម ហេង", True),
    ("အောင် သီတာ", "မြင့် ဝင်း", False),
    ("བསྟན་འཛིན་ དོལ་མ་", "རྒྱ་མཚོ་ ལྷ་མོ་", False),
    ("თამარ გიორგი ნინო", "ბერიძე კაპანაძე", False),
    ("Անահիտ Արմեն Նարե", "Պետրոսյան Սարգսյան", False),
    ("አበበ ሰላም ሃና", "ከበደ ተስፋዬ", False),
    ("伟 芳 秀英 洋", "王 李 陳 张", True),
    ("さくら 健太 ユミ", "佐藤 鈴木 タナカ", True),
    ("민준 서연 지우", "김 이 박", True),
    ("ᏌᎳ ᏣᏂ", "ᎠᏯᎢ ᏩᏯ", False),
    ("ⴰⵎⵉⵏⴰ ⵢⵓⴱⴰ", "ⴰⵎⵖⴰⵔ ⴰⵣⵓⵍⴰⵢ", False),
)
_ROLES = (
    "Engineer", "Senior engineer", "Optics", "Assembly, night shift", "Research (Hospitals)", "Buyer", "Accounts",
    "Designer", "Apprentice", "Head of testing", "Warehouse", "Legal", "Field service, North", "Works council", "",
)  # fmt: skip
_TITLES_LIKE_YAML = ("No", "1e3", "null", "~", "0x10")


@dataclass(frozen=True, slots=True, kw_only=True)
class Character:
    """One invented person. `class_id`: 1 staff, 2 friends; `tier` if sealed; `hour` of arrival after publication."""

    name: str
    title: str
    class_id: int
    mode: Mode
    tier: int
    hour: float


def name_of(rng: random.Random) -> str:
    """A name in one of thirty-two scripts or languages, in NFC."""
    given, family, family_first = rng.choice(_NAMES)
    parts = [rng.choice(given.split()), rng.choice(family.split())]
    if family_first:
        parts.reverse()
    joined = "" if family_first and not any(part.isascii() or part[0].islower() for part in parts) else " "
    if joined == "" and "HANGUL" not in unicodedata.name(parts[0][0]) and "CJK" not in unicodedata.name(parts[0][0]):
        joined = " "
    return unicodedata.normalize("NFC", joined.join(parts))


def title_of(rng: random.Random) -> str:
    """A role; now and then one that a careless reader would take for a number or for nothing."""
    return rng.choice(_TITLES_LIKE_YAML) if rng.random() < 0.01 else rng.choice(_ROLES)


def members(count: int, *, rng: random.Random) -> list[tuple[str, str]]:
    """Distinct members of staff, (name, title); the same name twice gets a number, as staff registers do."""
    seen: dict[str, int] = {}
    found = []
    for _ in range(count):
        name = name_of(rng)
        seen[name] = seen.get(name, 0) + 1
        found.append((name if seen[name] == 1 else f"{name} {seen[name]}", title_of(rng)))
    return found


def characters(
    staff: Sequence[tuple[str, str]], friends: Sequence[tuple[str, str]], *, count: int, rng: random.Random
) -> list[Character]:
    """`count` signatories in order of arrival: most sealed, some public, a few anonymous; all `friends` among them."""
    people = [(member, 1) for member in rng.sample(list(staff), count - len(friends))]
    people += [(friend, 2) for friend in friends]
    rng.shuffle(people)
    hours = sorted(arrival(rng) for _ in people)
    return [
        _character(name, title, class_id, hour, rng)
        for ((name, title), class_id), hour in zip(people, hours, strict=True)
    ]


def arrival(rng: random.Random) -> float:
    """Hours after publication: a steep morning, a second wave when the press reports, a long tail of three days."""
    wave = rng.random()
    if wave < 0.62:
        return rng.expovariate(1 / 2.2)
    if wave < 0.9:
        return 6 + rng.expovariate(1 / 3.0)
    return min(10 + rng.expovariate(1 / 16), 72.0)


def _character(name: str, title: str, class_id: int, hour: float, rng: random.Random) -> Character:
    chance = rng.random()
    mode: Mode = "public" if chance < 0.18 else "anonymous" if chance < 0.24 else "sealed"
    tier = rng.choices((1, 2, 3), weights=(25, 45, 30))[0] if mode == "sealed" else 0
    return Character(name=name, title=title, class_id=class_id, mode=mode, tier=tier, hour=hour)
