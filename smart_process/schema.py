"""What the app needs in a portal's CRM, declared as data in one place; ``provision`` makes it so.

``TYPES`` and their neighbours say what must exist, :class:`Binding` what it is called in one portal: ids and
codes differ from portal to portal and are read back, never built (design section 2).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from smart_process.facts import Stage

LEAD, DEAL = 1, 2
"""``entityTypeId`` of leads and deals. Source: crm/data-types.md (object types)."""
CONTACT, COMPANY = 3, 4
APP = "eventapp"
"""Prefix of everything by which our objects recognise themselves in a portal."""
MARKER = "marker"
"""Our name of the field whose ``xmlId`` says that a smart process is ours."""


@dataclass(frozen=True)
class Words:
    """A title in the three languages of the interface."""

    ru: str
    en: str
    kk: str

    def get(self, language: str) -> str:
        """The text in a language of the portal; Russian for one we do not speak."""
        return {"en": self.en, "kk": self.kk}.get(language, self.ru)

    def map(self) -> dict[str, str]:
        """A ``lang_map`` of the portal; its documented languages do not include Kazakh.

        Source: crm/data-types.md, "Language Identifiers".
        """
        return {"ru": self.ru, "en": self.en}


@dataclass(frozen=True)
class FieldSpec:
    """One custom field.

    ``kind`` is the portal's ``userTypeId``; ``by_app`` says that the app fills it (its label says so).
    ``options`` are our values of an enumeration.
    """

    name: str
    code: str
    kind: str
    label: Words
    multiple: bool = False
    by_app: bool = False
    in_filter: bool = False
    options: Mapping[str, Words] = field(default_factory=dict)


@dataclass(frozen=True)
class StageSpec:
    """One stage: our key, the code we ask for, its looks. ``semantics``: ``""`` | ``S`` | ``F``."""

    key: str
    code: str
    title: Words
    color: str
    semantics: str = ""


@dataclass(frozen=True)
class TypeSpec:
    """One smart process. ``parents`` are our type keys or an ``entityTypeId`` as text."""

    key: str
    title: Words
    settings: Mapping[str, str]
    stages: tuple[StageSpec, ...]
    fields: tuple[FieldSpec, ...]
    parents: tuple[str, ...]
    children: tuple[str, ...]
    layout: tuple[tuple[str, Words, tuple[str, ...]], ...]
    linked: tuple[str, ...] = ()

    def names(self) -> frozenset[str]:
        """Our names of all its fields."""
        return frozenset(one.name for one in self.fields)


PRIORITIES = {
    "high": Words("Высокий", "High", "Жоғары"),
    "medium": Words("Средний", "Medium", "Орташа"),
    "low": Words("Низкий", "Low", "Төмен"),
}

FLAGS: Mapping[str, Words] = {
    "closed_session": Words("Закрытая сессия", "Closed session", "Жабық сессия"),
    "product_interest": Words("Интерес к продукту", "Product interest", "Өнімге қызығушылық"),
    "quote_requested": Words("Просит расчёт", "Asked for a quote", "Есеп сұрады"),
    "materials_requested": Words("Просит материалы", "Asked for materials", "Материал сұрады"),
    "question_asked": Words("Задал вопрос", "Asked a question", "Сұрақ қойды"),
}
"""Flags everybody has, by key; in the CRM one Y/N field each, named ``flag_<key>`` here."""


def flag_field(flag: str) -> str:
    """Our name of the field of a flag."""
    return f"flag_{flag}"


def flag_of(field_name: str) -> str | None:
    """The flag behind one of our field names, ``None`` for other fields."""
    flag = field_name.removeprefix("flag_")
    return flag if flag != field_name and flag in FLAGS else None


_MARKER = FieldSpec(
    MARKER,
    "MARKER",
    "string",
    Words("Служебное поле приложения", "Service field of the app", "Қосымшаның қызметтік өрісі"),
    by_app=True,
)

_EVENT = TypeSpec(
    key="event",
    title=Words("Мероприятие", "Event", "Іс-шара"),
    settings={
        "isStagesEnabled": "Y",
        "isCategoriesEnabled": "N",
        "isAutomationEnabled": "Y",
        "isBeginCloseDatesEnabled": "N",
        "isClientEnabled": "N",
        "isObserversEnabled": "Y",
        "isRecyclebinEnabled": "Y",
        "isUseInUserfieldEnabled": "Y",
    },
    linked=("TASKS_TASK|UF_CRM_TASK",),
    stages=(
        StageSpec("planning", "NEW", Words("Подготовка", "Planning", "Дайындық"), "#22B9FF"),
        StageSpec("inviting", "PREPARATION", Words("Приглашаем", "Inviting", "Шақырудамыз"), "#88B9FF"),
        StageSpec(
            "open", "CLIENT", Words("Регистрация открыта", "Registration open", "Тіркеу ашық"), "#10E5FC"
        ),
        StageSpec("live", "LIVE", Words("Идёт сейчас", "Live", "Қазір өтуде"), "#FFA900"),
        StageSpec("follow_up", "FOLLOW_UP", Words("Обработка", "Follow-up", "Өңдеу"), "#47E4C2"),
        StageSpec("closed", "SUCCESS", Words("Закрыто", "Closed", "Жабылды"), "#7BD500", "S"),
        StageSpec("cancelled", "FAIL", Words("Отменено", "Cancelled", "Болдырылмады"), "#FF5752", "F"),
    ),
    fields=(
        FieldSpec("starts_at", "STARTS", "datetime", Words("Начало", "Starts", "Басталуы"), in_filter=True),
        FieldSpec("ends_at", "ENDS", "datetime", Words("Окончание", "Ends", "Аяқталуы")),
        FieldSpec("time_zone", "ZONE", "string", Words("Часовой пояс", "Time zone", "Уақыт белдеуі")),
        FieldSpec(
            "local_time",
            "LOCAL",
            "string",
            Words("Местное время", "Local time", "Жергілікті уақыт"),
            by_app=True,
        ),
        FieldSpec("place", "PLACE", "string", Words("Место", "Place", "Өтетін орны"), in_filter=True),
        FieldSpec("capacity", "CAPACITY", "integer", Words("Вместимость", "Capacity", "Орын саны")),
        FieldSpec(
            "product_lines",
            "LINES",
            "string",
            Words("Продуктовые линейки", "Product lines", "Өнім желілері"),
            multiple=True,
        ),
        FieldSpec(
            "sender", "SENDER", "string", Words("Отправитель писем", "Sender of mails", "Хат жіберуші")
        ),
        FieldSpec(
            "registration_link",
            "REGLINK",
            "url",
            Words("Ссылка на регистрацию", "Registration link", "Тіркелу сілтемесі"),
            by_app=True,
        ),
        FieldSpec(
            "code", "CODE", "string", Words("Код мероприятия", "Event code", "Іс-шара коды"), by_app=True
        ),
        _MARKER,
    ),
    parents=(),
    children=("participation", str(DEAL)),
    layout=(
        (
            "main",
            Words("Мероприятие", "Event", "Іс-шара"),
            ("TITLE", "starts_at", "ends_at", "time_zone", "place", "capacity", "ASSIGNED_BY_ID"),
        ),
        (
            "guests",
            Words("Гости", "Guests", "Қонақтар"),
            ("registration_link", "product_lines", "sender"),
        ),
        ("service", Words("Служебное", "Service", "Қызметтік"), ("local_time", "code", "OBSERVER")),
    ),
)

_PARTICIPATION = TypeSpec(
    key="participation",
    title=Words("Участие в мероприятии", "Event participation", "Іс-шараға қатысу"),
    settings={
        "isStagesEnabled": "Y",
        "isCategoriesEnabled": "N",
        "isAutomationEnabled": "Y",
        "isBeginCloseDatesEnabled": "N",
        "isClientEnabled": "Y",
        "isSourceEnabled": "Y",
        "isObserversEnabled": "Y",
        "isRecyclebinEnabled": "Y",
        "isUseInUserfieldEnabled": "Y",
    },
    linked=("TASKS_TASK|UF_CRM_TASK",),
    stages=(
        StageSpec(Stage.SELECTED, "NEW", Words("Отобран", "Selected", "Іріктелді"), "#A5B8C6"),
        StageSpec(Stage.INVITED, "PREPARATION", Words("Приглашён", "Invited", "Шақырылды"), "#22B9FF"),
        StageSpec(Stage.REGISTERED, "CLIENT", Words("Зарегистрирован", "Registered", "Тіркелді"), "#10E5FC"),
        StageSpec(Stage.ARRIVED, "ARRIVED", Words("Пришёл", "Arrived", "Келді"), "#47E4C2"),
        StageSpec(Stage.ENGAGED, "ENGAGED", Words("Проявил интерес", "Engaged", "Белсенді"), "#FFA900"),
        StageSpec(
            Stage.HANDED,
            "HANDED",
            Words("Передан в продажи", "Handed to sales", "Сатуға берілді"),
            "#9B6FD4",
        ),
        StageSpec(Stage.WON, "SUCCESS", Words("Успех", "Won", "Сәтті"), "#7BD500", "S"),
        StageSpec(Stage.DECLINED, "FAIL", Words("Отказался", "Declined", "Бас тартты"), "#FF5752", "F"),
        StageSpec(Stage.NO_SHOW, "NO_SHOW", Words("Не пришёл", "No-show", "Келмеді"), "#FF8A65", "F"),
        StageSpec(
            Stage.NOT_RELEVANT,
            "NOT_RELEVANT",
            Words("Не наш гость", "Not relevant", "Сәйкес емес"),
            "#B0A8A0",
            "F",
        ),
    ),
    fields=(
        *(
            FieldSpec(flag_field(flag), f"F_{flag.upper()}", "boolean", title, in_filter=True)
            for flag, title in FLAGS.items()
        ),
        FieldSpec(
            "product_lines",
            "LINES",
            "string",
            Words("Интересны линейки", "Product lines of interest", "Қызықтырған желілер"),
            multiple=True,
            in_filter=True,
        ),
        FieldSpec("note", "NOTE", "string", Words("Заметка", "Note", "Ескертпе")),
        FieldSpec(
            "door_note",
            "DOOR_NOTE",
            "string",
            Words(
                "На входе сказать (докладчик, пресса…)",
                "To be told at the door (speaker, press…)",
                "Кіреберісте айту (спикер, баспасөз…)",
            ),
        ),
        FieldSpec(
            "registered_at",
            "REGISTERED",
            "datetime",
            Words("Зарегистрирован", "Registered at", "Тіркелген уақыты"),
            by_app=True,
            in_filter=True,
        ),
        FieldSpec(
            "arrived_at",
            "ARRIVED",
            "datetime",
            Words("Пришёл", "Arrived at", "Келген уақыты"),
            by_app=True,
            in_filter=True,
        ),
        FieldSpec("gate", "GATE", "string", Words("Вход", "Gate", "Кіреберіс"), by_app=True, in_filter=True),
        FieldSpec("device", "DEVICE", "string", Words("Устройство", "Device", "Құрылғы"), by_app=True),
        FieldSpec(
            "source",
            "SOURCE",
            "string",
            Words("Откуда регистрация", "Registered through", "Тіркелу көзі"),
            by_app=True,
            in_filter=True,
        ),
        # A CRM form names its event here, in a hidden field with the event's code.
        FieldSpec(
            "event_code",
            "EVENT_CODE",
            "string",
            Words("Код мероприятия (скрытое поле формы)", "Event code (hidden form field)", "Іс-шара коды"),
        ),
        FieldSpec(
            "ticket_link",
            "TICKET",
            "url",
            Words("Ссылка на билет", "Ticket link", "Билет сілтемесі"),
            by_app=True,
        ),
        FieldSpec(
            "consent_version",
            "CONSENT",
            "string",
            Words("Версия согласия", "Consent version", "Келісім нұсқасы"),
            by_app=True,
        ),
        FieldSpec(
            "consent_at",
            "CONSENT_AT",
            "datetime",
            Words("Согласие дано", "Consent given at", "Келісім берілген уақыты"),
            by_app=True,
        ),
        FieldSpec(
            "priority",
            "PRIORITY",
            "enumeration",
            Words("Приоритет", "Priority", "Басымдық"),
            by_app=True,
            in_filter=True,
            options=PRIORITIES,
        ),
        FieldSpec(
            "explanation",
            "WHY",
            "string",
            Words("Почему такой приоритет", "Why this priority", "Неге мұндай басымдық"),
            by_app=True,
        ),
        _MARKER,
    ),
    parents=("event", str(DEAL)),
    children=(),
    layout=(
        (
            "main",
            Words("Участник", "Guest", "Қатысушы"),
            ("TITLE", "CLIENT", "PARENT:event", "PARENT:2", "door_note", "ASSIGNED_BY_ID"),
        ),
        (
            "activity",
            Words("Активность", "Activity", "Белсенділік"),
            (*(flag_field(flag) for flag in FLAGS), "product_lines", "note", "priority", "explanation"),
        ),
        (
            "path",
            Words("Путь гостя", "Guest's path", "Қонақ жолы"),
            ("registered_at", "arrived_at", "gate", "device", "source", "ticket_link"),
        ),
        (
            "service",
            Words("Служебное", "Service", "Қызметтік"),
            ("event_code", "consent_version", "consent_at", "OBSERVER"),
        ),
    ),
)

DEAL_FIELDS = (
    FieldSpec(
        "priority",
        "PRIORITY",
        "enumeration",
        Words("Приоритет после мероприятия", "Priority after the event", "Іс-шарадан кейінгі басымдық"),
        by_app=True,
        in_filter=True,
        options=PRIORITIES,
    ),
    FieldSpec(
        "explanation",
        "WHY",
        "string",
        Words("Почему эта сделка", "Why this deal", "Бұл мәміле неге пайда болды"),
        by_app=True,
    ),
)
"""Fields of deals; their names in the portal carry no type id."""

TYPES: Mapping[str, TypeSpec] = {"event": _EVENT, "participation": _PARTICIPATION}
"""Our smart processes in the order in which they are made: parents first."""


@dataclass(frozen=True)
class PlacementSpec:
    """One place inside the portal where our page opens.

    ``name`` is the last part of our address; ``{event}`` and ``{participation}`` in ``code`` stand for their
    ``entityTypeId``. Places of the CRM's own cards are written out.
    """

    name: str
    code: str
    title: Words

    def code_in(self, entity_types: Mapping[str, int]) -> str:
        """The portal's placement code for the entity types of one portal."""
        return self.code.format(**entity_types)


