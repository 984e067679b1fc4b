"""Names, cities and titles the demo portal is made of, and the ways people misspell them."""

from __future__ import annotations

import random

CITIES = (
    "Алматы", "Астана", "Шымкент", "Караганда", "Актобе", "Павлодар", "Усть-Каменогорск", "Атырау", "Москва",
    "Санкт-Петербург", "Екатеринбург", "Новосибирск", "Казань", "Омск",
)  # fmt: skip
DEPARTMENTS = ("Группа «Юг»", "Группа «Север»", "Группа «Россия»")
COLLEAGUES = (
    ("Соколова", "Ирина"), ("Ахметов", "Данияр"), ("Волкова", "Ольга"), ("Сериков", "Арман"),
    ("Ким", "Виктория"),
    ("Морозов", "Антон"), ("Жумабекова", "Айгерим"), ("Лебедев", "Кирилл"), ("Нурланов", "Тимур"),
    ("Фёдорова", "Елена"), ("Касымов", "Ерлан"), ("Павлова", "Дарья"), ("Оспанова", "Жанна"),
    ("Зайцев", "Максим"),
    ("Беков", "Руслан"), ("Тарасова", "Юлия"), ("Громов", "Илья"), ("Садыкова", "Динара"), ("Орлов", "Пётр"),
    ("Мельник", "Светлана"), ("Уваров", "Денис"), ("Искакова", "Сауле"), ("Титов", "Роман"),
)  # fmt: skip
OFFICE = (
    ("Абдрахманова", "Гульнара"), ("Сидоренко", "Михаил"), ("Ермеков", "Нурлан"), ("Лисицына", "Вера"),
    ("Цой", "Александр"),
)  # fmt: skip
POSITIONS = (
    "Генеральный директор", "Коммерческий директор", "Директор по развитию", "ИТ-директор", "Главный инженер",
    "Руководитель отдела закупок", "Менеджер по закупкам", "Технический директор", "Системный архитектор",
    "Менеджер проекта", "Руководитель отдела продаж",
)  # fmt: skip
PRODUCTS = (
    "системы хранения данных", "сетевое оборудование", "видеонаблюдение", "серверные платформы",
    "системы контроля доступа", "лицензии и поддержка",
)  # fmt: skip
_LAST_MEN = (
    "Иванов", "Смирнов", "Кузнецов", "Попов", "Соловьёв", "Семёнов", "Королёв", "Андреев", "Алексеев",
    "Яковлев",
    "Григорьев", "Романов", "Воробьёв", "Сергеев", "Ковалёв", "Новиков", "Калиев", "Омаров", "Сулейменов",
    "Байжанов",
    "Тулегенов", "Мухамедов", "Ибраев", "Есенов", "Жаксыбеков", "Рахимов", "Досжанов", "Амангельдиев",
    "Турсунов",
    "Нургалиев",
)  # fmt: skip
_NAMES_MEN = (
    "Алексей", "Дмитрий", "Сергей", "Андрей", "Пётр", "Артём", "Семён", "Николай", "Евгений", "Игорь",
    "Асхат",
    "Бауржан", "Ержан", "Марат", "Нурсултан", "Серик", "Азамат", "Талгат",
)  # fmt: skip
_NAMES_WOMEN = (
    "Анна", "Мария", "Екатерина", "Наталья", "Алёна", "Татьяна", "Ксения", "Юлия", "Айнур", "Асель", "Гаухар",
    "Дана", "Мадина", "Салтанат", "Зарина", "Камила",
)  # fmt: skip
_SECOND_MEN = ("Иванович", "Сергеевич", "Андреевич", "Петрович", "Маратович", "Ерланович", "Викторович")
_SECOND_WOMEN = ("Ивановна", "Сергеевна", "Андреевна", "Петровна", "Маратовна", "Ерлановна", "Викторовна")
_FORMS = ("ТОО", "ООО", "АО", "ИП", "ГК")
_STEMS = (
    "АлатауСофт", "СтройТехСервис", "Меридиан", "ИнфоЛайн", "Дата Степь", "ТехноПарк", "Каспий Системс",
    "Вектор",
    "Снабженец", "Гарант Плюс", "Орион", "НурТелеком", "Прогресс", "Сары-Арка Инжиниринг", "Эталон",
    "СевероСвязь",
    "Байтерек Интеграция", "Омега", "Комплект", "Технология Успеха", "Фаворит", "ЛогоТранс", "Эдельвейс",
    "Квант",
    "ЭнергоСфера", "Ак Жол", "Форпост", "Тенгри Групп", "Партнёр-Сервис", "Импульс",
)  # fmt: skip
_LATIN = {
    "а": "a", "б": "b", "в": "v", "г": "g", "д": "d", "е": "e", "ё": "e", "ж": "zh", "з": "z", "и": "i",
    "й": "y",
    "к": "k", "л": "l", "м": "m", "н": "n", "о": "o", "п": "p", "р": "r", "с": "s", "т": "t", "у": "u",
    "ф": "f",
    "х": "kh", "ц": "ts", "ч": "ch", "ш": "sh", "щ": "sch", "ъ": "", "ы": "y", "ь": "", "э": "e",
    "ю": "yu", "я": "ya",
}  # fmt: skip


def latin(text: str) -> str:
    """Latin letters and digits of a text in lower case, for addresses."""
    letters = (_LATIN.get(each, each) for each in text.lower())
    return "".join(each for each in "".join(letters) if each.isascii() and each.isalnum())


def company_name(number: int, city: str) -> str:
    """A title nobody else has: ``ТОО «Меридиан»``, ``ООО «Вектор-Омск»`` …"""
    stem = _STEMS[number % len(_STEMS)]
    form = _FORMS[(number * 7 + number // len(_STEMS)) % len(_FORMS)]
    turn = number // len(_STEMS)
    return f"{form} «{stem}»" if turn == 0 else f"{form} «{stem} {city}{'' if turn == 1 else f' {turn}'}»"


def person(chance: random.Random, number: int) -> tuple[str, str, str]:
    """Last name, first name, second name (often empty)."""
    woman = number % 5 in (1, 3)
    last = chance.choice(_LAST_MEN) + ("а" if woman else "")
    name = chance.choice(_NAMES_WOMEN if woman else _NAMES_MEN)
    second = chance.choice(_SECOND_WOMEN if woman else _SECOND_MEN) if number % 3 == 0 else ""
    return last, name, second


def messy(last: str, name: str, number: int) -> tuple[str, str]:
    """Every seventh card is filled in carelessly: lower case, «е» for «ё», swapped, in capitals."""
    if number % 7:
        return last, name
    ways = (
        (last.lower(), name.lower()),
        (last.replace("ё", "е"), name.replace("ё", "е")),
        (name, last),
        (last.upper(), name),
        (f" {last}", f"{name} "),
    )
    return ways[number // 7 % len(ways)]


def rewritten(last: str, name: str, number: int) -> tuple[str, str]:
    """A name on a second card of the same person."""
    ways = (
        (latin(last).capitalize(), latin(name).capitalize()),
        (name, last),
        (last.lower().replace("ё", "е"), name.lower()),
        (last, f"{name[:1]}."),
    )
    return ways[number % len(ways)]
