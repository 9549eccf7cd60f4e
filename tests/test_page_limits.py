"""What anybody can ask of the page: small bodies, cheap sessions, one's own turn."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import pytest
from gradio.state_holder import StateHolder
from starlette.types import Receive, Scope, Send

from benchmarks.limits import snapshot
from blossomtune_gradio.ui.page import build_page
from blossomtune_gradio.ui.sessions import LightSession, LightSessions, keep_light_sessions
from blossomtune_gradio.web import limits
from blossomtune_gradio.web.limits import KIB, Share, body_limit
from blossomtune_gradio.web.login import current_user
from blossomtune_gradio.web.server import page_api, with_pages
from blossomtune_gradio.web.sessions import Cookies
from blossomtune_gradio.web.turns import Turns

pytest_plugins = ["tests.page_fixtures"]
DOCS = Path(__file__).parent.parent / "docs" / "limits.md"


@pytest.fixture
def page(seeded_page):
    with httpx.Client(base_url=seeded_page.server.url, trust_env=False) as client:
        yield client


# -- bodies --------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/queue/join",
        "/gradio_api/component_server",
        "/gradio_api/component_server/",
        "/gradio_api/cancel",
        "/gradio_api/reset",
        "/api/v1/join",
        "/api/v1/join/report",
        "/api/v1/runs",
        "/logout",
        "/",
    ],
)
def test_a_body_beyond_the_limit_is_413_on_every_path(page, path, chunked):
    most = body_limit(path)
    answers = []
    for size in (most, most + 1):
        body: Any = iter([b"x" * size]) if chunked else b"x" * size
        answers.append(page.post(path, content=body).status_code)
    assert answers[0] != 413
    assert answers[1] == 413


def test_no_path_of_the_page_may_have_a_big_body():
    for path in ("/", "/anything", "/api/v1/anything", *limits.BODIES):
        assert body_limit(path) <= 256 * KIB


# -- sessions ------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_mounted_pages_keep_light_sessions_and_no_more_than_allowed(seeded_page):
    settings = seeded_page.app.settings
    cookies = Cookies(settings.data_dir / "session.key", https=False, hours=1)
    api = page_api(seeded_page.app, cookies)
    with_pages(build_page(seeded_page.app, current_user), api)
    holders = [
        route.app.state_holder
        for route in api.routes
        if hasattr(route, "app") and hasattr(route.app, "state_holder")
    ]
    assert [(type(one), one.capacity) for one in holders] == [(LightSessions, limits.SESSIONS)]


@pytest.mark.slow
def test_any_number_of_sessions_is_answered_the_same(page):
    told = [
        page.post("/gradio_api/component_server", json=snapshot(page, f"s{n}")).json()
        for n in range(3)
    ]
    assert all(one["mode"] == told[0]["mode"] for one in told)


def test_a_light_session_remembers_what_a_callback_changed_and_nothing_else():
    with gr.Blocks() as blocks:
        choice = gr.Dropdown(["a"])
        kept = gr.State(0)
    blocks.state_holder = holder = LightSessions(blocks, 3)
    one, other = holder["one"], holder["other"]
    assert isinstance(one, LightSession)
    assert one[choice._id] is choice
    changed = gr.Dropdown(["a", "b"], render=False)
    one[choice._id] = changed
    one[kept._id] = 5
    one._update_value_in_config(choice._id, "b")
    assert one[choice._id] is changed
    assert (one[kept._id], other[kept._id]) == (5, 0)
    assert other[choice._id] is choice  # nobody else sees it
    assert len(one.config_values) == 0
    assert list(one.components) == []
    assert holder["one"] is one


def test_the_session_not_used_longest_goes_first_with_all_that_waits_for_it():
    with gr.Blocks() as blocks:
        gr.Textbox()
    queue = blocks._queue
    holder = LightSessions(blocks, 3)
    for name in ("a", "b", "c"):
        holder[name]
        queue.pending_event_ids_session[name] = {"event"}
    assert holder["a"] is holder["a"]
    holder["d"]
    assert set(holder.session_data) == set(holder.time_last_used) == {"a", "c", "d"}
    assert set(queue.pending_event_ids_session) == {"a", "c"}
    for number in range(100):
        holder[str(number)]
    assert len(holder.session_data) == len(holder.time_last_used) == 3
    assert not queue.pending_event_ids_session


def test_gradio_without_pages_is_noticed_at_the_start():
    with pytest.raises(RuntimeError):
        keep_light_sessions([], 3)
    assert {"__getitem__", "update", "delete_state"} <= set(vars(StateHolder))  # what we rely on


# -- turns ---------------------------------------------------------------------------------


class Counting:
    """An app whose answers wait until they may go on; tells how many run."""

    def __init__(self) -> None:
        self.running: list[str] = []
        self.go_on = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.running.append(scope["client"][0])
        await self.go_on.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


async def asked(turns: Turns, client: str, path: str = "/", session: str = "") -> int:
    """The status of one answer."""
    statuses: list[int] = []

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    headers = [(b"cookie", session.encode())]
    scope = {"type": "http", "client": (client, 1), "path": path, "headers": headers}
    await turns({**scope, "method": "GET"}, None, send)  # type: ignore[arg-type]
    return statuses[0]


def in_turns(app: Counting, share: Share, streams: Share | None = None) -> Turns:
    return Turns(app, lambda request: request.headers["cookie"], share, streams or share)


@pytest.mark.concurrent
def test_one_client_waits_for_itself_and_nobody_else_for_him():
    async def run() -> None:
        app = Counting()
        turns = in_turns(app, Share(rate=100, burst=100, parallel=2, waiting=3))
        his = [asyncio.create_task(asked(turns, "192.0.2.1")) for _ in range(10)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert app.running == ["192.0.2.1"] * 2
        others = [asyncio.create_task(asked(turns, f"192.0.2.{n}")) for n in (2, 3, 4)]
        others.append(asyncio.create_task(asked(turns, "192.0.2.1", session="mine")))
        await asyncio.sleep(0)
        assert len(app.running) == 6
        his[2].cancel()  # one that waits hangs up
        app.go_on.set()
        assert [await other for other in others] == [200] * 4
        done = await asyncio.gather(*his, return_exceptions=True)
        assert done.count(200) == 4
        assert done.count(429) == 5
        assert not turns._lines

    asyncio.run(run())


def test_who_asks_too_often_is_told_so_in_the_language_of_the_path():
    async def run() -> None:
        app = Counting()
        app.go_on.set()
        turns = in_turns(app, Share(rate=0.01, burst=2, parallel=9))
        assert [await asked(turns, "192.0.2.1") for _ in range(4)] == [200, 200, 429, 429]
        assert await asked(turns, "192.0.2.1", "/api/v1/runs") == 429
        assert await asked(turns, "192.0.2.9") == 200
        assert await asked(turns, "192.0.2.1", session="mine") == 200

    asyncio.run(run())


@pytest.mark.concurrent
def test_streams_are_counted_apart():
    async def run() -> None:
        app = Counting()
        few = Share(rate=100, burst=100, parallel=2)
        turns = in_turns(app, few, few)
        stream = "/gradio_api/queue/data"
        open_ones = [asyncio.create_task(asked(turns, "192.0.2.1", stream)) for _ in range(3)]
        await asyncio.sleep(0)
        assert await open_ones[2] == 429
        click = asyncio.create_task(asked(turns, "192.0.2.1"))
        await asyncio.sleep(0)
        assert len(app.running) == 3
        app.go_on.set()
        assert await click == 200
        assert [await one for one in open_ones[:2]] == [200, 200]

    asyncio.run(run())


# -- the manual ----------------------------------------------------------------------------


def test_the_manual_has_the_numbers_that_are_in_force():
    text = DOCS.read_text(encoding="utf-8")
    page, fleet, mib = limits.PAGE, limits.FLEET, limits.MIB
    rows = {
        "connections": (page.connections, fleet.connections),
        "of them half-open, of strangers": (page.half_open, fleet.half_open),
        "TLS handshake": (page.handshake_seconds, fleet.handshake_seconds),
        "request head": (page.head_seconds, fleet.head_seconds),
        "an answer nobody takes": (page.answer_seconds, fleet.answer_seconds),
        "between two requests": (page.idle_seconds, fleet.idle_seconds),
        "bodies of strangers, all together": (page.held_bytes // mib, fleet.held_bytes // mib),
        "body": (
            page.body_seconds,
            1,
            page.body_rate // KIB,
            fleet.body_seconds,
            1,
            fleet.body_rate // KIB,
        ),
        "its size": (page.head_bytes // KIB, page.headers),
        "a registered key, at the Fleet API": (
            limits.KEY.rate,
            limits.KEY.burst,
            limits.KEY.parallel,
            limits.WEIGHT // mib,
            503,
        ),
        "an address without one, at the Fleet API and when joining": (
            limits.STRANGER.rate,
            limits.STRANGER.burst,
            limits.STRANGER.parallel,
            limits.STRANGERS,
            503,
        ),
        "a signed-in session on the page, or an address where nobody is": (
            limits.PERSON.rate,
            limits.PERSON.burst,
            limits.PERSON.parallel,
            limits.PERSON.waiting,
            429,
        ),
        "streamed answers of the page, likewise": (
            limits.STREAMS.rate,
            limits.STREAMS.burst,
            limits.STREAMS.parallel,
            429,
        ),
    }
    for name, numbers in rows.items():
        line = re.search(rf"^\| {re.escape(name)} \|(.*)$", text, re.MULTILINE)
        assert line is not None, name
        told = [int(number) for number in re.findall(r"\d+", line[1])]
        assert told[: len(numbers)] == [int(number) for number in numbers], json.dumps(name)
    assert f"state of {limits.SESSIONS} visits" in text
    assert f"{limits.QUEUED} clicks" in text
