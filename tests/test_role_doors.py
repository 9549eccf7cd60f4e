"""The role by door sweep: a table says what each may do, and a door that is in no table fails.

Whoever adds a callback, a server function or a route adds one line here.
"""

import json
import re
import secrets
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute, Mount, Route

from blossomtune_gradio.identity import Role, User
from blossomtune_gradio.ui.page import build_page
from blossomtune_gradio.web.api import PREFIX
from blossomtune_gradio.web.login import current_user
from blossomtune_gradio.web.server import page_api, with_pages
from blossomtune_gradio.web.sessions import Cookies
from tests.live import LiveFederation
from tests.oidc import OidcProvider, sign_in, signed_in
from tests.people import ADMIN, mailed_code, person

ANYONE, PARTICIPANT, RESEARCHER, ADMINS = Role.ANYONE, Role.PARTICIPANT, Role.RESEARCHER, Role.ADMIN
OWNER = "owner or admin"
CAST = {  # who walks through the doors; ada owns a site, ben another
    "stranger": Role.ANYONE,
    "ada": Role.PARTICIPANT,
    "ben": Role.PARTICIPANT,
    "rita": Role.RESEARCHER,
    "boss": Role.ADMIN,
}
SECRETS = ("Site ada", "Site ben", "ada@example.org", "ben@example.org", "keep-me")

FUNCTIONS: dict[str, Role] = {  # Gradio callbacks, by the name of the Python function
    "on_grown": PARTICIPANT,
    "on_make": RESEARCHER,
    "on_start": ADMINS,
    "on_stop": ADMINS,
    "on_decide": ADMINS,
    "on_note": ADMINS,
    "on_partitions": ADMINS,
    "on_change_role": ADMINS,
    "on_try_again": ADMINS,
    "on_send_again": ADMINS,
    "on_create": ADMINS,
    "on_revoke": ADMINS,
}
READERS: dict[str, Role] = {  # server functions of our parts: "name", or "elem_id.name" to differ
    "snapshot": ANYONE,
    "stand": ANYONE,
    "ask": PARTICIPANT,
    "confirm": PARTICIPANT,
    "resend": PARTICIPANT,
    "withdraw": PARTICIPANT,
    "ways": PARTICIPANT,
    "own_key": PARTICIPANT,
    "tail": RESEARCHER,
    "search": RESEARCHER,
    "around": RESEARCHER,
    "runs": RESEARCHER,
    "queue": RESEARCHER,
    "shift": RESEARCHER,
    "halt": RESEARCHER,
    "detail": RESEARCHER,
    "mark": RESEARCHER,
    "watch": RESEARCHER,
    "remove": RESEARCHER,
    "form": RESEARCHER,
    "check": RESEARCHER,
    "deploy": RESEARCHER,
    "keep": RESEARCHER,
    "drop": RESEARCHER,
    "alerts": RESEARCHER,
    "wish": RESEARCHER,
    "hook": RESEARCHER,
    "unhook": RESEARCHER,
    "probe": RESEARCHER,
    "apps": RESEARCHER,
    "app_readme": RESEARCHER,
    "people": ADMINS,
    "person": ADMINS,
    "accounts": ADMINS,
    "mails": ADMINS,
    "tokens": ADMINS,
    "audit": ADMINS,
    "stakes": ADMINS,
}
ROUTES: dict[str, Role | str] = {  # ours; behind ANYONE stands something else that decides
    "GET /healthz": ANYONE,  # a word about the SuperLink
    "POST /api/v1/join": ANYONE,  # the one-time token decides
    "POST /api/v1/join/report": ANYONE,  # the token or the key's signature decides
    "GET /download/kit/{participant_id:int}": OWNER,
    "GET /download/run/{run_id:int}/log": RESEARCHER,
    "GET /download/run/{run_id:int}/files/{name:path}": RESEARCHER,
    "GET /download/audit.{form}": ADMINS,
    "GET /parts/{digest}/{name:path}": ANYONE,
    "GET /login": ANYONE,
    "GET /login/callback": ANYONE,  # the state kept by the browser decides
    "GET /login/callback/{name}": ANYONE,
    "GET /login/{name}": ANYONE,
    "POST /logout": ANYONE,
    "POST /logout/everywhere": ANYONE,  # ends one's own sessions
    "GET /me": ANYONE,  # one's own
}
GRADIO_OPEN = {  # Gradio's routes that the doors let through, for all: the guard decides behind
    "/", "/{page}", "/{page}/", "/join", "/join/", "/runs", "/runs/", "/admin", "/admin/",
    "/config", "/config/", "/theme.css", "/favicon.ico", "/manifest.json", "/robots.txt",
    "/static/{path:path}", "/assets/{path:path}",
    "/gradio_api/queue/join", "/gradio_api/queue/data", "/gradio_api/component_server",
    "/gradio_api/component_server/", "/gradio_api/cancel", "/gradio_api/reset",
    "/gradio_api/reset/", "/gradio_api/heartbeat/{session_hash}", "/gradio_api/startup-events",
    "/gradio_api/app_id", "/gradio_api/app_id/",
}  # fmt: skip
_SKIP = {"__type__": "update"}
_NOTHING = (_SKIP, {"props": _SKIP, **_SKIP})

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveFederation]:
    with (
        OidcProvider(*CAST) as issuer,
        LiveFederation(
            tmp_path_factory.mktemp("role-doors"),
            providers=(issuer.provider(),),
            admins=frozenset(("hf:boss",)),
            researchers=frozenset(("hf:rita",)),
        ) as made,
    ):
        yield made


