"""Which function makes the contents of which placement."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flask.typing import ResponseReturnValue

from b24.page_session import PageSession
from b24.portals import Portal
from smart_process.language import Translator
from smart_process.schema import PLACEMENTS, Binding, PlacementSpec
from smart_process.service import Service


@dataclass(frozen=True)
class Opened:
    """A verified opening of one of our pages inside a portal.

    Attributes:
        session: who looks at what; ``token`` is the same, signed, for the page's script.
        binding: names in this portal's CRM.
        origin: ``https://portal.example``, for links to cards.
        viewer_token: the viewer's own token from the launch, to read with while the page is made.
        card: the opened card as this viewer may read it; empty on pages without one.
    """

    session: PageSession
    token: str
    binding: Binding
    origin: str
    translate: Translator
    portal: Portal = field(repr=False)
    viewer_token: str = field(default="", repr=False)
    card: Mapping[str, Any] = field(default_factory=dict, repr=False)


Tab = Callable[[Service, Opened], ResponseReturnValue]
"""Makes the page of a placement; the frame, its headers and the guard are around it."""


def spec_of(name: str) -> PlacementSpec | None:
    """The declared placement of that name."""
    return next((one for one in PLACEMENTS if one.name == name), None)


def checked(tabs: Mapping[str, Tab]) -> dict[str, Tab]:
    """The tabs, when every declared placement has one and nothing else has.

    Raises:
        ValueError: they do not match; caught when the app starts, not when somebody opens a card.
    """
    declared = {one.name for one in PLACEMENTS}
    if declared != set(tabs):
        raise ValueError(f"tabs {sorted(tabs)} do not match the declared placements {sorted(declared)}")
    return dict(tabs)