_EVENTS_OF = Words("Мероприятия", "Events", "Іс-шаралар")

PLACEMENTS = (
    PlacementSpec("event", "CRM_DYNAMIC_{event}_DETAIL_TAB", Words("Воронка", "Funnel", "Воронка")),
    PlacementSpec(
        "participation",
        "CRM_DYNAMIC_{participation}_DETAIL_TAB",
        Words("Путь гостя", "Guest's path", "Қонақ жолы"),
    ),
    PlacementSpec("contact", "CRM_CONTACT_DETAIL_TAB", _EVENTS_OF),
    PlacementSpec("company", "CRM_COMPANY_DETAIL_TAB", _EVENTS_OF),
    PlacementSpec(
        "deal", "CRM_DEAL_DETAIL_TAB", Words("Почему эта сделка", "Why this deal", "Бұл мәміле неге")
    ),
)
"""Source: widgets/crm/detail-tab.md."""

EVENTS = (
    "ONCRMDYNAMICITEMADD",
    "ONCRMDYNAMICITEMUPDATE",
    "ONCRMDYNAMICITEMDELETE",
    "ONCRMCONTACTADD",
    "ONCRMCONTACTUPDATE",
    "ONCRMCONTACTDELETE",
    "ONCRMCOMPANYADD",
    "ONCRMCOMPANYUPDATE",
    "ONCRMCOMPANYDELETE",
    "ONCRMLEADADD",
    "ONCRMLEADUPDATE",
    "ONCRMLEADDELETE",
    "ONCRMDEALADD",
    "ONCRMDEALUPDATE",
    "ONCRMDEALDELETE",
    "ONCRMDEALMOVETOCATEGORY",
    "ONTASKUPDATE",
    "ONTASKDELETE",
    "ONAPPINSTALL",
    "ONAPPUPDATE",
    "ONAPPUNINSTALL",
)
"""Events of the portal we listen to. Source: events/index.md, crm/universal/events, crm/deals/events."""

