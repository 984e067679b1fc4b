"""The application's frame: opened by a form POST, answered by messages, for BX24 and the vendor's SDK."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
import requests
from playwright.sync_api import Frame, Page, expect

from b24.sandbox.server import Sandbox
from tests.b24.sandbox.app_server import SDK, AppServer, call, frame_of, register
from tests.b24.sandbox.client import Rest
from tests.chromium import Console

pytestmark = pytest.mark.e2e


@dataclass(frozen=True)
class InstalledApp:
    """An application of the portal and the deal whose card carries its tabs."""

    id: int
    deal_id: int


@pytest.fixture(scope="module")
def installed(rest: Rest, app_server: AppServer) -> InstalledApp:
    app = register(rest, app_server, "Мероприятия")
    token = rest.control(f"apps/{app['id']}/open", {})["fields"]["AUTH_ID"]
    for placement, path in (
        ("CRM_DEAL_DETAIL_TAB", "/tab"),
        ("CRM_DEAL_DETAIL_TAB", "/sdk"),
        ("LEFT_MENU", "/menu"),
    ):
        bound = {"PLACEMENT": placement, "HANDLER": app_server.url + path, "TITLE": f"Вкладка {path}"}
        rest("placement.bind", bound, token=token)
    rest.control(f"apps/{app['id']}/install-finish", {"access_token": token})
    deal = rest("crm.item.add", {"entityTypeId": 2, "fields": {"title": "Сделка с вкладкой"}})["item"]
    return InstalledApp(int(app["id"]), int(deal["id"]))


def open_tab(page: Page, sandbox: Sandbox, app_server: AppServer, deal_id: int, path: str = "/tab") -> Frame:
    page.goto(f"{sandbox.url}/crm/deal/details/{deal_id}/")
    page.get_by_role("tab", name=f"Вкладка {path}").click()
    frame = frame_of(page, path)
    if path != "/sdk":
        frame.evaluate("() => new Promise((done) => BX24.init(done))")
    return frame


def test_a_tab_is_opened_with_the_documented_query_and_body(
    page: Page, sandbox: Sandbox, app_server: AppServer, installed: InstalledApp, rest: Rest
) -> None:
    open_tab(page, sandbox, app_server, installed.deal_id)
    opened = app_server.last("/tab")
    assert set(opened.query) == {"DOMAIN", "PROTOCOL", "LANG", "APP_SID"}
    assert opened.query["DOMAIN"] == sandbox.url.removeprefix("http://")
    assert opened.body["PLACEMENT"] == "CRM_DEAL_DETAIL_TAB"
    options = json.loads(opened.body["PLACEMENT_OPTIONS"])
    assert options["ID"] == str(installed.deal_id)
    assert options["URI"].startswith(f"/crm/deal/details/{installed.deal_id}/")
    assert rest("user.current", token=opened.body["AUTH_ID"])["ID"] == "1"


def test_a_left_menu_widget_is_told_where_the_user_came_from(
    page: Page, sandbox: Sandbox, app_server: AppServer, installed: InstalledApp
) -> None:
    page.goto(f"{sandbox.url}/crm/lead/list/?q=a")
    page.get_by_role("navigation").get_by_role("link", name="Вкладка /menu").click()
    frame_of(page, "/menu")
    opened = app_server.last("/menu")
    assert opened.body["PLACEMENT"] == "LEFT_MENU"
    assert json.loads(opened.body["PLACEMENT_OPTIONS"]) == {"URI": "/crm/lead/list/?q=a"}


def test_the_chosen_language_is_told_to_applications_and_names_their_tabs(
    page: Page, sandbox: Sandbox, app_server: AppServer, installed: InstalledApp, rest: Rest
) -> None:
    token = rest.control(f"apps/{installed.id}/open", {})["fields"]["AUTH_ID"]
    titles = {"ru": {"TITLE": "Своя"}, "en": {"TITLE": "Of its own"}}
    bound = {"PLACEMENT": "CRM_LEAD_DETAIL_TAB", "HANDLER": f"{app_server.url}/tab", "LANG_ALL": titles}
    rest("placement.bind", bound, token=token)
    lead = rest("crm.lead.add", {"fields": {"TITLE": "Лид"}})
    page.goto(f"{sandbox.url}/crm/lead/details/{lead}/")
    page.get_by_label("Язык приложений").select_option(label="English")
    page.get_by_role("button", name="Сменить").press("Enter")
    expect(page.locator("#pagetitle")).to_have_text("Лид")
    page.get_by_role("tab", name="Of its own").click()
    frame = frame_of(page, "/tab")
    assert app_server.last("/tab").query["LANG"] == "en"
    frame.evaluate("() => new Promise((done) => BX24.init(done))")
    assert frame.evaluate("() => BX24.getLang()") == "en"
    unknown = requests.post(f"{sandbox.url}/sandbox/language", data={"language": "xx"}, timeout=10)
    assert unknown.status_code == 400


def test_bx24_knows_where_it_stands_and_who_is_looking(
    page: Page, sandbox: Sandbox, app_server: AppServer, installed: InstalledApp
) -> None:
    frame = open_tab(page, sandbox, app_server, installed.deal_id)
    info = frame.evaluate("() => BX24.placement.info()")
    assert info["placement"] == "CRM_DEAL_DETAIL_TAB"
    assert info["options"]["ID"] == str(installed.deal_id)
    assert frame.evaluate("() => [BX24.isAdmin(), BX24.getLang(), BX24.getDomain()]") == [
        True,
        "ru",
        sandbox.url.removeprefix("http://"),
    ]
    auth = frame.evaluate("() => BX24.getAuth()")
    assert auth["access_token"] == app_server.last("/tab").body["AUTH_ID"]
    assert auth["member_id"] == app_server.last("/tab").body["member_id"]


def test_bx24_calls_methods_pages_through_lists_and_reports_errors(
    page: Page, sandbox: Sandbox, app_server: AppServer, installed: InstalledApp, rest: Rest, console: Console
) -> None:
    console.expect("400")
    rest.batch({f"c{n}": f"crm.item.add?entityTypeId=3&fields[name]=Гость {n}" for n in range(50)})
    rest("crm.item.add", {"entityTypeId": 3, "fields": {"name": "Последний"}})
    frame = open_tab(page, sandbox, app_server, installed.deal_id)
    listed = call(
        frame,
        "let seen = 0; BX24.callMethod('crm.item.list', {entityTypeId: 3}, function (result) {"
        " seen += result.data().items.length;"
        " if (result.more()) result.next(); else done([seen, result.total()]); });",
    )
    assert listed == [51, 51]
    refused = call(
        frame,
        "BX24.callMethod('crm.item.get', {entityTypeId: 2, id: 999999}, (r) =>"
        " done([r.error().getError().error, r.error().getStatus()]));",
    )
    assert refused[0] == "NOT_FOUND"
    assert refused[1] == 400


def test_bx24_sends_a_batch_whose_commands_use_earlier_results(
    page: Page, sandbox: Sandbox, app_server: AppServer, installed: InstalledApp
) -> None:
    frame = open_tab(page, sandbox, app_server, installed.deal_id)
    answer = call(
        frame,
        "BX24.callBatch({get_user: ['user.current', {}], get_department: {method: 'department.get',"
        " params: {ID: '$result[get_user][UF_DEPARTMENT]'}}, wrong: ['no.such.method', {}]}, (r) =>"
        " done([r.get_user.data().ID, r.get_department.data().length, !!r.wrong.error(),"
        " !r.get_user.error()]));",
    )
    assert answer == ["1", 1, True, True]


def test_bx24_refreshes_a_token_that_expired_under_it(
    page: Page, sandbox: Sandbox, app_server: AppServer, installed: InstalledApp, rest: Rest, console: Console
) -> None:
    console.expect("401")
    frame = open_tab(page, sandbox, app_server, installed.deal_id)
    before = frame.evaluate("() => BX24.getAuth().access_token")
    rest.control("expire", {"access_token": before})
    assert call(frame, "BX24.callMethod('user.current', {}, (r) => done(r.data().ID));") == "1"
    assert frame.evaluate("() => BX24.getAuth().access_token") != before


def test_options_set_in_the_frame_are_there_when_it_opens_again(
    page: Page, sandbox: Sandbox, app_server: AppServer, installed: InstalledApp
) -> None:
    frame = open_tab(page, sandbox, app_server, installed.deal_id)
    call(frame, "BX24.userOption.set('view', 'table', done);")
    call(frame, "BX24.appOption.set('theme', 'тёмная', done);")
    again = open_tab(page, sandbox, app_server, installed.deal_id)
    assert again.evaluate("() => [BX24.userOption.get('view'), BX24.appOption.get('theme')]") == [
        "table",
        "тёмная",
    ]


def test_a_path_of_the_portal_opens_in_a_slider_and_its_closing_is_told(
    page: Page, sandbox: Sandbox, app_server: AppServer, installed: InstalledApp
) -> None:
    frame = open_tab(page, sandbox, app_server, installed.deal_id)
    frame.evaluate(
        "(id) => BX24.openPath(`/crm/deal/details/${id}/`, (r) => { window.whenClosed_with = r; })",
        installed.deal_id,
    )
    card = page.frame_locator(".slide iframe")
    expect(card.locator("#pagetitle")).to_have_text("Сделка с вкладкой")
    page.get_by_role("button", name="Закрыть").click()
    frame.wait_for_function("() => window.whenClosed_with")
    assert frame.evaluate("() => window.whenClosed_with") == {"result": "close"}


@pytest.mark.parametrize(
    "path", ["https://example.com/crm/deal/details/1/", "/sandbox/mail", "//example.com/crm/deal/"]
)
def test_paths_outside_the_allowed_ones_are_refused(
    page: Page, sandbox: Sandbox, app_server: AppServer, installed: InstalledApp, path: str
) -> None:
    frame = open_tab(page, sandbox, app_server, installed.deal_id)
    answer = call(frame, f"BX24.openPath({path!r}, done);")
    assert answer == {"result": "error", "errorCode": "PATH_NOT_AVAILABLE"}


def test_the_frame_takes_the_height_and_the_page_the_title_it_is_told(
    page: Page, sandbox: Sandbox, app_server: AppServer, installed: InstalledApp
) -> None:
    frame = open_tab(page, sandbox, app_server, installed.deal_id)
    call(frame, "BX24.resizeWindow('100%', 777, done);")
    assert page.locator("iframe.app-frame").bounding_box()["height"] == 777  # type: ignore[index]
    call(frame, "BX24.setTitle('Новое имя', done);")
    expect(page.locator("#pagetitle")).to_have_text("Новое имя")


def test_the_frame_fits_its_content_and_scrolls_the_page(
    page: Page, sandbox: Sandbox, app_server: AppServer, installed: InstalledApp
) -> None:
    frame = open_tab(page, sandbox, app_server, installed.deal_id)
    frame.evaluate("() => { document.getElementById('where').style.height = '2345px'; }")
    call(frame, "BX24.fitWindow(done);")
    height = frame.evaluate("() => BX24.getScrollSize().scrollHeight")
    assert height > 2345
    assert page.locator("iframe.app-frame").bounding_box()["height"] == height  # type: ignore[index]
    call(frame, "BX24.scrollParentWindow(300, done);")
    assert page.evaluate("() => window.scrollY") == 300


def test_reloading_opens_the_page_and_the_frame_anew(
    page: Page, sandbox: Sandbox, app_server: AppServer, installed: InstalledApp
) -> None:
    frame = open_tab(page, sandbox, app_server, installed.deal_id)
    page.evaluate("() => { window.before = true; }")
    frame.evaluate("() => BX24.reloadWindow()")
    page.wait_for_function("() => !window.before && document.readyState === 'complete'")
    expect(page.locator("#pagetitle")).to_have_text("Сделка с вкладкой")


def test_bx24_binds_events_of_the_portal_and_of_the_page(
    page: Page, sandbox: Sandbox, app_server: AppServer, installed: InstalledApp
) -> None:
    frame = open_tab(page, sandbox, app_server, installed.deal_id)
    handler = f"{app_server.url}/event"
    bound = call(frame, f"BX24.callBind('onCrmLeadAdd', '{handler}', 0, (r) => done(r.data()));")
    assert bound is True
    gone = call(frame, f"BX24.callUnbind('onCrmLeadAdd', '{handler}', 0, (r) => done(r.data().count));")
    assert gone == 1
    seen = call(
        frame,
        "const seen = [], owner = {name: 'x'}, place = document.getElementById('where');"
        " const hear = function () { seen.push(this.name, BX24.proxyContext() === place); };"
        " const heard = BX24.proxy(hear, owner);"
        " BX24.bind(place, 'click', heard); place.click(); BX24.unbind(place, 'click', heard); place.click();"
        " done([seen, heard === BX24.proxy(hear, owner), BX24.isReady()]);",
    )
    assert seen == [["x", True], True, True]
    loaded = call(
        frame, f"window.BX24.loadScript('{sandbox.url}/sandbox/static/bx24.js', () => done(!!BX24));"
    )
    assert loaded is True


def test_cards_are_chosen_in_the_portals_own_dialog(
    page: Page, sandbox: Sandbox, app_server: AppServer, installed: InstalledApp, rest: Rest
) -> None:
    """The answer's keys are those of sdk/bx24-js-sdk/system-dialogues/bx24-select-crm.md."""
    add = {"entityTypeId": 3, "fields": {"name": "Вера", "lastName": "Выбранная"}}
    contact = rest("crm.item.add", add)["item"]["id"]
    frame = open_tab(page, sandbox, app_server, installed.deal_id)
    value = json.dumps({"deal": [installed.deal_id]})
    frame.evaluate(
        "() => { window.chosen = new Promise((done) => BX24.selectCRM({entityType: ['contact', 'deal'],"
        f" multiple: true, value: {value}}}, done)); }}"
    )
    dialog = page.get_by_role("dialog", name="Выбор из CRM")
    expect(dialog.locator("[data-chosen]")).to_contain_text("Сделка с вкладкой")
    dialog.get_by_label("Найти", exact=True).fill("Выбранная")
    expect(dialog.get_by_role("option")).to_have_count(1)
    dialog.get_by_label("Найдено").select_option(label="Вера Выбранная")
    expect(dialog.locator("[data-chosen]")).to_contain_text("Вера Выбранная")
    dialog.get_by_role("button", name="Выбрать").press("Enter")
    chosen = frame.evaluate("() => window.chosen")
    assert set(chosen) == {"contact", "deal"}
    assert chosen["contact"] == [
        {
            "id": f"C_{contact}",
            "type": "contact",
            "place": "contact",
            "title": "Вера Выбранная",
            "desc": "",
            "url": f"/crm/contact/show/{contact}/",
        }
    ]
    assert chosen["deal"][0]["id"] == f"D_{installed.deal_id}"
    page.goto(sandbox.url + chosen["contact"][0]["url"])
    expect(page.locator("#pagetitle")).to_have_text("Вера Выбранная")


