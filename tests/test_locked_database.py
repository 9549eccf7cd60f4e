"""Another program holds the SuperLink's database: everybody waits, nobody dies, nothing is lost."""

from __future__ import annotations

import sqlite3
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from blossomtune_gradio.errors import FlowerUnreachable
from blossomtune_gradio.flower.link import commands
from blossomtune_gradio.services.runtimes.superlink import CONNECTION
from blossomtune_gradio.store.models import RunStatus
from blossomtune_gradio.tls import ensure_server_credentials
from blossomtune_gradio.web.gateway import ASKING, FleetGateway, fleet_app
from tests.fleet_door import Desk, Server
from tests.fleet_site import FleetSite, refusal
from tests.live import PATH, LiveFederation
from tests.people import ADMIN, approved
from tests.support import wait_for

pytest_plugins = ["tests.live_fixtures"]
PATIENCE = 6.5  # seconds; flwr itself waits for 5 and then gives up


@contextmanager
def locked(federation: LiveFederation) -> Iterator[None]:
    """Hold the lock that every writer needs, from a connection of our own."""
    path = federation.app.settings.data_dir / "flower" / "superlink.db"
    with closing(sqlite3.connect(path, timeout=20, isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        yield
        database.execute("ROLLBACK")


@pytest.mark.slow
def test_a_run_outlives_a_database_that_is_locked_again_and_again(federation):
    """Each lock is longer than flwr's patience, and falls on another step of the run."""
    app = federation.app
    executor, superlink = app.superlink.executor.pid, app.superlink.status.pid
    run = federation.start("message_app", num_server_rounds=3, client_sleep=1.0)
    wait_for(lambda: app.runs.get(run.id, ADMIN).status is RunStatus.RUNNING, 60)
    deadline = time.monotonic() + 45
    while not app.runs.get(run.id, ADMIN).status.is_end and time.monotonic() < deadline:
        with locked(federation):
            time.sleep(PATIENCE)
        time.sleep(1.5)
    ended = federation.ended(run)
    assert ended.status is RunStatus.COMPLETED, ended.cause
    assert ended.cause == ""
    assert (app.superlink.executor.pid, app.superlink.status.pid) == (executor, superlink)
    assert federation.online() == {"North", "South"}
    assert any("database is locked" in line for line in federation.log("superlink"))


@pytest.mark.slow
def test_a_run_that_starts_while_the_database_is_locked_starts_when_it_is_free(federation):
    app, home = federation.app, federation.app.settings.data_dir / "flower"
    argv = commands.run_argv(app.settings.flower_apps_dir / "message_app", CONNECTION)
    env = commands.child_environment(home, path=PATH)
    with locked(federation):
        run = federation.start("message_app", num_server_rounds=1, evaluate=False)
        typed = subprocess.run(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    with pytest.raises(FlowerUnreachable, match="database is locked"):  # so ours is tried again
        commands.parse_run_output(typed.stdout.decode())
    ended = federation.ended(run)
    assert ended.status is RunStatus.COMPLETED, ended.cause


@pytest.mark.slow
def test_a_site_is_told_to_try_again_whatever_it_sends(federation):
    app = federation.app
    row = approved(app.participants, app.outbox, "pat")
    ca = app.credentials.ca_cert
    with FleetSite(app.fleet_address(), ca, ec.generate_private_key(ec.SECP384R1())) as site:
        app.kits.accept_key(row.id, site.openssh, ADMIN)
        wait_for(lambda: any(s.node_id for s in app.sites.sites(ADMIN) if "pat" in s.name))
        site.activate()
        run = federation.start("message_app", num_server_rounds=1, min_nodes=3, evaluate=False)
        found = []
        wait_for(lambda: found.append(site.pull()) or found[-1] is not None, 60)
        reply = site.reply(found[-1])
        answer = None

        def refused(step) -> tuple[int, str]:
            with locked(federation), pytest.raises(httpx.HTTPStatusError) as error:
                step()
            return refusal(error.value)

        steps = [site.pull, lambda: site.client.PushMessages(site.announced(reply))]
        for step in steps:
            code, text = refused(step)
            assert (code, "database is locked" in text) == (503, True)
        answer = site.client.PushMessages(site.announced(reply))
        code, _text = refused(lambda: site.send_rest(reply, answer))
        assert code == 503
        site.send_rest(reply, answer)
        ended = federation.ended(run)
        assert ended.status is RunStatus.COMPLETED, ended.cause
    app.participants.revoke(row.id, ADMIN, "only a test")


@pytest.mark.parametrize(
    ("path", "expected"),
    [*((path.decode(), 503) for path in ASKING), ("/v1/fleet/get-fab", 500)],
)
def test_whoever_may_ask_again_is_never_told_500(tmp_path, path, expected):
    """Behind the gateway everything is broken; after one 500 no heartbeat would follow."""

    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        await JSONResponse({"detail": "Internal server error."}, 500)(scope, receive, send)

    credentials = ensure_server_credentials(tmp_path / "certificates", [])
    with Server(broken, credentials) as behind:
        gateway = FleetGateway(lambda: f"https://{behind.address}", credentials.ca_cert)
        with Server(fleet_app(gateway, Desk()), credentials) as front:
            context = ssl.create_default_context(cafile=str(credentials.ca_cert))
            with httpx.Client(verify=context, trust_env=False) as client:
                answers = [client.post(f"https://{front.address}{path}") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [expected] * 3
    assert ("retry-after" in answers[0].headers) is (expected == 503)
