from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smart_process.names import contradict, equal
from smart_process.people import (
    Identity,
    Sameness,
    company_key,
    email_of,
    is_shared,
    phone_of,
    same_person,
    wire_address,
)

NO_CONTRADICTION = """
Иванов Иван | Иван Иванов | order
ИВАНОВ ИВАН | иванов иван | case
Иванов Иван Петрович | Иванов Иван | a patronymic left out
Иванов И.П. | Иванов Иван Петрович | initials
И. Иванов | Иван Иванов | one initial
Иванов И.П. | Иван Иванов | initials with a patronymic left out
Иванов | Иван Иванов | only the last name known
г-н Иванов Иван | Иванов Иван | a title
Иванoв Ивaн | Иванов Иван | Latin letters typed by mistake
Ёлкин Пётр | Елкин Петр | ё and е
Yolkin Pyotr | Ёлкин Пётр | ё in Latin
Горбачёв Семён | Semyon Gorbachov | ё after ч
Юлия Цой | Tsoy Yuliya | BGN
Юлия Цой | Julia Tsoi | German j
Iuliia Tsoi | Юлия Цой | passport
Щербаков Дмитрий | Dmitry Shcherbakov | щ
Щербаков Дмитрий | Dmitrii Scherbakov | щ, shorter
Александр Ким | Alexander Kim | the English form
Алексей Хан | Alexey Khan | х and кс
Ксения Чехова | Xenia Chekhova | x
Елена Югай | Yelena Yugay | е at the beginning
Евгений Пак | Yevgeny Pak | -ий
Наталья Ли | Наталия Ли | ья and ия
Анастасия Ю | Anastassiya Yu | a doubled letter
Виктория Чен | Victoria Chen | c before a consonant
Анна Мария Шмидт | Шмидт Анна-Мария | a hyphen
О'Нил Джон | Джон О’Нил | apostrophes
Қайрат Нұрланов | Кайрат Нурланов | Kazakh letters in Russian
Qairat Nurlanov | Қайрат Нұрланов | Kazakh Latin
Kairat Nurlanov | Қайрат Нұрланов | Kazakh in a passport
Мұхтар Әуезов | Mukhtar Auezov | ұ, ә
Ғалым Өмір | Galym Omir | ғ, ө, і
Әлия Сәрсенова | Aliya Sarsenova | ә
Касым-Жомарт Токаев | Kassymzhomart Tokayev | a double name in a passport
Қасым-Жомарт Тоқаев | Kassym-Jomart Tokayev | ж as j
Жанар Ахметова | Janar Akhmetova | ж as j, х as kh
Ерлан Есенов | Yerlan Yessenov | ye twice
Şahmetov Erlan | Шахметов Ерлан | ş
Болат Ерлан улы | Ерланұлы Болат | a Kazakh patronymic in two words
Жумабай Ж. | Jumabai Zh. | an initial of two letters
И. | Иван Иванов | nothing but an initial
王 伟 | 王 伟 | another alphabet
Сергеев Алексей | Sergeyev Aleksei | ее
Щербаков Юрий | Shherbakov Jurij | щ of another standard
Есенова Гүлнара | Есенова Гульнара | ү and уль
Өтегенов Ғалым | Утегенов Галым | ө as у
Өтегенов Ғалым | Utegenov Galym | ө as у in Latin
Өтегенов Ғалым | Отегенов Галым | ө as о
Хасенов Мұхтар | Khassenov Mukhtar | х as kh, a doubled s
Әлия Сәрсенбаева | Алия Сарсенбаева | ә
Күмісбеков Еркебұлан | Кумисбеков Еркебулан | ү, і, ұ
Тоқаев Қасым-Жомарт | Токаев Касым-Жомарт | Kazakh letters in a double name
Абдрахманова Жібек Серікқызы | Абдрахманова Жибек Сериковна | a patronymic of either language
Нұрғали Айдос Ерланұлы | Nurgali Aidos Yerlanovich | a patronymic of either language in Latin
Иванова-Петрова Анна | Иванова Анна | one half of a double surname
Иванова Анна | Петрова-Иванова Анна | the other half
Петрова (Иванова) Анна | Иванова Анна | a former surname in brackets
Фёдор Ли | Fyodor Lee | ли as lee
Müller Jürgen | Mueller Juergen | ü as ue
Мюллер Юрген | Müller Jürgen | ю and ü
Öztürk Ayşe | Ozturk Ayse | Turkish letters without their marks
Öztürk Ayşe | Озтюрк Айше | Turkish in Cyrillic
García José | Garcia Jose | accents
Майя Ким | Maiya Kim | йя
Любовь Ким | Liubov Kim | ю after a consonant
Чёрный Глеб | Cherny Gleb | ый
Соловьёв Юрий | Solovyov Yuriy | ьё
Съедин Пётр | Sedin Petr | ъ
Қуаныш Тілеуберді | Quanysh Tileuberdi | q
Иванов Иван, директор | Иванов Иван | a post behind the name
"""

