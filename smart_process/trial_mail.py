"""A test mail, sent the way mails to guests are: to find out before the first guest does whether they arrive."""

from __future__ import annotations

import secrets
from contextlib import suppress
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid

from markupsafe import Markup

from b24 import errors
from b24.client import Client
from smart_process import crm_mail
from smart_process.crm_mail import CrmLetter
from smart_process.language import Translator
from smart_process.mailer import Sent, SetupWrong, Unreachable, mailer_for
from smart_process.messages import crm_responsible
from smart_process.people import wire_address
from smart_process.refusals import plain
from smart_process.service import Service
from smart_process.settings import CRM, Settings, Smtp
from smart_process.store import setups
from smart_process.sync import contacts

Answer = tuple[bool, str]
"""Whether it was taken, and what to tell the administrator."""


def send(service: Service, portal_id: int, to: str, _: Translator) -> Answer:
    """Send a test mail to a normalised address with the saved settings of a portal."""
    with service.store.reading() as tx:
        settings = setups.read(tx, portal_id).settings
    if settings.mail_way == CRM:
        return _through_portal(service, portal_id, settings, to, _)
    return _through_server(service, settings.smtp, to, _)


def _words(_: Translator) -> tuple[str, str]:
    return (
        _("Проверка почты мероприятий"),
        _("Это проверочное письмо. Если вы его читаете, приглашения и билеты тоже дойдут."),
    )


def _not_sent(why: str, _: Translator) -> Answer:
    return False, _("Письмо не ушло: %(why)s", why=why)


def _through_server(service: Service, smtp: Smtp, to: str, _: Translator) -> Answer:
    try:
        with mailer_for(smtp, service.secrets, local=service.local_smtp) as mailer:
            result = mailer.send(_message(service, smtp, to, _), wire_address(to))
    except (SetupWrong, Unreachable) as error:
        return _not_sent(str(error), _)
    if isinstance(result, Sent):
        return True, _("Сервер принял письмо. Проверьте ящик %(to)s.", to=to)
    return _not_sent(result.reason, _)


def _message(service: Service, smtp: Smtp, to: str, _: Translator) -> EmailMessage:
    subject, text = _words(_)
    mail = EmailMessage()
    mail["From"] = Address(smtp.from_name, addr_spec=wire_address(smtp.from_address))
    mail["To"] = wire_address(to)
    mail["Subject"] = subject
    mail["Date"] = format_datetime(service.clock())
    mail["Message-ID"] = make_msgid(domain=wire_address(smtp.from_address).rpartition("@")[2])
    mail.set_content(text)
    return mail


def _through_portal(service: Service, portal_id: int, settings: Settings, to: str, _: Translator) -> Answer:
    # With the app's own rights, as mails to guests are sent.
    client, marker = service.portals.client(portal_id), f"trial.{secrets.token_hex(8)}"
    try:
        found = contacts.ids_of(client.call(*contacts.search("EMAIL", [to])))
        if not found:
            text = _("Через CRM письмо уходит только контакту, а контакта с адресом %(to)s в CRM нет.", to=to)
            return False, text
        letter = _letter(service, portal_id, settings, marker, found[0], to, _)
        client.call(*crm_mail.add(letter, service.clock()), write=True)
    except errors.Ambiguous:
        return False, _(
            "Портал не ответил. Посмотрите в карточке контакта № %(id)s, ушло ли письмо.", id=found[0]
        )
    except errors.B24Error as error:
        _forget(client, marker)
        return _not_sent(plain(error.description or error.code), _)
    return True, _(
        "Портал принял письмо. Проверьте ящик %(to)s; письмо видно и в карточке контакта № %(id)s.",
        to=to,
        id=found[0],
    )


def _letter(
    service: Service, portal_id: int, settings: Settings, marker: str, contact_id: int, to: str, _: Translator
) -> CrmLetter:
    subject, text = _words(_)
    ours = settings.sender
    with service.store.reading() as tx:
        responsible = crm_responsible(tx, portal_id, settings, None)
    return CrmLetter(
        marker=marker,
        contact_id=contact_id,
        to=wire_address(to),
        sender=crm_mail.sender(ours.from_name, ours.from_address),
        responsible_id=responsible,
        subject=subject,
        html=Markup("<p>{}</p>").format(text),
    )


def _forget(client: Client, marker: str) -> None:
    """Take the record of a mail that was not sent off the card, if the portal kept one."""
    with suppress(errors.B24Error):
        for number in crm_mail.found(client.call(*crm_mail.find([marker]))).values():
            client.call(*crm_mail.delete(number), write=True)
