"""BB codes of comments, tasks and notifications as safe HTML: bold, links, colleagues, line breaks."""

from __future__ import annotations

import re

from markupsafe import Markup, escape

from b24.sandbox.ui.fields import show_moment
from b24.sandbox.ui.site import bp

PAIRS = {"b": "b", "i": "i", "u": "u", "s": "s"}
URL = re.compile(r"\[url=((?:[^\[\]\s]|\[[^\[\]\s]*\])+)\](.*?)\[/url\]", re.IGNORECASE | re.DOTALL)
"""An address may have brackets of its own, as ``params[id]=5`` of an application's link."""
BARE_URL = re.compile(r"\[url\](.*?)\[/url\]", re.IGNORECASE | re.DOTALL)
USER = re.compile(r"\[user=(\d+)[^\]]*\](.*?)\[/user\]", re.IGNORECASE | re.DOTALL)
OTHER = re.compile(r"\[/?(?:color|size|font|list|quote|code|table|tr|td|p)(?:=[^\]]*)?\]", re.IGNORECASE)


@bp.app_template_filter("rich")
def rich(text: str) -> Markup:
    """The text with its BB codes turned into HTML; everything else escaped."""
    out = str(escape(text)).replace("[br]", "\n").replace("[BR]", "\n").replace("[*]", "• ")
    out = URL.sub(lambda found: link(found[1], found[2]), out)
    out = BARE_URL.sub(lambda found: link(found[1], found[1]), out)
    out = USER.sub(r'<a href="/company/personal/user/\1/">\2</a>', out)
    for code, tag in PAIRS.items():
        out = re.sub(
            rf"\[{code}\](.*?)\[/{code}\]", rf"<{tag}>\1</{tag}>", out, flags=re.IGNORECASE | re.DOTALL
        )
    return Markup(OTHER.sub("", out).replace("\n", "<br>"))  # noqa: S704 - escaped above


def link(address: str, text: str) -> str:
    """A link to this portal or to the web; plain text for any other scheme. Both parts come escaped."""
    if address.startswith("/") and not address.startswith("//"):
        return f'<a href="{address}" data-slide>{text}</a>'
    if address.startswith(("http://", "https://")):
        return f'<a href="{address}" target="_blank" rel="noreferrer noopener">{text}</a>'
    return text


@bp.app_template_filter("moment")
def moment(text: str) -> str:
    """An ISO date as ``21.11.2026 14:05``."""
    return show_moment(text)