def test_an_application_opens_itself_in_a_slider_with_parameters(
    page: Page, sandbox: Sandbox, app_server: AppServer, installed: InstalledApp
) -> None:
    """Settings go along with the prefix ``bx24_``: sdk/bx24-js-sdk/additional-functions/bx24-open-application.md."""
    frame = open_tab(page, sandbox, app_server, installed.deal_id)
    frame.evaluate(
        "() => { window.whenClosed = new Promise((done) => BX24.openApplication({opened: 'yes'}, () => done('closed'),"
        " {width: 600, title: 'Окно'})); }"
    )
    inner = page.frame_locator(".slide iframe").frame_locator("iframe.app-frame")
    expect(inner.locator("#where")).to_have_text("/app")
    expect(page.frame_locator(".slide iframe").locator("#pagetitle")).to_have_text("Окно")
    assert page.locator(".slide").bounding_box()["width"] == 600  # type: ignore[index]
    opened = app_server.last("/app").body
    assert opened["PLACEMENT"] == "DEFAULT"
    assert json.loads(opened["PLACEMENT_OPTIONS"]) == {
        "opened": "yes",
        "bx24_width": 600,
        "bx24_title": "Окно",
    }
    inner.locator("#where").evaluate("() => new Promise((done) => BX24.init(done))")
    inner.locator("#where").evaluate("() => BX24.closeApplication()")
    assert frame.evaluate("() => window.whenClosed") == "closed"