OFFLINE_EVENTS = tuple(name for name in EVENTS if not name.startswith("ONAPP"))
"""Events the portal also keeps in its queue for us: those about objects. Source: events/offline-events.md."""

SCOPES = frozenset({"crm", "userfieldconfig", "placement", "task", "user_basic", "department", "im"})
"""Scopes the app cannot work without."""


def field_label(spec: FieldSpec) -> dict[str, str]:
    """The label of a field in the portal; one that we fill says so."""
    if not spec.by_app:
        return spec.label.map()
    said = Words("заполняет приложение", "filled by the app", "қосымша толтырады").map()
    return {language: f"{text} ({said[language]})" for language, text in spec.label.map().items()}


def userfield_entity(type_id: int) -> str:
    """``entityId`` of ``userfieldconfig.*`` for the ``id`` of a smart process; 0 for deals."""
    return f"CRM_{type_id}" if type_id else "CRM_DEAL"


def userfield_name(type_id: int, code: str) -> str:
    """Name of a custom field of ours in the portal's database; ``type_id`` 0 for deals.

    The prefix is demanded, ``EA_`` keeps clear of fields people have made.

    Source: crm/universal/userfieldconfig/userfieldconfig-add.md.
    """
    return f"UF_{userfield_entity(type_id)}_EA_{code}"


