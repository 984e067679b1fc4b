"""The settings page: every section by itself, refused in words, two administrators, only administrators."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from b24.page_session import HEADER, PageSession
from b24.sandbox.server import Options, Sandbox
from placements.session import TOKEN_HEADER
from placements.settings_sections import SECTIONS
from smart_process.language import translator
from smart_process.settings import Settings
from smart_process.store import setups
from smart_process.store import tables as t
from tests.tab_world import Tabs, open_tabs, text_of


class Page:
    """The page as one user of the portal has it open."""

    def __init__(self, tabs: Tabs, user_id: int = 1, *, admin: bool | None = None) -> None:
        self.tabs, self.user_id = tabs, user_id
        is_admin = user_id == 1 if admin is None else admin
        self.session = PageSession(1, user_id, is_admin, "app")

    def _headers(self) -> dict[str, str]:
        secrets = self.tabs.place.service.secrets
        return {HEADER: self.session.sign(secrets), TOKEN_HEADER: self.tabs.token(self.user_id)}

    def get(self, path: str) -> Any:
        return self.tabs.place.web.get(f"/b24/api/settings/{path}", headers=self._headers())

    def post(self, path: str, data: Any) -> Any:
        return self.tabs.place.web.post(f"/b24/api/settings/{path}", json=data, headers=self._headers())

    def section(self, key: str) -> Any:
        """A section as it is shown."""
        reply = self.get(f"sections/{key}")
        assert reply.status_code == 200, reply.text
        return reply.get_json()

    def save(self, key: str, values: Mapping[str, Any], revision: int | None = None) -> Any:
        """Save a section that was just read, or read at ``revision``."""
        known = self.section(key)["revision"] if revision is None else revision
        return self.post(f"sections/{key}", {"revision": known, "values": values})


@pytest.fixture(scope="module")
def tabs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tabs]:
    options = Options(port=0, seed="demo", limits=False, pages=False, smtp_port=0)
    with Sandbox(options) as sandbox:
        world = open_tabs(sandbox, tmp_path_factory.mktemp("settings"))
        yield world
        world.place.rest.close()
        world.place.service.portals.close()
        world.place.service.store.close()


@pytest.fixture
def page(tabs: Tabs) -> Iterator[Page]:
    """An administrator's page; afterwards the settings are as before."""
    before = settings(tabs)
    yield Page(tabs)
    with tabs.place.service.store.transaction() as tx:
        setups.write_settings(tx, 1, before, now=tabs.place.service.clock())


def settings(tabs: Tabs) -> Settings:
    with tabs.place.service.store.reading() as tx:
        return setups.read(tx, 1).settings


def errors(reply: Any) -> dict[str, str]:
    assert reply.status_code == 422, reply.text
    return dict(reply.get_json()["errors"])


@pytest.fixture(scope="module")
def manager(tabs: Tabs) -> int:
    return int(tabs.place.rest.control("users", {"name": "Айгуль", "last_name": "Серик"})["id"])


GUESTS = {"consent": "Я согласен.", "language": "kk", "region": "RU"}


@pytest.mark.parametrize("key", list(SECTIONS))
def test_every_section_is_shown(page: Page, key: str) -> None:
    shown = page.section(key)
    assert shown["revision"] == 0
    assert "<" in shown["html"]


def test_the_section_of_deals_warns_of_the_robots_of_the_funnel(page: Page) -> None:
    html = page.section("deals")["html"]
    assert "запускает всех роботов своей стадии" in html
    assert 'href="/crm/deal/automation/0/"' in html


def test_the_page_opens_from_the_main_page_for_administrators_only(page: Page, manager: int) -> None:
    secrets = page.tabs.place.service.secrets
    opened = page.tabs.place.web.post("/b24/settings", data={"page_session": page.session.sign(secrets)})
    assert opened.status_code == 200
    assert all(f'data-section="{key}"' in opened.text for key in SECTIONS)
    theirs = PageSession(1, manager, False, "app").sign(secrets)
    refused = page.tabs.place.web.post("/b24/settings", data={"page_session": theirs})
    assert refused.status_code == 403
    assert "администратор" in refused.text


@pytest.mark.parametrize("path", ["sections/sender", "stages?category=0", "colleagues?find=ай"])
def test_only_the_portal_says_who_is_an_administrator(page: Page, manager: int, path: str) -> None:
    """Somebody whose session says administrator, but whose rights were taken since."""
    reply = Page(page.tabs, manager, admin=True).get(path)
    assert reply.status_code == 403
    assert reply.get_json()["code"] == "not_admin"


