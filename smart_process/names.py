"""Do two names contradict each other? Pure.

Order, case, ё/е, Kazakh letters, transliteration, initials and a missing patronymic are no contradiction.
A wrong "same" glues two people together, a wrong "contradiction" only asks a person: in doubt it contradicts.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_CYRILLIC = str.maketrans(
    "абвгдезийклмнопрстуфыэәғқңөұүіїєґў",
    "abvgdeziyklmnoprstufyeagknouuiiegu",
) | str.maketrans(
    {"ё": "e", "ж": "zh", "х": "kh", "һ": "kh", "ц": "ts", "ч": "ch", "ш": "sh", "щ": "shch"}
    | {"ъ": "", "ь": "", "ю": "yu", "я": "ya"}
)
# One letter of the other alphabet inside a word is a slip of the keyboard layout, not another name.
_LOOKS_CYRILLIC = str.maketrans("aceopxykmthbi", "асеорхукмтнві")
_LOOKS_LATIN = str.maketrans("асеорхукмтнві", "aceopxykmthbi")
# Letters of Turkic Latin alphabets that a decomposition would turn into the wrong sound.
_TURKIC = str.maketrans({"ş": "sh", "ç": "ch", "ı": "i", "ŋ": "n", "ø": "o", "ł": "l", "ß": "ss", "ð": "d"})
# Letters that are written in more than one way: ş without its tail, ü as ue, ө as о or у (Өтегенов – Утегенов).
_OTHERWISE: tuple[dict[int, str], ...] = (
    str.maketrans({}),
    str.maketrans({"ş": "s", "ç": "c"}),
    str.maketrans({"ü": "ue", "ö": "oe", "ä": "ae"}),
    str.maketrans({"ө": "у"}),
)
_TITLE = re.compile("mrs?|ms|miss|dr|prof|sir|г-?н|г-?жа|господин|госпожа|тов|товарищ|мырза|ханым")
_PATRONYMIC_TAIL = re.compile("оглы|[уұ]лы|[кқг]ызы|o[gğ]lu|ogly|uly|[qk]yzy|kizi|ulu")
_WORD = re.compile(r"[^\W\d_]+(?:[-'’ʼ`´][^\W\d_]+)*\.?")

# Sounds, applied in this order to Latin text. Both sides pass the same rules, so only consistency matters.
_SOUNDS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), to)
    for pattern, to in (
        # Ерланұлы is Ерланович, Серікқызы is Сериковна: whose papers are in which language.
        ("(?<=[a-z]{3})(?:[oe]vich|owicz|[ou]gl[yu]|ul[yiu])$", "+m"),
        ("(?<=[a-z]{3})(?:[oe]vna|[kqg][yi]z[yi])$", "+f"),
        ("shch|sch", "sh"),
        ("tch|cz", "ch"),
        ("kh", "h"),
        ("gh", "g"),
        ("ph", "f"),
        ("th", "t"),
        ("tz", "ts"),
        ("ck|q", "k"),
        ("x", "ks"),
        ("w", "v"),
        ("c(?=[eiy])", "ts"),
        ("c(?!h)", "k"),
        ("dzh", "zh"),
        # Ye, Yo, Ie, Io at the beginning is Cyrillic Е, Ё; Ya and Yu keep their i: Яна is not Анна.
        ("^[iy]+[eo]", "e"),
        ("^[iy]+(?=[au])", "I"),
        ("(?<=zh|sh|ch)o", "e"),
        ("(?<=[^aeiouyI])[iy]+o", "e"),
        # Диана is not Дана: я keeps its i inside a word too.
        ("[iy]+(?=a)", "I"),
        ("[iy]+(?=[eou])", ""),
        ("[iy]+", "i"),
        (r"(?<=[dt])er$", "r"),
        (r"(.)\1+", r"\1"),
    )
)


def contradict(one: str, other: str) -> bool:
    """True when the names cannot belong to one person.

    Args:
        one, other: full names as written anywhere: «Иванов Иван Петрович», "Ivan Ivanov", «И. Иванов», "".
            A name without a single word says nothing, so it contradicts nothing.
    """
    a, b = words(one), words(other)
    if not a or not b:
        return False
    return not any(_compatible(x, y) for x in (a, *_half_surnames(one)) for y in (b, *_half_surnames(other)))


def _compatible(a: tuple[str, ...], b: tuple[str, ...]) -> bool:
    # Initials alone prove nothing, unless one side has nothing else.
    proven = not (_has_full(a) and _has_full(b))
    pairs = [(a, written) for written in _spellings(b)] + [(b, written) for written in _spellings(a)]
    return any(_fits(one, other, proven) for one, other in pairs if len(one) <= len(other))


def strangers(one: str, other: str) -> bool:
    """True when the names contradict each other and no word of them agrees: no new surname and no typo explains it.

    Initials agree with nobody here.
    """
    if not contradict(one, other):
        return False
    full = [[word for word in words(name) if len(word) > 1] for name in (one, other)]
    return not any(sounds(a) & sounds(b) for a in full[0] for b in full[1])


def equal(one: str, other: str) -> bool:
    """True when the names have the same words, however ordered or spelled; initials are not enough."""
    a, b = words(one), words(other)
    full = [len(word) > 1 for word in (*a, *b)]
    return bool(a) and len(a) == len(b) and all(full) and _compatible(a, b)


@lru_cache(maxsize=4096)
def words(name: str) -> tuple[str, ...]:
    """The words of a name in lower case, without titles, digits and hyphens; initials lose their dot."""
    return tuple(re.sub(r"[-'’ʼ`´]", "", word) for word in _written(name))


@lru_cache(maxsize=4096)
def _written(name: str) -> tuple[str, ...]:
    """:func:`words` with their hyphens."""
    found: list[str] = []
    for match in _WORD.finditer(_unmix(unicodedata.normalize("NFC", name).strip().lower())):
        word = match.group().rstrip(".")
        if found and _PATRONYMIC_TAIL.fullmatch(word):
            found[-1] += word
        elif _latin(word) and not _TITLE.fullmatch(word):
            found.append(word)
    return tuple(found)


def _half_surnames(name: str) -> list[tuple[str, ...]]:
    """The words of a name with a double one given by half: «Иванова-Петрова» also goes by «Иванова»."""
    written = _written(name)
    return [
        (*words(name)[:at], half, *words(name)[at + 1 :])
        for at, word in enumerate(written)
        for half in word.split("-")
        if "-" in word and len(half) > 2
    ]


def latin(name: str) -> str:
    """The words of a name in Latin letters, as they are usually written: «Пётр» → "petr"."""
    return " ".join(_latin(word) for word in words(name))


@lru_cache(maxsize=8192)
def sounds(word: str) -> frozenset[str]:
    """How a word may sound: keys that are equal for all usual spellings.

    ``j`` is read both as й and as ж, ``ee`` at the end also as и («Lee»).
    """
    readings = {_latin(word.translate(table)) for table in _OTHERWISE}
    readings |= {one.removesuffix("ee") + "i" for one in readings if one.endswith("ee")}
    readings = {one.replace("j", sound) for one in readings for sound in ("i", "zh")}
    return frozenset(_key(reading) for reading in readings)


def _key(latin: str) -> str:
    for pattern, to in _SOUNDS:
        latin = pattern.sub(to, latin)
    return latin


def _latin(word: str) -> str:
    spelled = word.translate(_CYRILLIC)
    plain = unicodedata.normalize("NFKD", spelled.translate(_TURKIC))
    # Letters of other alphabets stay as they are: they agree with themselves only.
    return "".join(letter for letter in plain if letter.isalpha())


def _unmix(text: str) -> str:
    return re.sub(r"\S+", lambda match: _one_alphabet(match.group()), text)


def _one_alphabet(word: str) -> str:
    cyrillic = sum("Ѐ" <= letter <= "ԯ" for letter in word)
    latin = sum("a" <= letter <= "z" for letter in word)
    if not cyrillic or not latin:
        return word
    return word.translate(_LOOKS_CYRILLIC if cyrillic >= latin else _LOOKS_LATIN)


def _has_full(name: tuple[str, ...]) -> bool:
    return any(len(word) > 1 for word in name)


def _spellings(long: tuple[str, ...]) -> list[tuple[str, ...]]:
    """The words as they are, and with two neighbours written as one: «Анна Мария» is «Анна-Мария»."""
    joined = [
        (*long[:at], long[at] + long[at + 1], *long[at + 2 :])
        for at in range(len(long) - 1)
        if len(long[at]) > 1 and len(long[at + 1]) > 1
    ]
    return [long, *joined]


def _fits(short: tuple[str, ...], long: tuple[str, ...], proven: bool) -> bool:
    """Every word of the short name has its own word in the long one, one pair in full."""
    if not short:
        return proven
    first, rest = short[0], short[1:]
    for at, word in enumerate(long):
        if _agree(first, word):
            sure = proven or (len(first) > 1 and len(word) > 1)
            if _fits(rest, long[:at] + long[at + 1 :], sure):
                return True
    return False


def _agree(one: str, other: str) -> bool:
    if len(one) > 1 and len(other) > 1 and not (_abbreviated(one) or _abbreviated(other)):
        return bool(sounds(one) & sounds(other))
    return any(a and b and (a.startswith(b) or b.startswith(a)) for a in sounds(one) for b in sounds(other))


def _abbreviated(word: str) -> bool:
    # "Zh." and "Sh." are initials of two letters.
    return word in ("zh", "sh", "ch", "kh", "ya", "yu", "ye", "yo", "ts", "dzh")