def marker_id(type_key: str, name: str) -> str:
    """``xmlId`` by which a custom field is recognised, whatever people call it."""
    return f"{APP}.{type_key}.{name}"


@dataclass(frozen=True)
class TypeBinding:
    """What one type is called in one portal.

    Args:
        id: of ``crm.type.*`` (0 for deals); ``entity_type_id``: everywhere else.
        stages: our stage key → ``STATUS_ID``.
        fields: our field name → name in ``crm.item.*``; ``uppers``: → ``UF_CRM_…``.
        enums: our field name → our value → id of the option.
        title: as people see it; they may have renamed it.
    """

    id: int
    entity_type_id: int
    category_id: int = 0
    stages: dict[str, str] = field(default_factory=dict)
    fields: dict[str, str] = field(default_factory=dict)
    enums: dict[str, dict[str, int]] = field(default_factory=dict)
    uppers: dict[str, str] = field(default_factory=dict)
    title: str = ""

    def stage_key(self, status_id: str | None) -> str | None:
        """Our key of a stage code; ``None`` for a stage people made themselves."""
        return next((key for key, code in self.stages.items() if code == status_id), None)

    def field_name(self, api_name: str) -> str | None:
        """Our name of a field of ``crm.item.*``."""
        return next((ours for ours, name in self.fields.items() if name == api_name), None)

    def option_key(self, field_name: str, option: Any) -> str | None:
        """Our value behind the id of an enumeration's option; ids come as numbers or digits."""
        known = self.enums.get(field_name, {})
        return next((value for value, number in known.items() if str(number) == str(option)), None)


