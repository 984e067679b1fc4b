"""The CRM objects of the portal and their system fields, as the documentation lists them.

Source: crm/universal/object-fields.md, crm/data-types.md (object types).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

LEAD, DEAL, CONTACT, COMPANY, QUOTE, SMART_INVOICE = 1, 2, 3, 4, 7, 31
CLASSIC = (LEAD, DEAL, CONTACT, COMPANY)
#: Objects every portal has; quotes and invoices are worked with by ``crm.item.*`` only.
SYSTEM = (*CLASSIC, QUOTE, SMART_INVOICE)
#: Objects with a row of phones and e-mails of their own.
WITH_COMMUNICATIONS = (LEAD, CONTACT, COMPANY)

#: entityTypeId -> (symbol code, short symbol code, title in the portal's language)
OWNER_TYPES: dict[int, tuple[str, str, str]] = {
    LEAD: ("LEAD", "L", "Лид"),
    DEAL: ("DEAL", "D", "Сделка"),
    CONTACT: ("CONTACT", "C", "Контакт"),
    COMPANY: ("COMPANY", "CO", "Компания"),
    5: ("INVOICE", "I", "Счёт (старая версия)"),
    SMART_INVOICE: ("SMART_INVOICE", "SI", "Счёт"),
    QUOTE: ("QUOTE", "Q", "Предложение"),
    8: ("REQUISITE", "RQ", "Реквизиты"),
    14: ("ORDER", "O", "Заказ"),
}


@dataclass(frozen=True)
class Field:
    """One field of an object as ``crm.item.fields`` describes it.

    ``upper`` is the name in the database, ``name`` the one in REST; ``disabled`` fields always read null,
    ``derived`` ones are computed when read and never stored.
    """

    name: str
    upper: str
    type: str
    title: str
    required: bool = False
    read_only: bool = False
    multiple: bool = False
    disabled: bool = False
    derived: bool = False
    dynamic: bool = False
    parent_type: int | None = None
    status_type: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    options: tuple[dict[str, Any], ...] = ()
    userfield_id: int | None = None

    @property
    def user_type(self) -> bool:
        return self.dynamic


def upper_name(name: str) -> str:
    """``assignedById`` -> ``ASSIGNED_BY_ID``; ``parentId1220`` -> ``PARENT_ID_1220``."""
    parted = re.sub(r"(?<=[a-z])(?=[A-Z0-9])", "_", name)
    return parted.upper()


_COMMON_HEAD = """
id integer r ID
createdTime datetime r Когда создан
updatedTime datetime r Когда обновлён
createdBy user r Кем создан
updatedBy user r Кем обновлён
assignedById user - Ответственный
opened boolean q Доступен для всех
"""
_UTM = """
utmSource string - UTM Source
utmMedium string - UTM Medium
utmCampaign string - UTM Campaign
utmContent string - UTM Content
utmTerm string - UTM Term
"""
_ACTIVITY = """
lastActivityBy user r Последняя активность (кто)
lastActivityTime datetime r Последняя активность
"""
_COMMUNICATION = """
hasPhone boolean rv Есть телефон
hasEmail boolean rv Есть e-mail
hasImol boolean rv Есть открытая линия
phoneMobile string rv Мобильный телефон
phoneWork string rv Рабочий телефон
phoneMailing string rv Телефон для рассылок
emailHome string rv Частный e-mail
emailWork string rv Рабочий e-mail
emailMailing string rv E-mail для рассылок
imol string rv Открытая линия
email string rv E-mail
phone string rv Телефон
"""
_PERSON = """
honorific crm_status:HONORIFIC - Обращение
name string - Имя
secondName string - Отчество
lastName string - Фамилия
shortName string rd Сокращённое имя
birthdate date - Дата рождения
post string - Должность
"""
_ORIGIN = """
originatorId string - Внешний источник
originId string - Идентификатор во внешнем источнике
"""
_SOURCE = """
sourceId crm_status:SOURCE - Источник
sourceDescription text - Дополнительно об источнике
"""
_MONEY = """
opportunity double - Сумма
isManualOpportunity boolean - Режим расчёта суммы
taxValue double - Сумма налога
currencyId crm_currency - Валюта
"""

_LEAD = f"""{_COMMON_HEAD}
dateCreateShort datetime rd Дата создания (кратко)
dateModifyShort datetime rd Дата изменения (кратко)
companyId crm_company - Компания
contactId crm_contact - Контакт
stageId crm_status:STATUS - Стадия
isConvert boolean rd Конвертирован
statusDescription text - Дополнительно о стадии
stageSemanticId string rv Группа стадии
productId string rd Товар
opportunity double - Сумма
currencyId crm_currency - Валюта
{_SOURCE}
title string - Название
{_PERSON}
companyTitle string - Название компании
skype string rd Skype
icq string rd ICQ
address text rd Адрес
comments text - Комментарий
webformId integer - Создано CRM-формой
{_ORIGIN}
dateClosed datetime r Дата закрытия
login string rd Логин
isReturnCustomer boolean - Повторный лид
searchContent text rd Поиск
isManualOpportunity boolean - Режим расчёта суммы
movedBy user r Кто сменил стадию
movedTime datetime r Когда сменена стадия
{_ACTIVITY}{_COMMUNICATION}{_UTM}
observers user m Наблюдатели
contactIds crm_contact m Контакты
"""
_DEAL = f"""{_COMMON_HEAD}
dateCreateShort datetime rd Дата создания (кратко)
dateModifyShort datetime rd Дата изменения (кратко)
leadId crm_lead - Лид
companyId crm_company - Компания
contactId crm_contact - Контакт
quoteId crm_quote - Предложение
title string - Название
productId string rd Товар
categoryId crm_category - Воронка
stageId crm_status:DEAL_STAGE - Стадия
stageSemanticId string rv Группа стадии
isNew boolean rv Новая сделка
isRecurring boolean - Регулярная сделка
isReturnCustomer boolean - Повторная сделка
isRepeatedApproach boolean - Повторное обращение
closed boolean rv Закрыта
typeId crm_status:DEAL_TYPE - Тип
{_MONEY}
probability integer - Вероятность
comments text - Комментарий
begindate date - Дата начала
begindateShort datetime rd Дата начала (кратко)
closedate date - Дата завершения
closedateShort datetime rd Дата завершения (кратко)
eventDate datetime rd Дата события
eventDateShort datetime rd Дата события (кратко)
eventId crm_status:EVENT_TYPE rd Тип события
eventDescription text rd Описание события
locationId location - Местоположение
webformId integer - Создано CRM-формой
{_SOURCE}{_ORIGIN}
additionalInfo string - Дополнительная информация
searchContent text rd Поиск
orderStage string rd Стадия заказа
movedBy user r Кто сменил стадию
movedTime datetime r Когда сменена стадия
{_ACTIVITY}
isWork boolean rd В работе
isWon boolean rd Выиграна
isLose boolean rd Проиграна
receivedAmount string rd Получено
lostAmount string rd Упущено
hasProducts boolean rd Есть товары
{_UTM}
observers user m Наблюдатели
contactIds crm_contact m Контакты
"""
_CONTACT = f"""{_COMMON_HEAD}
companyId crm_company - Компания
{_SOURCE}
{_PERSON}
photo file - Фотография
address text rd Адрес
comments text - Комментарий
leadId crm_lead - Лид
export boolean - Участвует в экспорте
typeId crm_status:CONTACT_TYPE - Тип контакта
webformId integer - Создано CRM-формой
{_ORIGIN}
originVersion string - Версия оригинала
searchContent text rd Поиск
categoryId crm_category r Воронка
login string rd Логин
{_ACTIVITY}{_COMMUNICATION}{_UTM}
observers user m Наблюдатели
companyIds crm_company m Компании
"""
_COMPANY = f"""{_COMMON_HEAD}
title string - Название компании
logo file - Логотип
address text rd Адрес
addressLegal text - Юридический адрес
bankingDetails string - Банковские реквизиты
comments text - Комментарий
typeId crm_status:COMPANY_TYPE - Тип компании
industry crm_status:INDUSTRY - Сфера деятельности
revenue double - Годовой оборот
currencyId crm_currency - Валюта
employees crm_status:EMPLOYEES - Количество сотрудников
leadId crm_lead - Лид
webformId integer - Создано CRM-формой
{_ORIGIN}
originVersion string - Версия оригинала
isMyCompany boolean - Моя компания
searchContent text rd Поиск
categoryId crm_category r Воронка
{_ACTIVITY}{_COMMUNICATION}{_UTM}
observers user m Наблюдатели
contactIds crm_contact m Контакты
"""
_QUOTE = f"""{_COMMON_HEAD}
dateCreateShort datetime rd Дата создания (кратко)
dateModifyShort datetime rd Дата изменения (кратко)
leadId crm_lead - Лид
dealId crm_deal - Сделка
companyId crm_company - Компания
contactId crm_contact - Контакт
personTypeId integer - Тип плательщика
mycompanyId crm_company - Реквизиты вашей компании
title string - Название
stageId crm_status:QUOTE_STATUS - Стадия
closed boolean rv Закрыто
{_MONEY}
comments text - Комментарий
commentsType integer - Вид комментария
begindate date - Дата начала
begindateShort datetime rd Дата начала (кратко)
closedate date - Дата завершения
closedateShort datetime rd Дата завершения (кратко)
quoteNumber string - Номер предложения
content text - Содержание
contentType integer - Вид содержания
terms text - Условия
termsType integer - Вид условий
storageTypeId integer - Вид хранилища
storageElementIds integer m Файлы
locationId location - Местоположение
webformId integer - Создано CRM-формой
clientTitle string - Клиент
clientAddr string - Адрес клиента
clientContact string - Контакт клиента
clientEmail string - E-mail клиента
clientPhone string - Телефон клиента
clientTpId string - ИНН клиента
clientTpaId string - КПП клиента
searchContent text rd Поиск
hasProducts boolean rd Есть товары
{_ACTIVITY}{_UTM}
actualDate date - Действительно до
contactIds crm_contact m Контакты
"""
_INVOICE = f"""{_COMMON_HEAD}
xmlId string - Внешний код
title string - Название
webformId integer - Создано CRM-формой
movedBy user r Кто сменил стадию
movedTime datetime r Когда сменена стадия
categoryId crm_category - Воронка
stageId crm_status:STAGE - Стадия
previousStageId crm_status:STAGE r Предыдущая стадия
begindate date - Дата выставления
closedate date - Срок оплаты
companyId crm_company - Компания
contactId crm_contact - Контакт
{_MONEY}
mycompanyId crm_company - Реквизиты вашей компании
{_SOURCE}
comments text - Комментарий
accountNumber string - Номер счёта
locationId location - Местоположение
{_ACTIVITY}{_UTM}
observers user m Наблюдатели
contactIds crm_contact m Контакты
"""
SYSTEM_DECLARATIONS = {
    LEAD: _LEAD, DEAL: _DEAL, CONTACT: _CONTACT, COMPANY: _COMPANY, QUOTE: _QUOTE, SMART_INVOICE: _INVOICE,
}  # fmt: skip

#: Fields of a smart process: (setting that brings them or "", declaration).
_SMART_PARTS: tuple[tuple[str, str], ...] = (
    (
        "",
        (
            "id integer r ID\ntitle string - Название\nxmlId string - Внешний код\n"
            "createdTime datetime r Когда создан\nupdatedTime datetime r Когда обновлён\n"
            "createdBy user r Кем создан\nupdatedBy user r Кем обновлён\n"
            "assignedById user - Ответственный\nopened boolean q Доступен для всех\n"
            "webformId integer - Создано CRM-формой"
        ),
    ),
    ("isBeginCloseDatesEnabled", "begindate date - Дата начала\nclosedate date - Дата завершения"),
    (
        "isClientEnabled",
        (
            "companyId crm_company - Компания\ncontactId crm_contact - Контакт\n"
            "contactIds crm_contact m Контакты\ncontacts crm_contact mv Контакты"
        ),
    ),
    ("isObserversEnabled", "observers user m Наблюдатели"),
    ("", "categoryId crm_category - Воронка"),
    (
        "isStagesEnabled",
        (
            "movedTime datetime r Когда сменена стадия\nmovedBy user r Кто сменил стадию\n"
            "stageId crm_status:STAGE - Стадия\npreviousStageId crm_status:STAGE r Предыдущая стадия"
        ),
    ),
    ("isSourceEnabled", _SOURCE),
    ("isLinkWithProductsEnabled", _MONEY),
    (
        "isLinkWithProductsEnabled",
        (
            "opportunityAccount double rd Сумма в валюте учёта\ntaxValueAccount double rd Налог в"
            " валюте учёта\n"
            "accountCurrencyId crm_currency rd Валюта учёта"
        ),
    ),
    ("isMycompanyEnabled", "mycompanyId crm_company - Реквизиты вашей компании"),
    ("", _ACTIVITY + _UTM),
)


def declared(text: str, *, stage_entity: str | None = None) -> list[Field]:
    """Read a declaration: one field a line, ``name type[:status entity] flags title``.

    Flags: ``r`` read only, ``q`` required, ``m`` multiple, ``d`` disabled, ``v`` derived, ``-`` none.
    """
    fields = []
    for line in text.splitlines():
        if not line.strip():
            continue
        name, kind, flags, title = line.split(maxsplit=3)
        kind, _, status = kind.partition(":")
        if status == "STAGE":
            status = stage_entity or ""
        fields.append(
            Field(
                name=name,
                upper=upper_name(name),
                type=kind,
                title=title,
                required="q" in flags,
                read_only="r" in flags,
                multiple="m" in flags,
                disabled="d" in flags,
                derived="v" in flags,
                status_type=status or None,
            )
        )
    return fields


def smart_process_fields(settings: dict[str, str], stage_entity: str) -> list[Field]:
    """System fields of a smart process with these Y/N settings."""
    fields: list[Field] = []
    for setting, text in _SMART_PARTS:
        if not setting or settings.get(setting) == "Y":
            fields += declared(text, stage_entity=stage_entity)
    return fields
