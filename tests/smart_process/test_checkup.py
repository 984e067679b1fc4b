"""What is wrong with a portal is said in words, by the main page and on the console alike, and put right by a click."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import placements
from b24 import portals
from b24.page_session import HEADER, PageSession
from b24.sandbox.server import Options, Sandbox
from b24.secrets import Secrets
from b24.store.engine import Store
from b24.store.migrate import upgrade
from placements.session import TOKEN_HEADER
from smart_process import checkup, doctor
from smart_process.language import translator
from smart_process.schema import DEAL, userfield_name
from smart_process.settings import CrmMail, Settings, Smtp
from smart_process.store import setups
from tests.portal_and_app import PortalAndApp, make_web, portal_and_app
from tests.source_tree import ROOT
from tests.tab_world import Tabs


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(Options(port=0, seed="empty", limits=False, pages=False)) as running:
        yield running


@pytest.fixture(scope="module")
def place(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PortalAndApp]:
    made = portal_and_app(sandbox, f"sqlite:///{tmp_path_factory.mktemp('checkup') / 'app.db'}")
    assert made.install()["done"]
    made.finish()
    web = make_web(made.service, placements.TABS)
    placements.register_apis(web, made.service)
    made.web = web.test_client()
    yield made
    made.rest.close()
    made.service.portals.close()
    made.service.store.close()


def page(place: PortalAndApp, path: str, method: str = "POST") -> Any:
    """What the main page of the administrator asks for."""
    session = PageSession(1, 1, True, "app").sign(place.service.secrets)
    headers = {HEADER: session, TOKEN_HEADER: place.opened()["fields"]["AUTH_ID"]}
    return place.web.open(f"/b24/api/app/{path}", method=method, headers=headers)


def keys(place: PortalAndApp) -> set[str]:
    return {one.key for one in checkup.check(place.service, 1)}


def console(place: PortalAndApp, *argv: str) -> tuple[int, str]:
    said: list[str] = []
    return doctor.run(place.service, doctor.arguments(argv), said.append), "".join(said)


def test_a_fresh_installation_has_nothing_wrong(place: PortalAndApp) -> None:
    assert checkup.check(place.service, 1) == []
    code, said = console(place)
    assert (code, "Всё в порядке." in said) == (0, True)
    assert "в очереди: 1" in page(place, "health", "GET").get_json()["html"]


def test_a_deleted_field_and_tab_are_named_and_put_right_by_a_click(place: PortalAndApp) -> None:
    kind = place.binding.participation
    name = userfield_name(kind.id, "GATE")
    fields = place.rest("userfieldconfig.list", {"moduleId": "crm", "filter": {"fieldName": name}})["fields"]
    place.rest("userfieldconfig.delete", {"moduleId": "crm", "id": fields[0]["id"]})
    assert keys(place) == {"schema:field:participation:gate"}
    shown = page(place, "health", "GET").get_json()["html"]
    assert "Удалено поле" in shown
    assert 'data-act="repair"' in shown
    assert "Удалено поле" in settings_part(place, "health/work")
    code, said = console(place, "--json", "--lang", "en")
    (report,) = json.loads(said)["portals"]
    assert code == 1
    assert "was deleted" in report["findings"][0]["text"]
    done = page(place, "repair").get_json()
    assert (done["done"], done["text"]) == (True, "Исправлено.")
    assert keys(place) == set()
    assert console(place)[0] == 0


def test_a_plan_that_ended_is_said_in_words(place: PortalAndApp) -> None:
    place.rest.control("restrictions", {"names": ["rest"]})
    try:
        (finding,) = checkup.check(place.service, 1)
        assert "Тариф портала" in finding.words(translator("ru"))
        code, said = console(place)
        assert (code, "приостановлен" in said, "Тариф портала" in said) == (1, True, True)
    finally:
        place.rest.control("restrictions", {"names": []})
    assert place.service.portals.probe(1)
    assert keys(place) == set()


def test_a_deleted_stage_is_named_and_made_again_by_a_click(place: PortalAndApp) -> None:
    kind = place.binding.participation
    directory = f"DYNAMIC_{kind.entity_type_id}_STAGE_{kind.category_id}"
    rows = place.rest("crm.status.list", {"filter": {"ENTITY_ID": directory}})
    stage = next(row for row in rows if row["STATUS_ID"] == kind.stages["engaged"])
    place.rest("crm.status.delete", {"id": stage["ID"], "params": {"FORCED": "Y"}})
    (finding,) = checkup.check(place.service, 1)
    assert finding.key == "schema:stage:participation:engaged"
    assert "Удалена стадия" in finding.words(translator("ru"))
    assert "Удалена стадия" in settings_part(place, "health/work")
    assert "Удалена стадия" in console(place)[1]
    assert page(place, "repair").get_json()["done"]
    assert keys(place) == set()
    assert place.binding.participation.stages.keys() == kind.stages.keys()


def test_a_scope_taken_back_is_named_with_what_to_do_and_nothing_else_is_accused(place: PortalAndApp) -> None:
    with granted(place, {"crm", "placement", "task", "user_basic", "im"}):
        (finding,) = checkup.check(place.service, 1)
        assert finding.key == "schema:scope"
        assert "userfieldconfig" in finding.words(translator("ru"))
        assert "установите его заново" in console(place)[1]
        assert "userfieldconfig" in settings_part(place, "health/work")
    with granted(place, {"placement", "task", "user_basic", "im", "userfieldconfig"}):
        # Without the CRM nothing of it can be looked at: that is no reason to say that it was deleted.
        assert keys(place) == {"schema:scope"}
    assert keys(place) == set()


@contextmanager
def granted(place: PortalAndApp, scopes: set[str]) -> Iterator[None]:
    """Somebody changes what the application may do, in its card in the portal."""
    portal = place.sandbox.portal

    def put(names: list[str]) -> None:
        with portal.transaction() as db:
            db.execute("UPDATE apps SET scopes = ? WHERE id = ?", (json.dumps(names), place.app["id"]))

    put(sorted(scopes))
    try:
        yield
    finally:
        put(place.app["scope"])


def test_a_dismissed_installer_is_said_in_words_until_another_administrator_looks_in(
    place: PortalAndApp,
) -> None:
    first, second = (
        int(place.rest.control("users", {"name": name, "last_name": "Админ", "admin": "1"})["id"])
        for name in ("Ушедший", "Олжас")
    )
    reply = place.post("/b24/install", place.opened(first), Accept="application/json")
    assert reply.status_code == 200
    place.rest.control(f"users/{first}/dismiss")
    (finding,) = checkup.check(place.service, 1)
    assert "уволен" in finding.words(translator("ru"))
    code, said = console(place)
    assert (code, "любой администратор" in said) == (1, True)
    # A colleague's visit is not enough, an administrator's is: the page they open works at once.
    colleague = int(place.rest.control("users", {"name": "Айгуль", "last_name": "Серик"})["id"])
    assert place.post("/b24/app", place.opened(colleague)).status_code == 200
    assert keys(place) == {"access"}
    assert place.post("/b24/app", place.opened(second)).status_code == 200
    assert keys(place) == set()
    assert console(place)[0] == 0


def test_what_administrators_chose_and_somebody_deleted_names_its_section(place: PortalAndApp) -> None:
    tabs = Tabs(place)
    tabs.change_settings(deal_stage_id="GONE", fallback_owner_id=4242, form_events={"7": 999})
    try:
        found = {one.key: one.action for one in checkup.check(place.service, 1)}
        assert found == {
            "schema:deal_stage": "settings:deals",
            "schema:fallback": "settings:owners",
            "schema:forms": "settings:forms",
        }
    finally:
        tabs.change_settings(deal_stage_id=None, fallback_owner_id=None, form_events={})


def test_a_field_every_deal_must_have_by_now_is_named_before_a_deal_is_refused(place: PortalAndApp) -> None:
    tabs = Tabs(place)
    field = {
        "entityId": "CRM_DEAL",
        "fieldName": "UF_CRM_DEAL_LATER",
        "userTypeId": "string",
        "mandatory": "Y",
        "editFormLabel": {"ru": "Источник бюджета"},
    }
    made = place.rest("userfieldconfig.add", {"moduleId": "crm", "field": field})["field"]
    specs = place.rest("crm.item.fields", {"entityTypeId": DEAL})["fields"]
    name = next(key for key, spec in specs.items() if spec["title"] == "Источник бюджета")
    try:
        (finding,) = checkup.check(place.service, 1)
        assert (finding.key, finding.action) == ("schema:deal_required", "settings:deals")
        assert "«Источник бюджета»" in page(place, "health", "GET").get_json()["html"]
        code, said = console(place)
        assert (code, "«Источник бюджета»" in said, "раздел «Сделки»" in said) == (1, True, True)
        assert "Обязательные поля без значения: Источник бюджета" in settings_part(place, "sections/deals")
        tabs.change_settings(deal_defaults={name: "Маркетинг"})
        assert keys(place) == set()
        assert "Обязательные поля без значения" not in settings_part(place, "sections/deals")
    finally:
        tabs.change_settings(deal_defaults={})
        place.rest("userfieldconfig.delete", {"moduleId": "crm", "id": made["id"]})


def settings_part(place: PortalAndApp, path: str) -> str:
    """A part of the settings page, as the administrator's page reads it."""
    session = PageSession(1, 1, True, "app").sign(place.service.secrets)
    headers = {HEADER: session, TOKEN_HEADER: place.opened()["fields"]["AUTH_ID"]}
    reply = place.web.get(f"/b24/api/settings/{path}", headers=headers)
    assert reply.status_code == 200, reply.text
    return str(reply.get_json()["html"])