def test_reload_data_shows_the_card_afresh_and_leaves_the_tab_alone(
    page: Page, sandbox: Sandbox, app_server: AppServer, installed: InstalledApp, rest: Rest
) -> None:
    deal = rest("crm.item.add", {"entityTypeId": 2, "fields": {"title": "До"}})["item"]["id"]
    frame = open_tab(page, sandbox, app_server, deal)
    assert call(frame, "BX24.placement.getInterface(done);")["command"] == ["reloadData"]
    rest("crm.item.update", {"entityTypeId": 2, "id": deal, "fields": {"title": "После"}})
    frame.evaluate("() => { window.kept = 'here'; }")
    assert call(frame, "BX24.placement.call('reloadData', {}, done);") is None
    expect(page.locator("#pagetitle")).to_have_text("После")
    assert frame.evaluate("() => window.kept") == "here"


def test_colleagues_are_chosen_in_the_portals_dialog(
    page: Page, sandbox: Sandbox, app_server: AppServer, installed: InstalledApp
) -> None:
    frame = open_tab(page, sandbox, app_server, installed.deal_id)
    frame.evaluate("() => BX24.selectUser((one) => { window.chosen = one; })")
    page.get_by_role("dialog").get_by_label("Сотрудник").select_option(index=0)
    page.get_by_role("button", name="Выбрать").click()
    frame.wait_for_function("() => window.chosen")
    assert frame.evaluate("() => [chosen.id, chosen.name]") == [1, "Анна Админова"]
    frame.evaluate("() => BX24.selectUsers((all) => { window.several = all; })")
    page.get_by_role("dialog").get_by_label("Сотрудник").select_option(index=[0])
    page.get_by_role("button", name="Выбрать").click()
    frame.wait_for_function("() => window.several")
    assert frame.evaluate("() => several.map((one) => one.id)") == [1]


