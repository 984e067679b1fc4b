"""Form bodies of a portal: nested, tolerant where real portals are odd, bounded where strangers are."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from b24.errors import Malformed
from b24.forms import MAX_FIELDS, number_of, parse_form, text_at


@pytest.mark.parametrize(
    ("raw", "parsed"),
    [
        (b"", {}),
        (b"a=1&b=", {"a": "1", "b": ""}),
        (b"auth[member_id]=x&auth%5Bdomain%5D=y", {"auth": {"member_id": "x", "domain": "y"}}),
        (b"a[b][c]=1&a[b][d]=2", {"a": {"b": {"c": "1", "d": "2"}}}),
        (b"a[]=1&a[]=2", {"a": {"0": "1", "1": "2"}}),
        (b"t=%D0%A1%D0%B0%D0%BB%D0%B5%D0%BC+1", {"t": "Салем 1"}),
        (b"a=1&a=1", {"a": "1"}),
        (b"__proto__[x]=1", {"__proto__": {"x": "1"}}),
        (b"a[b=1", {"a[b": "1"}),
        (b"[x]=1", {"[x]": "1"}),
        (b"t=%FF", {"t": "\ufffd"}),
        (b"=1", {}),
    ],
)
def test_form_is_read_as_php_would(raw: bytes, parsed: dict[str, Any]) -> None:
    assert parse_form(raw) == parsed


@pytest.mark.parametrize(
    "raw",
    [
        b"a=1&a[b]=2",
        b"a[b]=2&a=1",
        b"a=1&a=2",
        b"a[b][c]=1&a[b]=2",
        b"a=%00",
        b"a%00b=1",
        b"a" + b"[b]" * 20 + b"=1",
        b"a" * 300 + b"=1",
        b"&".join(b"a[]=1" for _ in range(MAX_FIELDS + 1)),
        b"a=" + b"x" * 300_000,
    ],
    ids=[
        "scalar-nested",
        "nested-scalar",
        "differs",
        "deep-differs",
        "nul",
        "nul-key",
        "deep",
        "key",
        "many",
        "long",
    ],
)
def test_dangerous_form_is_refused(raw: bytes) -> None:
    with pytest.raises(Malformed):
        parse_form(raw)


@given(st.binary(max_size=400) | st.text(alphabet="a[]=&%0_+", max_size=120).map(str.encode))
def test_no_bytes_break_the_parser(raw: bytes) -> None:
    try:
        form = parse_form(raw)
    except Malformed:
        return
    assert isinstance(form, dict)


@given(
    st.dictionaries(
        st.text(alphabet="abc", min_size=1, max_size=3), st.text(alphabet="Яя &=+%[]", max_size=5), max_size=5
    )
)
def test_what_was_encoded_is_read_back(fields: dict[str, str]) -> None:
    from urllib.parse import urlencode

    assert parse_form(urlencode(fields).encode()) == fields


def test_text_is_found_by_its_path() -> None:
    form = parse_form(b"a[b]=1&c=2")
    assert text_at(form, "a", "b") == "1"
    assert text_at(form, "a") == text_at(form, "c", "d") == text_at(form, "z") == ""
    with pytest.raises(Malformed):
        text_at({"a": "x" * 65}, "a", longest=64)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("7", 7),
        ("007", 7),
        (7, 7),
        ("0", None),
        ("", None),
        ("-1", None),
        ("1.5", None),
        ("undefined", None),
        ("٧", None),
        ("²", None),
        (True, None),
        (None, None),
        ([], None),
        ("9" * 16, None),
        (10**16, None),
        (0, None),
    ],
)
def test_id_is_a_positive_number_in_plain_digits(text: Any, number: int | None) -> None:
    assert number_of(text) == number
