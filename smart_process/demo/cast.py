"""Who plays the day and what they do: chosen by a seed, so that the same day can be played again. Pure."""

from __future__ import annotations

import random
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field

_SPACE = uuid.UUID("6f1d3c9e-24b2-4f0e-9a55-7a2b24e7e771")

LAST = (
    "Абдрахманов Байжанова Викторов Гаврилова Дюсенов Егорова Жумабаев Зорина Искаков Королёва Литвинов Мусина "
    "Нургалиев Оспанова Полещук Рахимов Соловьёва Тулеген Усенова Фомин Хасанова Цой Черных Шарипов Щукина Юсупов"
).split()
FIRST = (
    "Айгерим Арман Асель Борис Вера Данияр Елена Жанна Игорь Камила Лев Мадина Нурлан Ольга Пётр Руслан Сауле "
    "Тимур Ульяна Фёдор Шынар Эльдар Юлия Ярослав"
).split()
FIRMS = (
    "ТОО «Алмаз-Строй»;ТОО «Степной ветер»;ООО «Волга-Климат»;АО «Каспий Инжиниринг»;ТОО «Тенгри Насос»;"
    "ИП Омаров;ООО «Уралвентсервис»;ТОО «Жетісу Проект»"
).split(";")
POSITIONS = "директор;инженер;руководитель отдела снабжения;главный энергетик;менеджер проектов".split(";")
MISTAKES = ("phone", "email", "consent", "position")


@dataclass(frozen=True)
class Plan:
    """What somebody does on the floor; ``None`` for who stays at home."""

    comes: bool
    minute: int = 0
    gate: int = 0
    twice: bool = False
    flags: tuple[tuple[str, str], ...] = ()
    cancels: bool = False
    late: bool = False


@dataclass(frozen=True)
class Stranger:
    """Somebody the portal has never seen."""

    last_name: str
    first_name: str
    company: str
    position: str
    email: str
    phone: str

    def typed(self) -> dict[str, str]:
        """The registration form as they fill it in."""
        return {
            "last_name": self.last_name,
            "first_name": self.first_name,
            "company": self.company,
            "position": self.position,
            "email": self.email,
            "phone": self.phone,
            "consent": "on",
        }


@dataclass(frozen=True)
class Cast:
    """Everybody, by how they come: numbers of a seeded day."""

    seed: int
    guests: int
    page: tuple[Stranger, ...] = ()
    form: tuple[Stranger, ...] = ()
    walk_ins: tuple[Stranger, ...] = ()
    invited: int = 0
    known_form: int = 0
    lines: Sequence[str] = field(default_factory=tuple)

    def chance(self, who: str) -> random.Random:
        """Chance of one person, independent of everybody else's."""
        return random.Random(f"{self.seed}:{who}")

    def number(self, *parts: str) -> str:
        """32 hex digits that are the same whenever the same thing is done again."""
        return uuid.uuid5(_SPACE, ":".join((str(self.seed), *parts))).hex

    def mistake(self, who: str) -> str:
        """What somebody gets wrong in the form at first; ``""`` for most."""
        chance = self.chance(f"{who}:mistake")
        return chance.choice(MISTAKES) if chance.random() < 0.08 else ""

    def plan(self, who: str) -> Plan:
        """What somebody with a ticket does."""
        chance = self.chance(f"{who}:plan")
        roll = chance.random()
        if roll < 0.05:
            return Plan(comes=False, cancels=True)
        if roll < 0.27:
            return Plan(comes=False, late=roll < 0.08)
        return Plan(
            comes=True,
            minute=int(chance.triangular(0, 120, 20)),
            gate=chance.choice((0, 0, 0, 1)),
            twice=chance.random() < 0.1,
            flags=self._flags(chance),
        )

    def _flags(self, chance: random.Random) -> tuple[tuple[str, str], ...]:
        flags: list[tuple[str, str]] = []
        if chance.random() < 0.35:
            flags.append(("product_interest", chance.choice(self.lines)))
        if chance.random() < 0.18:
            flags.append(("closed_session", ""))
        if chance.random() < 0.12:
            flags.append(("quote_requested", ""))
        if chance.random() < 0.1:
            flags.append(("materials_requested", ""))
        return tuple(flags)


def cast(guests: int, seed: int, lines: Sequence[str]) -> Cast:
    """Divide ``guests`` people over the doors: most are invited, the others find the page or a form, a few walk in."""
    page, form, walk = round(guests * 0.22), round(guests * 0.1), max(1, round(guests * 0.03))
    known = round(guests * 0.08)
    chance = random.Random(f"{seed}:cast")
    strangers = [_stranger(chance, seed, number) for number in range(page + form + walk)]
    return Cast(
        seed=seed,
        guests=guests,
        page=tuple(strangers[:page]),
        form=tuple(strangers[page : page + form]),
        walk_ins=tuple(strangers[page + form :]),
        invited=max(0, guests - page - form - walk - known),
        known_form=known,
        lines=tuple(lines),
    )


def _stranger(chance: random.Random, seed: int, number: int) -> Stranger:
    last, first = chance.choice(LAST), chance.choice(FIRST)
    digits = f"{(seed % 1000) * 10_000 + number:07d}"[-7:]
    return Stranger(
        last_name=last,
        first_name=first,
        company=chance.choice(FIRMS),
        position=chance.choice(POSITIONS),
        email=f"guest{seed}.{number}@guests.example",
        phone=f"8 (777) {digits[:3]}-{digits[3:5]}-{digits[5:]}",
    )
