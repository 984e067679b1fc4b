"""What is wrong with a portal, in words that say what to do: for its administrators and for ``app.py doctor``.

What we keep is compared with what the portal has now, in one request of reads with the rights of background work –
the rights that count. Nothing is repaired here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from b24 import portals
from b24.answers import Answer
from b24.client import Client
from b24.errors import AccessLost, B24Error, Rejected, SetupMissing, Throttled, Unavailable
from b24.portals import Portal
from b24.store.engine import Tx
from smart_process import held_work, portal_choices, refusals
from smart_process.language import Translator
from smart_process.provision import problems
from smart_process.schema import (
    COMPANY,
    DEAL,
    DEAL_FIELDS,
    EVENTS,
    PLACEMENTS,
    SCOPES,
    TYPES,
    Binding,
    FieldSpec,
    Words,
    version,
)
from smart_process.service import Service
from smart_process.settings import NO_WAY, Settings
from smart_process.store import findings, overview, setups
from smart_process.store import settings_page as store

REPAIR = "repair"
"""The app can put this right itself: a button of the main page, or the next installation."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        key: stays the same as long as it is the same thing; ``schema:…`` for objects of the portal.
        text: Russian, a key of the catalogues; ``values`` fill it in, ``Words`` among them in the reader's language.
        action: ``repair``, ``settings:<section>``, ``retry`` or "" – what the main page offers.
    """

    key: str
    text: str
    values: Mapping[str, Any] = field(default_factory=dict)
    action: str = ""

    def words(self, _: Translator) -> str:
        """For a reader."""
        values = {
            name: one.get(_.lang) if isinstance(one, Words) else one for name, one in self.values.items()
        }
        return _(self.text, **values)


# ------------------------------------------------------------------------ access

_PAUSES: Mapping[str, str] = {
    "AUTHORIZATION_ERROR": "installer",
    "INVALID_GRANT": "installer",
    "USER_ACCESS_ERROR": "installer",
    "EXPIRED_TOKEN": "installer",
    "NO_AUTH_FOUND": "installer",
    "WRONG_CLIENT": "registration",
    "INVALID_CLIENT": "registration",
    "NOT_INSTALLED": "registration",
    "APPLICATION_NOT_FOUND": "registration",
    "APPLICATION_NOT_INSTALLED": "registration",
    "MEMBER_CHANGED": "registration",
    "PAYMENT_REQUIRED": "plan",
    "ACCESS_DENIED": "plan",
    "OVERLOAD_LIMIT": "blocked",
    "PORTAL_DELETED": "closed",
}
PAUSE_WORDS = {
    "installer": "Сотрудник, который установил приложение, уволен или лишён прав, и портал больше не пускает "
    "приложение. Достаточно, чтобы любой администратор открыл приложение в портале.",
    "registration": "Портал больше не знает этого приложения: его удалили или зарегистрировали заново. Проверьте код и "
    "ключ приложения и установите его ещё раз.",
    "plan": "Тариф портала больше не даёт приложениям работать. Продлите тариф или подписку; приложение "
    "продолжит само.",
    "blocked": "Битрикс24 временно заблокировал обращения к порталу. Напишите в поддержку "
    "Битрикс24; приложение продолжит само.",
    "closed": "Портал закрыт или удалён.",
    "": "Портал не принимает обращения приложения. Пусть администратор откроет приложение в портале, а если не "
    "поможет – установит его заново.",
}


def pause_words(code: str) -> str:
    """Why a paused portal is paused and what to do, Russian, by the code it was paused with."""
    return PAUSE_WORDS[_PAUSES.get(code.upper(), "")]


# ------------------------------------------------------------------------ the check


@dataclass(frozen=True)
class Kept:
    """What we keep of a portal."""

    portal: Portal
    binding: Binding
    settings: Settings
    events: frozenset[int]
    public_url: str


def check(service: Service, portal_id: int) -> list[Finding]:
    """Everything that is wrong with a portal now; empty: nothing.

    A portal the app was removed from has nothing wrong with it.
    """
    with service.store.reading() as tx:
        portal = portals.by_id(tx, service.secrets, portal_id)
        setup = setups.read(tx, portal_id)
        events = frozenset(item_id for item_id, _title in store.events(tx, portal_id))
        ours = _ours(tx, portal_id, setup.settings)
    if portal is None or portal.state == portals.UNINSTALLED:
        return []
    if portal.state == portals.PAUSED:
        return [Finding("access", pause_words(portal.state_reason)), *ours]
    if setup.binding is None:
        unfinished = (
            "Установка не закончена: администратор должен открыть установку приложения и дождаться её конца."
        )
        return [Finding("unfinished", unfinished)]
    kept = Kept(portal, setup.binding, setup.settings, events, service.public_url)
    return [*_theirs(kept, service.portals.client(portal_id)), *ours]


def _theirs(kept: Kept, client: Client) -> list[Finding]:
    """What a look at the portal finds."""
    try:
        answers = client.batch(_questions(kept))
    except AccessLost as error:
        return [Finding("access", pause_words(error.code))]
    except (Unavailable, Throttled):
        return [Finding("away", "Портал сейчас не отвечает. Приложение повторит само; гости ничего не ждут.")]
    except B24Error as error:
        return [Finding("asked", "Портал отказал проверке: %(code)s.", {"code": error.code or "?"})]
    found: list[Finding] = []
    for look in _LOOKS:
        found += look(kept, answers)
    return found


Answers = Mapping[str, Answer | B24Error]
Look = Callable[[Kept, Answers], Iterable[Finding]]


def _questions(kept: Kept) -> dict[str, tuple[str, Mapping[str, Any]]]:
    binding, settings = kept.binding, kept.settings
    funnel = settings.deal_category_id
    asked: dict[str, tuple[str, Mapping[str, Any]]] = {
        "scope": ("scope", {}),
        "app": ("app.info", {}),
        "profile": ("profile", {}),
        "events": ("event.get", {}),
        "placements": ("placement.get", {}),
        "funnels": ("crm.category.list", {"entityTypeId": DEAL}),
        "deal_stages": _stages(f"DEAL_STAGE_{funnel}" if funnel else "DEAL_STAGE"),
        "company": ("crm.item.fields", {"entityTypeId": COMPANY}),
        "deal": ("crm.item.fields", {"entityTypeId": DEAL}),
    }
    for key in TYPES:
        kind = getattr(binding, key)
        asked[key] = ("crm.item.fields", {"entityTypeId": kind.entity_type_id})
        asked[f"{key}_stages"] = _stages(f"DYNAMIC_{kind.entity_type_id}_STAGE_{kind.category_id}")
    if settings.fallback_owner_id:
        asked["fallback"] = ("user.get", {"FILTER": {"ID": settings.fallback_owner_id}})
    return asked


def _stages(directory: str) -> tuple[str, Mapping[str, Any]]:
    return "crm.status.list", {"filter": {"ENTITY_ID": directory}}


def _result(answers: Answers, key: str) -> Any:
    """What the portal answered; ``None`` for a refusal, which other looks tell of."""
    answer = answers.get(key)
    return answer.result if isinstance(answer, Answer) else None


def _scopes(_kept: Kept, answers: Answers) -> Iterable[Finding]:
    granted = _result(answers, "scope")
    missing = sorted(SCOPES - {str(one).lower() for one in granted}) if granted is not None else []
    if missing:
        yield Finding(
            "schema:scope",
            "Приложению не выданы права: %(names)s. Добавьте их в карточке приложения и установите его заново.",
            {"names": ", ".join(missing)},
        )


def _installed(_kept: Kept, answers: Answers) -> Iterable[Finding]:
    info, profile = _result(answers, "app"), _result(answers, "profile")
    if isinstance(info, Mapping) and info.get("INSTALLED") is False:
        yield Finding(
            "schema:installed",
            "Портал считает установку незаконченной, поэтому вкладки и события не работают. Откройте установку "
            "приложения ещё раз.",
        )
    if isinstance(profile, Mapping) and profile.get("ADMIN") is not True:
        yield Finding(
            "schema:installer",
            "Сотрудник, который установил приложение, больше не администратор, и часть работы портал не примет. Пусть "
            "приложение установит администратор.",
        )


def _types(kept: Kept, answers: Answers) -> Iterable[Finding]:
    for key, spec in TYPES.items():
        answer = answers.get(key)
        if isinstance(answer, SetupMissing) and answer.code.lower() == "insufficient_scope":
            # Not allowed to look is no word about the type; the missing right is named already.
            continue
        if isinstance(answer, Rejected | SetupMissing):
            yield Finding(
                f"schema:type:{key}",
                "Смарт-процесс «%(title)s» удалён или закрыт для приложения. «Исправить» создаст его заново; прежние "
                "карточки вернутся, только если восстановить смарт-процесс в портале.",
                {"title": getattr(kept.binding, key).title or spec.title},
                REPAIR,
            )
            continue
        yield from _fields(key, spec.title, spec.fields, getattr(kept.binding, key).uppers, answers)
        yield from _missing_stages(kept, key, answers)
    yield from _fields("deal", problems.DEALS, DEAL_FIELDS, kept.binding.deal.uppers, answers)


def _fields(
    key: str, owner: Words, specs: Iterable[FieldSpec], uppers: Mapping[str, str], answers: Answers
) -> Iterable[Finding]:
    described = _result(answers, key)
    if not isinstance(described, Mapping):
        return
    there = {str(one.get("upperName")) for one in described["fields"].values()}
    for spec in specs:
        if uppers.get(spec.name) not in there:
            yield Finding(
                f"schema:field:{key}:{spec.name}",
                "Удалено поле «%(field)s» (%(owner)s). «Исправить» создаст его снова и заполнит.",
                {"field": spec.label, "owner": owner},
                REPAIR,
            )


def _missing_stages(kept: Kept, key: str, answers: Answers) -> Iterable[Finding]:
    rows = _result(answers, f"{key}_stages")
    if rows is None:
        return
    there = {str(row["STATUS_ID"]) for row in rows}
    spec = TYPES[key]
    for stage in spec.stages:
        if getattr(kept.binding, key).stages.get(str(stage.key)) not in there:
            yield Finding(
                f"schema:stage:{key}:{stage.key}",
                "Удалена стадия «%(stage)s» (%(owner)s). «Исправить» создаст её снова.",
                {"stage": stage.title, "owner": spec.title},
                REPAIR,
            )


def _bindings(kept: Kept, answers: Answers) -> Iterable[Finding]:
    handlers, tabs = _result(answers, "events"), _result(answers, "placements")
    if handlers is not None:
        bound = {
            str(row["event"]).upper() for row in handlers if row["handler"] == f"{kept.public_url}/b24/events"
        }
        # Some names exist on some portals only; none at all is what an update or another address leaves.
        if not bound & set(EVENTS):
            yield Finding(
                "schema:events",
                "Портал не сообщает приложению об изменениях. «Исправить» подпишется заново; до тех пор приложение "
                "читает портал по расписанию.",
                action=REPAIR,
            )
    if tabs is not None:
        bound_tabs = {str(row["handler"]) for row in tabs}
        missing = [
            one for one in PLACEMENTS if f"{kept.public_url}/b24/placement/{one.name}" not in bound_tabs
        ]
        for spec in missing:
            yield Finding(
                f"schema:placement:{spec.name}",
                "В карточках нет вкладки «%(title)s». «Исправить» вернёт её.",
                {"title": spec.title},
                REPAIR,
            )


def _chosen(kept: Kept, answers: Answers) -> Iterable[Finding]:
    """What administrators chose and somebody deleted since."""
    settings = kept.settings
    funnels, stages = _result(answers, "funnels"), _result(answers, "deal_stages")
    known = {int(one["id"]) for one in funnels["categories"]} if isinstance(funnels, Mapping) else None
    if known is not None and settings.deal_category_id not in known:
        yield Finding(
            "schema:funnel",
            "Воронка, в которой появляются сделки, удалена. Выберите другую в настройках, раздел «Сделки».",
            action="settings:deals",
        )
    elif settings.deal_stage_id and settings.deal_stage_id not in {
        str(row["STATUS_ID"]) for row in stages or [{"STATUS_ID": settings.deal_stage_id}]
    }:
        yield Finding(
            "schema:deal_stage",
            "Стадия, на которой появляются сделки, удалена. Выберите другую в настройках, раздел «Сделки».",
            action="settings:deals",
        )
    yield from _chosen_fields(settings, answers)
    yield from _unfilled(kept, answers)
    if settings.fallback_owner_id and not _works(_result(answers, "fallback")):
        yield Finding(
            "schema:fallback",
            "Сотрудник, который получает работу без хозяина, уволен. Выберите другого в настройках, раздел "
            "«Ответственные и закрытие».",
            action="settings:owners",
        )
    lost = [form for form, event in settings.form_events.items() if event not in kept.events]
    if lost:
        yield Finding(
            "schema:forms",
            "Мероприятие формы № %(forms)s удалено: её заявки не становятся регистрациями. Укажите другое в "
            "настройках, раздел «Формы CRM».",
            {"forms": ", ".join(sorted(lost))},
            "settings:forms",
        )


def _chosen_fields(settings: Settings, answers: Answers) -> Iterable[Finding]:
    companies, deals = _result(answers, "company"), _result(answers, "deal")
    segment = settings.segment
    if isinstance(companies, Mapping):
        chosen = [one for one in (segment.potential, segment.cooperation, segment.region) if one]
        if any(one not in companies["fields"] for one in chosen):
            yield Finding(
                "schema:segment",
                "Поле компании, по которому отбирают сегмент, удалено. Выберите другое в настройках, раздел «Сегмент».",
                action="settings:segment",
            )
    if isinstance(deals, Mapping) and any(one not in deals["fields"] for one in settings.deal_defaults):
        yield Finding(
            "schema:deal_default",
            "Поле сделки, для которого задано значение, удалено. Сохраните настройки сделок заново.",
            action="settings:deals",
        )


def _unfilled(kept: Kept, answers: Answers) -> Iterable[Finding]:
    """What every deal must have by now and ours would not: said before the portal refuses one."""
    deals = _result(answers, "deal")
    if not isinstance(deals, Mapping):
        return
    missing = portal_choices.unfilled(deals["fields"], kept.binding, kept.settings.deal_defaults)
    if missing:
        yield Finding(
            "schema:deal_required",
            "У сделки есть обязательные поля без значения: %(fields)s. Портал не примет такие сделки, вместо них будут "
            "задачи. Задайте значения в настройках, раздел «Сделки».",
            {"fields": ", ".join(f"«{one.title}»" for one in missing)},
            "settings:deals",
        )


def _works(users: Any) -> bool:
    # Not answered at all is no reason to say somebody left.
    return users is None or any(one.get("ACTIVE") in (True, "Y", "true", 1) for one in users)


_LOOKS: tuple[Look, ...] = (_scopes, _installed, _types, _bindings, _chosen)


# ------------------------------------------------------------------------ our own rows


def _ours(tx: Tx, portal_id: int, settings: Settings) -> list[Finding]:
    """What waits for a person on our side."""
    found = []
    waiting = store.mails_waiting(tx, portal_id)
    if waiting and settings.mail_way == NO_WAY:
        found.append(
            Finding(
                "mail",
                "Не настроено, как уходят письма: ждут %(n)s. Гости видят билеты на экране. Настройки, раздел «Почта».",
                {"n": waiting},
                "settings:sender",
            )
        )
    for one in overview.held(tx, portal_id):
        if one.kind == "mail" and found:
            continue
        found.append(
            Finding(
                f"held:{one.kind}:{one.reason}",
                "Остановлено: %(what)s – %(n)s. %(why)s",
                {
                    "what": held_work.kind_words(one.kind),
                    "n": one.count,
                    "why": held_work.why(one.reason, one.error),
                },
                "retry",
            )
        )
    for twin in findings.twins(tx, portal_id):
        cards = ", ".join(f"№ {one}" for one in twin.ids)
        found.append(
            Finding(
                f"twin:{twin.entity_type_id}:{twin.key}",
                "Карточки с одним ключом приложения: %(cards)s. Оставьте одну: объедините их или удалите лишнюю.",
                {"cards": cards},
                "settings:health",
            )
        )
    refused = store.refused(tx, portal_id)
    if refused:
        found.append(
            Finding(
                "refused",
                "Портал не принял сделки (%(n)s), вместо них задачи: «%(said)s». Задайте значения полей в настройках, "
                "раздел «Сделки».",
                {"n": len(refused), "said": refused[-1]["content"][refusals.REFUSED]["said"]},
                "settings:deals",
            )
        )
    return found


def is_outdated(binding: Binding) -> bool:
    """Whether the app was updated since the portal was set up; the next drain brings it up to date by itself."""
    return binding.version != version()