def test_the_vendors_sdk_works_in_the_frame_unchanged(
    page: Page, sandbox: Sandbox, app_server: AppServer, installed: InstalledApp
) -> None:
    if not SDK.exists():
        pytest.skip("the vendor's SDK is not set up (make setup)")
    frame = open_tab(page, sandbox, app_server, installed.deal_id, "/sdk")
    start = frame.evaluate(
        "async () => { const b24 = window.b24 = await B24Js.initializeB24Frame();"
        " return {placement: b24.placement.title, options: b24.placement.options, admin: b24.auth.isAdmin,"
        " origin: b24.getTargetOrigin(), install: b24.isInstallMode}; }"
    )
    assert start["placement"] == "CRM_DEAL_DETAIL_TAB"
    assert start["options"]["ID"] == str(installed.deal_id)
    assert (start["admin"], start["origin"], start["install"]) == (True, sandbox.url, False)
    user = frame.evaluate(
        "async () => { const answer = await b24.actions.v2.call.make({method: 'user.current', params: {}});"
        " return answer.getData().result.ID; }"
    )
    assert user == "1"
    token = frame.evaluate("() => b24.auth.getAuthData().access_token")
    assert frame.evaluate("async () => (await b24.auth.refreshAuth()).access_token") != token
    frame.evaluate(
        "async () => { await b24.parent.setTitle('Из SDK'); await b24.parent.resizeWindow(500, 640); }"
    )
    expect(page.locator("#pagetitle")).to_have_text("Из SDK")
    path = f"/crm/deal/details/{installed.deal_id}/"
    frame.evaluate("(path) => { b24.slider.openPath(b24.slider.getUrl(path), 900); }", path)
    expect(page.frame_locator(".slide iframe").locator("#pagetitle")).to_have_text("Сделка с вкладкой")
    page.keyboard.press("Escape")
    expect(page.locator(".shade")).to_have_count(0)
    assert page.locator("iframe.app-frame:visible").bounding_box()["height"] == 640  # type: ignore[index]


