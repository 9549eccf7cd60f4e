"""The variables others have set: what Flower's HTTP client makes of them, found by making one.

Proxy variables come from many hands, and httpx, which Flower uses, refuses some that curl takes: it
raises where it is made, so the SuperNode would die again and again. What can be left out without
any loss is left out (`mend`); all else is told with the name of the variable. Surprise: a SOCKS
proxy is never passed by in silence, because going straight out may be what it is to prevent.
"""

from __future__ import annotations

import ipaddress
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Mapping, MutableMapping
from pathlib import Path

from .kit import Site
from .words import Fault

_LOOPBACK = "127.0.0.1,localhost,::1"
_KEY_LOG = "SSLKEYLOGFILE"
_SECONDS = 60
# Makes clients as the SuperNode does: with the kit's certificate or the public ones, and without
# TLS for its own parts. Then names the variables without which it can be done.
_TRY = """\
import json, os, sys
import httpx

def trouble():
    try:
        for verify in (sys.argv[1] or True, False):
            httpx.Client(verify=verify, timeout=30, follow_redirects=True).close()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""

found = trouble()
guilty = []
suspects = [name for name in os.environ if name.lower().endswith("_proxy") or "SSL" in name]
for lower in sorted({name.lower() for name in suspects}) if found else ():
    both = {name: os.environ.pop(name) for name in suspects if name.lower() == lower}
    if trouble() != found:
        guilty += sorted(both)
    os.environ.update(both)
print(json.dumps({"trouble": found, "variables": guilty}))
"""


def mend(environment: MutableMapping[str, str]) -> list[str]:
    """Take out what would stop a client and is of no use to it; what was taken out, in sentences.

    `environment` is os.environ: our own requests and all we start go by it.
    """
    said = []
    if (file := environment.get(_KEY_LOG, "")) and not _writable(file):
        del environment[_KEY_LOG]
        said.append(f"{_KEY_LOG} names a file that cannot be written, so it is left out.")
    for name in ("NO_PROXY", "no_proxy"):
        kept, unknown = _readable(environment.get(name, ""))
        if kept != environment.get(name, ""):
            environment[name] = kept
        if unknown:
            said.append(
                f"{name} is used without {', '.join(unknown)[:100]}, as Flower's HTTP client "
                "knows no IPv6 networks."
            )
    return said


def near_first(environment: Mapping[str, str]) -> str:
    """NO_PROXY for what we start: what was asked for, and always this machine itself."""
    apart = environment.get("no_proxy") or environment.get("NO_PROXY")  # as Python has it
    return f"{apart},{_LOOPBACK}" if apart else _LOOPBACK


def client(site: Site, environment: Mapping[str, str]) -> str:
    """Make an HTTP client as the SuperNode will, in the very environment it gets.

    Raises:
        Fault: it cannot be made; names the variable that is to blame.
    """
    command = [sys.executable, "-c", _TRY, str(site.ca) if site.has_own_ca else ""]
    try:
        done = subprocess.run(
            command, env=dict(environment), capture_output=True, text=True, timeout=_SECONDS
        )
        answer = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.SubprocessError):
        raise Fault(
            f"{sys.executable} cannot import httpx, which came with flwr.",
            f'run: "{sys.executable}" -m pip install --force-reinstall flwr',
        ) from None
    if not answer["trouble"]:
        return "Flower's HTTP client can be made in this environment."
    names = ", ".join(answer["variables"]) or "the proxy variables"
    if "socksio" in answer["trouble"]:
        raise Fault(
            f"{names} names a SOCKS proxy, which Flower's HTTP client cannot use.",
            "if this machine needs a proxy, set HTTPS_PROXY to an HTTP one; then run: "
            f"unset {' '.join(answer['variables']) or 'ALL_PROXY'}",
        )
    # The error itself may repeat a proxy's password, so only its kind is told.
    kind = str(answer["trouble"]).partition(":")[0]
    raise Fault(
        f"Flower's HTTP client cannot be made with {names} as it is set here ({kind}).",
        f"correct or unset {names}.",
    )


def proxy_for(host: str) -> str:
    """The proxy that Flower uses for this host, with its scheme, or ""."""
    if is_loopback(host) or urllib.request.proxy_bypass(host):
        return ""
    known = urllib.request.getproxies()
    proxy = known.get("https") or known.get("all") or ""
    return proxy if "://" in proxy or not proxy else f"http://{proxy}"


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _writable(file: str) -> bool:
    """Whether it could be opened to be added to; makes nothing."""
    path = Path(file)
    if path.exists():
        return path.is_file() and os.access(path, os.W_OK)
    return path.parent.is_dir() and os.access(path.parent, os.W_OK | os.X_OK)


def _readable(no_proxy: str) -> tuple[str, list[str]]:
    """The entries httpx can read, comma-separated, and those it cannot: IPv6 networks.

    An address in brackets is kept without them.
    """
    kept, unknown = [], []
    for entry in filter(None, map(str.strip, no_proxy.split(","))):
        bare = entry.replace("[", "").replace("]", "")
        address, _, network = bare.partition("/")
        if not _is_ipv6(address):
            kept.append(entry)
        elif network:
            unknown.append(entry)
        else:
            kept.append(bare)
    return ",".join(kept), unknown


def _is_ipv6(text: str) -> bool:
    try:
        return ipaddress.ip_address(text).version == 6
    except ValueError:
        return False
