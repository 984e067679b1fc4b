"""The demo's command as a user meets it: start, second window, Ctrl-C, start again, wrong arguments, broken folders."""

from __future__ import annotations

import json
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from tests.demo_process import DemoProcess, run, start
from tests.eventually import eventually

KEYS = {"portal", "app", "access", "control", "event_code", "registration", "scanner", "mailbox"}


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for the whole file: each test goes on where the one before stopped."""
    return tmp_path_factory.mktemp("demo") / "state"


@pytest.fixture(scope="module")
def first(state: Path) -> Iterator[DemoProcess]:
    """The demo of a newcomer, running."""
    with DemoProcess(state) as demo:
        yield demo


def answers(url: str) -> int:
    return requests.get(url, timeout=10).status_code


def test_a_start_prints_one_line_of_links_that_open(first: DemoProcess) -> None:
    assert set(first.links) >= KEYS
    pages = [link for name, link in first.links.items() if name not in ("app", "event_code", "control")]
    assert {link: answers(link) for link in pages} == dict.fromkeys(pages, 200)
    assert first.said == ""


def test_a_second_window_prints_the_links_of_the_running_one(first: DemoProcess, state: Path) -> None:
    again = run(state, "--json")
    assert (again.returncode, json.loads(again.stdout), again.stderr) == (0, first.links, "")
    words = run(state).stdout
    assert words.lstrip().startswith("Уже работает:")
    assert first.links["registration"] in words


def test_a_day_is_not_played_beside_a_running_demo(first: DemoProcess, state: Path) -> None:
    refused = run(state, "--play", "--json")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "уже запущена" in refused.stderr


def test_ctrl_c_ends_everything_within_three_seconds(first: DemoProcess) -> None:
    assert len(first.family) == 2, "the portal is a process of its own"
    assert first.interrupt() == (0, "")
    for name in ("portal", "app"):
        with pytest.raises(requests.ConnectionError):
            answers(first.links[name])


def test_the_next_start_has_the_same_links_and_data(first: DemoProcess, state: Path) -> None:
    with DemoProcess(state) as demo:
        assert demo.links == first.links
        assert answers(demo.links["registration"]) == 200


def test_a_killed_demo_leaves_no_portal_behind_and_starts_again(first: DemoProcess, state: Path) -> None:
    with DemoProcess(state) as demo:
        demo.kill()
    with DemoProcess(state) as demo:
        assert demo.links == first.links
        assert answers(demo.links["registration"]) == 200


def test_a_port_that_is_taken_gives_way_to_a_free_one(first: DemoProcess, state: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with DemoProcess(state, "--port", str(port)) as demo:
            assert urlsplit(demo.links["app"]).port not in (port, None)
            assert answers(demo.links["registration"]) == 200


def test_ctrl_c_during_the_first_start_ends_everything_and_the_next_one_goes_on(tmp_path: Path) -> None:
    state = tmp_path / "state"
    interrupted = start(state)
    eventually((state / "portal.sqlite").exists, within=30, waiting_for="the portal to be made")
    interrupted.send_signal(signal.SIGINT)
    out, errors = interrupted.communicate(timeout=5)
    assert (interrupted.returncode, out, errors) == (130, "", "")
    with DemoProcess(state) as demo:
        assert answers(demo.links["registration"]) == 200


@pytest.mark.parametrize("wrong", [("--port", "ninety"), ("--guests", "many"), ("--nothing",)])
def test_an_argument_nobody_knows_is_named(tmp_path: Path, wrong: tuple[str, ...]) -> None:
    refused = run(tmp_path / "state", *wrong)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert wrong[-1] in refused.stderr


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("demo.json", b""),
        ("demo.json", b'{"portal_port": "39000"}'),
        ("app.sqlite", b"not a database, not even nearly"),
        ("portal.sqlite", b"not a database, not even nearly"),
    ],
)
def test_a_damaged_folder_is_refused_in_words_and_left_as_it_is(
    tmp_path: Path, name: str, content: bytes
) -> None:
    (tmp_path / name).write_bytes(content)
    refused = run(tmp_path, "--json")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith(str(tmp_path / name))
    assert len(refused.stderr.splitlines()) == 1
    assert (tmp_path / name).read_bytes() == content


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    refused = run(tmp_path / "file", "--json")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert str(tmp_path / "file") in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
