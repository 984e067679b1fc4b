"""What administrators of a portal chose; plain data, defaults that work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

CONSENT_TEXT = (
    "Я согласен на обработку моих персональных данных организатором мероприятия для регистрации, "
    "допуска на площадку и связи по итогам участия."
)

CRM, SMTP, NO_WAY = "crm", "smtp", "none"


@dataclass(frozen=True)
class Smtp:
    """The gateway mails leave through.

    ``password`` is encrypted (b24.secrets); ``tls``: starttls | tls | none.
    """

    host: str = ""
    port: int = 587
    user: str = ""
    password: str = ""
    tls: str = "starttls"
    from_address: str = ""
    from_name: str = ""


@dataclass(frozen=True)
class CrmMail:
    """Mails the portal sends itself, each as a record on the guest's contact.

    ``from_address``: an address of the portal's mail; "" – the mailbox that is connected to the CRM.
    """

    on: bool = False
    from_address: str = ""
    from_name: str = ""


@dataclass(frozen=True)
class SegmentFields:
    """Which fields of a company hold its segment: names of ``crm.item.*``, "" when there is none.

    ``potentials`` maps the portal's value (option id or text) to ours: high, medium, low.
    """

    potential: str = ""
    cooperation: str = ""
    region: str = ""
    potentials: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Grant:
    """Who holds a role: portal users and departments by id; both empty: everybody who may change the card."""

    users: tuple[int, ...] = ()
    departments: tuple[int, ...] = ()


@dataclass(frozen=True)
class Roles:
    """Who may do what beyond the right to change a card; administrators of the portal always may.

    Attributes:
        devices: enrol phones for the door; ``undo``: take an arrival back; ``resend``: send tickets and mails again;
            ``guests``: see who the guests are.
    """

    devices: Grant = Grant()
    undo: Grant = Grant()
    resend: Grant = Grant()
    guests: Grant = Grant()


@dataclass(frozen=True)
class Change:
    """The last change of a section of the settings page: how often it was saved, by whom and when (ISO, UTC)."""

    revision: int = 0
    by: int = 0
    at: str = ""


@dataclass(frozen=True)
class Settings:
    """Everything adjustable of one portal.

    Args:
        region: default country of phone numbers, ISO 3166 two letters.
        language: of texts to guests and in the CRM: ru, en, kk.
        fallback_owner_id: portal user who owns outcomes nobody else can; ``None``: the installer.
        closing_delay_min: minutes between moving an event to Closed and the closing itself.
        deal_stage_id: stage of new deals; ``None``: the first of the funnel.
        deal_defaults: values for fields of a new deal, by the name ``crm.item.*`` uses.
        form_events: CRM form id → CRM item id of the Event its submissions register for.
        rules: the table as smart_process.rule_table keeps it; ``None``: the shipped one.
        consent_texts: earlier texts by version; participations name the version their guest agreed to.
        changes: by section of the settings page.
    """

    region: str = "KZ"
    language: str = "ru"
    fallback_owner_id: int | None = None
    closing_delay_min: int = 15
    deal_category_id: int = 0
    deal_stage_id: str | None = None
    deal_defaults: dict[str, Any] = field(default_factory=dict)
    form_events: dict[str, int] = field(default_factory=dict)
    rules: list[dict[str, Any]] | None = None
    roles: Roles = field(default_factory=Roles)
    segment: SegmentFields = field(default_factory=SegmentFields)
    smtp: Smtp = field(default_factory=Smtp)
    crm_mail: CrmMail = field(default_factory=CrmMail)
    consent_text: str = CONSENT_TEXT
    consent_version: str = "1"
    consent_texts: dict[str, str] = field(default_factory=dict)
    changes: dict[str, Change] = field(default_factory=dict)

    @property
    def mail_way(self) -> str:
        """How mails leave: ``CRM``, ``SMTP`` or ``NO_WAY``; one of them at a time."""
        return CRM if self.crm_mail.on else SMTP if self.smtp.host else NO_WAY

    @property
    def sender(self) -> Smtp | CrmMail:
        """Whose ``from_address`` and ``from_name`` mails carry."""
        return self.crm_mail if self.crm_mail.on else self.smtp

    def to_json(self) -> dict[str, Any]:
        """Plain data for the table ``setup``."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Settings:
        """The reverse of :meth:`to_json`; unknown keys are ignored, missing ones have their default."""
        known = _known(cls, data)
        if "segment" in known:
            known["segment"] = SegmentFields(**_known(SegmentFields, known["segment"]))
        if "smtp" in known:
            known["smtp"] = Smtp(**_known(Smtp, known["smtp"]))
        if "crm_mail" in known:
            known["crm_mail"] = CrmMail(**_known(CrmMail, known["crm_mail"]))
        if "roles" in known:
            known["roles"] = Roles(
                **{name: _grant(one) for name, one in _known(Roles, known["roles"]).items()}
            )
        if "changes" in known:
            known["changes"] = {name: Change(**_known(Change, one)) for name, one in known["changes"].items()}
        return cls(**known)


def _grant(data: Mapping[str, Any]) -> Grant:
    return Grant(**{name: tuple(ids) for name, ids in _known(Grant, data).items()})


def _known(of: type[Any], data: Mapping[str, Any]) -> dict[str, Any]:
    names = {one.name for one in fields(of)}
    return {key: value for key, value in data.items() if key in names}
