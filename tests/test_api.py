"""REST: who may do what with which token, problems as sentences, and no contract break."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import ignored_auth, positive_data_acceptance
from sqlalchemy import make_url

from blossomtune_gradio.application import Application
from blossomtune_gradio.services.audit.trail import AuditFilter
from blossomtune_gradio.store.models import ApiToken, now
from blossomtune_gradio.web.server import WebServer
from tests.live import PATH, live_settings
from tests.people import ADMIN, ask, mailed_code, person

pytestmark = pytest.mark.slow
EXAMPLES = 4  # for each operation
# A valid body may still be refused with 422 (an unknown app); tokens have a test of their own.
TOLERANT = (ignored_auth, positive_data_acceptance)
ROLES = ("participant", "researcher", "admin")
# Least role for each thing; None: its owner only. The walk below finds what is missing here.
LEAST: dict[tuple[str, str], str] = {
    ("get", "/health"): "participant",
    ("get", "/me"): "participant",
    ("get", "/superlink"): "participant",
    ("post", "/superlink/start"): "admin",
    ("post", "/superlink/stop"): "admin",
    ("get", "/sites"): "researcher",
    ("post", "/sites/{site_id}/revoke"): "admin",
    ("get", "/requests"): "admin",
    ("get", "/requests/{request_id}"): "admin",
    ("post", "/requests/{request_id}/approve"): "admin",
    ("post", "/requests/{request_id}/deny"): "admin",
    ("post", "/requests/{request_id}/revoke"): "admin",
    ("post", "/requests/{request_id}/kit"): "admin",
    ("get", "/mails"): "admin",
    ("post", "/mails/retry"): "admin",
    ("post", "/mails/{mail_id}/send-again"): "admin",
    ("put", "/requests/{request_id}/note"): "admin",
    ("get", "/accounts"): "admin",
    ("put", "/accounts"): "admin",
    ("post", "/accounts/sign-out"): "admin",
    ("get", "/partitions"): "participant",
    ("put", "/partitions"): "admin",
    ("get", "/apps"): "researcher",
    ("post", "/apps"): "researcher",
    ("get", "/apps/{name}"): "researcher",
    ("get", "/runs"): "researcher",
    ("post", "/runs"): "researcher",
    ("get", "/runs/{run_id}"): "researcher",
    ("patch", "/runs/{run_id}"): "researcher",
    ("delete", "/runs/{run_id}"): "researcher",
    ("post", "/runs/{run_id}/stop"): "researcher",
    ("post", "/runs/{run_id}/move"): "researcher",
    ("get", "/runs/{run_id}/log"): "researcher",
    ("get", "/runs/{run_id}/metrics"): "researcher",
    ("get", "/runs/{run_id}/events"): "researcher",
    ("get", "/runs/{run_id}/sites"): "researcher",
    ("get", "/runs/{run_id}/files"): "researcher",
    ("get", "/runs/{run_id}/files/{name}"): "researcher",
    ("get", "/logs"): "researcher",
    ("get", "/logs/{source}"): "researcher",
    ("put", "/runs/{run_id}/watch"): "researcher",
    ("get", "/presets"): "researcher",
    ("put", "/presets"): "researcher",
    ("delete", "/presets/{preset_id}"): "researcher",
    ("get", "/alerts"): "researcher",
    ("put", "/alerts"): "researcher",
    ("get", "/webhooks"): "researcher",
    ("post", "/webhooks"): "researcher",
    ("post", "/webhooks/{webhook_id}/test"): "researcher",
    ("delete", "/webhooks/{webhook_id}"): "researcher",
    ("get", "/audit"): "admin",
    ("get", "/audit/verify"): "admin",
    ("get", "/audit/export"): "admin",
    ("get", "/tokens"): "admin",
    ("post", "/tokens"): "admin",
    ("delete", "/tokens/{token_id}"): "admin",
}


class Served:
    """A real server with a token for each role, and nothing of Flower running."""

    def __init__(self, app: Application, url: str) -> None:
        self.app, self.url = app, f"{url}/api/v1"
        self.tokens = {role: app.tokens.create(ADMIN, role, role)[1] for role in ROLES}

    def client(self, token: str = "") -> httpx.Client:
        secret = self.tokens.get(token, token)
        headers = {"authorization": f"Bearer {secret}"} if secret else {}
        return httpx.Client(base_url=self.url, headers=headers, trust_env=False, timeout=60)

    def document(self) -> dict:
        with self.client("participant") as client:
            return client.get("/openapi.json").json()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    app = Application(live_settings(tmp_path_factory.mktemp("api")), PATH)
    try:
        with WebServer(app) as server:
            app.open()
            yield Served(app, server.url)
    finally:
        app.close()


@pytest.fixture
def admin(served: Served) -> Iterator[httpx.Client]:
    with served.client("admin") as client:
        yield client


@pytest.fixture
def researcher(served: Served) -> Iterator[httpx.Client]:
    with served.client("researcher") as client:
        yield client


def sentence(answer: httpx.Response, status: int) -> str:
    """The detail of a problem of that status."""
    assert (answer.status_code, answer.headers["content-type"]) == (
        status,
        "application/problem+json",
    ), answer.text
    told = answer.json()
    assert told["status"] == status
    assert told["detail"].endswith(".")
    return told["detail"]


def body_of(operation: dict, document: dict) -> dict | None:
    """An example body for an operation, from the document itself."""
    content = operation.get("requestBody", {}).get("content", {})
    if not content:
        return None
    name = content["application/json"]["schema"]["$ref"].rpartition("/")[2]
    return document["components"]["schemas"][name]["examples"][0]


def operations(document: dict) -> Iterator[tuple[str, str, dict]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def test_each_route_answers_to_its_least_role_and_to_no_lesser_one(served):
    document = served.document()
    found = {(method, path): operation for method, path, operation in operations(document)}
    assert set(found) == set(LEAST), "declare every route in LEAST"
    clients = {role: served.client(role) for role in ("", "forged", *ROLES)}
    somebody = ask(served.app.participants, person("bella")).id
    for (method, path), operation in found.items():
        if path == "/superlink/start":
            continue  # a real one; tested with a whole federation
        least = ROLES.index(LEAST[method, path])
        address = path.replace("{source}", "blossomtune").replace("{name}", "nothing")
        address = address.replace("/presets", "/presets?app=x") if path == "/presets" else address
        address = address.replace("{request_id}", str(somebody))
        for part in ("site", "run", "mail", "preset", "webhook", "token"):
            address = address.replace(f"{{{part}_id}}", "999")
        for role, client in clients.items():
            body = body_of(operation, document)
            answer = client.request(method.upper(), address, json=body)
            if role in ROLES and ROLES.index(role) >= least:
                assert answer.status_code not in (401, 403), (method, path, role, answer.text)
            elif role in ROLES:
                sentence(answer, 403)
            else:
                assert "token" in sentence(answer, 401).lower()
                assert answer.headers["www-authenticate"] == "Bearer"


def test_neither_cookie_nor_query_nor_local_mode_opens_the_interface(served):
    secret = served.tokens["admin"]
    with served.client() as client:
        client.cookies.set("session", secret)
        sentence(client.get("/me"), 401)
        sentence(client.get("/me", params={"token": secret}), 401)
        sentence(client.get("/me", headers={"authorization": f"Basic {secret}"}), 401)
        sentence(client.get("/openapi.json"), 401)


def test_a_token_ends_when_it_is_revoked_or_its_time_is_up(served, admin):
    made = admin.post("/tokens", json={"name": "  night\tly ", "role": "researcher", "days": 1})
    assert made.status_code == 201
    assert made.headers["cache-control"] == "no-store"
    token = made.json()
    with served.client(token["token"]) as client:
        assert client.get("/me").json() == {
            "id": f"token:{token['id']}",
            "name": "night ly",
            "role": "researcher",
        }
        listed = {row["id"]: row for row in admin.get("/tokens").json()}
        assert listed[token["id"]]["state"] == "good"
        assert listed[token["id"]]["acts_as"] == "researcher"
        served.app.later.flush()
        listed = {row["id"]: row for row in admin.get("/tokens").json()}
        assert listed[token["id"]]["last_used_at"]
        assert token["token"] not in json.dumps(list(listed.values()))
        assert admin.delete(f"/tokens/{token['id']}").json()["state"] == "revoked"
        assert "revoked" in sentence(client.get("/me"), 401)
    sentence(admin.delete(f"/tokens/{token['id']}"), 409)
    _, secret = served.app.tokens.create(ADMIN, "short", "admin", 1 / 1440)
    with served.app.database.write() as session:
        session.query(ApiToken).filter_by(name="short").one().expires_at = now()
    with served.client(secret) as client:
        sentence(client.get("/me"), 401)
    stored = (served.app.settings.data_dir / "blossomtune.db").read_bytes()
    assert token["token"].encode() not in stored


def test_each_move_of_a_token_and_by_a_token_is_in_the_audit_trail(served, admin):
    made = admin.post("/tokens", json={"name": "watched", "role": "admin"}).json()
    with served.client(made["token"]) as client:
        assert client.post("/superlink/stop").status_code == 200
    admin.delete(f"/tokens/{made['id']}")
    target = admin.get("/audit", params={"target": f"token:{made['id']}"}).json()["entries"]
    assert [entry["action"] for entry in target] == ["token.revoke", "token.create"]
    by = admin.get("/audit", params={"actor": f"token:{made['id']}"}).json()["entries"]
    assert [(e["action"], e["actor_name"], e["address"]) for e in by] == [
        ("superlink.stop", "watched", "127.0.0.1")
    ]
    verdict = admin.get("/audit/verify").json()
    assert verdict["good"], verdict
    lines = admin.get("/audit/export", params={"action": "token."}).text.splitlines()
    assert json.loads(lines[-1])["action"].startswith("token.")


def test_the_same_idempotency_key_is_one_run_and_another_body_is_told(served, researcher):
    body = {"app": "message_app", "config": {"num-server-rounds": 1}, "name": "once"}
    key = {"Idempotency-Key": "k-1"}
    first, again = (researcher.post("/runs", json=body, headers=key) for _ in range(2))
    assert (first.status_code, first.json()["id"]) == (201, again.json()["id"])
    other = researcher.post("/runs", json={**body, "name": "twice"}, headers=key)
    assert "Use another key" in sentence(other, 409)
    with served.client("admin") as somebody:  # a key belongs to who sent it
        assert somebody.post("/runs", json={**body, "name": "mine"}, headers=key).status_code == 201
    sentence(researcher.post("/runs", json=body), 409)


def test_a_run_is_queued_listed_marked_moved_stopped_and_deleted(researcher):
    made = researcher.post("/runs", json={"app": "message_app", "tags": ["pilot"]}).json()
    where = f"/runs/{made['id']}"
    assert made["status"] == "queued"
    assert made["tags"] == ["pilot"]
    listed = researcher.get("/runs", params={"tag": "pilot", "status": "open"}).json()
    assert (listed["total"], listed["runs"][0]["id"]) == (1, made["id"])
    assert researcher.get("/runs", params={"limit": 1}).json()["total"] >= 1
    marked = researcher.patch(where, json={"note": "first try", "pinned": True}).json()
    assert (marked["note"], marked["pinned"], marked["tags"]) == ("first try", True, ["pilot"])
    assert researcher.post(f"{where}/move", json={"direction": "up"}).status_code == 200
    assert researcher.get(f"{where}/log").json() == {"lines": [], "cursor": 0, "more": False}
    assert researcher.get(f"{where}/metrics").json() == []
    sentence(researcher.delete(where), 409)
    assert researcher.post(f"{where}/stop").json()["status"] == "stopped"
    sentence(researcher.post(f"{where}/stop"), 409)
    kinds = [event["kind"] for event in researcher.get(f"{where}/events").json()]
    assert kinds[0] == "queued"
    assert researcher.delete(where).json() == {"deleted": made["name"]}
    sentence(researcher.get(where), 404)


def test_a_wrong_value_is_refused_with_the_sentence_of_the_page(researcher):
    wrong = {"app": "message_app", "config": {"size": "ten"}}
    assert "size must be a whole number" in sentence(researcher.post("/runs", json=wrong), 422)
    unknown = {"app": "message_app", "config": {"sizes": 1}}
    assert "sizes" in sentence(researcher.post("/runs", json=unknown), 422)
    assert "Check: body" in sentence(researcher.post("/runs", content=b"{"), 422)
    typo = researcher.post("/runs", json={"app": "message_app", "confg": {}})
    assert "confg" in sentence(typo, 422)
    missing = researcher.post("/runs", json={"app": "nothing"})
    assert "There is no Flower app 'nothing'" in sentence(missing, 404)


def test_the_log_is_read_on_with_its_cursor(served, researcher):
    served.app.logs.append("superlink", [f"line {number}" for number in range(25)])
    seen, cursor = [], 0
    while True:
        page = researcher.get("/logs/superlink", params={"after": cursor, "limit": 10}).json()
        seen += [line["text"] for line in page["lines"]]
        cursor = page["cursor"]
        if not page["more"]:
            break
    assert seen == [f"line {number}" for number in range(25)]
    newest = researcher.get("/logs/superlink", params={"limit": 2}).json()
    assert [line["text"] for line in newest["lines"]] == ["line 23", "line 24"]
    assert "superlink" in researcher.get("/logs").json()
    sentence(researcher.get("/logs/nothing"), 404)


def test_a_request_is_approved_gets_a_kit_and_is_revoked(served, admin):
    user = person("carla")
    asked = ask(served.app.participants, user)
    served.app.participants.confirm(user, mailed_code(served.app.outbox, user))
    where = f"/requests/{asked.id}"
    assert admin.get("/requests", params={"status": "confirmed"}).json()[0]["id"] == asked.id
    taken = admin.post(f"{where}/approve", json={"partition": 77})
    assert "Partition 77 does not exist" in sentence(taken, 422)
    approved_now = admin.post(f"{where}/approve", json={}).json()
    assert (approved_now["status"], approved_now["partition"]) == ("approved", 0)
    kit = admin.post(f"{where}/kit")
    assert kit.headers["content-type"] == "application/zip"
    assert kit.content[:2] == b"PK"
    assert [site["name"] for site in admin.get("/sites").json()] == ["Site carla"]
    revoked = admin.post(f"/sites/{asked.id}/revoke", json={"reason": "contract ended"}).json()
    assert (revoked["status"], revoked["reason"]) == ("revoked", "contract ended")
    assert any("carla" in mail["recipient"] for mail in admin.get("/mails").json())
    other = ask(served.app.participants, person("dora"))
    denied = admin.post(f"/requests/{other.id}/deny", json={"reason": "no data"}).json()
    assert denied["status"] == "denied"


def test_what_is_no_address_or_no_method_or_too_big_is_a_problem_as_well(served, admin):
    assert "openapi.json" in sentence(admin.get("/nothing"), 404)
    sentence(admin.put("/me"), 405)
    sentence(admin.get("/runs/0"), 422)
    sentence(admin.get(f"/runs/{2**70}"), 422)
    big = b'{"app": "' + b"x" * 70_000 + b'"}'
    assert "64 KiB" in sentence(admin.post("/runs", content=big), 413)
    chunks = (b"x" * 1000 for _ in range(100))
    assert "64 KiB" in sentence(admin.post("/runs", content=chunks), 413)
    surrogate = b'{"app": "a", "\\ud800": 1}'
    sentence(admin.post("/runs", content=surrogate), 422)
    foreign = admin.post("/superlink/stop", headers={"origin": "http://evil.test"})
    assert foreign.status_code == 403


def test_apps_are_listed_with_their_findings_and_made_from_the_template(researcher):
    names = [app["name"] for app in researcher.get("/apps").json()]
    assert "message_app" in names
    one = researcher.get("/apps/message_app").json()
    assert (one["runnable"], one["config"]["num-server-rounds"]) == (True, 2)
    made = researcher.post("/apps", json={"name": "my-app"})
    assert (made.status_code, made.json()["runnable"]) == (201, True)
    sentence(researcher.post("/apps", json={"name": "my-app"}), 409)
    sentence(researcher.post("/apps", json={"name": "../x"}), 422)


def test_presets_alerts_and_webhooks_do_what_the_page_does(researcher):
    preset = {"name": "short", "app": "message_app", "config": {"size": 3}}
    made = researcher.put("/presets", json=preset).json()
    listed = researcher.get("/presets", params={"app": "message_app"}).json()
    assert (listed[0]["id"], listed[0]["config"]) == (made["id"], {"size": 3})
    assert researcher.delete(f"/presets/{made['id']}").status_code == 200
    wish = {"kinds": ["run_failed"], "email": "ada@example.org"}
    assert researcher.put("/alerts", json=wish).json() == wish
    assert researcher.get("/alerts").json() == wish
    inside = {"url": "http://127.0.0.1:9/", "events": ["run_failed"]}
    sentence(researcher.post("/webhooks", json=inside), 422)
    outside = {"url": "https://hooks.example.org/test", "events": ["run_failed"]}
    hook = researcher.post("/webhooks", json=outside).json()
    assert hook["secret"] not in researcher.get("/webhooks").text
    assert researcher.delete(f"/webhooks/{hook['id']}").status_code == 200
    sentence(researcher.delete(f"/webhooks/{hook['id']}"), 404)


def test_the_document_has_a_summary_and_an_example_for_everything(served):
    document = served.document()
    for method, path, operation in operations(document):
        assert operation["summary"], (method, path)
        assert operation["security"] == [{"token": []}], (method, path)
        if "requestBody" in operation:
            assert body_of(operation, document) is not None, (method, path)


def test_no_request_the_document_allows_breaks_the_contract(served):
    """Schemathesis: made-up requests, good and bad ones, the same at each run."""
    schema = schemathesis.openapi.from_dict(served.document())
    headers = {"authorization": f"Bearer {served.tokens['admin']}"}
    tried = 0
    for found in schema.get_all_operations():
        operation = found.ok()
        if operation.path in ("/superlink/start", "/superlink/stop"):
            continue  # real programs; tested with a whole federation
        good = operation.as_strategy(GenerationMode.POSITIVE)
        bad = operation.as_strategy(GenerationMode.NEGATIVE)

        tried += attacks(served, good | bad, headers)
    assert tried > 100


def attacks(served: Served, cases: st.SearchStrategy, headers: dict[str, str]) -> int:
    """Send some requests and check the answers against the document; how many they were."""
    tried = 0

    @hypothesis_settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(cases)
    def attack(case: schemathesis.Case) -> None:
        nonlocal tried
        tried += 1
        case.call_and_validate(base_url=served.url, headers=headers, excluded_checks=[*TOLERANT])

    attack()
    return tried


# -- nobody waits, nothing is lost ---------------------------------------------------------


def test_every_route_for_looking_answers_while_nothing_can_be_written(served):
    """Another program holds the lock: whatever wanted to write would wait and be told."""
    file = make_url(served.app.settings.database).database
    fresh = served.app.tokens.create(ADMIN, "fresh", "admin")[1]  # its first use is noted
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with served.client(fresh) as client:
            for verb, path in LEAST:
                if verb != "get":
                    continue
                with client.stream("GET", re.sub(r"\{\w+\}", "1", path)) as answer:
                    if answer.status_code >= 500:  # without a SuperLink some are 503
                        assert "locked" not in answer.read().decode(), path
                        assert answer.status_code != 500, path


def test_wrong_tokens_and_kits_are_in_the_trail_without_their_secrets(served, admin):
    secret = "bt_not-a-token-of-ours"
    with served.client(secret) as client:
        assert client.get("/me").status_code == 401
        told = client.post("/join", json={"token": secret, "public_key": "x"})
        assert told.status_code >= 400
    served.app.refusals.close()
    served.app.later.flush()
    for action in ("token.refused", "kit.refused"):
        found = served.app.audit.entries(ADMIN, AuditFilter(action=action)).entries
        assert found, action
        assert found[0].after["count"] >= 1
        assert found[0].address == "127.0.0.1"
        assert secret not in str(found[0].after)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("get", "/runs/99999999999999999999999999999"),
        ("delete", "/runs/99999999999999999999999999999"),
        ("get", "/runs/99999999999999999999999999999/metrics"),
        ("post", "/sites/99999999999999999999999999999/kit"),
        ("delete", "/presets/99999999999999999999999999999"),
        ("get", "/audit?before=99999999999999999999999999999"),
        ("get", "/runs?limit=99999999999999999999999999999"),
    ],
)
def test_a_number_beyond_all_tables_is_no_fault_of_ours(admin, method, path):
    answer = admin.request(method.upper(), path)
    assert answer.status_code in (200, 404, 405, 422), answer.text


@pytest.mark.parametrize("text", ["\\ud800", "\\u0000", "\\udc80\\ud800"])
def test_half_characters_in_a_body_are_no_fault_of_ours(admin, text):
    """As a client sends them that makes JSON of any string."""
    bodies = {
        "/runs": f'{{"app": "fault_app", "config": {{"server": "{text}", "{text}": 1}}}}',
        "/requests": f'{{"site": "{text}", "email": "{text}", "name": "{text}"}}',
        "/tokens": f'{{"name": "{text}", "role": "participant", "days": 1}}',
        "/webhooks": f'{{"url": "https://example.org/{text}", "kinds": ["{text}"]}}',
    }
    for path, body in bodies.items():
        answer = admin.post(path, content=body, headers={"content-type": "application/json"})
        assert answer.status_code < 500, (path, answer.text)
        answer.json()