CONTRADICTION = """
Иванов Иван | Иванов Пётр | brothers
Иванов Иван | Петров Иван | namesakes
Иванов Иван Петрович | Иванов Иван Сергеевич | another patronymic
Иванов С. | Сидоров И. | initials that cross
Иванов И. | Иванов Пётр | another initial
Иванов Иван | Иванова Иван | another ending
Александр Ким | Александра Ким | him and her
Яна Ким | Анна Ким | я and а
Ким Анна | Ким Инна | one letter
Ли Мария | Ли Марина | one letter more
Данияр Алиев | Дана Алиева | a longer name
Айгуль Бек | Айнур Бек | a common beginning
Олег Пак | Ольга Пак | оль and оле
Асем Ли | Асет Ли | the last letter
Сауле Ким | Сауле Ли | a short last name
Иван | Пётр | first names only
王 伟 | 李 伟 | another alphabet
Дана Ким | Диана Ким | и before а
Лана Ким | Лиана Ким | и before а
Мара Ли | Мария Ли | ия and а
Асель Нурова | Асем Нурова | the last letter of a name
Марат Ахметов | Мурат Ахметов | one vowel
Ержан Сатов | Нуржан Сатов | a common ending
Нурлан Ахметов | Нурсултан Ахметов | a common beginning
Валерий Ким | Валерия Ким | him and her by one letter
Евгений Ли | Евгения Ли | him and her by one letter
Серік Ерланұлы Али | Серік Ерланқызы Бек | son and daughter of one father
Иванова-Петрова Анна | Иванова Инна | half a surname and another name
Иванова-Петрова Анна | Сидорова Анна | neither half
Отдел продаж | Иванов Иван | a department
Болат Серікұлы | Болат Серікқызы | the ending of a patronymic alone
"""


def pairs(table: str) -> list[object]:
    rows = [[cell.strip() for cell in line.split("|")] for line in table.strip().splitlines()]
    return [pytest.param(one, other, id=f"{why}: {one} / {other}") for one, other, why in rows]


@pytest.mark.parametrize(("one", "other"), pairs(NO_CONTRADICTION))
def test_one_name_written_differently_does_not_contradict(one: str, other: str) -> None:
    assert not contradict(one, other)
    assert not contradict(other, one)


@pytest.mark.parametrize(("one", "other"), pairs(CONTRADICTION))
def test_names_of_two_people_contradict(one: str, other: str) -> None:
    assert contradict(one, other)
    assert contradict(other, one)


@pytest.mark.parametrize("nothing", ["", "—", "123", "+7 701", "г-н"])
def test_a_name_that_says_nothing_contradicts_nothing(nothing: str) -> None:
    assert not contradict(nothing, "Иванов Иван")


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("Иванов Иван", "ivan IVANOV", True),
        ("Иванов И.", "Иванов Иван", False),
        ("Иванов", "Иванов Иван", False),
        ("Иванова-Петрова Анна", "Иванова Анна", False),
        ("", "", False),
    ],
)
def test_equal_names_have_every_word(one: str, other: str, expected: bool) -> None:
    assert equal(one, other) is expected