@dataclass(frozen=True)
class Binding:
    """The whole schema in one portal; ``version`` is that of the declaration it was made from."""

    event: TypeBinding
    participation: TypeBinding
    deal: TypeBinding
    version: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain data for the table ``setup``."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Binding:
        """The reverse of :meth:`to_json`."""
        parts = {name: TypeBinding(**data[name]) for name in ("event", "participation", "deal")}
        return cls(**parts, version=str(data.get("version", "")))

    @property
    def parent_event(self) -> str:
        """Name of the parent field that holds an Event's item id, at deals and participations."""
        return f"parentId{self.event.entity_type_id}"

    @property
    def parent_deal(self) -> str:
        """Name of the parent field that holds the deal's id, at participations."""
        return f"parentId{DEAL}"

    def of(self, entity_type_id: int) -> TypeBinding | None:
        """The type with this ``entityTypeId``; ``None`` for a foreign one."""
        ours = (self.event, self.participation, self.deal)
        return next((one for one in ours if one.entity_type_id == entity_type_id), None)


def version() -> str:
    """Short hash of the declaration: a portal bound under another one is brought up to date."""
    declared = [
        *map(asdict, TYPES.values()),
        *map(asdict, DEAL_FIELDS),
        *map(asdict, PLACEMENTS),
        list(EVENTS),
        list(OFFLINE_EVENTS),
    ]
    return hashlib.sha256(json.dumps(declared, sort_keys=True, default=str).encode()).hexdigest()[:12]