def test_a_colleague_saves_nothing(page: Page, manager: int) -> None:
    before = settings(page.tabs)
    reply = Page(page.tabs, manager, admin=True).post("sections/guests", {"revision": 0, "values": GUESTS})
    assert reply.status_code == 403
    assert settings(page.tabs) == before


def test_a_section_saved_says_who_and_when(page: Page) -> None:
    saved = page.save("guests", GUESTS)
    assert saved.status_code == 200, saved.text
    answer = saved.get_json()
    assert answer["revision"] == 1
    assert answer["changed"].endswith(" UTC"), "the portal names no zone of this viewer's"
    page.session = replace(page.session, zone="Asia/Almaty")
    there = page.section("guests")["changed"]
    hours, minutes = map(int, answer["changed"].removesuffix(" UTC")[-5:].split(":"))
    assert there.endswith(f"{(hours + 5) % 24:02}:{minutes:02}")
    now = settings(page.tabs)
    assert (now.language, now.region, now.consent_text, now.consent_version) == (
        "kk",
        "RU",
        "Я согласен.",
        "2",
    )
    assert now.consent_texts["1"].startswith("Я согласен на обработку")
    assert now.changes["guests"].by == 1


def test_of_two_administrators_the_second_is_told_and_overwrites_nothing(page: Page) -> None:
    assert page.save("guests", GUESTS, revision=0).status_code == 200
    late = page.save("guests", {**GUESTS, "consent": "Другой"}, revision=0)
    assert late.status_code == 409
    assert late.get_json()["code"] == "changed_meanwhile"
    assert "Ваш ввод на месте" in late.get_json()["detail"]
    assert settings(page.tabs).consent_text == "Я согласен."
    # Another section was not touched by them.
    assert page.save("owners", {"fallback": 1, "delay": 5}, revision=0).status_code == 200


@pytest.mark.parametrize(
    ("key", "values", "wrong"),
    [
        ("guests", {"consent": " ", "language": "de", "region": "XX"}, {"consent", "language", "region"}),
        ("owners", {"fallback": 99999, "delay": -1}, {"fallback", "delay"}),
        ("owners", {"fallback": None, "delay": "скоро"}, {"delay"}),
        ("segment", {"potential": "nothing", "cooperation": "", "region": ""}, {"potential"}),
        ("segment", {"potential": "", "cooperation": "industry", "region": "industry"}, {"region"}),
        ("deals", {"category": 77, "stage": "", "defaults": {}}, {"category"}),
        ("deals", {"category": 0, "stage": "WON", "defaults": {"nope": "1"}}, {"stage", "defaults.nope"}),
        (
            "deals",
            {"category": 0, "stage": "", "defaults": {"opportunity": "много"}},
            {"defaults.opportunity"},
        ),
        ("forms", {"rows": [{"form": 1, "event": 5555}]}, {"rows.0.event"}),
        ("forms", {"rows": [{"form": "abc", "event": None}]}, {"rows.0.form", "rows.0.event"}),
        ("forms", {"rows": "x"}, {"rows"}),
        ("rules", {"rules": []}, {"rules"}),
        ("rules", {}, {"rules"}),
        (
            "roles",
            {"devices": {"users": [99999], "departments": []}},
            {"devices", "undo", "resend", "guests"},
        ),
        ("sender", {"way": "pigeon", "from_address": "a@b.kz", "from_name": ""}, {"way"}),
        (
            "sender",
            {
                "way": "smtp",
                "from_address": "не адрес",
                "from_name": "",
                "host": "10.0.0.1",
                "port": 0,
                "tls": "none",
                "user": "",
                "password": "",
            },
            {"from_address", "host", "port", "tls"},
        ),
        (
            "sender",
            {"way": "crm", "from_address": "не адрес", "from_name": "а\nб"},
            {"from_address", "from_name"},
        ),
        ("sender", {"way": "crm"}, {"from_address", "from_name"}),
        ("sender", {"way": "голубь"}, {"way"}),
    ],
)
def test_wrong_input_is_named_field_by_field_and_changes_nothing(
    page: Page, key: str, values: dict[str, Any], wrong: set[str]
) -> None:
    before = settings(page.tabs)
    assert set(errors(page.save(key, values))) == wrong
    assert settings(page.tabs) == before


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "169.254.169.254", "[::1]", "intranet", "printer.local", "1.2", "a b"]
)
def test_a_mail_server_is_one_of_the_internet(page: Page, host: str) -> None:
    assert "host" in errors(page.save("sender", gateway(host)))