def test_the_installer_runs_in_the_frame_and_install_finish_opens_the_application(
    page: Page, sandbox: Sandbox, app_server: AppServer, rest: Rest
) -> None:
    app = register(rest, app_server, "Новое приложение")
    page.goto(f"{sandbox.url}/marketplace/app/{app['id']}/")
    frame = frame_of(page, "/install")
    assert app_server.last("/install").body["PLACEMENT"] == "DEFAULT"
    bound = {"PLACEMENT": "CRM_CONTACT_DETAIL_TAB", "HANDLER": f"{app_server.url}/tab", "TITLE": "Рано"}
    rest("placement.bind", bound, token=app_server.last("/install").body["AUTH_ID"])
    contact = rest("crm.item.add", {"entityTypeId": 3, "fields": {"name": "Пётр"}})["item"]["id"]
    card = f"{sandbox.url}/crm/contact/details/{contact}/"
    assert "Рано" not in requests.get(card, timeout=10).text
    call(frame, "BX24.init(done);")
    frame.evaluate("() => BX24.installFinish()")
    expect(page.frame_locator("iframe.app-frame").locator("#where")).to_have_text("/app")
    assert rest("app.info", token=app_server.last("/app").body["AUTH_ID"])["INSTALLED"] is True
    assert "Рано" in requests.get(card, timeout=10).text


