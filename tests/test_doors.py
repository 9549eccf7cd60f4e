"""What a stranger reaches: nothing but the page's own paths, from its own origin and host."""

import ssl

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from blossomtune_gradio.web.doors import Doors

pytest_plugins = ["tests.live_fixtures"]
pytestmark = pytest.mark.slow
PROTOBUF = {"content-type": "application/protobuf"}
CLOSED = [
    "/v1/control/list-nodes",
    "/v1/runtime/acquire-task",
    "/docs",
    "/openapi.json",
    "/redoc",
    "/monitoring/summary",
    "/gradio_api/info",
    "/gradio_api/openapi.json",
    "/gradio_api/upload",
    "/gradio_api/file=/etc/passwd",
    "/gradio_api/proxy=http://127.0.0.1/",
    "/gradio_api/run/on_start",
    "/gradio_api/call/on_start",
    "/gradio_api/queue/status",
    "/gradio_api/mcp/",
    "/v1/fleet/../control/list-nodes",
    "/v1/fleet%2f..%2fcontrol/list-nodes",
    "/health",
]


@pytest.fixture
def page(federation):
    with httpx.Client(base_url=federation.server.url, trust_env=False) as client:
        yield client


@pytest.fixture
def fleet(federation):
    trust = ssl.create_default_context(cafile=str(federation.app.credentials.ca_cert))
    url = f"https://{federation.app.fleet_address()}"
    with httpx.Client(base_url=url, verify=trust, trust_env=False) as client:
        yield client


@pytest.mark.parametrize("path", CLOSED)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_everything_else_of_flower_and_gradio_is_not_found(page, fleet, method, path):
    assert page.request(method, path).status_code in (404, 405)
    assert fleet.request(method, path).status_code == 404


def test_the_fleet_listener_carries_nothing_but_fleet_and_join(fleet):
    assert fleet.get("/").status_code == 404
    assert fleet.get("/healthz").status_code == 404
    assert fleet.get("/api/v1/join").status_code == 404
    refused = fleet.post("/api/v1/join", json={"token": "t", "public_key": "k"})
    assert refused.status_code == 422


def test_an_unregistered_node_is_refused(fleet, page):
    for door in (fleet, page):
        answer = door.post("/v1/fleet/activate-node", headers=PROTOBUF, content=b"")
        assert answer.status_code in (400, 401), answer.text


def test_a_join_with_a_wrong_token_is_a_problem_with_a_sentence(fleet):
    key = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBB"
    answer = fleet.post("/api/v1/join", json={"token": "t", "public_key": key})
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"].endswith(".")
    assert fleet.post("/api/v1/join", json={}).status_code == 422


def test_a_rebound_host_name_gets_nothing(page):
    assert page.get("/", headers={"host": "rebound.evil.test"}).status_code == 400
    assert page.get("/", headers={"host": "localhost"}).status_code == 200


@pytest.mark.parametrize(
    "headers", [{"sec-fetch-site": "cross-site"}, {"origin": "http://evil.test"}]
)
def test_another_site_cannot_act_through_the_browser(page, headers):
    body = {"data": [], "fn_index": 0, "session_hash": "x"}
    assert page.post("/gradio_api/queue/join", json=body, headers=headers).status_code == 403
    assert page.get("/download/kit/1", headers=headers).status_code == 403


def test_a_kit_nobody_has_is_not_found(page):
    assert page.get("/download/kit/99").status_code == 404


def test_the_page_and_its_health_answer(page):
    health = page.get("/healthz").json()
    assert (health["status"], health["superlink"]) == ("ok", "running")
    assert health["loops"]["sites"].keys() == {"turns", "faults", "last_fault_at", "last_good_at"}
    assert "BlossomTune" in page.get("/").text


async def leave(_request: Request) -> PlainTextResponse:
    return PlainTextResponse("never reached by this road")


async def behind(_scope: Scope, _receive: Receive, send: Send) -> None:
    await PlainTextResponse("inside")(_scope, _receive, send)


def test_a_route_that_answers_to_every_path_is_refused_at_the_start():
    with pytest.raises(ValueError, match="would close nothing"):
        Doors(behind, (), pages=[""], routes=[Mount("/", behind)])


def test_a_door_is_there_for_each_page_and_route_and_for_nothing_else():
    doors = Doors(behind, (), pages=["", "compare"], routes=[Route("/leave", leave)])
    client = TestClient(doors)
    for path in ("/", "/compare", "/compare/", "/leave"):
        assert client.get(path).text == "inside", path
    for path in ("/leave/", "/compares", "/compare/x", "/join"):
        assert client.get(path).status_code == 404, path
    assert client.post("/leave").status_code == 404  # that would be Gradio's, of the same name