def gateway(host: str = "smtp.example.com", **values: Any) -> dict[str, Any]:
    own = {
        "way": "smtp",
        "from_address": "day@vector.example",
        "from_name": "Вектор",
        "host": host,
        "port": 587,
    }
    return own | {"tls": "starttls", "user": "day", "password": "s3cret-word"} | values


def test_a_password_never_comes_back_and_stays_with_its_server(page: Page) -> None:
    saved = page.save("sender", gateway())
    assert "s3cret-word" not in saved.text
    kept = settings(page.tabs).smtp.password
    assert kept
    assert "s3cret-word" not in kept
    assert page.save("sender", gateway(password="", from_name="Вектор Плюс")).status_code == 200
    assert settings(page.tabs).smtp.password == kept
    moved = errors(page.save("sender", gateway("smtp.other.example", password="")))
    assert set(moved) == {"password"}
    shown = page.section("sender")["html"]
    assert kept not in shown
    assert "сохранён" in shown


def test_without_a_server_no_mail_leaves(page: Page) -> None:
    assert page.save("sender", gateway()).status_code == 200
    assert page.save("sender", {"way": "none"}).status_code == 200
    assert settings(page.tabs).smtp.host == ""


@pytest.fixture
def own_server(tabs: Tabs) -> Iterator[None]:
    """A mail server of this machine is allowed, as in the demo."""
    object.__setattr__(tabs.place.service, "local_smtp", True)
    yield
    object.__setattr__(tabs.place.service, "local_smtp", False)


@pytest.mark.usefixtures("own_server")
def test_a_test_mail_goes_through_the_saved_server(page: Page) -> None:
    mail = page.tabs.place.sandbox.mail
    assert mail is not None
    local = gateway("127.0.0.1", port=mail.port, tls="none", user="", password="")
    assert page.save("sender", local).status_code == 200
    said = page.post("sender/test", {"to": "admin@vector.example"}).get_json()
    assert said["sent"], said
    (one,) = page.tabs.place.rest.control("mail.json?to=admin@vector.example", method="GET")
    assert one["subject"] == "Проверка почты мероприятий"
    assert set(errors(page.post("sender/test", {"to": "никому"}))) == {"to"}


def test_a_test_mail_that_cannot_leave_says_why(page: Page) -> None:
    page.tabs.change_settings(
        smtp=settings(page.tabs).smtp.__class__("127.0.0.1", 1, tls="none", from_address="a@b.kz")
    )
    said = page.post("sender/test", {"to": "admin@vector.example"}).get_json()
    assert not said["sent"]
    assert "не публичный адрес" in said["text"]


def test_the_crm_takes_the_place_of_the_server_and_the_other_way_round(page: Page) -> None:
    assert page.save("sender", gateway()).status_code == 200
    through_crm = {"way": "crm", "from_address": "", "from_name": "Вектор"}
    shown = page.save("sender", through_crm).get_json()["html"]
    now = settings(page.tabs)
    assert (now.mail_way, now.smtp.host, now.sender.from_name) == ("crm", "", "Вектор")
    assert re.search(r'value="crm"[^>]* checked', shown)
    assert 'id="test-mail"' in shown
    assert page.save("sender", gateway()).status_code == 200
    now = settings(page.tabs)
    assert (now.mail_way, now.crm_mail.on, now.sender.from_address) == ("smtp", False, "day@vector.example")


@pytest.mark.parametrize("lang", ["en", "kk"])
def test_sending_through_the_crm_is_explained_in_every_language(page: Page, lang: str) -> None:
    hint = translator(lang)("Через CRM: письмо отправляет портал, и оно остаётся в карточке контакта")
    page.session = replace(page.session, language=lang)
    assert hint in page.section("sender")["html"]


@pytest.fixture
def contact(tabs: Tabs) -> int:
    fields = {"NAME": "Асель", "EMAIL": [{"VALUE": "asel@vector.example", "VALUE_TYPE": "WORK"}]}
    return int(tabs.place.rest("crm.contact.add", {"fields": fields}))


def records(page: Page, contact: int) -> list[Any]:
    where = {"OWNER_TYPE_ID": 3, "OWNER_ID": contact, "TYPE_ID": 4}
    return list(page.tabs.place.rest("crm.activity.list", {"filter": where, "select": ["ID", "SUBJECT"]}))


