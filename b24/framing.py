"""Headers of a page that opens inside a portal: framed by that portal only, never stored. Pure.

Source: local-integrations/site-does-not-allow-connection.md.
"""

from __future__ import annotations

_POLICY = (
    "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; object-src 'none'; form-action 'self'"
)


def headers(origin: str | None) -> dict[str, str]:
    """Headers of a page for the portal at ``origin`` (from the database).

    ``None`` is for pages that only say something, before we know who asks: a refusal must be readable in the
    frame of any portal. No ``X-Frame-Options``: it knows no foreign origin.
    """
    return {
        "Content-Security-Policy": _POLICY + (_of_portal(origin) if origin else ""),
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Robots-Tag": "noindex",
    }


def _of_portal(origin: str) -> str:
    # The page's script asks the portal's REST for names with the viewer's own rights.
    return f"; connect-src 'self' {origin}; frame-ancestors 'self' {origin}"
