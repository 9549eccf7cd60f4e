"""One https port for people and sites: through nginx and Caddy with the configurations we hand out.

Real SuperNodes join and train. The CA of the test plays the public one: at nginx it is one that
the sites' machines trust, at Caddy it goes into the kits.
"""

from __future__ import annotations

import re
import ssl
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import httpx
import pytest

from blossomtune_gradio.services.outside import seen
from blossomtune_gradio.site.kit import existing_key, read_site
from blossomtune_gradio.store.models import RunStatus
from blossomtune_gradio.web.limits import FLEET_BODY, PAGE
from tests.live import LiveFederation
from tests.people import ADMIN
from tests.proxies import DEPLOY, NAME, HttpsProxy, proxy
from tests.support import free_port

pytestmark = pytest.mark.slow
MIB = 1024 * 1024
PROTOBUF = {"content-type": "application/protobuf"}


@dataclass
class Behind:
    """A federation that is reached through a proxy only."""

    federation: LiveFederation
    proxy: HttpsProxy
    client: httpx.Client


@pytest.fixture(scope="module", params=["nginx", "caddy"])
def behind(request, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Behind]:
    folder = tmp_path_factory.mktemp(request.param)
    inside, outside = free_port(), free_port()
    with ExitStack() as stack:
        front = stack.enter_context(proxy(request.param, folder / "proxy", inside, port=outside))
        in_kits = request.param == "caddy"
        federation = stack.enter_context(
            LiveFederation(
                folder,
                port=inside,
                public_url=f"https://{NAME}:{outside}",
                trusted_proxies=frozenset(("127.0.0.1",)),
                sites_ca=front.ca if in_kits else None,
            )
        )
        if not in_kits:
            federation.at_sites = {"SSL_CERT_FILE": str(front.ca)}
        trust = ssl.create_default_context(cafile=str(front.ca))
        client = stack.enter_context(
            httpx.Client(base_url=front.url, verify=trust, trust_env=False, timeout=30)
        )
        federation.app.federation.start(by=ADMIN)
        federation.add_sites("North", "South")
        yield Behind(federation, front, client)


def test_sites_join_and_train_through_it_and_the_fleet_port_is_not_used(behind):
    federation = behind.federation
    run = federation.ended(federation.start("message_app", num_server_rounds=1, size=1_000_000))
    assert (run.status, run.cause) == (RunStatus.COMPLETED, ""), federation.why(run)
    for name in ("North", "South"):
        kit = federation.folder / "sites" / name
        site = tomllib.loads((kit / "site.toml").read_text())
        assert site["superlink"] == f"{NAME}:{behind.proxy.port}"
        assert (kit / "ca.pem").exists() == bool(federation.app.settings.sites_ca)


@pytest.mark.parametrize("chunked", [False, True])
def test_what_is_too_large_is_refused_by_us_and_not_by_the_proxy(behind, chunked):
    body = bytes(64 * MIB + 1024)
    answer = behind.client.post(
        "/v1/fleet/push-object",
        content=iter([body]) if chunked else body,
        headers=PROTOBUF,
    )
    assert answer.status_code == 413
    assert " at most " in answer.text  # nginx would say "413 Request Entity Too Large", Caddy ""


def test_the_views_of_the_page_come_as_they_are_written(behind):
    with behind.client.stream("GET", "/gradio_api/heartbeat/abc") as answer:
        assert answer.status_code == 200
        assert next(answer.iter_bytes())


def test_a_kit_of_the_fleet_port_stays_good(behind):
    app, kit = behind.federation.app, behind.federation.folder / "sites" / "North"
    asked = {
        "token": tomllib.loads((kit / "site.toml").read_text())["token"],
        "public_key": existing_key(read_site(kit)),
    }
    fleet = app.entrances.fleet
    trust = ssl.create_default_context(cadata=(fleet.ca or b"").decode())
    by_fleet = httpx.post(fleet.join_url, json=asked, verify=trust, trust_env=False)
    assert by_fleet.json()["superlink"] == fleet.address == app.fleet_address()
    by_page = behind.client.post("/api/v1/join", json=asked)
    assert by_page.json()["superlink"] == f"{NAME}:{behind.proxy.port}"


def test_doctor_sees_it_as_a_site_does(behind):
    url = behind.proxy.url
    assert seen(url, behind.proxy.ca.read_bytes()).good
    strange = seen(url)
    assert not strange.good
    assert "BLOSSOMTUNE_SITES_CA" in strange.sentence


def test_the_page_is_reached_and_nothing_else_of_the_superlink_is_reached(behind):
    assert behind.client.get("/healthz").json()["status"] == "ok"
    unsigned = behind.client.post("/v1/fleet/pull-messages", headers=PROTOBUF)
    assert unsigned.status_code == 401  # Flower's own word
    assert behind.client.post("/v1/control/list-nodes").status_code == 404
    assert behind.client.post("/v1/runtime/acquire-task").status_code == 404


def test_what_we_hand_out_for_proxies_fits_our_own_limits():
    """A proxy that keeps idle connections longer than we do would answer some requests with 502."""
    nginx, caddy = ((DEPLOY / name).read_text() for name in ("nginx.conf", "Caddyfile"))
    number = {
        "idle": (r"keepalive_timeout (\d+)s;", r"keepalive (\d+)s"),
        "body": (r"client_max_body_size (\d+)m;", r"max_size (\d+)MB"),
    }
    told = {
        what: (int(re.findall(in_nginx, nginx)[0]), int(re.findall(in_caddy, caddy)[0]))
        for what, (in_nginx, in_caddy) in number.items()
    }
    assert max(told["idle"]) < PAGE.idle_seconds
    assert told["body"][0] * MIB > FLEET_BODY
    assert told["body"][1] * 10**6 > FLEET_BODY
