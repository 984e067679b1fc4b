"""Who plays the day and what they do: chosen by a seed, so that the same day can be played again. Pure."""

from __future__ import annotations

import random
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

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
DOOR_CODES = {"page": 777, "form": 747, "walk": 771, "lead": 775}
"""Telephone codes by which the strangers of each door have numbers of their own."""
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
    lines: Sequence[str]

    @property
    def forms(self) -> int:
        """Strangers who fill in the CRM form."""
        return round(self.guests * 0.1)

    @property
    def known(self) -> int:
        """People with a card in the portal who fill in the CRM form."""
        return round(self.guests * 0.08)

    @property
    def leads(self) -> int:
        """Strangers whose form makes a lead, on a day with edits."""
        return max(2, round(self.guests * 0.05))

    @property
    def walk_ins(self) -> int:
        """People nobody expected."""
        return max(1, round(self.guests * 0.03))

    @property
    def invited(self) -> int:
        """People who follow their invitation, if there are as many."""
        return round(self.guests * 0.57)

    @property
    def levels(self) -> tuple[str, ...]:
        """Potentials of the companies that are invited: a bigger hall takes more of them."""
        return ("Высокий", "Средний", "Низкий")[: 1 + (self.guests > 80) + (self.guests > 160)]

    def strangers(self, door: str, how_many: int) -> list[Stranger]:
        """Somebody the portal has never seen, the same people for the same door every time."""
        return [self._stranger(door, number) for number in range(how_many)]

    def _stranger(self, door: str, number: int) -> Stranger:
        chance = self.chance(f"{door}:{number}")
        return Stranger(
            last_name=chance.choice(LAST),
            first_name=chance.choice(FIRST),
            company=chance.choice(FIRMS),
            position=chance.choice(POSITIONS),
            email=f"{door}{number}.{self.seed}@guests.example",
            phone=f"8 ({DOOR_CODES[door]}) {self.seed % 1000:03d}-{number // 100 % 100:02d}-{number % 100:02d}",
        )

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
