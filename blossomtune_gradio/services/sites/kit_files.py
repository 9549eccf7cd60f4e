"""What lies in a kit: the zip, and the texts for those who start a site in another way.

Pure: the same content gives the same zip. `site.toml` is 0600 in it, because it holds the token.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Mapping
from importlib import resources
from importlib.resources.abc import Traversable

from blossomtune_gradio.flower.link.commands import plain_supernode_command
from blossomtune_gradio.services.entrances import Entrance

_DAY = (2026, 1, 1, 0, 0, 0)  # of each file; when it was packed says nothing
_PROGRAMS = "blossomtune_site"
_BESIDE = ("join.py", "README.txt", "Dockerfile", "blossomtune-site.service")
_SECRET_MODE, _MODE = 0o100600, 0o100644

MAKE_KEY = "ssh-keygen -t ecdsa -b 384 -N '' -C '' -f site.key"
KIT = """\
python3 -m venv venv
venv/bin/pip install "flwr==1.42.*"
venv/bin/python join.py --check
venv/bin/python join.py"""
SYSTEMD = """\
mkdir -p ~/.config/systemd/user
cp blossomtune-site.service ~/.config/systemd/user/
systemctl --user enable --now blossomtune-site
loginctl enable-linger"""
DOCKER = """\
docker build -t blossomtune-site - < Dockerfile
docker run -d --name blossomtune-site --restart on-failure:5 \\
  --user "$(id -u):$(id -g)" -v "$PWD":/site blossomtune-site"""


def programs() -> Iterator[tuple[str, bytes]]:
    """(path in the kit, content) of every file that is the same in each kit."""
    folder = resources.files("blossomtune_gradio.site")
    for name in _BESIDE:
        yield name, folder.joinpath(name).read_bytes()
    for file in sorted(folder.iterdir(), key=_name):
        if file.name.endswith(".py") and file.name not in _BESIDE:
            yield f"{_PROGRAMS}/{file.name}", file.read_bytes()


def packed(site_toml: str, ca_cert: bytes | None) -> bytes:
    """The kit as a zip file; without `ca_cert` where the server's certificate is a public one."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as kit:
        _put(kit, "site.toml", site_toml.encode(), _SECRET_MODE)
        if ca_cert is not None:
            _put(kit, "ca.pem", ca_cert, _MODE)
        for name, content in programs():
            _put(kit, name, content, _MODE)
    return out.getvalue()


def ways(entrance: Entrance, partition_id: int, partitions: int) -> Mapping[str, str]:
    """How a site can be run: name → lines to paste, or the text of a file.

    `kit`, `systemd` and `docker` are typed in the folder of the kit; `unit` and `dockerfile` are
    files in it. `own_key` makes a key by hand, `plain` runs Flower with it, `plain_place` says
    where: beside the kit's `ca.pem`, if there is one.
    """
    ca_cert = "ca.pem" if entrance.ca else None
    folder = resources.files("blossomtune_gradio.site")
    return {
        "kit": KIT,
        "systemd": SYSTEMD,
        "unit": folder.joinpath("blossomtune-site.service").read_text(encoding="utf-8"),
        "docker": DOCKER,
        "dockerfile": folder.joinpath("Dockerfile").read_text(encoding="utf-8"),
        "own_key": MAKE_KEY,
        "plain": plain_supernode_command(
            entrance.address, partition_id=partition_id, partitions=partitions, ca_cert=ca_cert
        ),
        "plain_place": "Beside it and ca.pem from the kit" if ca_cert else "Beside it",
    }


def _put(kit: zipfile.ZipFile, name: str, content: bytes, mode: int) -> None:
    entry = zipfile.ZipInfo(name, date_time=_DAY)
    entry.external_attr = mode << 16
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.create_system = 3  # Unix, else the rights are not looked at
    kit.writestr(entry, content)


def _name(file: Traversable) -> str:
    return file.name
