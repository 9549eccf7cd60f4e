"""Variables that others set: links of services, proxies, certificates, options of libraries."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import config
from blossomtune_gradio.errors import SettingsError
from blossomtune_gradio.surroundings import read_when_it_failed, service_links

ROOT = Path(__file__).parent.parent
HTTP = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")


def kubernetes(service: str, port: int = 7860, name: str = "") -> dict[str, str]:
    """All that a kubelet gives to each container for one Service."""
    own, at = service.upper().replace("-", "_"), f"10.43.0.7:{port}"
    one = f"{own}_PORT_{port}_TCP"
    named = {f"{own}_SERVICE_PORT_{name}": str(port)} if name else {}
    return named | {
        f"{own}_SERVICE_HOST": "10.43.0.7",
        f"{own}_SERVICE_PORT": str(port),
        f"{own}_PORT": f"tcp://{at}",
        one: f"tcp://{at}",
        f"{one}_PROTO": "tcp",
        f"{one}_PORT": str(port),
        f"{one}_ADDR": "10.43.0.7",
    }


def docker(alias: str) -> dict[str, str]:
    """What `docker run --link other:ALIAS` gives."""
    links = kubernetes(alias)
    own = alias.upper()
    kept = {name: value for name, value in links.items() if "_SERVICE_" not in name}
    return {**kept, f"{own}_NAME": f"/web/{alias}", f"{own}_ENV_PYTHON_VERSION": "3.11"}


@pytest.mark.parametrize(
    "links",
    [
        kubernetes("blossomtune"),
        kubernetes("blossomtune", name="HTTP"),
        kubernetes("blossomtune-web", 80),
        kubernetes("blossomtune-fleet", 7861),  # BLOSSOMTUNE_FLEET_PORT is an option, too
        kubernetes("blossomtune-superlink", 9092),
        kubernetes("blossomtune-oidc-keycloak", 8080),
        docker("blossomtune"),
        {"BLOSSOMTUNE_SERVICE_HOST": "fd00::7"},
        {"BLOSSOMTUNE_PORT": "udp://[fd00::7]:53"},
    ],
    ids=lambda links: next(iter(links)),
)
def test_what_an_orchestrator_injects_for_a_service_is_no_option(links):
    assert service_links(links) == set(links)
    settings = config.load(links)
    assert (settings.port, settings.fleet_port) == (7860, 7861)


def test_options_are_kept_beside_the_links_of_services():
    mine = {"BLOSSOMTUNE_PORT": "8080", "BLOSSOMTUNE_FLEET_PORT": "8081"}
    given = kubernetes("blossomtune") | kubernetes("blossomtune-web") | mine
    assert service_links(given) & set(mine) == set()
    assert config.load(given).port == 8080


@pytest.mark.parametrize(
    ("name", "value", "meant"),
    [
        ("PROT", "8080", "BLOSSOMTUNE_PORT"),
        ("FLEET_PUBLICHOST", "x", "BLOSSOMTUNE_FLEET_PUBLIC_HOST"),
        ("SERVICE_PORT", "80", ""),  # nothing tells it from a mistyped option
        ("WEB_PORT", "8080", ""),
        ("DATADIR", "/x", "BLOSSOMTUNE_DATA_DIR"),
    ],
)
def test_a_mistyped_option_is_still_refused_with_what_was_meant(name, value, meant):
    with pytest.raises(SettingsError, match=f"BLOSSOMTUNE_{name} is not an option. .*{meant}"):
        config.load({f"BLOSSOMTUNE_{name}": value})


@pytest.mark.parametrize("value", ["http://10.0.0.7:80", "many", "tcp:80"])
def test_a_wrong_port_is_not_taken_for_a_link(value):
    with pytest.raises(SettingsError, match="BLOSSOMTUNE_PORT is"):
        config.load({"BLOSSOMTUNE_PORT": value})


@pytest.fixture
def bare(monkeypatch):
    """The environment without any variable that an HTTP client reads."""
    for name in [name for name in os.environ if name.upper() in (*HTTP, "SSLKEYLOGFILE")]:
        monkeypatch.delenv(name)
    yield monkeypatch
    # what was taken out while the test ran must not come back by monkeypatch alone
    for name in [name for name in os.environ if name.upper() in (*HTTP, "SSLKEYLOGFILE")]:
        monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HTTPS_PROXY", "proxy.example:3128"),
        ("https_proxy", "http://user:word@proxy.example:3128"),
        ("NO_PROXY", "*.clinic.example,10.0.0.0/8,::1"),
        ("SSL_CERT_DIR", "/no/such"),
        ("REQUESTS_CA_BUNDLE", "/no/such"),
    ],
)
def test_what_stops_no_client_is_left_alone(bare, name, value):
    bare.setenv(name, value)
    assert config.left_out() == []
    assert os.environ[name] == value


@pytest.mark.parametrize("name", ["NO_PROXY", "no_proxy"])
@pytest.mark.parametrize(
    "bad", ["fd07:b51a:cc66:f0::/64", "fe80::/10", "::1/128", "[::1]", "fd00::/8, [fe80::1]"]
)
def test_exceptions_to_a_proxy_that_cannot_be_read_are_left_out_and_told(bare, name, bad):
    bare.setenv(name, f"localhost,{bad},10.0.0.0/8")
    (told,) = config.left_out()
    assert name in told
    assert bad in told
    assert os.environ[name] == "localhost,10.0.0.0/8"
    assert config.left_out() == []


def test_a_key_log_that_cannot_be_written_is_left_out_and_told(bare, tmp_path):
    bare.setenv("SSLKEYLOGFILE", str(tmp_path / "missing" / "keys"))
    (told,) = config.left_out()
    assert "SSLKEYLOGFILE" in told
    assert "SSLKEYLOGFILE" not in os.environ


@pytest.mark.parametrize(
    ("name", "value", "advice"),
    [
        ("ALL_PROXY", "socks5://127.0.0.1:1080", r"httpx\[socks\]"),
        ("all_proxy", "socks5h://127.0.0.1:1080", r"httpx\[socks\]"),
        ("HTTPS_PROXY", "socks5://127.0.0.1:1080", r"httpx\[socks\]"),
        ("HTTP_PROXY", "htp://proxy", "http://proxy.example.org:3128"),
        ("http_proxy", "://", "http://proxy.example.org:3128"),
        ("ALL_PROXY", "ftp://proxy", "http://proxy.example.org:3128"),
        ("HTTPS_PROXY", "http://[::1", "http://proxy.example.org:3128"),
        ("HTTPS_PROXY", "htp://user:pass-word@proxy", "http://proxy.example.org:3128"),
        ("SSL_CERT_FILE", "/no/such", "PEM"),
        ("SSL_CERT_FILE", __file__, "PEM"),
    ],
)
def test_a_proxy_or_certificates_that_cannot_be_used_are_refused_by_name(bare, name, value, advice):
    bare.setenv(name, value)
    with pytest.raises(SettingsError, match=f"^{name} .*{advice}") as told:
        config.left_out()
    assert "pass-word" not in str(told.value)


def test_of_several_faults_each_is_named(bare):
    bare.setenv("ALL_PROXY", "socks5://127.0.0.1:1080")
    bare.setenv("SSL_CERT_FILE", "/no/such")
    bare.setenv("NO_PROXY", "fd00::/8")
    with pytest.raises(SettingsError, match=r"ALL_PROXY.*SSL_CERT_FILE|SSL_CERT_FILE.*ALL_PROXY"):
        config.left_out()


def test_a_variable_that_a_library_chokes_on_is_named():
    environ = {"HUB_TIMEOUT": "abc", "OTHER": "1"}
    with pytest.raises(ValueError, match="invalid literal") as failed:
        int(environ["HUB_TIMEOUT"])
    assert read_when_it_failed(failed.value, environ) == ["HUB_TIMEOUT"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"ALL_PROXY": "socks5://127.0.0.1:1080"}, "ALL_PROXY names a SOCKS proxy"),
        ({"SSL_CERT_FILE": "/no/such"}, "SSL_CERT_FILE names /no/such"),
        ({"HF_HUB_DOWNLOAD_TIMEOUT": "abc"}, "Look at HF_HUB_DOWNLOAD_TIMEOUT"),
    ],
)
def test_the_server_ends_with_a_sentence_and_no_traceback(variables, said, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "blossomtune_gradio.cli", "serve", "--data-dir", tmp_path / "data"],
        cwd=ROOT,
        env={"PATH": os.defpath, **variables},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
