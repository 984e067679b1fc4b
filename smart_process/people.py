"""Who is who: phones, addresses, company names in one form, and whether two cards are one person. Pure."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum

import phonenumbers
from email_validator import EmailNotValidError, validate_email

from smart_process import names


class Sameness(StrEnum):
    """Whether two descriptions are one human being."""

    SAME = "same"
    CONTRADICTION = "contradiction"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Identity:
    """A person as described somewhere.

    ``email`` and ``phone`` are normalised (:func:`email_of`, :func:`phone_of`) or empty; names as written.
    """

    last_name: str = ""
    first_name: str = ""
    email: str = ""
    phone: str = ""
    company_name: str = ""
    position: str = ""

    @property
    def name(self) -> str:
        """Last and first name as one text."""
        return f"{self.last_name} {self.first_name}".strip()


@dataclass(frozen=True)
class Contact(Identity):
    """A person with a CRM card: ids are the portal's."""

    contact_id: int = 0
    company_id: int | None = None
    # All companies of the card, the primary one among them.
    company_ids: tuple[int, ...] = ()


def same_person(one: Identity, other: Identity) -> Sameness:
    """Judge two descriptions.

    Returns:
        ``SAME``: e-mail or phone agrees and the names do not contradict. ``CONTRADICTION``: one agrees but
        the names do contradict (an office's shared address). ``UNKNOWN``: neither agrees, or nothing but an
        office's address or number does and one of the two has no name.
    """
    agreed = agreeing(one, other)
    if not agreed:
        return Sameness.UNKNOWN
    if names.contradict(one.name, other.name):
        return Sameness.CONTRADICTION
    nameless = not (names.words(one.name) and names.words(other.name))
    return Sameness.UNKNOWN if nameless and all(map(is_shared, agreed)) else Sameness.SAME


def agreeing(one: Identity, other: Identity) -> list[str]:
    """The address and number both descriptions have."""
    return [a for a, b in ((one.email, other.email), (one.phone, other.phone)) if a and a == b]


_ROLES = re.compile(
    "info|inform|(?:head)?office|ofis|offis|e?mail|mailbox|inbox|e?post|pochta|kense|sales?|prodazh[ai]?|otdel|opt|shop|"
    "market|zakaz|orders?|dostavka|delivery|sklad|warehouse|logist(?:ics?|ika)?|dispetcher|dispatch|priy?em|"
    "priy?emnaya|reception|secretary|sekretar|[sc]e[ck]retariat|kanc(?:el[ya]+riy?a)?|admin|administrator|"
    "(?:gl(?:av)?)?bu(?:h|kh)(?:galter(?:iy?a)?)?|bookkeeping|accounts?|accountant|accounting|financ?e?|finans[iy]?|"
    "kassa|hr|kadr[iy]?|jobs?|support|help|helpdesk|servi[cs]e?|cent(?:er|re)|contacts?|kontakt|feedback|clients?|"
    "klient|hello|welcome|company|firma|too|zavod|snab(?:zhenie)?|omts|pto|ved|import|export|zakup(?:ki)?|tenders?|"
    "purchase|marketing|reklama|pr|press|public|events?|crm|b2b|manager|managers|dir|director|direktor|gendir(?:ector)?|"
    "ceo|head|main|general|common|team|it|tech|law|legal|[jy]urist|security|booking|reservations?|projects?|proekt|web|"
    "webmaster|postmaster|no|reply|noreply|hotline|callcenter"
)
_PLACES = re.compile(
    r"\d+|kz|ru|uz|kg|by|almaty|alm|ala|astana|nur|sultan|shymkent|karaganda|msk|moscow|spb|region"
)
_LINES = frozenset(
    {
        phonenumbers.PhoneNumberType.FIXED_LINE,
        phonenumbers.PhoneNumberType.TOLL_FREE,
        phonenumbers.PhoneNumberType.SHARED_COST,
        phonenumbers.PhoneNumberType.UAN,
    }
)


def is_shared(channel: str) -> bool:
    """Whether a normalised address or number belongs to an office rather than to a person.

    A mailbox named after a role («info@», «zakaz2@») and a fixed line: whoever answers there may be anybody.
    """
    mailbox, at, _domain = channel.rpartition("@")
    if at:
        parts = [one for one in re.split(r"[._-]|(?<=[a-z])(?=\d)", mailbox.partition("+")[0]) if one]
        roles = [one for one in parts if _ROLES.fullmatch(one)]
        return bool(roles) and all(one in roles or _PLACES.fullmatch(one) for one in parts)
    try:
        return phonenumbers.number_type(phonenumbers.parse(channel)) in _LINES
    except phonenumbers.NumberParseException:
        return False


def agreement(one: Identity, other: Identity) -> tuple[bool, bool, bool]:
    """How strongly two descriptions of one person agree, to choose the best: name, e-mail, phone."""
    return (
        names.equal(one.name, other.name),
        bool(one.email) and one.email == other.email,
        bool(one.phone) and one.phone == other.phone,
    )


_PHONE_SEPARATORS = re.compile(r"[;,/|]|\bили\b|\bжәне\b|\bor\b|\n|(?<=\d)\s*(?=\+)", re.IGNORECASE)
_LABELS = re.compile(r"[^\W\d_]{3,}\.?")
_LETTERS_FOR_DIGITS = str.maketrans({"О": "0", "о": "0", "O": "0", "o": "0", "З": "3", "l": "1", "І": "1"})
_EXTENSION = re.compile(r"(?:доб|вн|ішкі|ext|x|#).*$|(?<=\d)\s*\(\d{1,5}\)\s*$", re.IGNORECASE | re.DOTALL)


