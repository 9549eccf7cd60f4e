"""nginx and Caddy as an operator sets them up: with the configurations in `deploy/`.

Only what must differ on a test machine is replaced (name, ports, certificate, upstream), and each
replacement must find what it replaces. The certificate is of a CA made for the test, which plays
the public one.
"""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from blossomtune_gradio.tls import ServerCredentials, ensure_server_credentials
from tests.proxy_install import found
from tests.support import free_port, wait_for

DEPLOY = Path(__file__).parent.parent / "deploy"
NAME = "localhost"


@dataclass(frozen=True)
class HttpsProxy:
    """One that runs."""

    port: int
    url: str
    ca: Path
    log: Path


def _replaced(file: str, changes: dict[str, str]) -> str:
    text = (DEPLOY / file).read_text()
    for old, new in changes.items():
        assert old in text, f"{file} has no {old!r} any more"
        text = text.replace(old, new)
    return text


def _nginx(folder: Path, port: int, inside: int, tls: ServerCredentials) -> tuple[str, list[str]]:
    site = _replaced(
        "nginx.conf",
        {
            "listen 80;": f"listen 127.0.0.1:{free_port()};",
            "    listen [::]:80;\n": "",
            "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
            "    listen [::]:443 ssl http2;\n": "",
            "server_name fl.example.org;": f"server_name {NAME};",
            "/etc/letsencrypt/live/fl.example.org/fullchain.pem": str(tls.cert),
            "/etc/letsencrypt/live/fl.example.org/privkey.pem": str(tls.key),
            "127.0.0.1:7860": f"127.0.0.1:{inside}",
        },
    )
    places = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "\n".join(f"{place}_temp_path {folder}/{place};" for place in places)
    user = "user root;\n" if os.geteuid() == 0 else ""
    around = f"{user}pid {folder}/pid;\nerror_log stderr;\ndaemon off;\nevents {{}}\n"
    text = f"{around}http {{\naccess_log {folder}/access.log;\n{temporary}\n{site}\n}}\n"
    return text, [found("nginx") or "", "-c", str(folder / "config"), "-p", str(folder)]


def _caddy(folder: Path, port: int, inside: int, tls: ServerCredentials) -> tuple[str, list[str]]:
    site = _replaced(
        "Caddyfile",
        {
            "fl.example.org {\n": f"https://{NAME}:{port} {{\n"
            f"\tbind 127.0.0.1\n\ttls {tls.cert} {tls.key}\n",
            "127.0.0.1:7860": f"127.0.0.1:{inside}",
        },
    )
    text = "{\n\tadmin off\n\tauto_https disable_redirects\n}\n" + site
    config = str(folder / "config")
    return text, [found("caddy") or "", "run", "--config", config, "--adapter", "caddyfile"]


KINDS: dict[str, Callable[[Path, int, int, ServerCredentials], tuple[str, list[str]]]] = {
    "nginx": _nginx,
    "caddy": _caddy,
}


@contextmanager
def proxy(
    kind: str, folder: Path, inside: int, *, names: tuple[str, ...] = (), port: int = 0
) -> Iterator[HttpsProxy]:
    """nginx or Caddy before the port `inside`; skips the test where it is not installed."""
    if found(kind) is None:
        pytest.skip(f"{kind} is not installed; `make proxies` fetches it")
    folder.mkdir(parents=True)
    tls = ensure_server_credentials(folder / "certificates", list(names))
    port = port or free_port()
    text, argv = KINDS[kind](folder, port, inside, tls)
    (folder / "config").write_text(text)
    home = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    log = folder / "log"
    with log.open("wb") as out:
        child = subprocess.Popen(argv, stdout=out, stderr=out, env=dict(os.environ) | home)
    try:
        wait_for(lambda: child.poll() is not None or _listens(port), 20)
        assert child.poll() is None, log.read_text()
        yield HttpsProxy(port, f"https://{NAME}:{port}", tls.ca_cert, log)
    finally:
        child.terminate()
        child.wait(20)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