@pytest.mark.parametrize(
    ("settings", "way", "says"),
    [
        (Settings(), "none", "письма не уходят"),
        (
            Settings(smtp=Smtp("smtp.example.com", from_address="day@vector.example")),
            "smtp",
            "через почтовый сервер",
        ),
        (Settings(crm_mail=CrmMail(True)), "crm", "письма уходят через CRM"),
    ],
)
def test_the_doctor_says_how_mails_leave(
    place: PortalAndApp, settings: Settings, way: str, says: str
) -> None:
    with place.service.store.transaction() as tx:
        before = setups.read(tx, 1).settings
        setups.write_settings(tx, 1, settings, now=place.service.clock())
    assert says in console(place)[1]
    assert [one["mail"] for one in json.loads(console(place, "--json")[1])["portals"]] == [way]
    with place.service.store.transaction() as tx:
        setups.write_settings(tx, 1, before, now=place.service.clock())


def test_the_doctor_finds_no_portal_it_does_not_know(place: PortalAndApp) -> None:
    assert console(place, "--portal", "0" * 32)[0] == 1


def test_only_an_administrator_asks_and_repairs(place: PortalAndApp) -> None:
    colleague = int(place.rest.control("users", {"name": "Айгуль", "last_name": "Серик"})["id"])
    session = PageSession(1, colleague, True, "app").sign(place.service.secrets)
    headers = {HEADER: session, TOKEN_HEADER: place.opened(colleague)["fields"]["AUTH_ID"]}
    for path, method in (("health", "GET"), ("repair", "POST"), ("retry", "POST")):
        assert place.web.open(f"/b24/api/app/{path}", method=method, headers=headers).status_code == 403