def phone_of(text: str, region: str = "KZ") -> str:
    """The first telephone number in a text in E.164, without its extension; "" when there is none.

    Args:
        text: as typed: «8 701 123-45-67», «тел. +7 (701) 123 45 67 доб. 12», two numbers with a comma.
        region: whose numbers are meant when no country code is given (ISO 3166).
    """
    parts = _PHONE_SEPARATORS.split(unicodedata.normalize("NFKC", text))
    # «моб. 8 701 … раб. 8 727 …»: words stand between two numbers.
    parts += [piece for part in parts for piece in _LABELS.split(_EXTENSION.sub("", part))]
    return next((number for part in parts if (number := _one_phone(part, region))), "")


def _one_phone(text: str, region: str) -> str:
    dialled = re.sub(r"[^\d+]", "", _EXTENSION.sub("", _digits_for_letters(text)))
    # «+8 701 …»: the trunk 8 with a plus.
    dialled = re.sub(r"^\+8(?=\d{10}$)", "8", dialled) if region in ("KZ", "RU") else dialled
    # "998 90 123 45 67" without a plus: read as international when it is no number of the region.
    for attempt in (dialled, f"+{dialled.lstrip('+')}"):
        try:
            number = phonenumbers.parse(attempt, region)
        except phonenumbers.NumberParseException:
            continue
        if _plausible(number, dialled):
            return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
    return ""


def _plausible(number: phonenumbers.PhoneNumber, dialled: str) -> bool:
    # «8 701 123 45 6»: the trunk 8 makes up for a forgotten digit, so the length alone proves nothing there.
    if len(dialled) == 10 and dialled.startswith("8"):
        return bool(phonenumbers.is_valid_number(number))
    if number.country_code == 7:
        # Russia and Kazakhstan: ten digits, and no area begins with these.
        national = phonenumbers.national_significant_number(number)
        return len(national) == 10 and national[0] not in "0125"
    possible = phonenumbers.is_possible_number_with_reason(number)
    return bool(possible == phonenumbers.ValidationResult.IS_POSSIBLE)


def _digits_for_letters(text: str) -> str:
    """«8 7O1 …»: a letter between digits is a slip."""
    between = r"(?<=\d)[ОоOoЗlІ]+(?=[\d\s-])|(?<![^\W\d_])[ОоOoЗlІ]+(?=\d)"
    return re.sub(between, lambda m: m.group().translate(_LETTERS_FOR_DIGITS), text)


_ADDRESS = re.compile(r"[^\s<>()\[\],;:\"'«»/\\|]+@[^\s<>()\[\],;:\"'«»/\\|]+")
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2028-\u202e\u2060\ufeff]")
_MIXED = re.compile("[a-z][^.]*[Ѐ-ԯ]|[Ѐ-ԯ][^.]*[a-z]")


def wire_address(email: str) -> str:
    """A normalised address as mail servers want it: the domain in ASCII («info@пример.рф» → xn--…)."""
    mailbox, _, domain = email.rpartition("@")
    return f"{mailbox}@{domain.encode('idna').decode()}"


def email_of(text: str) -> str:
    """The first valid e-mail address in a text, lower case; "" when there is none. No network is asked."""
    written = re.sub(r"\s*@\s*", "@", _INVISIBLE.sub("", unicodedata.normalize("NFKC", text)))
    for found in _ADDRESS.findall(written):
        if _MIXED.search(found.lower().rpartition("@")[2]):
            # A letter of another alphabet inside a domain's word: a slip, or a trap.
            continue
        try:
            # Letters of another alphabet before the @ are a slip of the keyboard, and few servers take them.
            # Reserved .test domains pass: rehearsals use them, nobody else can.
            checked = validate_email(
                found.strip(".").lower(),
                allow_smtputf8=False,
                check_deliverability=False,
                test_environment=True,
            )
        except EmailNotValidError:
            continue
        return checked.normalized.lower()
    return ""


# ИП is not here: a sole trader's name is a person's name, and not the company of that name.
_FORM = re.compile(
    r"(?<!\w)(?:"
    "(?:товарищество|общество) с ограниченной ответственностью|жауапкершілігі шектеулі серіктестігі|"
    "(?:(?:публичное|непубличное|закрытое|открытое|некоммерческое) )?акционерное общество|акционерлік қоғамы|"
    "limited liability (?:partnership|company)|joint stock company|limited|"
    "тоо|ооо|ао|оао|зао|пао|нао|одо|жшс|ақ|осоо|llp|llc|ltd|jsc|ojsc|cjsc|pjsc|inc|gmbh|corp|plc|ag"
    r")(?!\w)"
)
_SOLE_TRADER = re.compile(r"(?<!\w)(?:индивидуальный предприниматель|жеке кәсіпкер|жк)(?!\w)")


def company_key(name: str) -> str:
    """The form under which a company is recognised: legal form, quotes, case, ё and punctuation left out.

    Returns:
        "" for a name without letters or digits. A name that is nothing but a legal form is its own key.
    """
    text = unicodedata.normalize("NFKC", name).casefold().replace("ё", "е")
    text = " ".join(re.sub(r"[^\w+&]", " ", text).replace("_", " ").split())
    # "L.L.P." and "L. L. P." are "LLP".
    text = re.sub(r"\b(\w) (?=\w\b)", r"\1", text)
    plain = " ".join(_FORM.sub(" ", _SOLE_TRADER.sub("ип", text)).split())
    return (plain or text)[:255]
