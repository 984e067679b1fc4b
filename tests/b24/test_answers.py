"""Answers of real portals become results or the right kind of error."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from b24.answers import Answer, Context, answer_of, batch_answers, classify, command, error_parts, read
from b24.codes import OAUTH
from b24.errors import (
    AccessLost,
    Ambiguous,
    B24Error,
    Rejected,
    SetupMissing,
    Throttled,
    TokenExpired,
    Unavailable,
    is_not_found,
)
from tests.recordings import names, response

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
READ = Context("crm.item.get", write=False, now=NOW)
WRITE = Context("crm.item.update", write=True, now=NOW)

ERRORS: list[tuple[str, type[B24Error], type[B24Error]]] = [
    # recording, as a read, as a write
    ("app_info_error", Rejected, Rejected),
    ("crm_activity_get_access_denied_empty_code", Rejected, Rejected),
    ("crm_duplicate_findbycomm_error", Rejected, Rejected),
    ("crm_item_get_not_found", Rejected, Rejected),
    ("crm_item_list_invalid_filter", Rejected, Rejected),
    ("crm_type_add_error_range", Rejected, Rejected),
    ("crm_type_get_by_entity_type_id_error_zero", Rejected, Rejected),
    ("crm_type_get_error_zero", Rejected, Rejected),
    ("error_no_auth_found_401", TokenExpired, TokenExpired),
    ("error_wrong_auth_type_403", Rejected, Rejected),
    ("event_bind_error_event_not_found", Rejected, Rejected),
    ("html_403_forbidden", Unavailable, Unavailable),
    ("html_429_text", Throttled, Throttled),
    ("html_500", Unavailable, Ambiguous),
    ("html_502_nginx", Unavailable, Ambiguous),
    ("html_503_bitrix_branded", Unavailable, Ambiguous),
    ("html_504_nginx", Unavailable, Ambiguous),
    ("json_truncated_200", Unavailable, Ambiguous),
    ("json_with_php_warning_prefix", Unavailable, Ambiguous),
    ("oauth_bad_verification_code_400", Rejected, Rejected),
    ("oauth_insufficient_scope", SetupMissing, SetupMissing),
    ("oauth_invalid_client_400", SetupMissing, SetupMissing),
    ("oauth_invalid_client_401", SetupMissing, SetupMissing),
    ("oauth_invalid_grant_400", AccessLost, AccessLost),
    ("oauth_invalid_grant_401", AccessLost, AccessLost),
    ("oauth_invalid_request_missing_refresh_token", Rejected, Rejected),
    ("oauth_invalid_scope", SetupMissing, SetupMissing),
    ("oauth_not_found_404_portal", Rejected, Rejected),
    ("oauth_not_installed", AccessLost, AccessLost),
    ("oauth_payment_required_docs", AccessLost, AccessLost),
    ("oauth_wrong_client_http200", SetupMissing, SetupMissing),
    ("placement_bind_error_already_bound", Rejected, Rejected),
    ("placement_bind_error_http200", Rejected, Rejected),
    ("redirect_302_domain_changed", Unavailable, Unavailable),
    ("tasks_task_add_error_core", Rejected, Rejected),
    ("tasks_task_add_v3_error_object", Rejected, Rejected),
    ("userfieldconfig_add_error_empty_code", Rejected, Rejected),
]
KNOWN_BAD = {name for name, _, _ in ERRORS} | {"crm_item_add_not_found"}


@pytest.mark.parametrize(("name", "as_read", "as_write"), ERRORS)
def test_recorded_error_is_classified(name: str, as_read: type[B24Error], as_write: type[B24Error]) -> None:
    answer = response(name)
    asked = OAUTH if name.startswith("oauth_") else ""
    for known, kind in ((READ, as_read), (WRITE, as_write)):
        context = replace(known, method=asked or known.method)
        with pytest.raises(B24Error) as caught:
            read(answer.status, answer.body, context)
        assert type(caught.value) is kind


@pytest.mark.parametrize("name", [name for name in names("responses") if name not in KNOWN_BAD])
def test_every_other_recording_is_a_good_answer(name: str) -> None:
    answer = response(name)
    envelope = read(answer.status, answer.body, READ)
    if not name.startswith("oauth_"):
        assert answer_of(envelope, READ).result is not None


@pytest.mark.parametrize(
    ("code", "status", "context", "kind"),
    [
        ("QUERY_LIMIT_EXCEEDED", 503, WRITE, Throttled),
        ("query_limit_exceeded", 0, READ, Throttled),
        ("OPERATION_TIME_LIMIT", 429, WRITE, Throttled),
        ("expired_token", 401, WRITE, TokenExpired),
        ("invalid_token", 401, READ, TokenExpired),
        ("NO_AUTH_FOUND", 401, READ, TokenExpired),
        ("invalid_client", 401, READ, TokenExpired),
        ("insufficient_scope", 401, READ, SetupMissing),
        ("ERROR_METHOD_NOT_FOUND", 404, READ, SetupMissing),
        ("CREATE_DYNAMIC_ITEM_RESTRICTED", 400, WRITE, SetupMissing),
        ("PORTAL_DELETED", 500, WRITE, AccessLost),
        ("PORTAL_DELETED", 410, READ, AccessLost),
        ("OVERLOAD_LIMIT", 503, WRITE, AccessLost),
        ("authorization_error", 401, READ, AccessLost),
        ("user_access_error", 403, READ, AccessLost),
        ("CONNECTION_ERROR", 401, WRITE, Unavailable),
        ("ERROR_OAUTH", 401, READ, Unavailable),
        ("INTERNAL_SERVER_ERROR", 500, READ, Unavailable),
        ("INTERNAL_SERVER_ERROR", 0, WRITE, Ambiguous),
        ("ERROR_UNEXPECTED_ANSWER", 500, WRITE, Ambiguous),
        ("SOMETHING_NEW", 400, WRITE, Rejected),
        ("SOMETHING_NEW", 503, READ, Unavailable),
        ("SOMETHING_NEW", 200, READ, Rejected),
        ("ACCESS_DENIED", 400, WRITE, Rejected),
        ("ACCESS_DENIED", 403, Context("batch", True, NOW), AccessLost),
        ("NOT_FOUND", 400, Context("crm.item.get", False, NOW), Rejected),
        ("NOT_FOUND", 400, Context("crm.item.add", True, NOW), SetupMissing),
        ("", 400, READ, Rejected),
        ("0", 400, READ, Rejected),
    ],
)
def test_code_decides_before_status(code: str, status: int, context: Context, kind: type[B24Error]) -> None:
    assert type(classify(code, "text", status, context)) is kind


def test_spent_method_names_itself_and_when_to_come_back() -> None:
    error = classify("OPERATION_TIME_LIMIT", "", 429, WRITE)
    assert isinstance(error, Throttled)
    assert error.method == "crm.item.update"
    assert error.retry_at > NOW


@pytest.mark.parametrize(
    ("error", "parts"),
    [
        ({"error": "", "error_description": "Access denied."}, ("", "Access denied.")),
        ({"error": 0, "error_description": "x"}, ("0", "x")),
        ({"error": "1048582"}, ("1048582", "")),
        ({"error": {"code": "BITRIX_REST_V3", "message": "Bad"}}, ("BITRIX_REST_V3", "Bad")),
        ({"error": None}, ("", "")),
        ("a sentence", ("", "a sentence")),
        ([], ("", "[]")),
    ],
)
def test_error_is_read_in_every_spelling(error: Any, parts: tuple[str, str]) -> None:
    assert error_parts(error) == parts


def test_missing_object_is_recognised_by_code() -> None:
    assert is_not_found(Rejected("NOT_FOUND"))
    assert is_not_found(Rejected("not_found"))
    assert not is_not_found(Rejected(""))
    assert not is_not_found(Unavailable("NOT_FOUND"))


def test_answer_without_result_is_no_success() -> None:
    with pytest.raises(Unavailable):
        answer_of({"time": {}}, READ)
    with pytest.raises(Ambiguous):
        answer_of({"time": {}}, WRITE)


@pytest.mark.parametrize("value", [1724917000, "1724917000", 1724917000.5])
def test_reset_time_is_read_as_number_and_as_text(value: Any) -> None:
    reset = Answer([], time={"operating_reset_at": value}).operating_reset_at
    assert reset is not None
    assert abs(reset - datetime(2024, 8, 29, 7, 36, 40, tzinfo=UTC)) < timedelta(seconds=1)


@pytest.mark.parametrize("value", [None, "", "soon", True, [], 1e300, -5])
def test_nonsense_reset_time_is_none(value: Any) -> None:
    assert Answer([], time={"operating_reset_at": value}).operating_reset_at is None


# Batches: (recording, the keys sent, what each key became)
GOOD, BAD, MISSING = "good", "bad", "missing"
BATCHES: list[tuple[str, dict[str, str]]] = [
    ("batch_docs_success", {"get_user": GOOD, "get_department": GOOD}),
    ("batch_docs_errors_halt0", {"get_user": BAD, "get_department": BAD}),
    ("batch_docs_errors_halt1", {"get_user": BAD, "get_department": MISSING}),
    ("batch_all_errors_result_is_list", {"k0": BAD, "k1": BAD}),
    ("batch_single_error_result_is_list", {"k0": BAD}),
    ("batch_single_error_result_is_list", {"k0": MISSING, "k1": MISSING}),
    ("batch_mixed_success_and_errors", {"35943": GOOD, "k1": BAD, "k2": BAD}),
    ("batch_mixed_success_and_errors", {"35943": GOOD, "k1": MISSING}),
    ("batch_error_array_index_keys", {"0": GOOD, "1": BAD, "2": GOOD}),
    ("batch_numeric_command_key_becomes_list", {"0": GOOD}),
    ("batch_list_empty", {"order0000000000": GOOD}),
    ("batch_crm_contact_add_success", {"order0000000000": GOOD}),
    ("batch_crm_item_add_success", {"order0000000000": GOOD, "k1": MISSING}),
    ("batch_crm_lead_get_success", {"order0": GOOD}),
    ("batch_crm_stagehistory_list", {"order0000000000": GOOD}),
    ("batch_company_contact_items_get_numeric_string_key", {"205364": GOOD}),
    ("batch_operation_time_limit_inside_200", {"a": GOOD, "b": BAD}),
    ("batch_query_limit_inside_200", {"a": GOOD, "b": BAD}),
]


def test_every_recorded_batch_is_in_the_table() -> None:
    assert {name for name, _ in BATCHES} == {n for n in names("responses") if n.startswith("batch_")}


@pytest.mark.parametrize(("name", "expected"), BATCHES)
def test_every_command_of_a_recorded_batch_gets_its_own_outcome(name: str, expected: dict[str, str]) -> None:
    answer = response(name)
    context = Context("batch", write=True, now=NOW)
    envelope = read(answer.status, answer.body, context)
    found = batch_answers(envelope, dict.fromkeys(expected, "crm.item.update"), context)

    def outcome(one: Answer | B24Error) -> str:
        if isinstance(one, Answer):
            return GOOD
        return MISSING if one.code == "NO_RESULT" else BAD

    assert {key: outcome(one) for key, one in found.items()} == expected
    assert list(found) == list(expected)


def test_batch_keeps_totals_and_times_of_its_commands() -> None:
    answer = response("batch_docs_success")
    envelope = read(answer.status, answer.body, READ)
    found = batch_answers(envelope, {"get_user": "user.get", "get_department": "department.get"}, READ)
    departments = found["get_department"]
    assert isinstance(departments, Answer)
    assert departments.total == 1
    assert departments.time["duration"] > 0


def test_limits_inside_a_good_batch_are_recognised() -> None:
    for name, method in (("operation_time", "crm.item.update"), ("query", "")):
        answer = response(f"batch_{name}_limit_inside_200")
        context = Context("batch", write=True, now=NOW)
        found = batch_answers(
            read(answer.status, answer.body, context), {"a": "profile", "b": "crm.item.update"}, context
        )
        error = found["b"]
        assert isinstance(error, Throttled)
        assert error.method == method


def test_command_without_answer_failed_unknown_for_writes() -> None:
    envelope: dict[str, Any] = {"result": {"result": [], "result_error": []}}
    assert isinstance(batch_answers(envelope, {"k0": "m"}, WRITE)["k0"], Ambiguous)
    assert isinstance(batch_answers(envelope, {"k0": "m"}, READ)["k0"], Unavailable)


def test_result_null_is_a_success() -> None:
    envelope: dict[str, Any] = {"result": {"result": {"k0": None}, "result_error": []}}
    assert batch_answers(envelope, {"k0": "crm.category.delete"}, WRITE)["k0"] == Answer(None)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)
batch_shapes = st.fixed_dictionaries(
    {},
    optional={
        name: json_values | st.dictionaries(st.sampled_from(["k0", "k1"]), json_values)
        for name in ("result", "result_error", "result_total", "result_next", "result_time")
    },
)


@given(batch_shapes | json_values, st.booleans())
def test_no_shape_of_a_batch_breaks_the_reader(inner: Any, write: bool) -> None:
    context = Context("batch", write, NOW)
    found = batch_answers({"result": inner}, {"k0": "a", "k1": "b"}, context)
    assert list(found) == ["k0", "k1"]
    assert all(isinstance(one, Answer | B24Error) for one in found.values())


@given(st.binary(max_size=200), st.integers(100, 599), st.booleans())
def test_no_bytes_break_the_reader(body: bytes, status: int, write: bool) -> None:
    with suppress(B24Error):
        assert isinstance(read(status, body, Context("m", write, NOW)), dict)


@pytest.mark.parametrize(
    ("params", "pairs"),
    [
        ({}, []),
        ({"id": 7}, [("id", "7")]),
        ({"fields": {"TITLE": "ТОО «A & B» 50% + 1#2?"}}, [("fields[TITLE]", "ТОО «A & B» 50% + 1#2?")]),
        (
            {"filter": {">=updatedTime": "2026-11-21T10:00:00+05:00"}},
            [("filter[>=updatedTime]", "2026-11-21T10:00:00+05:00")],
        ),
        ({"select": ["id", "title"]}, [("select[0]", "id"), ("select[1]", "title")]),
        (
            {"fields": {"a": True, "b": False, "c": None}},
            [("fields[a]", "1"), ("fields[b]", "0"), ("fields[c]", "")],
        ),
        ({"fields": {"lines": []}}, [("fields[lines]", "")]),
        ({"fields": {}}, [("fields", "")]),
        (
            {"fields": {"fm": [{"typeId": "PHONE", "value": "+7701"}]}},
            [("fields[fm][0][typeId]", "PHONE"), ("fields[fm][0][value]", "+7701")],
        ),
        ({"start": -1}, [("start", "-1")]),
    ],
)
def test_command_is_written_the_way_php_reads_it(
    params: dict[str, Any], pairs: list[tuple[str, str]]
) -> None:
    method, _, query = command("crm.item.update", params).partition("?")
    assert method == "crm.item.update"
    assert parse_qsl(query, keep_blank_values=True) == pairs
    assert query.isascii()
    assert " " not in query