MAIL, OTHER_MAIL, PHONE, OTHER_PHONE = "a@firma.kz", "b@firma.kz", "+77011234567", "+77017654321"


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ((MAIL, PHONE, "Иванов Иван"), (MAIL, PHONE, "Ivan Ivanov"), Sameness.SAME),
        ((MAIL, PHONE, "Иванов Иван"), (MAIL, OTHER_PHONE, "Иванов Иван"), Sameness.SAME),
        ((MAIL, PHONE, "Иванов Иван"), (OTHER_MAIL, PHONE, "Иванов И."), Sameness.SAME),
        ((MAIL, "", "Иванов Иван"), (MAIL, "", "Сидорова Анна"), Sameness.CONTRADICTION),
        (("", PHONE, "Иванов Иван"), ("", PHONE, "Сидорова Анна"), Sameness.CONTRADICTION),
        ((MAIL, PHONE, "Иванов Иван"), (OTHER_MAIL, OTHER_PHONE, "Иванов Иван"), Sameness.UNKNOWN),
        (("", "", "Иванов Иван"), ("", "", "Иванов Иван"), Sameness.UNKNOWN),
        ((MAIL, "", "Иванов Иван"), ("", PHONE, "Иванов Иван"), Sameness.UNKNOWN),
    ],
)
def test_a_person_is_the_same_when_a_channel_agrees_and_the_name_does_not_contradict(
    one: tuple[str, str, str], other: tuple[str, str, str], expected: Sameness
) -> None:
    def person(email: str, phone: str, name: str) -> Identity:
        last, _, first = name.partition(" ")
        return Identity(last, first, email, phone)

    assert same_person(person(*one), person(*other)) is expected
    assert same_person(person(*other), person(*one)) is expected


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("+7 701 123-45-67", "+77011234567"),
        ("8 701 123-45-67", "+77011234567"),
        ("8(701)1234567", "+77011234567"),
        ("77011234567", "+77011234567"),
        ("(701) 123 45 67", "+77011234567"),
        ("тел. 8-701-123-45-67 доб. 12", "+77011234567"),
        ("раб.: 8 (7172) 55-66-77 вн.123", "+77172556677"),
        ("+7 (701) 123-45-67 ext. 5", "+77011234567"),
        ("87011234567#12", "+77011234567"),
        ("+7 701 1234567, 8 702 111 22 33", "+77011234567"),
        ("8 701 123 45 67 или 8 702 111 22 33", "+77011234567"),
        ("нет; 8 702 111 22 33", "+77021112233"),
        ("8 7O1 123 45 67", "+77011234567"),
        ("８７０１１２３４５６７", "+77011234567"),
        ("8 495 123 45 67", "+74951234567"),
        ("+49 30 1234567", "+49301234567"),
        ("998 90 123 45 67", "+998901234567"),
        ("8-727-2501234 (105)", "+77272501234"),
        ("8 7172 55 66 77 (вн. 12)", "+77172556677"),
        ("+7 701 123 45 67 +7 702 123 45 67", "+77011234567"),
        ("моб.8-701-123-45-67 раб.8-727-250-12-34", "+77011234567"),
        ("+8 701 123 45 67", "+77011234567"),
        ("+7 (8) 701 123 45 67", "+77011234567"),
        ("+7 7О1 l23 45 67", "+77011234567"),
        ("8 10 7 701 123 45 67", "+77011234567"),
        ("8.701.123.45.67", "+77011234567"),
        ("tel:+77011234567", "+77011234567"),
        ("wa.me/77011234567", "+77011234567"),
        ("+996 555 123456", "+996555123456"),
        ("+1 (415) 555-2671", "+14155552671"),
        ("701 123 45 67 8", ""),
        ("0 701 123 45 67", ""),
        ("+7 701 123 45 678", ""),
        ("8 029 123-45-67", ""),
        ("8 701 123 45 6", ""),
        ("556677", ""),
        ("нет", ""),
        ("", ""),
        ("1" * 500, ""),
    ],
)
def test_a_phone_as_people_write_it_becomes_one_number(typed: str, expected: str) -> None:
    assert phone_of(typed, "KZ") == expected