@pytest.fixture(scope="module")
def cast(federation: LiveFederation) -> Iterator[dict[str, httpx.Client]]:
    """A client per person, each with an approved site where the cast says so."""
    url = federation.server.url
    clients = {name: signed_in(url, name) for name in CAST if name != "stranger"}
    clients["stranger"] = httpx.Client(base_url=url, trust_env=False)
    yield {name: clients[name] for name in CAST}
    for client in clients.values():
        client.close()


@pytest.fixture(scope="module")
def kits(federation: LiveFederation, cast: dict[str, httpx.Client]) -> dict[str, int]:
    """Number of the participant that each owner of a site is."""
    app, found = federation.app, {}
    for name in ("ada", "ben"):
        user = User(provider="hf", sub=f"sub-{name}", name=name)
        asked = app.participants.request_access(user, f"Site {name}", f"{name}@example.org")
        app.participants.confirm(user, mailed_code(app.outbox, person(name)))
        found[name] = app.participants.approve(asked.id, by=ADMIN).id
    return found


@pytest.fixture(scope="module")
def config(cast: dict[str, httpx.Client]) -> dict[str, Any]:
    """What Gradio tells everybody about its pages."""
    told: dict[str, Any] = cast["stranger"].get("/config").json()
    return told


# -- nothing is undeclared -----------------------------------------------------------------


def test_every_gradio_function_is_declared(config):
    assert {_function(one) for one in config["dependencies"]} == set(FUNCTIONS), (
        "declare it in FUNCTIONS above"
    )


def test_every_server_function_is_declared(config):
    found = {name for part in _parts(config) for name in part["props"]["server_fns"]}
    assert found == {name.rpartition(".")[2] for name in READERS}, "declare it in READERS above"


def test_every_route_of_ours_is_declared(federation):
    found = {
        f"{method} {route.path}"
        for route in _flat(page_api(federation.app, _cookies(federation)).routes)
        if isinstance(route, APIRoute)
        for method in route.methods
    }
    assert found == set(ROUTES), "declare it in ROUTES above"


def test_a_session_opens_no_door_of_the_rest_interface(cast):
    """It has tokens, and tests of its own (test_api.py)."""
    for path in ("runs", "tokens", "audit", "openapi.json"):
        assert cast["boss"].get(f"/api/v1/{path}").status_code == 401


# -- the sweep -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_runs_for_whom_the_table_says(cast, config, name):
    calls = [one for one in config["dependencies"] if _function(one) == name]
    for call in calls:
        let_in = {who: _runs(client, call) for who, client in cast.items()}
        assert let_in == {who: role >= FUNCTIONS[name] for who, role in CAST.items()}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("way", ["call/{}", "call/v2/{}", "run/{}", "api/{}"])
def test_the_other_ways_to_a_function_are_closed_even_for_an_admin(cast, name, way):
    answer = cast["boss"].post(f"/gradio_api/{way.format(name)}", json={"data": []})
    assert answer.status_code == 404


@pytest.mark.parametrize("name", READERS)
def test_a_server_function_answers_whom_the_table_says(cast, config, name):
    part_id, _, function = name.rpartition(".")
    for part in _parts(config):
        here = part["props"].get("elem_id") or ""
        if function not in part["props"]["server_fns"] or (part_id and part_id != here):
            continue
        wanted = READERS.get(f"{here}.{function}", READERS.get(function, Role.ADMIN))
        answers = {who: _asked(client, part["id"], function) for who, client in cast.items()}
        let_in = {who: not _is_refusal(answer) for who, answer in answers.items()}
        assert let_in == {who: role >= wanted for who, role in CAST.items()}, here


@pytest.mark.parametrize("route", ROUTES)
def test_a_route_answers_whom_the_table_says(federation, cast, kits, route):
    method, path = route.split(" ")
    run = 1  # there is none: who may ask reads 404
    wanted = ROUTES[route]
    names = {
        "participant_id": kits["ada"],
        "run_id": run,
        "form": "csv",
        "name": "hf",
        "digest": "0",
    }
    url = path.replace(":path}", "}").replace(":int}", "}").format(**names)
    let_in = {}
    for who, client in cast.items():
        status = client.request(method, url).status_code
        assert status < 500
        let_in[who] = status not in (401, 403)
        if path.startswith("/logout") and who != "stranger":
            sign_in(client, who)  # the session is still needed
    expected = {
        who: who in ("ada", "boss") if wanted == OWNER else role >= wanted
        for who, role in CAST.items()
    }
    assert let_in == expected


