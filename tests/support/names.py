"""Synthetic names in the shapes that real letters have: thirty scripts, affiliations in brackets, marks and joiners."""

import random
import unicodedata

# script -> given names, family names; letters a script needs beyond a plain alphabet are among them
PARTS: dict[str, tuple[str, str]] = {
    "Latin": (
        "Ada Bjørn Chloé Đorđe Ełżbieta Þóra Nguyễn Siân-Marie İpek",
        "Müller O’Neill D'Arcy Škvorecký Ødegård Trần",
    ),
    "Vietnamese": ("Thị Hường Đặng Ngọc Quỳnh Ẩn", "Nguyễn Phạm Huỳnh Đỗ Vũ"),
    "Yoruba": ("Ọlá Adébáyọ̀ Ṣadé Ìyábọ̀", "Ògúnlẹ́yẹ Ṣóyínká Akínwándé"),
    "Lithuanian": ("Rūta Žydrūnas Eglė", "Kęstaitė Šimkūnaitė Jonė̃"),
    "Cyrillic": ("Ёлка Юрий Олександр Їжак Његош Аляксандра", "Щербакова Коваленко Ђорђевић Ўладзімір"),
    "Greek": ("Άννα Γιώργος Ρωξάνη", "Παπαδοπούλου Ζαχαρίου Ψαλτάκης"),
    "Polytonic": ("Ἀριστοτέλης Ὀδυσσεύς", "Ῥοδίτης Ἥρων"),
    "Armenian": ("Արամ Նարինե", "Սարգսյան Ղազարյան"),
    "Georgian": ("ნინო გიორგი", "ჯავახიშვილი ბერიძე"),
    "Hebrew": ("שָׁלוֹם רות יַעֲקֹב", "כהן בֶּן־דָּוִד"),
    "Arabic": ("مُحَمَّد فاطمة عبد‌الله", "الأنصاري بن علي"),
    "Persian": ("علی‌رضا زهرا نیک‌فر", "می‌رزایی پورنیا"),
    "Urdu": ("خُرّم عائشہ", "قریشی چوہدری"),
    "Syriac": ("ܝܘܚܢܢ ܡܪܝܡ", "ܐܦܪܝܡ"),
    "Devanagari": ("श्रीमती कृष्णा क्ष्‍मा", "शर्मा त्रिपाठी मुख़्तार"),
    "Bengali": ("অনির্বাণ শ্রেয়সী", "চট্টোপাধ্যায় র‍্যাব"),
    "Gurmukhi": ("ਗੁਰਪ੍ਰੀਤ ਹਰਜੋਤ", "ਸਿੰਘ ਢਿੱਲੋਂ"),
    "Gujarati": ("હિરેન પ્રિયંકા", "પટેલ ત્રિવેદી"),
    "Tamil": ("கார்த்திக் ஸ்ரீதேவி", "சுப்பிரமணியம் க்ஷேமா"),
    "Telugu": ("వెంకటేశ్వర్లు క్షేత్ర", "రెడ్డి నాయుడు"),
    "Kannada": ("ಪ್ರಕಾಶ್ ರ‍್ಯಾಂಕ್", "ಕುಲಕರ್ಣಿ ಗೌಡ"),
    "Malayalam": ("ശ്രീജിത്ത് അവന്‍", "നമ്പൂതിരി കൃഷ്ണൻ"),
    "Sinhala": ("ශ්‍රීනාථ් ක්‍රිෂාන්", "ගුණවර්ධන රත්නායක"),
    "Thai": ("สมชาย กิ่งแก้ว ปู่ย่า", "ศรีสุวรรณ น้ำผึ้ง"),
    "Lao": ("ສົມສັກ ຄໍາຫຼ້າ", "ວົງສາ"),
    "Khmer": ("សុខ ស្រីមុំ", "ប៉ែន ច័ន្ទ"),
    "Burmese": ("အောင်ဆန်း မြင့်မြင့်", "ခိုင်ရွှေဝါ"),
    "Tibetan": ("བསྟན་འཛིན སྒྲོལ་མ", "རྒྱ་མཚོ"),
    "Mongolian": ("Бат-Эрдэнэ ᠪᠠᠲᠤ", "Дорж"),
    "Ethiopic": ("አበበ ሰላማዊት", "ተስፋዬ"),
    "Han": ("王 李娜 𠮷田 葛󠄀城", "小明 建國"),
    "Japanese": ("さくら タケシ が", "渡邉 髙橋 ぱく"),
    "Korean": ("민수 지영", "김 박"),
    "Inuktitut": ("ᐊᓇᓇ ᓴᓂ", "ᐅᑭᐅᖅ"),
    "Cherokee": ("ᏍᏏᏉᏯ", "ᎠᏴ"),
    "Adlam": ("𞤀𞤁𞤀𞤃", "𞤄𞤢𞤪𞤪𞤭"),
}
SPECIAL = [
    "No",
    "1e3",
    "null",
    "Null",
    "true",
    "yes",
    "off",
    "~",
    "007",
    "X Æ A-12",
    "-",
    "=1+1",
    "O",
    "{{name}}",
    "<b>Bo</b>",
]
PLACES = [
    "",
    "",
    "",
    " (ACME, Oslo)",
    " [Universität Zürich]",
    " (she/her)",
    ", PhD",
    " – 東京大学",
    " (Dept. of C++, R&D)",
]


def names(count: int, *, seed: int = 1) -> list[str]:
    """So many names, NFC, each script as often as the others, now and then one that YAML or a spreadsheet would eat."""
    rng = random.Random(seed)
    scripts = list(PARTS.values())
    found = []
    for number in range(count):
        given, family = scripts[number % len(scripts)]
        name = f"{rng.choice(given.split())} {rng.choice(family.split())}{rng.choice(PLACES)}"
        found.append(unicodedata.normalize("NFC", rng.choice(SPECIAL) if number % 100 == 99 else name))
    return found
