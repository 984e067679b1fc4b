"""Errors as the outside sees them: RFC 9457 problem documents for programs, a plain page for people."""

from __future__ import annotations

from typing import Any

from flask import Flask, Response, current_app, json, render_template, request
from werkzeug.exceptions import HTTPException

MEDIA_TYPE = "application/problem+json"
_TITLES = {
    400: "Запрос не читается",
    401: "Нужен действующий ключ",
    403: "Нет доступа",
    404: "Не найдено",
    405: "Так сюда не обращаются",
    409: "Сейчас это невозможно",
    410: "Больше не действует",
    413: "Слишком много за один раз",
    415: "Нужен JSON",
    429: "Слишком часто",
    500: "Ошибка на нашей стороне",
    503: "Временно недоступно",
}


class Problem(Exception):
    """An answer that ends the request: HTTP status, a code programs can rely on, one clear sentence."""

    def __init__(self, status: int, code: str, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail, self.headers = status, code, detail, headers or {}


def problem(status: int, code: str, detail: str, **more: Any) -> Response:
    """A problem document; its ``type`` ends in the code."""
    body = {
        "type": f"urn:event-app:problem:{code}",
        "title": _TITLES.get(status, "Ошибка"),
        "status": status,
        "detail": detail,
        **more,
    }
    return Response(json.dumps(body), status=status, mimetype=MEDIA_TYPE)


def register(app: Flask) -> None:
    """Answer every error of the app in one way."""
    app.register_error_handler(Problem, _of_problem)
    app.register_error_handler(HTTPException, _of_http)
    app.register_error_handler(Exception, _of_bug)


def _of_problem(error: Problem) -> Response:
    reply = _shown(error.status, error.code, error.detail)
    reply.headers.update(error.headers)
    return reply


def _of_http(error: HTTPException) -> Response:
    status = error.code or 500
    if error.response is not None or status < 400:
        return error.get_response()  # type: ignore[return-value]
    reply = _shown(status, error.name.lower().replace(" ", "-"), _TITLES.get(status, error.name) + ".")
    for name, value in error.get_headers():
        if name.lower() not in {"content-type", "content-length"}:
            reply.headers[name] = value
    return reply


def _of_bug(error: Exception) -> Response:
    current_app.logger.error("internal error at %s", request.endpoint, exc_info=error)
    if current_app.testing or current_app.config.get("PROPAGATE_EXCEPTIONS"):
        raise error
    return _shown(500, "internal", "Что-то сломалось у нас. Попробуйте ещё раз; запись об ошибке сохранена.")


def _shown(status: int, code: str, detail: str) -> Response:
    if request.path.startswith("/api/") or not request.accept_mimetypes.accept_html:
        return problem(status, code, detail)
    page = render_template("scanner/problem.html", title=_TITLES.get(status, "Ошибка"), detail=detail)
    reply = Response(page, status=status, mimetype="text/html")
    reply.headers["Cache-Control"] = "no-store"
    return reply