def test_the_sdk_finishes_an_installation_too(
    page: Page, sandbox: Sandbox, app_server: AppServer, rest: Rest
) -> None:
    if not SDK.exists():
        pytest.skip("the vendor's SDK is not set up (make setup)")
    app = rest.control(
        "apps",
        {"title": "SDK", "handler_url": f"{app_server.url}/app", "installer_url": f"{app_server.url}/sdk"},
    )
    page.goto(f"{sandbox.url}/marketplace/app/{app['id']}/")
    frame = frame_of(page, "/sdk")
    mode = frame.evaluate("async () => (window.b24 = await B24Js.initializeB24Frame()).isInstallMode")
    assert mode is True
    frame.evaluate("() => { b24.installFinish(); }")
    expect(page.frame_locator("iframe.app-frame").locator("#where")).to_have_text("/app")


def test_the_first_run_of_a_user_is_told_once(
    page: Page, sandbox: Sandbox, app_server: AppServer, installed: InstalledApp, rest: Rest
) -> None:
    user = rest.control("users", {"name": "Новичок", "last_name": "Первый", "email": "first@portal.example"})
    page.context.add_cookies([{"name": "b24sandbox_user", "value": str(user["id"]), "url": sandbox.url}])
    page.goto(f"{sandbox.url}/marketplace/app/{installed.id}/")
    frame = frame_of(page, "/app")
    order = call(
        frame,
        "const seen = []; BX24.install(() => { seen.push('install'); BX24.installFinish(); });"
        " BX24.init(() => { seen.push('init'); done(seen); });",
    )
    assert order == ["install", "init"]
    page.reload()
    again = frame_of(page, "/app")
    expect(page.frame_locator("iframe.app-frame").locator("#where")).to_have_text("/app")
    assert (
        call(again, "const seen = []; BX24.install(() => seen.push('install')); BX24.init(() => done(seen));")
        == []
    )
    assert again.evaluate("() => BX24.isAdmin()") is False


def test_an_unfinished_application_shows_colleagues_a_notice_instead_of_its_page(
    sandbox: Sandbox, app_server: AppServer, rest: Rest
) -> None:
    app = register(rest, app_server, "Недоустановлено")
    user = rest.control("users", {"name": "Олег", "last_name": "Рядовой", "email": "oleg@portal.example"})
    cookies = {"b24sandbox_user": str(user["id"])}
    text = requests.get(f"{sandbox.url}/marketplace/app/{app['id']}/", cookies=cookies, timeout=10).text
    assert "не установлено до конца" in text
    assert "data-frame" not in text
    refused = requests.post(
        f"{sandbox.url}/sandbox/frame/open", json={"app_id": app["id"]}, cookies=cookies, timeout=10
    )
    assert refused.status_code == 403


@pytest.mark.parametrize("action", ["refresh", "install-finish", "first-run", "app-option", "user-option"])
def test_foreign_pages_cannot_use_the_frames_addresses(
    sandbox: Sandbox, app_server: AppServer, installed: InstalledApp, action: str
) -> None:
    address = f"{sandbox.url}/sandbox/frame/{installed.id}/{action}"
    answer = requests.post(address, json={}, headers={"Origin": app_server.url}, timeout=10)
    assert answer.status_code == 403
    assert "AUTH_ID" not in answer.text


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"app_id": 999}, 404),
        ({"app_id": "x'"}, 404),
        ({}, 404),
        ([], 400),
        ({"app_id": 1, "placement_id": 10**9}, 404),
        ({"app_id": 1, "params": "{"}, 400),
    ],
)
def test_nonsense_asked_of_a_frame_is_refused_with_a_clear_status(
    sandbox: Sandbox, installed: InstalledApp, body: Any, status: int
) -> None:
    if isinstance(body, dict) and body.get("app_id") == 1:
        body = {**body, "app_id": installed.id}
    answer = requests.post(f"{sandbox.url}/sandbox/frame/open", json=body, timeout=10)
    assert answer.status_code == status
    assert answer.json()["message"]
