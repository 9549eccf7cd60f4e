"""What the kit says, and the key that is made beside it and never leaves this folder."""

from __future__ import annotations

import base64
import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .toml_text import AGAIN, read_table
from .words import Problem, say

SECRET = "executor.secret"  # file in the state folder


@dataclass
class Site:
    """`site.toml` and the files beside it."""

    folder: Path
    site: str
    superlink: str  # host:port
    join_url: str
    ca_fingerprint: str  # of ca.pem; "" where the server has a public certificate
    token: str
    partition_id: int
    num_partitions: int
    flwr: str
    preload: list[str] = field(default_factory=list)
    node_config: dict[str, Any] = field(default_factory=dict)
    free_disk_mb: int = 1000
    """What must be free on the disk of this folder: models are kept there while they are sent."""
    report: bool = True
    """Whether the admin sees the result of our checks and versions."""
    share_log: bool = False
    """Whether the admin also sees our last lines of output when a training task fails here."""

    @property
    def has_own_ca(self) -> bool:
        """Whether the server is checked with `ca.pem`, or with the public CAs."""
        return bool(self.ca_fingerprint)

    @property
    def ca(self) -> Path:
        return self.folder / "ca.pem"

    @property
    def key(self) -> Path:
        return self.folder / "site.key"

    @property
    def state(self) -> Path:
        """Folder for what Flower and we remember; may be deleted while nothing runs."""
        return self.folder / "state"


_OPTIONAL = {"preload", "node_config", "free_disk_mb", "report", "share_log"}
_KINDS = {
    "partition_id": int,
    "num_partitions": int,
    "preload": list,
    "node_config": dict,
    "free_disk_mb": int,
    "report": bool,
    "share_log": bool,
}
_WORDS = {
    str: "a text in quotes",
    int: "a whole number",
    bool: "true or false",
    list: "a list in brackets",
    dict: "a table: lines below [node_config]",
}


def read_site(folder: Path) -> Site:
    """Read and check `site.toml`.

    Raises:
        Problem: it is missing, cannot be read, or lacks something.
    """
    path = folder / "site.toml"
    values = read_table(path)
    names = {name for name in Site.__dataclass_fields__ if name != "folder"}
    missing = sorted(names - _OPTIONAL - set(values))
    if missing:
        raise Problem(f"{path} lacks {', '.join(missing)}.", AGAIN)
    for name in names & set(values):
        kind = _KINDS.get(name, str)
        if type(values[name]) is not kind:
            raise Problem(f"{name} in {path} must be {_WORDS[kind]}.", "Correct that line.")
    if not all(isinstance(one, str) for one in values.get("preload", [])):
        raise Problem(f"preload in {path} must hold texts only.", "Correct that line.")
    with suppress(OSError):
        path.chmod(0o600)  # it holds the token
    return Site(folder=folder, **{name: values[name] for name in names & set(values)})


def public_key(site: Site) -> str:
    """The site's public key in OpenSSH form; the private one is made when there is none yet.

    Raises:
        Problem: the key file cannot be read or written.
    """
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric import ec

    if site.key.exists():
        return existing_key(site)
    private = ec.generate_private_key(ec.SECP384R1())
    pem = private.private_bytes(form.Encoding.PEM, form.PrivateFormat.OpenSSH, form.NoEncryption())
    try:
        write_private(site.key, pem)
    except OSError as error:
        raise Problem(
            f"{site.key} cannot be written ({error.strerror}).", "Correct the rights of its folder."
        ) from None
    say(f"Made your key {site.key}. It stays here; keep it, it is your site's identity.")
    return existing_key(site)


def existing_key(site: Site) -> str:
    """The public half of site.key. Raises Problem when there is none that can be used."""
    from cryptography.hazmat.primitives import serialization as form

    public = private_key(site).public_key()
    return str(public.public_bytes(form.Encoding.OpenSSH, form.PublicFormat.OpenSSH).decode())


def proof(site: Site) -> str:
    """The token signed with site.key: it is ours, not only its public half. Raises Problem."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    key = private_key(site)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise Problem(f"{site.key} is no ECDSA key.", "Move it away; the next start makes one.")
    message = b"blossomtune join\n" + site.token.encode()
    return base64.b64encode(key.sign(message, ec.ECDSA(hashes.SHA256()))).decode()


def private_key(site: Site) -> Any:
    """site.key, to work with. Raises Problem when there is none that can be used."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization as form

    try:
        return form.load_ssh_private_key(site.key.read_bytes(), None)
    except OSError as error:
        raise Problem(
            f"{site.key} cannot be read ({error.strerror}).", "Correct its rights."
        ) from None
    except (ValueError, TypeError, UnsupportedAlgorithm):  # TypeError: it has a passphrase
        raise Problem(f"{site.key} is damaged.", "Move it away and get a new kit.") from None


def fingerprint(key: str) -> str:
    """`SHA256:…` of an OpenSSH public key, as `ssh-keygen -lf` prints it."""
    digest = hashlib.sha256(base64.b64decode(key.split()[1])).digest()
    return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"


def write_private(path: Path, content: bytes) -> None:
    """A file only this user can read; whole or not at all, and never over an existing one."""
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    draft.rename(path)
