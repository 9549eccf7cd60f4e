"""Is everything ready? Each check passes, or names the fault and its fix.

Looks, and changes nothing: no key is made, the token is not used up. What stands on an earlier
check that failed is skipped. Surprise: when we join, a network that does not answer stops nothing,
because it may come back; a fault of this machine or a wrong certificate does.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import re
import shutil
import socket
import ssl
import stat
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from . import trust
from .kit import Site, existing_key
from .node_values import misplaced, read_back
from .programs import child_environment, supernode_program
from .surroundings import client as made_client
from .words import Doubt, Fault, Problem

PASS, WARN, FAIL, SKIP = "PASS", "WARN", "FAIL", "SKIP"
DATA_KEYS = ("data", "data-path")
NO_PATHS = ("hub", "sample")
GO_TOGETHER = frozenset(("1.41", "1.42"))
"""Versions of flwr that were seen to work with each other; any other has to be the server's own."""
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


@dataclass(frozen=True)
class Check:
    """What one look found."""

    name: str
    state: str
    sentence: str
    stops: bool = False
    """Whether joining makes no sense."""

    def line(self) -> str:
        return f"{self.state} {self.name}: {self.sentence}"


def look(name: str, at: Callable[[], str]) -> Check:
    """Do one check. `at` returns what it found, or raises Fault (or Problem)."""
    try:
        return Check(name, PASS, at())
    except Doubt as doubt:
        return Check(name, WARN, f"{doubt.sentence} Fix: {doubt.fix}")
    except Fault as fault:
        return Check(name, FAIL, f"{fault.sentence} Fix: {fault.fix}", stops=not fault.passing)
    except Problem as problem:
        return Check(name, FAIL, f"{problem.sentence} Fix: {problem.fix}", stops=True)


def look_here(site: Site) -> list[Check]:
    """Everything that can be wrong on this machine."""
    found: list[Check] = []
    for name, check in (
        ("python", python),
        ("flwr", flwr),
        ("certificate", certificate),
        ("folder", folder),
        ("key", key),
        ("disk", disk),
        ("data", data),
        ("loopback", loopback),
    ):
        found.append(look(name, lambda check=check: check(site)))  # type: ignore[misc]
    for needed in ("flwr", "certificate"):
        if any(one.name == needed and one.state == FAIL for one in found):
            return [*found, Check("client", SKIP, f"needs what {needed} looks at.")]
    return [*found, look("client", lambda: client(site))]


def up_to_first_fault(steps: Iterable[tuple[str, Callable[[], str]]]) -> list[Check]:
    """Checks that stand on each other."""
    found: list[Check] = []
    broken = ""
    for name, step in steps:
        if broken:
            found.append(Check(name, SKIP, f"needs what {broken} looks at."))
            continue
        found.append(look(name, step))
        broken = name if found[-1].state == FAIL else ""
    return found


def python(_site: Site) -> str:
    if os.name != "posix":
        raise Fault("This runs on Linux and macOS.", "on Windows, use WSL.")
    return f"{sys.version.split()[0]}, {sys.executable}"


def flwr(site: Site) -> str:
    wanted = ".".join(site.flwr.split(".")[:2])
    fix = f'run: "{sys.executable}" -m pip install "flwr=={wanted}.*"'
    try:
        found = importlib.metadata.version("flwr")
    except importlib.metadata.PackageNotFoundError:
        raise Fault(f"flwr is not installed for {sys.executable}.", fix) from None
    here = ".".join(found.split(".")[:2])
    if here != wanted and not {here, wanted} <= GO_TOGETHER:
        raise Fault(f"This federation uses flwr {wanted}, here is {found}.", fix)
    supernode_program()
    return found


def certificate(site: Site) -> str:
    """Whether what the server is checked with is there, and the one the kit was made with."""
    if not site.has_own_ca:
        return f"the server has a public one; it is checked with {trust.voucher(site)}."
    try:
        text = site.ca.read_text(encoding="ascii")
        ders = [ssl.PEM_cert_to_DER_cert(pem) for pem in _PEM.findall(text)]
    except OSError as error:
        raise Fault(
            f"{site.ca} cannot be read ({error.strerror}).", "unpack the whole kit."
        ) from None
    except ValueError:
        ders = []
    if not ders:
        raise Fault(f"{site.ca} is not a certificate.", "get a new kit.")
    if hashlib.sha256(b"".join(ders)).hexdigest() != plain_hex(site.ca_fingerprint):
        raise Fault(
            f"The certificate in {site.ca} is not the one this kit was made with, so somebody may "
            "have replaced it.",
            "get a new kit, over a way you trust.",
        )
    return "ca.pem is the one this kit was made with."


