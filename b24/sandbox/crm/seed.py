"""What a new portal's CRM holds: the directories always, a partner programme when asked for.

Everything is drawn from one seed number, so two demo portals hold the same people.
"""

from __future__ import annotations

import json
import random
from datetime import timedelta
from typing import Any

from b24.sandbox import users
from b24.sandbox.crm import (
    base,
    categories,
    emails,
    links,
    multifields,
    robots,
    seed_words,
    stage_rules,
    userfields,
)
from b24.sandbox.crm.objects import COMPANY, CONTACT, DEAL, LEAD
from b24.sandbox.crm.schema import changed, next_id, read_schema

SEED_NUMBER = 20260901
COMPANIES, CONTACTS = 120, 300
#: Custom fields of companies: (code, label, options).
COMPANY_FIELDS = (
    ("UF_CRM_COMPANY_POTENTIAL", "Потенциал", ("Высокий", "Средний", "Низкий")),
    (
        "UF_CRM_COMPANY_COOPERATION",
        "Форма сотрудничества",
        ("Партнёр", "Дилер", "Интегратор", "Дистрибьютор", "Конечный заказчик"),
    ),
    ("UF_CRM_COMPANY_REGION", "Регион", seed_words.CITIES),
)
DEAL_FUNNEL = "Партнёрские продажи"
TENDER_FUNNEL = "Тендеры"
#: Custom fields of deals some stages ask for: (code, type, label).
DEAL_FIELDS = (
    ("UF_CRM_CONTRACT", "string", "Номер договора"),
    ("UF_CRM_TENDER", "string", "Номер закупки"),
)
_LEADS = (
    ("Заявка с сайта: видеонаблюдение", "Ержанова", "Алия", "ТОО «Арна Трейд»", "NEW"),
    ("Звонок: системы хранения", "Поляков", "Степан", "ООО «Северный узел»", "IN_PROCESS"),
    ("Визитка с выставки", "Сагинтаев", "Олжас", "", "NEW"),
)
APPROVALS = "Согласования"
_FUNNEL_STAGES = (
    ("NEW", "Новая заявка", 10, "Y", "#39A8EF", None),
    ("NEEDS", "Выявление потребности", 20, "N", "#2FC6F6", None),
    ("PILOT", "Пилотный проект", 30, "N", "#55D0E0", None),
    ("OFFER", "Коммерческое предложение", 40, "N", "#47E4C2", None),
    ("CONTRACT", "Согласование договора", 50, "N", "#FFA900", None),
    ("WON", "Сделка успешна", 60, "Y", "#7BD500", "S"),
    ("LOSE", "Сделка провалена", 70, "Y", "#FF5752", "F"),
    ("PUT_OFF", "Отложена на год", 80, "N", "#FF5752", "F"),
)


def plant(portal: Any, seed: str) -> None:
    """Fill a new portal; ``seed`` is ``"demo"`` or ``"empty"``. Call inside a transaction."""
    base.found(portal)
    if seed == "demo":
        _Garden(portal).grow()