def test_of_gradios_own_routes_only_the_declared_ones_are_open(federation, cast):
    pages = build_page(federation.app, current_user)
    gradio = with_pages(pages, page_api(federation.app, _cookies(federation)))
    open_ones = set()
    for route in _flat(gradio.routes):
        for method in sorted((route.methods or set()) - {"HEAD"}):
            if f"{method} {route.path}" in ROUTES:
                continue
            with cast["boss"].stream(method, _filled(route.path)) as answer:
                closed = answer.status_code in (404, 405) and not answer.read()
            if not closed:
                open_ones.add(route.path)
    assert open_ones <= GRADIO_OPEN, "a door of Gradio is open that nobody has declared"
    assert "/gradio_api/queue/join" in open_ones, "the sweep looks at the right thing"


# -- what strangers and other participants read --------------------------------------------


@pytest.mark.parametrize("path", ["/", "/join", "/runs", "/admin", "/config", "/me", "/login"])
def test_no_page_carries_a_person_or_a_secret(cast, kits, path):
    text = cast["stranger"].get(path).text
    assert [word for word in SECRETS if word in text] == []


@pytest.mark.parametrize("path", ["/", "/join", "/runs", "/admin"])
def test_a_page_tells_each_their_own_role_and_is_kept_for_nobody_else(cast, path):
    for who, client in cast.items():
        page = client.get(path)
        assert f'<html data-role="{int(CAST[who])}"' in page.text
        assert page.headers["cache-control"] == "private, no-cache"


def test_a_participant_sees_their_own_site_and_strangers_see_none(cast, kits, config):
    header = next(p["id"] for p in _parts(config) if "snapshot" in p["props"]["server_fns"])
    seen = {who: _asked(client, header, "snapshot") for who, client in cast.items()}
    names = {who: [site["name"] for site in answer["sites"]] for who, answer in seen.items()}
    both = ["Site ada", "Site ben"]
    assert names == {
        "stranger": [], "ada": ["Site ada"], "ben": ["Site ben"], "rita": both, "boss": both,
    }  # fmt: skip
    assert {answer["approved"] for answer in seen.values()} == {2}
    assert not any(word in json.dumps(seen["stranger"]) for word in SECRETS)
    assert not any("ben" in json.dumps(seen[who]) for who in ("stranger", "ada"))


def test_another_persons_kit_is_refused_by_its_address(cast, kits):
    for who in ("stranger", "ben", "rita"):
        answer = cast[who].get(f"/download/kit/{kits['ada']}")
        assert answer.status_code == 403
        assert "application/zip" not in answer.headers["content-type"]
    assert cast["ada"].get(f"/download/kit/{kits['ada']}").content[:2] == b"PK"


# -- how the doors are tried ---------------------------------------------------------------


def _runs(client: httpx.Client, call: dict[str, Any]) -> bool:
    """Whether a callback let this client in; what it was given makes no sense to it."""
    session = secrets.token_hex(8)
    body = {
        "fn_index": call["id"],
        "data": [None] * len(call["inputs"]),
        "event_data": {},
        "session_hash": session,
        "trigger_id": None,
    }
    assert client.post("/gradio_api/queue/join", json=body).status_code == 200
    where = f"/gradio_api/queue/data?session_hash={session}"
    with client.stream("GET", where, timeout=120) as stream:
        for line in stream.iter_lines():
            message = json.loads(line[6:]) if line.startswith("data: ") else {}
            if message.get("msg") == "process_completed":
                return not _is_refused_callback(message["output"])
    raise AssertionError("the queue said nothing")


def _function(call: dict[str, Any]) -> str:
    """Gradio numbers functions of one name: on_grown, on_grown_1."""
    return re.sub(r"_\d+$", "", call["api_name"])


def _is_refused_callback(output: dict[str, Any]) -> bool:
    if "error" in output:
        return "may do this" in str(output["error"])  # any other came from behind the door
    data = output["data"]  # a quiet one answers nothing at all
    return bool(data) and all(one in _NOTHING for one in data)


def _asked(client: httpx.Client, part: int, function: str) -> Any:
    body = {"session_hash": "x", "component_id": part, "fn_name": function, "data": [{}]}
    answer = client.post("/gradio_api/component_server", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def _is_refusal(answer: Any) -> bool:
    return isinstance(answer, dict) and "may do this" in str(answer.get("error", ""))


def _parts(config: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for one in config["components"] if one["props"].get("server_fns")]


def _flat(routes: list[BaseRoute]) -> Iterator[Route]:
    for route in routes:
        if isinstance(route, Mount):
            if route.path != PREFIX:  # the REST interface has tests of its own
                yield from _flat(route.routes)
        elif isinstance(route, Route):
            yield route
        elif inner := getattr(route, "routes", None) or getattr(route, "original_router", None):
            yield from _flat(getattr(inner, "routes", inner))


def _filled(path: str) -> str:
    parts = (p if "{" not in p else p[: p.index("{")] + "x" for p in path.split("/"))
    return "/".join(parts)


def _cookies(federation: LiveFederation) -> Cookies:
    return Cookies(federation.folder / "other.key", https=False, hours=1)
