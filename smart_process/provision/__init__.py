"""Brings a portal's CRM to the declared schema: idempotent steps with progress.

Every step first looks, then writes only what is missing; a run can be interrupted anywhere and started again,
and a run on a finished portal makes no writing call. What a person renamed or arranged stays.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from b24.errors import B24Error
from b24.store.engine import Store
from smart_process.provision import fields, finish, stages, surroundings, types
from smart_process.provision.notebook import RunBook, StaleRun
from smart_process.provision.problems import explain
from smart_process.provision.workplace import Caller, Report, SetupProblem, Workplace
from smart_process.schema import Words

__all__ = ["STEPS", "Progress", "Provision", "StaleRun"]


@dataclass(frozen=True)
class Step:
    """One step as people see it: ``does`` says what for."""

    key: str
    title: Words
    does: Words
    run: Callable[[Workplace], Report]


def _note_binding(w: Workplace) -> Report:
    binding = finish.read_binding(w)
    # Written together with the end of this step, so that "finished" and the names are one fact.
    w.book.binding = binding
    return Report(found=[binding.event.title, binding.participation.title])


STEPS = (
    Step(
        "rights",
        Words("Права", "Permissions", "Құқықтар"),
        Words("Проверяем права приложения", "Checking what the app may do", "Қосымша құқықтарын тексереміз"),
        finish.check_rights,
    ),
    Step(
        "types",
        Words("Смарт-процессы", "Smart processes", "Смарт-процестер"),
        Words(
            "Мероприятия и участие в них",
            "Events and participations",
            "Іс-шаралар және оларға қатысу",
        ),
        types.make_types,
    ),
    Step(
        "stages",
        Words("Стадии", "Stages", "Кезеңдер"),
        Words(
            "Путь мероприятия и путь гостя", "The path of an event and of a guest", "Іс-шара мен қонақ жолы"
        ),
        stages.make_stages,
    ),
    Step(
        "relations",
        Words("Связи", "Relations", "Байланыстар"),
        Words(
            "Участия и сделки видны в мероприятии",
            "Participations and deals show in the event",
            "Қатысулар мен мәмілелер іс-шарада көрінеді",
        ),
        types.relate_types,
    ),
    Step(
        "fields",
        Words("Поля", "Fields", "Өрістер"),
        Words(
            "Время, отметки, билет, приоритет",
            "Times, flags, ticket, priority",
            "Уақыт, белгілер, билет, басымдық",
        ),
        fields.make_fields,
    ),
    Step(
        "layout",
        Words("Вид карточек", "Card layout", "Карточка көрінісі"),
        Words("Поля по разделам", "Fields in sections", "Өрістер бөлімдер бойынша"),
        surroundings.make_layout,
    ),
    Step(
        "placements",
        Words("Вкладки", "Tabs", "Қойындылар"),
        Words(
            "Воронка в мероприятии, путь гостя в участии",
            "The funnel in events, the path in participations",
            "Іс-шарада воронка, қатысуда қонақ жолы",
        ),
        surroundings.bind_placements,
    ),
    Step(
        "events",
        Words("События", "Events", "Оқиғалар"),
        Words(
            "Портал сообщает об изменениях в CRM",
            "The portal tells about changes in the CRM",
            "Портал CRM өзгерістері туралы хабарлайды",
        ),
        surroundings.bind_events,
    ),
    Step(
        "finish",
        Words("Проверка", "Check", "Тексеру"),
        Words("Всё на месте", "Everything is in place", "Бәрі орнында"),
        _note_binding,
    ),
)


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Args:
        reports: finished steps, by key.
        problem: what stopped the last step, in words; ``code`` is the portal's.
        busy: another request is running a step at this moment.
    """

    run: str
    reports: dict[str, Report] = field(default_factory=dict)
    problem: Words | None = None
    code: str = ""
    busy: bool = False

    @property
    def done(self) -> bool:
        """Whether all steps are finished."""
        return len(self.reports) == len(STEPS)

    def to_json(self, language: str) -> dict[str, Any]:
        """For the installer page: steps with ``state`` ``done|failed|next|waiting`` and what each did."""
        shown = []
        following = True
        for step in STEPS:
            report = self.reports.get(step.key)
            state = "done" if report else "waiting"
            if report is None and following:
                state, following = ("failed" if self.problem else "next"), False
            shown.append(
                {
                    "key": step.key,
                    "title": step.title.get(language),
                    "does": step.does.get(language),
                    "state": state,
                    "found": len(report.found) if report else 0,
                    "made": report.made if report else [],
                    "changed": report.changed if report else [],
                }
            )
        problem = {"text": self.problem.get(language), "code": self.code} if self.problem else None
        return {"steps": shown, "done": self.done, "busy": self.busy, "problem": problem}


class Provision:
    """One portal's provisioning.

    Args:
        client: calls with the installer's rights.
        clock: aware UTC.
        language: of the titles made in the CRM.
    """

    def __init__(
        self,
        store: Store,
        client: Caller,
        portal_id: int,
        *,
        public_url: str,
        clock: Callable[[], datetime],
        language: str = "ru",
    ) -> None:
        self._book = RunBook(store, portal_id, clock)
        self._place = Workplace(client, self._book, public_url, language)

    def start(self) -> Progress:
        """Begin a run from the first step; a run going on in another window becomes stale."""
        return Progress(self._book.begin())

    def asks(self) -> bool:
        """Whether who may see the guests is to be asked: nothing has been made yet."""
        return not self._book.known()

    def answer(self, run: str, *, closed: bool) -> None:
        """Say who may see the guests, before the run makes anything: everybody, or administrators only at first.

        Raises:
            StaleRun: another run was started meanwhile.
        """
        self._book.answer(run, closed=closed)

    def step(self, run: str) -> Progress:
        """Run the next step of a run and say how far it is; a failed step is tried again.

        Raises:
            StaleRun: another run was started meanwhile.
        """
        claim = self._book.claim(run)
        reports = claim.reports
        if claim.busy:
            return Progress(run, reports, busy=True)
        problem, code = None, ""
        try:
            if len(reports) < len(STEPS):
                step = STEPS[len(reports)]
                reports[step.key] = step.run(self._place)
        except SetupProblem as error:
            problem, code = error.words, error.code
        except B24Error as error:
            problem, code = explain(error), error.code
        finally:
            self._book.release(run, reports)
        return Progress(run, reports, problem, code)

    def run_all(self) -> Progress:
        """A whole run at once, up to the first problem or until somebody else's step is in the way."""
        progress = self.start()
        while not progress.done and progress.problem is None and not progress.busy:
            progress = self.step(progress.run)
        return progress
