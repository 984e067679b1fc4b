"""What the door says in one line: texts of verdicts and results, in the three languages."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from smart_process.admission import Direction, Verdict
from smart_process.checkin import Ruling
from smart_process.schema import Words

LANGUAGES = ("ru", "en", "kk")

_VERDICTS = {
    Verdict.ADMITTED: Words("Проходите", "Welcome", "Қош келдіңіз"),
    Verdict.ALREADY_ADMITTED: Words("Уже отмечен в {when}", "Already in since {when}", "{when} белгіленген"),
    Verdict.WRONG_EVENT: Words(
        "Билет на другое мероприятие", "Ticket for another event", "Басқа іс-шараның билеті"
    ),
    Verdict.WRONG_GATE: Words(
        "Этот телефон не работает на входе «{gate}»",
        "This phone does not serve gate “{gate}”",
        "Бұл телефон «{gate}» кіреберісінде жұмыс істемейді",
    ),
    Verdict.CANCELLED: Words("Билет отменён", "Ticket cancelled", "Билет жойылған"),
    Verdict.UNKNOWN: Words(
        "Билет не найден, проверьте по фамилии",
        "No such ticket, look the name up",
        "Билет табылмады, тегі бойынша іздеңіз",
    ),
    Verdict.REVOKED: Words(
        "Этот телефон отключён организатором",
        "This phone was switched off by the organiser",
        "Бұл телефонды ұйымдастырушы өшірді",
    ),
    Verdict.CONFLICT: Words(
        "Впущен без связи, сервер бы отказал: разберёт организатор",
        "Let in offline against the server's answer: the organiser will look at it",
        "Желісіз кіргізілді, сервер бас тартар еді: ұйымдастырушы шешеді",
    ),
    Verdict.INVALID: Words("Запись не читается", "Unreadable scan", "Жазба оқылмайды"),
}
_EXITS = {
    Verdict.ADMITTED: Words("Выход отмечен", "Exit noted", "Шығуы белгіленді"),
    Verdict.ALREADY_ADMITTED: Words(
        "Уже вышел или не входил", "Has left already or never came in", "Шығып кеткен немесе кірмеген"
    ),
    Verdict.INVALID: Words(
        "Здесь выход не отмечают", "This gate does not count exits", "Бұл жерде шығу белгіленбейді"
    ),
}
_RESULTS = {
    "done": Words("Записано", "Saved", "Жазылды"),
    "done_arrived": Words(
        "Записано, приход тоже отмечен", "Saved, and marked as arrived", "Жазылды, келгені де белгіленді"
    ),
    "already": Words("Уже записано", "Saved before", "Бұрын жазылған"),
    "unknown": Words("Участник не найден", "Nobody found", "Қатысушы табылмады"),
    "invalid": Words("Запись не читается", "Unreadable entry", "Жазба оқылмайды"),
    "other_event": Words(
        "Участник другого мероприятия", "A guest of another event", "Басқа іс-шараның қонағы"
    ),
    "bad_contact": Words(
        "Телефон или e-mail с ошибкой", "Phone or e-mail has a mistake", "Телефон не e-mail қате"
    ),
    "removed": Words(
        "Карточка удалена в CRM", "The card was removed in the CRM", "Карточка CRM-нен өшірілген"
    ),
    "no_flag": Words("Такой отметки нет", "No such flag", "Мұндай белгі жоқ"),
    "no_line": Words(
        "Такого направления у мероприятия нет",
        "The event has no such product line",
        "Іс-шарада мұндай бағыт жоқ",
    ),
    "no_scan": Words("Такого скана не было", "No such scan", "Мұндай скан болған жоқ"),
    "not_let_in": Words(
        "Этот скан никого не впустил", "That scan let nobody in", "Бұл скан ешкімді кіргізген жоқ"
    ),
    "role": Words(
        "Отменить может старший смены", "Only a supervisor may undo this", "Тек ауысым басшысы қайтара алады"
    ),
    "annulled": Words("Приход отменён", "Arrival annulled", "Келуі жойылды"),
    "still_in": Words(
        "Скан отменён, но есть и другой приход",
        "Scan annulled, another arrival remains",
        "Скан жойылды, бірақ басқа келуі бар",
    ),
    "added": Words("Гость записан", "Guest added", "Қонақ жазылды"),
    "was_listed": Words(
        "Гость уже был в списке, приход отмечен",
        "The guest was on the list, arrival saved",
        "Қонақ тізімде болған, келуі белгіленді",
    ),
}


def zone_of(name: str) -> ZoneInfo:
    """An event's time zone; UTC for one this machine does not know."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


def verdict_text(
    ruling: Ruling,
    *,
    language: str,
    gate: str,
    zone: ZoneInfo,
    now: datetime,
    direction: Direction = Direction.ENTRY,
) -> str:
    """One line for the screen of the phone."""
    texts = _VERDICTS | _EXITS if direction is Direction.EXIT else _VERDICTS
    when = local_time(ruling.first_admitted_at, zone, now)
    return texts[ruling.verdict].get(language).format(when=when, gate=gate)


def result_text(code: str, *, language: str) -> str:
    """One line about a flag, an annulment or a walk-in."""
    return _RESULTS[code].get(language)


def local_time(at: datetime | None, zone: ZoneInfo, now: datetime) -> str:
    """A moment as the door tells it: the hour in the event's zone, with the day when it is another."""
    if at is None:
        return ""
    local = at.astimezone(zone)
    return f"{local:%H:%M}" if local.date() == now.astimezone(zone).date() else f"{local:%d.%m %H:%M}"
