"""What administrators of a portal chose; plain data, defaults that work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

CONSENT_TEXT = (
    "Я согласен на обработку моих персональных данных организатором мероприятия для регистрации, "
    "допуска на площадку и связи по итогам участия."
)


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
class SegmentFields:
    """Which fields of a company hold its segment: names of ``crm.item.*``, "" when there is none.

    ``potentials`` maps the portal's value (option id or text) to ours: high, medium, low.
    """

    potential: str = ""
    cooperation: str = ""
    region: str = ""
    potentials: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Settings:
    """Everything adjustable of one portal.

    Args:
        region: default country of phone numbers, ISO 3166 two letters.
        language: of texts to guests and in the CRM: ru, en, kk.
        fallback_owner_id: portal user who owns outcomes nobody else can; ``None``: the installer.
        closing_delay_min: minutes between moving an event to Closed and the closing itself.
        deal_stage_id: stage of new deals; ``None``: the first of the funnel.
        form_events: CRM form id → CRM item id of the Event its submissions register for.
    """

    region: str = "KZ"
    language: str = "ru"
    fallback_owner_id: int | None = None
    closing_delay_min: int = 15
    deal_category_id: int = 0
    deal_stage_id: str | None = None
    form_events: dict[str, int] = field(default_factory=dict)
    segment: SegmentFields = field(default_factory=SegmentFields)
    smtp: Smtp = field(default_factory=Smtp)
    consent_text: str = CONSENT_TEXT
    consent_version: str = "1"

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
        return cls(**known)


def _known(of: type[Any], data: Mapping[str, Any]) -> dict[str, Any]:
    names = {one.name for one in fields(of)}
    return {key: value for key, value in data.items() if key in names}
