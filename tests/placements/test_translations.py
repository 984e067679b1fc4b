"""Every text people may read has its English and Kazakh words. A new one goes into both messages.po."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from smart_process.language import CATALOGUES, LANGUAGES
from smart_process.rules import DEFAULT_RULES
from smart_process.settings import CONSENT_TEXT

ROOT = CATALOGUES.parent.parent
PARTS = ("handlers", "smart_process", "placements")
# Texts handed to the translator by a variable: every Russian literal there is one.
HANDED_ON = (
    "handlers/install.py",
    "placements/client_tab.py",
    "placements/deal_tab.py",
    "placements/door_tab.py",
    "placements/event_actions.py",
    "placements/event_tab.py",
    "placements/health_section.py",
    "placements/home.py",
    "placements/pages.py",
    "placements/participation_tab.py",
    "placements/roles.py",
    "placements/session.py",
    "placements/settings_page.py",
    "placements/settings_sections.py",
    "placements/viewing.py",
    "smart_process/checkup.py",
    "smart_process/doctor.py",
    "smart_process/held_work.py",
    "smart_process/messages.py",
    "smart_process/rule_table.py",
    "smart_process/rule_words.py",
    "smart_process/settings_forms.py",
    "smart_process/sync/crm_mailing.py",
    "smart_process/timeline.py",
)
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]")


def _marked() -> set[str]:
    methods = [("**.py", "python"), ("templates/**.html", "jinja2"), ("templates/**.txt", "jinja2")]
    return {
        message[0] if isinstance(message, tuple) else message
        for part in PARTS
        for _file, _line, message, _comments, _context in extract_from_dir(ROOT / part, methods)
    }


def _literals(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {
        ast.get_docstring(node, clean=False) for node in ast.walk(tree) if isinstance(node, documented)
    }
    texts = {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    return {text for text in texts - docstrings if re.search("[а-яё]", text)}


@cache
def shown() -> frozenset[str]:
    rules = {text for rule in DEFAULT_RULES for text in (rule.name, rule.topic, rule.todo)}
    handed_on = set().union(*(_literals(ROOT / path) for path in HANDED_ON))
    return frozenset(_marked() | rules | handed_on | {CONSENT_TEXT})


@cache
def catalogue(lang: str) -> dict[str, str]:
    with (CATALOGUES / lang / "LC_MESSAGES" / "messages.po").open("rb") as file:
        return {str(entry.id): str(entry.string) for entry in read_po(file) if entry.id}


OTHERS = [lang for lang in LANGUAGES if lang != "ru"]


@pytest.mark.parametrize("lang", OTHERS)
def test_every_text_is_translated(lang: str) -> None:
    assert sorted(text for text in shown() if not catalogue(lang).get(text)) == []


@pytest.mark.parametrize("lang", OTHERS)
def test_no_translation_is_left_without_its_text(lang: str) -> None:
    assert sorted(set(catalogue(lang)) - shown()) == []


@pytest.mark.parametrize("lang", OTHERS)
def test_translations_carry_the_same_values(lang: str) -> None:
    wrong = [
        text
        for text, words in catalogue(lang).items()
        if sorted(PLACEHOLDER.findall(text)) != sorted(PLACEHOLDER.findall(words))
    ]
    assert wrong == []


def test_texts_of_templates_and_code_are_found() -> None:
    assert {"Фамилия", "Регистрация закрыта", "Здравствуйте!"} <= shown()
