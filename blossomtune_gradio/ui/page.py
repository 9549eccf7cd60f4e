"""All pages as one Gradio Blocks; `PAGES` lists them.

The header is on each of them; it is the one part that asks how things stand and tells the others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import gradio as gr

from blossomtune_gradio.application import Application
from blossomtune_gradio.identity import WHO, Role, User
from blossomtune_gradio.ui.admin import build_admin
from blossomtune_gradio.ui.guard import Guard, assert_all_guarded
from blossomtune_gradio.ui.join import build_join
from blossomtune_gradio.ui.live import build_live
from blossomtune_gradio.ui.parts import needs, part
from blossomtune_gradio.ui.runs import build_runs
from blossomtune_gradio.ui.theme import theme
from blossomtune_gradio.views.base import right_now
from blossomtune_gradio.views.federation import SnapshotView

_LOCAL = "Local mode: everybody on this machine is admin."
_HERE = ' aria-current="page"'
_PETALS = "".join(
    f"<ellipse cy='-6.4' rx='3.7' ry='5.1' transform='rotate({angle})'/>"
    for angle in range(0, 360, 72)
)
_ICON = (
    "<svg xmlns='http://www.w3.org/2000/svg' viewBox='-12 -12 24 24'>"
    f"<g fill='#c2517f'>{_PETALS}</g><circle r='2.3' fill='#fff'/></svg>"
)


@dataclass(frozen=True)
class Page:
    """One page: its title, its path ("" is the first), what draws it and for whom."""

    title: str
    path: str
    build: Callable[[Application, Guard], None]
    role: Role  # below it a sentence takes the place of the page


PAGES = (
    Page("Live", "", build_live, Role.ANYONE),
    Page("Join", "join", build_join, Role.ANYONE),
    Page("Runs", "runs", build_runs, Role.RESEARCHER),
    Page("Admin", "admin", build_admin, Role.ADMIN),
)


def build_page(app: Application, current_user: Callable[[gr.Request], User]) -> gr.Blocks:
    """Build all pages. Raises RuntimeError when a callback has no guard."""
    guard = Guard(current_user)
    first, *others = PAGES
    with gr.Blocks(title="BlossomTune", analytics_enabled=False) as pages:
        gr.Navbar(visible=False)
        _draw(first, app, guard)
    for page in others:
        with pages.route(page.title, f"/{page.path}", show_in_navbar=False):
            _draw(page, app, guard)
    assert_all_guarded(pages)
    return pages


def _draw(page: Page, app: Application, guard: Guard) -> None:
    part(
        "header",
        readers=(_snapshot(app, guard, lists_sites=page is PAGES[0]),),
        links=_links(page),
        title=page.title,
        least=str(int(page.role)),
        who=WHO[page.role],
    )
    with gr.Column(elem_classes=needs(page.role)):
        page.build(app, guard)


def _links(here: Page) -> str:
    return "".join(
        f'<a id="nav-{page.title.lower()}" class="{needs(page.role)}" href="{page.path or "./"}"'
        f"{_HERE if page is here else ''}>{page.title}</a>"
        for page in PAGES
    )


def mount_options() -> dict[str, Any]:
    """Look of the pages: what `gr.mount_gradio_app` must be given."""
    icon = f'<link rel="icon" href="data:image/svg+xml,{quote(_ICON)}">'
    return {"theme": theme(), "head": icon}


def _snapshot(app: Application, guard: Guard, *, lists_sites: bool) -> Callable[..., Any]:
    """How things stand; all sites are only sent, each second, to the page that lists them."""
    labels = {provider.name: provider.label for provider in app.settings.providers}
    can_sign_in = not app.settings.is_local

    @guard.server_function(Role.ANYONE)
    def snapshot(asked: object, user: User) -> dict[str, Any]:  # noqa: ARG001 - nothing is asked
        mode = _LOCAL if user.provider == "local" else ""
        if user.role is Role.ADMIN:
            mode = mode or app.mail_warning or " ".join(app.entrances.warnings)
        who = {
            "role": int(user.role),
            "word": user.role.name.lower(),
            "name": user.name,
            "provider": labels.get(user.provider, ""),
            "can_sign_in": can_sign_in,
        }
        state = SnapshotView.of(app.overview.snapshot(user)).to_json()
        if not lists_sites:
            state = {name: value for name, value in state.items() if name != "sites"}
        entrance = app.entrances.sentence if user.role is Role.ADMIN else ""
        return {**state, "who": who, "mode": mode, "entrance": entrance, "now": right_now()}

    return snapshot