def test_a_test_mail_through_the_crm_goes_to_a_contact_and_stands_there(page: Page, contact: int) -> None:
    values = {"way": "crm", "from_address": "day@vector.example", "from_name": "Вектор (день)"}
    assert page.save("sender", values).status_code == 200
    said = page.post("sender/test", {"to": "Asel@Vector.example"}).get_json()
    assert (said["sent"], f"№ {contact}" in said["text"]) == (True, True)
    (one,) = page.tabs.place.rest.control("mail.json?to=asel@vector.example", method="GET")
    assert (one["from"], one["subject"]) == ("Вектор день <day@vector.example>", "Проверка почты мероприятий")
    assert [row["SUBJECT"] for row in records(page, contact)] == ["Проверка почты мероприятий"]
    stranger = page.post("sender/test", {"to": "nobody@vector.example"}).get_json()
    assert (stranger["sent"], "nobody@vector.example" in stranger["text"]) == (False, True)
    page.tabs.place.rest("crm.contact.delete", {"id": contact})


def test_a_test_mail_the_portal_cannot_send_says_why_and_leaves_nothing(page: Page, contact: int) -> None:
    rest = page.tabs.place.rest
    rest.control("mailboxes", {"email": ""})
    assert page.save("sender", {"way": "crm", "from_address": "", "from_name": ""}).status_code == 200
    said = page.post("sender/test", {"to": "asel@vector.example"}).get_json()
    assert (said["sent"], '"From" is not found' in said["text"]) == (False, True)
    assert records(page, contact) == []
    rest.control("mailboxes", {"email": "crm@portal.example"})
    rest.control("faults", {"reset_after": 1, "times": {"reset_after": 1}, "methods": ["crm.activity.add"]})
    said = page.post("sender/test", {"to": "asel@vector.example"}).get_json()
    rest.control("faults", method="DELETE")
    assert (said["sent"], f"№ {contact}" in said["text"]) == (False, True)
    assert len(records(page, contact)) == 1
    rest("crm.contact.delete", {"id": contact})


def test_the_segment_is_mapped_to_the_portals_own_fields(page: Page) -> None:
    before = settings(page.tabs).segment
    shown = page.section("segment")["html"]
    assert "Потенциал" in shown
    values = {
        "potential": before.potential,
        "cooperation": before.cooperation,
        "region": "",
        "potentials": {next(iter(before.potentials)): "low"},
    }
    assert page.save("segment", values).status_code == 200
    now = settings(page.tabs).segment
    assert (now.region, now.potentials) == ("", {next(iter(before.potentials)): "low"})


def test_known_companies_are_read_again_when_their_levels_change(page: Page) -> None:
    tabs = page.tabs
    assert tabs.call("event/segment/select", {"segment": {}}).status_code == 200
    tabs.drain()
    levels = {row.potential for row in account_rows(tabs)}
    assert "high" in levels
    before = settings(tabs).segment
    values = {name: getattr(before, name) for name in ("potential", "cooperation", "region")}
    everything_low = dict.fromkeys(before.potentials, "low")
    assert page.save("segment", values | {"potentials": everything_low}).status_code == 200
    tabs.drain()
    assert {row.potential for row in account_rows(tabs)} <= {"low", ""}


def account_rows(tabs: Tabs) -> list[Any]:
    with tabs.place.service.store.reading() as tx:
        return list(tx.execute(t.account.select()))


def test_stages_of_a_funnel_are_those_on_the_way(page: Page) -> None:
    answer = page.get("stages?category=0").get_json()
    found = answer["stages"]
    assert answer["robots"] == "/crm/deal/automation/0/"
    assert "NEW" in [one["value"] for one in found]
    assert "WON" not in [one["value"] for one in found]
    assert page.get("stages?category=x").status_code == 400


def test_colleagues_are_found_by_name(page: Page, manager: int) -> None:
    found = page.get("colleagues?find=Серик").get_json()["colleagues"]
    assert (manager, "Айгуль Серик") in [(one["id"], one["name"]) for one in found]
    assert page.get("colleagues?find=С").status_code == 400


def test_owners_and_delay_are_saved(page: Page, manager: int) -> None:
    assert page.save("owners", {"fallback": manager, "delay": 60}).status_code == 200
    assert (settings(page.tabs).fallback_owner_id, settings(page.tabs).closing_delay_min) == (manager, 60)
    assert "Айгуль Серик" in page.section("owners")["html"]