def plain_hex(fingerprint: str) -> str:
    return fingerprint.removeprefix("sha256:").replace(":", "").lower()


def folder(site: Site) -> str:
    for place in (site.folder, site.state):
        if place.exists() and not os.access(place, os.W_OK | os.X_OK):
            raise Fault(
                f"{place} belongs to {owner(place)} and nothing can be written there.",
                f'run: sudo chown -R "$USER" "{site.folder}"',
            )
    return "can be written to."


def key(site: Site) -> str:
    if not site.key.exists():
        return "none yet; the first start makes it."
    mode = stat.S_IMODE(site.key.stat().st_mode)
    if not os.access(site.key, os.R_OK):
        raise Fault(
            f"{site.key} belongs to {owner(site.key)} and you cannot read it.",
            f'start as that user, or run: sudo chown "$USER" "{site.key}"',
        )
    if mode & 0o077:
        raise Fault(
            f"Other users of this machine can use {site.key} (its mode is {mode:04o}).",
            f'run: chmod 600 "{site.key}"',
        )
    try:
        existing_key(site)
    except ImportError:  # cryptography comes with flwr
        raise Doubt("site.key cannot be looked into without flwr.", "see flwr.") from None
    return "site.key is there, and only you can read it."


def owner(path: Path) -> str:
    try:
        return path.owner()
    except (KeyError, OSError):
        return "another user"


def disk(site: Site) -> str:
    free = shutil.disk_usage(site.folder).free // 1_000_000
    if free < site.free_disk_mb:
        raise Fault(
            f"The disk of {site.folder} is full: {free} MB are free, {site.free_disk_mb} are "
            "needed for the models that are sent.",
            "delete what you do not need, or move this folder to a larger disk (free_disk_mb in "
            "site.toml is the limit).",
        )
    return f"{free} MB are free."


def data(site: Site) -> str:
    """Whether Flower takes node_config, and what it names as a path can be read."""
    read_back(site)
    if lost := misplaced(site):
        raise Doubt(
            f"{', '.join(lost)} in site.toml stands below [node_config], where only apps see it.",
            "move it above [node_config].",
        )
    paths = {
        name: value
        for name, value in site.node_config.items()
        if isinstance(value, str) and value and is_path(name, value)
    }
    for name, value in paths.items():
        fix = f"correct node_config.{name} in site.toml, or the rights of what it names."
        if value.startswith("~"):
            raise Fault(f"The data path {value} begins with ~, which no app expands.", fix)
        path = Path(value)
        if not path.exists():
            raise Fault(f"The data path {value} does not exist on this machine.", fix)
        needed = os.R_OK | os.X_OK if path.is_dir() else os.R_OK
        if not os.access(path, needed):
            raise Fault(f"The data path {value} cannot be read by you.", fix)
        if path.is_dir() and not any(path.iterdir()):
            raise Doubt(f"The data folder {value} is empty.", fix)
    return f"{', '.join(paths)} can be read." if paths else "site.toml names no path."


def is_path(name: str, value: str) -> bool:
    return value.startswith(("/", "~")) or (name in DATA_KEYS and value not in NO_PATHS)


def client(site: Site) -> str:
    """Whether the SuperNode can make its HTTP client with the variables that are set here."""
    return made_client(site, child_environment(site))


def loopback(_site: Site) -> str:
    try:
        with socket.create_server(("127.0.0.1", 0)) as one:
            socket.create_connection(one.getsockname(), 2).close()
    except OSError as error:
        why = error.strerror or str(error)
        raise Fault(
            f"No program can be reached on 127.0.0.1 here ({why}); Flower's own parts need that.",
            "switch the loopback interface on (ip link set lo up), or loosen what confines us.",
        ) from None
    return "a port on 127.0.0.1 is free for Flower's own parts."