def test_the_console_says_what_the_page_says_as_a_program_of_its_own(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = Secrets.new_key()
    monkeypatch.setattr(Secrets, "new_key", staticmethod(lambda: key))
    address = f"sqlite:///{tmp_path / 'app.db'}"
    store = Store(address)
    upgrade(store)
    store.close()
    made = portal_and_app(sandbox, address)
    assert made.install()["done"]
    with made.service.store.transaction() as tx:
        assert portals.pause(tx, 1, "AUTHORIZATION_ERROR", now=made.service.clock())
    (finding,) = checkup.check(made.service, 1)
    made.rest.close()
    made.service.portals.close()
    made.service.store.close()
    environment = {
        **os.environ,
        "PUBLIC_URL": "https://app.example",
        "B24_CLIENT_ID": "local.1",
        "B24_CLIENT_SECRET": "s",
        "APP_KEYS": key,
        "DATABASE_URL": address,
    }
    for language in ("ru", "en"):
        ran = subprocess.run(
            [sys.executable, str(ROOT / "app.py"), "doctor", "--lang", language],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (ran.returncode, ran.stderr) == (1, "")
        assert finding.words(translator(language)) in ran.stdout


def test_a_database_of_another_version_is_not_touched(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'empty.db'}")
    assert "пуста" in doctor.database_problem(store, translator("ru"))
    store.close()