class _Garden:
    """The partner programme of one portal, written straight into the tables: no events, no checks."""

    def __init__(self, portal: Any) -> None:
        self.portal = portal
        self.db = portal.db
        self.random = random.Random(SEED_NUMBER)
        self.now = int(portal.now().timestamp())
        self.options: dict[str, list[int]] = {}
        self.sellers: list[int] = []
        self.dismissed = 0

    def grow(self) -> None:
        """Plant everything."""
        self.staff()
        self.fields()
        self.funnel()
        companies = [self.company(n) for n in range(COMPANIES)]
        people = self.contacts(companies)
        self.deals(companies, people)
        self.tenders(companies, people)
        self.leads()
        self.approvals()
        changed(self.db)

    # Colleagues.

    def staff(self) -> None:
        """Two dozen colleagues in sales: departments with heads, one of them dismissed."""
        sales = users.add_department(self.portal, "Отдел продаж", parent=1)
        groups = [users.add_department(self.portal, name, parent=sales) for name in seed_words.DEPARTMENTS]
        marketing = users.add_department(self.portal, "Маркетинг", parent=1)
        director = self.colleague(0, sales, "Директор по продажам")
        users.set_head(self.portal, sales, director)
        number = 1
        for group in groups:
            for place in range(6):
                position = "Руководитель группы" if place == 0 else "Менеджер по работе с партнёрами"
                user_id = self.colleague(number, group, position)
                if place == 0:
                    users.set_head(self.portal, group, user_id)
                self.sellers.append(user_id)
                number += 1
        for place in range(3):
            user_id = self.colleague(number, marketing, "Маркетолог" if place else "Руководитель маркетинга")
            if place == 0:
                users.set_head(self.portal, marketing, user_id)
            number += 1
        self.dismissed = self.sellers[-1]
        users.set_active(self.portal, self.dismissed, False)
        emails.connect(self.db, emails.SHARED, "crm@portal.example")

    def colleague(self, number: int, department: int, position: str) -> int:
        """One employee."""
        last, name = seed_words.COLLEAGUES[number]
        return users.add_user(
            self.portal,
            name=name,
            last_name=last,
            email=f"{seed_words.latin(last)}@portal.example",
            departments=[department],
            position=position,
            work_phone=f"+7 727 355-{10 + number:02d}-{20 + number:02d}",
        )

    # Schema.

    def fields(self) -> None:
        """Enumerations on companies by which segments are cut."""
        for sort, (code, label, options) in enumerate(COMPANY_FIELDS, 1):
            field_id = userfields.add_field(
                self.db,
                "CRM_COMPANY",
                code,
                "enumeration",
                {
                    "sort": 100 * sort,
                    "showFilter": "Y",
                    "editFormLabel": {"ru": label, "en": label},
                    "enum": [{"value": value, "sort": 10 * n} for n, value in enumerate(options, 1)],
                },
            )
            rows = self.db.execute(
                "SELECT id FROM crm_userfield_enum WHERE userfield_id = ? ORDER BY sort", (field_id,)
            )
            self.options[code] = [row[0] for row in rows]

    def funnel(self) -> None:
        """The partner sales funnel with stages of its own."""
        self.funnel_id = categories.create(self.db, DEAL, DEAL_FUNNEL, sort=100)
        entity = f"DEAL_STAGE_{self.funnel_id}"
        self.db.execute("DELETE FROM crm_status WHERE entity_id = ?", (entity,))
        categories.add_stages(self.db, entity, f"C{self.funnel_id}:", _FUNNEL_STAGES, self.funnel_id)
        changed(self.db)
        self.demands()

    def demands(self) -> None:
        """What stages of deals ask for: the contract before it is agreed upon, the tender from the beginning."""
        for code, type_, label in DEAL_FIELDS:
            labels = {"ru": label, "en": label}
            userfields.add_field(
                self.db, "CRM_DEAL", code, type_, {"showFilter": "Y", "editFormLabel": labels}
            )
        self.tender_id = categories.create(self.db, DEAL, TENDER_FUNNEL, sort=400)
        changed(self.db)
        schema = read_schema(self.db)
        kind = schema.type(DEAL)
        stage_rules.require(self.db, kind, "UF_CRM_CONTRACT", [f"C{self.funnel_id}:CONTRACT"])
        every = [stage.status_id for stage in schema.stages(kind, self.tender_id)]
        won = f"C{self.tender_id}:WON"
        stage_rules.require(self.db, kind, "UF_CRM_TENDER", every)
        stage_rules.require(self.db, kind, "OPPORTUNITY", [won])
        changed(self.db)

    # Companies.

    def company(self, number: int) -> int:
        """One company with its segment and responsible."""
        city = self.random.randrange(len(seed_words.CITIES))
        data = {
            "UF_CRM_COMPANY_POTENTIAL": self.option("UF_CRM_COMPANY_POTENTIAL", (3, 4, 5)),
            "UF_CRM_COMPANY_COOPERATION": self.option("UF_CRM_COMPANY_COOPERATION", (4, 4, 3, 1, 2)),
            "UF_CRM_COMPANY_REGION": self.options["UF_CRM_COMPANY_REGION"][city],
            "TYPE_ID": "PARTNER" if self.random.random() < 0.7 else "CUSTOMER",
            "INDUSTRY": self.random.choice(("IT", "TELECOM", "MANUFACTURING", "CONSULTING", "FINANCE")),
            "EMPLOYEES": self.random.choice(("EMPLOYEES_1", "EMPLOYEES_2", "EMPLOYEES_3", "EMPLOYEES_4")),
        }
        owner = self.dismissed if number % 29 == 7 else self.random.choice(self.sellers[:-1])
        title = seed_words.company_name(number, seed_words.CITIES[city])
        company_id = self.item(COMPANY, {"title": title, "assigned_by_id": owner}, data)
        domain = f"{seed_words.latin(title)}.example"
        self.communicate(COMPANY, company_id, "EMAIL", f"info@{domain}")
        self.communicate(COMPANY, company_id, "PHONE", self.phone(company_id, office=True))
        return company_id

    def option(self, code: str, weights: tuple[int, ...]) -> int:
        """An option of a field, some more often than others."""
        return self.random.choices(self.options[code], weights)[0]

    # People.

    def contacts(self, companies: list[int]) -> list[tuple[int, int]]:
        """People with the mess of a grown database; returns (contact, company)."""
        people: list[tuple[int, int]] = []
        people += [self.shared_office(companies[3], n) for n in range(5)]
        twice = 0
        while len(people) < CONTACTS:
            number = len(people)
            company = companies[number % len(companies)]
            last, name, second = seed_words.person(self.random, number)
            people.append(self.person(company, number, last, name, second))
            if number % 23 == 11 and len(people) < CONTACTS:
                people.append(self.second_card(company, people[-1][0], twice))
                twice += 1
        return people

    def person(self, company: int, number: int, last: str, name: str, second: str) -> tuple[int, int]:
        """One contact; every seventh name is written the way people write names."""
        shown_last, shown_name = seed_words.messy(last, name, number)
        contact = self.contact(company, shown_last, shown_name, second)
        mail = f"{seed_words.latin(name)[:1]}.{seed_words.latin(last)}{number}@company{company}.example"
        self.communicate(CONTACT, contact, "PHONE", self.phone(number))
        if number % 9:
            self.communicate(CONTACT, contact, "EMAIL", mail.capitalize() if number % 17 == 3 else mail)
        return contact, company

    def shared_office(self, company: int, number: int) -> tuple[int, int]:
        """Five colleagues with one office phone and one office address: five people."""
        last, name = seed_words.OFFICE[number]
        contact = self.contact(company, last, name, "")
        self.communicate(CONTACT, contact, "PHONE", "+7 (727) 250-10-10")
        self.communicate(CONTACT, contact, "EMAIL", f"office@company{company}.example")
        return contact, company

    def second_card(self, company: int, first: int, number: int) -> tuple[int, int]:
        """The same person once more: same phone, the name written differently."""
        row = self.db.execute(
            "SELECT name, last_name FROM crm_item WHERE entity_type_id = ? AND id = ?", (CONTACT, first)
        ).fetchone()
        last, name = seed_words.rewritten(row["last_name"], row["name"], number)
        contact = self.contact(company, last, name, "")
        for each in multifields.rows_of(self.db, CONTACT, first)[: 1 + number % 2]:
            self.communicate(CONTACT, contact, each["type_id"], each["value"])
        return contact, company

    def contact(self, company: int, last: str, name: str, second: str) -> int:
        """A contact row bound to its company."""
        data = {"POST": self.random.choice(seed_words.POSITIONS), "TYPE_ID": "PARTNER", "EXPORT": "Y"}
        if second:
            data["SECOND_NAME"] = second
        owner = self.db.execute(
            "SELECT assigned_by_id FROM crm_item WHERE entity_type_id = ? AND id = ?", (COMPANY, company)
        ).fetchone()[0]
        contact = self.item(CONTACT, {"name": name, "last_name": last, "assigned_by_id": owner}, data)
        links.set_companies(self.db, contact, [company])
        return contact

    def phone(self, number: int, *, office: bool = False) -> str:
        """A number as people type numbers."""
        digits = f"{self.random.randrange(10**7):07d}"
        code = (
            ("727", "717", "495", "812")[number % 4]
            if office
            else ("701", "702", "705", "777", "916", "903")[number % 6]
        )
        a, b, c = digits[:3], digits[3:5], digits[5:]
        styles = (
            f"+7{code}{digits}",
            f"8 ({code}) {a}-{b}-{c}",
            f"+7 {code} {a} {b} {c}",
            f"8{code}{digits}",
            f"тел. {code} {a}-{b}-{c}",
            f"+7 ({code}) {a}-{b}-{c} доб. {number % 90 + 10}",
        )
        return styles[(0, 1, 2, 0, 3, 1, 2, 4, 0, 5)[number % 10]]

    # Deals.

    def deals(self, companies: list[int], people: list[tuple[int, int]]) -> None:
        """A living funnel: some deals on every stage."""
        schema = read_schema(self.db)
        stages = schema.stages(schema.type(DEAL), self.funnel_id)
        for number in range(24):
            contact, company = people[number * 7 % len(people)]
            stage = stages[number % len(stages)]
            row = {
                "title": f"Поставка: {seed_words.PRODUCTS[number % len(seed_words.PRODUCTS)]}",
                "assigned_by_id": self.random.choice(self.sellers[:-1]),
                "category_id": self.funnel_id,
                "stage_id": stage.status_id,
                "semantics": stage.semantics,
                "company_id": company,
                "opportunity": float(self.random.randrange(5, 90) * 100_000),
                "currency_id": schema.currency,
                "moved_by": 1,
                "moved_time": self.now,
                "begindate": self.portal.now().date().isoformat(),
                "closedate": (self.portal.now().date() + timedelta(days=30)).isoformat(),
            }
            deal = self.item(DEAL, row, {"TYPE_ID": "SALE"})
            links.set_contacts(self.db, DEAL, deal, [contact])

    def tenders(self, companies: list[int], people: list[tuple[int, int]]) -> None:
        """A few deals of the funnel that asks for the number of the tender."""
        schema = read_schema(self.db)
        for number, stage in enumerate(schema.stages(schema.type(DEAL), self.tender_id)[:3]):
            contact, company = people[number * 11 % len(people)]
            row = {
                "title": f"Закупка: {seed_words.PRODUCTS[number]}",
                "assigned_by_id": self.random.choice(self.sellers[:-1]),
                "category_id": self.tender_id,
                "stage_id": stage.status_id,
                "semantics": stage.semantics,
                "company_id": company,
                "opportunity": 0.0,
                "currency_id": schema.currency,
                "moved_by": 1,
                "moved_time": self.now,
            }
            deal = self.item(DEAL, row, {"TYPE_ID": "GOODS", "UF_CRM_TENDER": f"2026-{117 + number}"})
            links.set_contacts(self.db, DEAL, deal, [contact])

    def leads(self) -> None:
        """Leads nobody has converted yet."""
        for number, (title, last, name, company, stage) in enumerate(_LEADS):
            row = {
                "title": title,
                "name": name,
                "last_name": last,
                "assigned_by_id": self.random.choice(self.sellers[:-1]),
                "stage_id": stage,
                "semantics": "P",
                "source_id": ("WEB", "CALL", "TRADE_SHOW")[number],
                "opportunity": 0.0,
                "currency_id": "KZT",
                "moved_by": 1,
                "moved_time": self.now,
            }
            lead = self.item(LEAD, row, {"COMPANY_TITLE": company} if company else {})
            self.communicate(LEAD, lead, "PHONE", self.phone(900 + number))
            self.communicate(LEAD, lead, "EMAIL", f"{seed_words.latin(last)}@guest{number}.example")

    def approvals(self) -> None:
        """A smart process of the company's own with robots: who checks is found, and told, by the portal."""
        wanted = dict.fromkeys(
            ("isStagesEnabled", "isCategoriesEnabled", "isAutomationEnabled", "isRecyclebinEnabled"), "Y"
        )
        linked = {"isUseInUserfieldEnabled": "Y", "linkedUserFields": {"TASKS_TASK|UF_CRM_TASK": "true"}}
        fields = {"title": APPROVALS, **wanted, **linked}
        number = int(
            self.portal.run("crm.type.add", {"fields": fields}, user_id=1).result["type"]["entityTypeId"]
        )
        schema = read_schema(self.db)
        funnel = schema.type(number).categories[0].id
        first, second = (stage.status_id for stage in schema.stages(schema.type(number), funnel)[:2])
        place = {"entity_type_id": number, "category_id": funnel, "stage_id": second}
        head = {"user_id": str(self.sellers[0])}
        robots.put(self.portal, {**place, "action": "assign", "settings": head})
        robots.put(
            self.portal, {**place, "action": "task", "settings": {"title": "Проверить договор", "days": "2"}}
        )
        for number_of, title in enumerate(("Договор поставки", "Дополнительное соглашение")):
            row = {
                "title": title,
                "assigned_by_id": self.sellers[1 + number_of],
                "category_id": funnel,
                "stage_id": first,
                "semantics": "P",
                "moved_by": 1,
                "moved_time": self.now,
            }
            self.item(number, row, {})

    def item(self, entity_type_id: int, row: dict[str, Any], data: dict[str, Any]) -> int:
        """One row of the items table."""
        item_id = next_id(self.db, f"item_{entity_type_id}")
        created = self.now - self.random.randrange(30 * 86400, 700 * 86400)
        full = {
            "entity_type_id": entity_type_id,
            "id": item_id,
            "created_by": 1,
            "updated_by": 1,
            "created_time": created,
            "updated_time": created,
            "last_activity_by": 1,
            "last_activity_time": created,
            "opened": "Y",
            "source_id": "PARTNER",
            "data": json.dumps(data, ensure_ascii=False),
            **row,
        }
        self.db.execute(
            f"INSERT INTO crm_item ({', '.join(full)}) VALUES ({', '.join('?' * len(full))})",
            tuple(full.values()),
        )
        return item_id

    def communicate(self, entity_type_id: int, item_id: int, kind: str, value: str) -> None:
        """One phone or address."""
        value_type = "MOBILE" if kind == "PHONE" and entity_type_id == CONTACT else "WORK"
        multifields.insert(self.db, entity_type_id, item_id, kind, value_type, value)
