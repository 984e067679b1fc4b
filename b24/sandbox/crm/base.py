"""What every CRM begins with: directories, stages of leads and deals, the default funnel."""

from __future__ import annotations

import sqlite3
from typing import Any

from b24.sandbox.crm import categories
from b24.sandbox.crm.objects import DEAL, QUOTE, SMART_INVOICE
from b24.sandbox.crm.schema import changed

LEAD_STAGES = (
    ("NEW", "Не обработан", 10, "Y", "#2FC6F6", None),
    ("IN_PROCESS", "В работе", 20, "N", "#55D0E0", None),
    ("PROCESSED", "Обработан", 30, "N", "#47E4C2", None),
    ("CONVERTED", "Качественный лид", 40, "Y", "#7BD500", "S"),
    ("JUNK", "Некачественный лид", 50, "Y", "#FF5752", "F"),
)
QUOTE_STAGES = (
    ("DRAFT", "Новое", 10, "Y", "#39A8EF", None),
    ("SENT", "Отправлено клиенту", 20, "N", "#2FC6F6", None),
    ("APPROVED", "Принято", 30, "Y", "#7BD500", "S"),
    ("DECLAINED", "Отклонено", 40, "Y", "#FF5752", "F"),
)
_PLAIN: dict[str, tuple[tuple[str, str], ...]] = {
    "SOURCE": (
        ("CALL", "Звонок"),
        ("EMAIL", "Электронная почта"),
        ("WEB", "Веб-сайт"),
        ("ADVERTISING", "Реклама"),
        ("PARTNER", "Существующий клиент"),
        ("RECOMMENDATION", "По рекомендации"),
        ("TRADE_SHOW", "Выставка"),
        ("WEBFORM", "CRM-форма"),
        ("CALLBACK", "Обратный звонок"),
        ("OTHER", "Другое"),
    ),
    "CONTACT_TYPE": (
        ("CLIENT", "Клиенты"),
        ("SUPPLIER", "Поставщики"),
        ("PARTNER", "Партнёры"),
        ("OTHER", "Другое"),
    ),
    "COMPANY_TYPE": (
        ("CUSTOMER", "Клиент"),
        ("SUPPLIER", "Поставщик"),
        ("COMPETITOR", "Конкурент"),
        ("PARTNER", "Партнёр"),
        ("OTHER", "Другое"),
    ),
    "EMPLOYEES": (
        ("EMPLOYEES_1", "менее 50"),
        ("EMPLOYEES_2", "50–250"),
        ("EMPLOYEES_3", "250–500"),
        ("EMPLOYEES_4", "более 500"),
    ),
    "INDUSTRY": (
        ("IT", "Информационные технологии"),
        ("TELECOM", "Телекоммуникации"),
        ("MANUFACTURING", "Производство"),
        ("BANKING", "Банковские услуги"),
        ("CONSULTING", "Консалтинг"),
        ("FINANCE", "Финансы"),
        ("GOVERNMENT", "Правительство"),
        ("DELIVERY", "Доставка"),
        ("ENTERTAINMENT", "Развлечения"),
        ("NOTPROFIT", "Не для прибыли"),
        ("OTHER", "Другое"),
    ),
    "DEAL_TYPE": (
        ("SALE", "Продажа"),
        ("COMPLEX", "Комплексная продажа"),
        ("GOODS", "Продажа товара"),
        ("SERVICES", "Услуги"),
        ("SERVICE", "Сервисное обслуживание"),
    ),
    "HONORIFIC": (("HNR_RU_1", "г-н"), ("HNR_RU_2", "г-жа")),
    "CALL_LIST": (("IN_WORK", "В работе"), ("SUCCESS", "Успешно"), ("WRONG_NUMBER", "Неправильный номер")),
    "EVENT_TYPE": (("INFO", "Информация"), ("PHONE", "Телефонный звонок"), ("MESSAGE", "Отправлен e-mail")),
}


def found(portal: Any) -> None:
    """Fill a new portal's directories; call inside a transaction."""
    db: sqlite3.Connection = portal.db
    categories.add_stages(db, "STATUS", "", LEAD_STAGES, None)
    categories.add_stages(db, "DEAL_STAGE", "", categories.DEAL_STAGES, None)
    for entity_id, values in _PLAIN.items():
        db.executemany(
            "INSERT INTO crm_status (entity_id, status_id, name, name_init, sort, system)"
            " VALUES (?, ?, ?, ?, ?, 'Y')",
            [(entity_id, code, name, name, 10 * n) for n, (code, name) in enumerate(values, 1)],
        )
    db.execute(
        "INSERT INTO crm_category (entity_type_id, id, name, sort, is_default)"
        " VALUES (?, 0, 'Общая', 300, 'Y')",
        (DEAL,),
    )
    complete(portal)
    changed(db)


def complete(portal: Any) -> None:
    """Add what portals founded by an earlier version lack: quotes and invoices; inside a transaction."""
    db: sqlite3.Connection = portal.db
    if db.execute("SELECT 1 FROM crm_category WHERE entity_type_id = ?", (SMART_INVOICE,)).fetchone():
        return
    categories.add_stages(db, "QUOTE_STATUS", "", QUOTE_STAGES, None)
    categories.create(db, SMART_INVOICE, "Общая", default=True)
    db.executemany(
        "INSERT INTO crm_relation (parent_type, child_type, children_list) VALUES (?, ?, 'Y')",
        [(DEAL, SMART_INVOICE), (QUOTE, SMART_INVOICE)],
    )
    changed(db)
