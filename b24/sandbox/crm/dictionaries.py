"""Small reference lists of the CRM: currencies, enumerations, kinds of multiple fields.

Source: crm/currency/*.md, crm/auxiliary/enum/*.md, crm/auxiliary/multifield/*.md.
"""

from __future__ import annotations

from typing import Any

from b24.sandbox.crm.activity_types import described
from b24.sandbox.crm.objects import DEAL, OWNER_TYPES
from b24.sandbox.crm.params import either, mapping, text
from b24.sandbox.crm.schema import read_schema
from b24.sandbox.kernel import Answer, Call, RestError, method

#: code -> (name, English name, rate to the base currency, sort, how an amount is written).
CURRENCIES: dict[str, tuple[str, str, str, int, str]] = {
    "KZT": ("Тенге", "Tenge", "1.0000", 100, "# ₸"),
    "RUB": ("Российский рубль", "Russian Ruble", "5.6500", 200, "# ₽"),
    "USD": ("Доллар США", "US Dollar", "510.0000", 300, "$#"),
    "EUR": ("Евро", "Euro", "555.0000", 400, "# €"),
}
_CURRENCY = """
CURRENCY string - Валюта
AMOUNT_CNT int - Номинал
AMOUNT double - Курс
BASE char r Базовая валюта
SORT int - Сортировка
DATE_UPDATE datetime r Дата изменения
LID string r Сайт
FORMAT_STRING string r Шаблон вывода суммы
FULL_NAME string r Название
DEC_POINT string r Десятичная точка
THOUSANDS_SEP string r Разделитель тысяч
DECIMALS int r Знаков после точки
LANG currency_localization m Языковые настройки
"""
_LOCALIZATION = """
FULL_NAME string - Название
FORMAT_STRING string - Шаблон вывода суммы
DEC_POINT string - Десятичная точка
THOUSANDS_VARIANT string - Разделитель тысяч
THOUSANDS_SEP string - Свой разделитель тысяч
DECIMALS int - Знаков после точки
HIDE_ZERO char - Не показывать нули
"""
_MULTIFIELD = """
ID int r ID
TYPE_ID string r Тип поля
VALUE string - Значение
VALUE_TYPE string - Тип значения
"""
_ENUM = """
ID int r ID
NAME string r Название
SYMBOL_CODE string r Символьный код
SYMBOL_CODE_SHORT string r Краткий символьный код
"""
_ENUMERATIONS: dict[str, dict[int, str]] = {
    "activitytype": {
        0: "", 1: "Встреча", 2: "Звонок", 3: "Задача", 4: "E-mail", 5: "Действие", 6: "Пользовательское действие",
    },
    "activitydirection": {0: "", 1: "Входящий", 2: "Исходящий"},
    "activitystatus": {0: "", 1: "Ожидает", 2: "Завершено", 3: "Завершено автоматически"},
    "activitypriority": {0: "", 1: "низкий", 2: "средний", 3: "высокий"},
    "activitynotifytype": {0: "", 1: "мин.", 2: "ч.", 3: "дн."},
    "contenttype": {0: "", 1: "Обычный текст", 2: "bbCode", 3: "HTML"},
    "addresstype": {
        11: "Адрес доставки", 1: "Фактический адрес", 6: "Юридический адрес", 4: "Адрес регистрации",
        8: "Почтовый адрес", 9: "Адрес бенефициара",
    },
    "settings.mode": {1: "Классическая CRM", 2: "Простая CRM"},
}  # fmt: skip


def _localization(code: str, *, english: bool) -> dict[str, Any]:
    name, english_name, _, _, pattern = CURRENCIES[code]
    return {
        "FORMAT_STRING": pattern, "FULL_NAME": english_name if english else name,
        "DEC_POINT": "." if english else ",", "THOUSANDS_SEP": "," if english else "&nbsp;", "DECIMALS": "2",
        "THOUSANDS_VARIANT": "C" if english else "B", "HIDE_ZERO": "Y",
    }  # fmt: skip


def _localizations(code: str) -> dict[str, Any]:
    return {"en": _localization(code, english=True), "ru": _localization(code, english=False)}


def _currency(call: Call, code: str) -> dict[str, Any]:
    name, _, rate, sort, pattern = CURRENCIES[code]
    return {
        "CURRENCY": code, "AMOUNT_CNT": "1", "AMOUNT": rate, "SORT": str(sort),
        "BASE": "Y" if code == _base(call) else "N", "FULL_NAME": name, "LID": "ru", "FORMAT_STRING": pattern,
        "DEC_POINT": ",", "THOUSANDS_SEP": "&nbsp;", "DECIMALS": "2", "DATE_UPDATE": "2026-01-12T10:00:00+03:00",
    }  # fmt: skip


def _base(call: Call) -> str:
    return read_schema(call.db).currency


@method("crm.currency.list", scope="crm")
def currency_list(call: Call) -> Answer:
    """All currencies; the method never counts them."""
    order = {key.lower(): text(way).upper() for key, way in mapping(either(call, "order")).items()}
    codes = sorted(CURRENCIES, key=lambda code: CURRENCIES[code][3])
    if order.get("sort") == "DESC":
        codes.reverse()
    return Answer([_currency(call, code) for code in codes], total=0)


@method("crm.currency.get", scope="crm")
def currency_get(call: Call) -> Any:
    """One currency with its localizations."""
    code = text(either(call, "id")).upper()
    if code not in CURRENCIES:
        raise RestError("", "Not found")
    return _currency(call, code) | {"LANG": _localizations(code)}


@method("crm.currency.base.get", scope="crm")
def currency_base(call: Call) -> str:
    """The base currency's code."""
    return _base(call)


@method("crm.currency.localizations.get", scope="crm")
def currency_localizations(call: Call) -> Any:
    """How a currency is written in each language; ``[]`` for one the portal does not have."""
    code = text(either(call, "id")).upper()
    if not code:
        raise RestError("", "The parameter id is invalid or not defined.")
    return _localizations(code) if code in CURRENCIES else []


@method("crm.currency.fields", scope="crm")
def currency_fields(_call: Call) -> Any:
    """Description of a currency."""
    return described(_CURRENCY)


@method("crm.currency.localizations.fields", scope="crm")
def localization_fields(_call: Call) -> Any:
    """Description of a currency's localization."""
    return described(_LOCALIZATION)


@method("crm.multifield.fields", scope="crm")
def multifield_fields(_call: Call) -> Any:
    """Description of a phone, an e-mail and the like."""
    return described(_MULTIFIELD)


def _register(name: str, values: dict[int, str]) -> None:
    @method(f"crm.enum.{name}", scope="crm")
    def listed(_call: Call) -> Any:
        """Values of a fixed list."""
        empty = {"SYMBOL_CODE": None, "SYMBOL_CODE_SHORT": None}
        return [{"ID": number, "NAME": title, **empty} for number, title in values.items()]


for _name, _values in _ENUMERATIONS.items():
    _register(_name, _values)


@method("crm.enum.fields", scope="crm")
def enum_fields(_call: Call) -> Any:
    """Description of an element of a fixed list."""
    return described(_ENUM)


@method("crm.enum.getorderownertypes", scope="crm")
def order_owner_types(_call: Call) -> Any:
    """What orders may be bound to."""
    return [{"attribute": "DYN", "code": OWNER_TYPES[DEAL][0], "id": DEAL, "name": OWNER_TYPES[DEAL][2]}]