def test_a_number_without_country_belongs_to_the_portals_region() -> None:
    assert phone_of("8 (812) 123-45-67", "RU") == "+78121234567"
    assert phone_of("030 1234567", "DE") == "+49301234567"


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        (" Ivan.Petrov@Firma.KZ ", "ivan.petrov@firma.kz"),
        ("Иван <ivan@firma.kz>", "ivan@firma.kz"),
        ("ivan@firma.kz.", "ivan@firma.kz"),
        ("ivan@firma.kz, office@firma.kz", "ivan@firma.kz"),
        ("ivan@, office@firma.kz", "office@firma.kz"),
        ("info@пример.рф", "info@пример.рф"),
        ("mailto:ivan@firma.kz", "ivan@firma.kz"),
        ("http://ivan@firma.kz", "ivan@firma.kz"),
        ("ivan@firma.kz/office@firma.kz", "ivan@firma.kz"),
        ("ivan @ firma.kz", "ivan@firma.kz"),
        ("ivan@firma.kz\u200b", "ivan@firma.kz"),
        ("ivan＠firma.kz", "ivan@firma.kz"),
        ("ivan@fіrma.kz", ""),
        ("ivаn@firma.kz", ""),
        ("ivan@firma", ""),
        ("ivan@firma,kz", ""),
        ("ivan@@firma.kz", ""),
        ("ivan firma.kz", ""),
        ("", ""),
        ("a@" + "b" * 300 + ".kz", ""),
    ],
)
def test_an_address_as_people_write_it_becomes_one_address(typed: str, expected: str) -> None:
    assert email_of(typed) == expected


@pytest.mark.parametrize(
    "shared",
    [
        "info@firma.kz",
        "sales-kz@firma.kz",
        "office.astana@firma.kz",
        "otdel.prodazh@firma.kz",
        "zakupki2@firma.kz",
        "info+event@firma.kz",
        "glavbuh@firma.kz",
        "no-reply@firma.kz",
        "priemnaya@firma.kz",
        "hr@firma.kz",
        "+77272501234",
        "+74951234567",
        "+78000800000",
    ],
)
def test_a_role_s_mailbox_and_a_fixed_line_are_an_offices(shared: str) -> None:
    assert is_shared(shared)


@pytest.mark.parametrize(
    "own",
    [
        "ivanov@firma.kz",
        "i.sales@firma.kz",
        "director.ivanov@firma.kz",
        "infantino@firma.kz",
        "maillard@firma.kz",
        "hristina@firma.kz",
        "adminov@firma.kz",
        "almaty@firma.kz",
        "+77011234567",
        "+998901234567",
    ],
)
def test_a_persons_mailbox_and_a_mobile_are_their_own(own: str) -> None:
    assert not is_shared(own)


@pytest.mark.parametrize(
    "spelled",
    [
        "ТОО «Ромашка»",
        "Ромашка, ТОО",
        "ооо ромашка",
        "РОМАШКА LLP",
        "«Ромашка»",
        "Товарищество с ограниченной ответственностью «Ромашка»",
        "«Ромашка» ЖШС",
        "Т.О.О. Ромашка",
    ],
)
def test_a_company_is_recognised_without_its_legal_form(spelled: str) -> None:
    assert company_key(spelled) == "ромашка"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ООО", "ооо"),
        ("—", ""),
        ("ИП Ким А.Б.", "ип ким аб"),
        ("Индивидуальный предприниматель Ким А. Б.", "ип ким аб"),
        ("АО «Ёлка»", "елка"),
        ("AT&T Ltd.", "at&t"),
        ("Аода", "аода"),
    ],
)
def test_company_keys_keep_what_tells_companies_apart(name: str, expected: str) -> None:
    assert company_key(name) == expected


def test_an_address_in_russian_letters_has_a_form_for_mail_servers() -> None:
    assert wire_address("info@пример.рф") == "info@xn--e1afmkfd.xn--p1ai"
    assert wire_address("a@firma.kz") == "a@firma.kz"


ANY_NAME = st.text(alphabet=st.sampled_from("аяёйъшщұқәAjyxc .-'’1"), max_size=24) | st.text(max_size=24)


@given(ANY_NAME, ANY_NAME)
def test_judging_names_has_no_direction_and_never_fails(one: str, other: str) -> None:
    assert contradict(one, other) == contradict(other, one)
    assert not contradict(one, one)


@given(st.text(max_size=60))
def test_reading_a_phone_or_an_address_never_fails_and_is_stable(text: str) -> None:
    phone, email = phone_of(text), email_of(text)
    assert not phone or (phone_of(phone) == phone and re.fullmatch(r"\+\d{6,15}", phone))
    assert not email or (email_of(email) == email and len(email) <= 254)
    assert company_key(company_key(text)) == company_key(text)