def table(page: Page) -> list[dict[str, Any]]:
    """The table of rules as the page would send it unchanged."""
    from placements.settings_sections import _row
    from smart_process import rule_table
    from smart_process.language import translator

    rows = [_row(one, translator("ru")) for one in rule_table.rows(settings(page.tabs))]
    return [{**one, "complex": bool(one["complex"])} for one in rows]


def test_rules_left_alone_stay_the_shipped_ones(page: Page) -> None:
    assert page.save("rules", {"rules": table(page)}).status_code == 200
    assert settings(page.tabs).rules is None


def test_rules_are_changed_ordered_switched_off_and_given_back(page: Page) -> None:
    from smart_process import rule_table

    shipped = rule_table.version(rule_table.rows(settings(page.tabs)))
    rules = table(page)
    first, second, *rest = rules
    changed = [second | {"priority": "high", "amount": 2, "unit": "hours"}, first | {"on": False}, *rest]
    said = page.post("rules/preview", {"rules": changed}).get_json()
    assert said["version"] != shipped
    assert "Выключено." in said["html"]
    assert "срок 2 ч" in text_of(said["html"])
    assert settings(page.tabs).rules is None
    assert page.save("rules", {"rules": changed}).status_code == 200
    now = rule_table.rows(settings(page.tabs))
    assert [row.rule.key for row in now][:2] == [second["key"], first["key"]]
    assert (now[0].rule.priority, now[1].on) == ("high", False)
    assert rule_table.version(now) == said["version"]
    assert page.save("rules", {"shipped": True}).status_code == 200
    assert settings(page.tabs).rules is None


def test_a_rule_behind_its_like_is_named(page: Page) -> None:
    rules = table(page)
    twice = [*rules, rules[0] | {"key": "", "name": "Ещё раз"}]
    said = page.post("rules/preview", {"rules": twice}).get_json()
    assert said["html"].count("Никогда не сработает") == 1


def test_wrong_rules_are_named_by_their_place(page: Page) -> None:
    rules = table(page)
    rules[1] |= {"name": " ", "amount": 0, "conditions": [{"name": "arrived_ge", "value": "много"}]}
    found = errors(page.save("rules", {"rules": rules}))
    assert set(found) == {"rules.1.name", "rules.1.amount", "rules.1.conditions.0"}


def test_forms_seen_without_an_event_are_offered_and_become_registrations(page: Page) -> None:
    tabs = page.tabs
    definition = {
        "name": "Заявка без мероприятия",
        "target_type": tabs.card_type,
        "fields": [
            {
                "name": "last_name",
                "caption": "Фамилия",
                "kind": "string",
                "entity": "contact",
                "target": "LAST_NAME",
            },
            {"name": "email", "caption": "E-mail", "kind": "email", "entity": "contact", "target": "EMAIL"},
        ],
    }
    form = int(tabs.place.rest.control("forms", definition)["id"])
    sent = tabs.place.rest.control(
        f"forms/{form}/submit", {"last_name": "Ахметов", "email": "ah@new.example"}
    )
    for _ in range(3):
        tabs.pull(tabs.card_type, int(sent["item_id"]))
    assert f"Форма № {form}: заявок 1" in text_of(page.section("forms")["html"])
    rows = [{"form": form, "event": tabs.event_item}]
    assert page.save("forms", {"rows": rows}).status_code == 200
    tabs.drain()
    seats = tabs.rows(t.participation, t.participation.c.item_id == int(sent["item_id"]))
    assert [row.event_id for row in seats] == [tabs.event_id]
    assert "Форма №" not in text_of(page.section("forms")["html"])


def test_roles_name_colleagues_and_departments(page: Page, manager: int) -> None:
    nobody: dict[str, list[int]] = {"users": [], "departments": []}
    values = dict.fromkeys(("devices", "undo", "resend", "guests"), nobody)
    values = values | {"undo": {"users": [manager], "departments": [1]}}
    assert page.save("roles", values).status_code == 200
    grant = settings(page.tabs).roles.undo
    assert (grant.users, grant.departments) == ((manager,), (1,))
    assert "Айгуль Серик" in page.section("roles")["html"]


@pytest.mark.parametrize("body", [None, [], "x", {"revision": "0"}, {"revision": 0, "values": [1]}])
def test_unreadable_bodies_change_nothing(page: Page, body: Any) -> None:
    before = settings(page.tabs)
    reply = page.post("sections/owners", body)
    assert reply.status_code in (409, 422)
    assert settings(page.tabs) == before
