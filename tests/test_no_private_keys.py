"""After 20 sites joined, their private keys are on their own disks and nowhere else.

Searched: every file the server keeps (its database, its logs, Flower's state), the kits, the mails,
and the command lines and environments of every process; for the very bytes of each key in every
form it could have, and for anything that looks like a private key at all.
"""

from __future__ import annotations

import base64
import io
import shutil
import stat
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import psutil
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_private_key,
)

from blossomtune_gradio.flower.link import commands
from blossomtune_gradio.site.kit import Site, proof, public_key
from tests.live import PATH, LiveFederation
from tests.people import ADMIN, approved, person
from tests.support import free_port, wait_for

pytestmark = pytest.mark.slow
REAL, ALL = 2, 20
LOOKS_PRIVATE = (
    b"PRIVATE KEY-----",
    b"openssh-key-v1\0",
    base64.b64encode(b"openssh-key-v1\0").rstrip(b"="),
)


def forms(key: ec.EllipticCurvePrivateKey) -> Iterator[bytes]:
    """The secret number, and each file it can be written to, as bytes that would be found."""
    number = key.private_numbers().private_value
    raw = number.to_bytes(48, "big")
    der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    old = key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    yield from (raw, raw[::-1], raw.hex().encode(), raw.hex().upper().encode())
    yield from (str(number).encode(), der, old)
    for start in range(3):  # base64 looks different at each of three offsets
        coded = base64.b64encode(bytes(start) + raw)[4:-4]
        yield from (coded, coded.replace(b"+", b"-").replace(b"/", b"_"))


def holds(content: bytes, needles: list[bytes]) -> bool:
    flat = b"".join(content.split())  # PEM breaks its lines
    return any(form in content or form in flat for form in needles)


def what_the_server_keeps(data: Path) -> Iterator[tuple[str, bytes]]:
    for file in sorted(data.rglob("*")):
        if file.is_file():
            yield str(file), file.read_bytes()


def what_processes_show(processes: Iterable[psutil.Process]) -> Iterator[tuple[str, bytes]]:
    for process in processes:
        try:
            shown = "\n".join([*process.cmdline(), *process.environ().values()])
        except psutil.Error:
            continue
        yield f"process {process.pid}", shown.encode(errors="surrogateescape")


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveFederation]:
    with LiveFederation(tmp_path_factory.mktemp("keys"), partitions=ALL + 1) as made:
        made.app.federation.start(by=ADMIN)
        yield made


@pytest.fixture(scope="module")
def onboarded(federation: LiveFederation) -> tuple[list[ec.EllipticCurvePrivateKey], list[bytes]]:
    """The private keys of 20 sites, read where the sites have them, and the kits."""
    federation.add_sites(*(f"Clinic {number}" for number in range(REAL)))
    homes = [federation.folder / "sites" / name for name in federation.sites]
    kits = []
    app = federation.app
    for number in range(REAL, ALL):
        name = f"p{number}"
        row = approved(app.participants, app.outbox, name)
        kits.append(app.kits.make(row.id, by=person(name)))
        home = federation.folder / "sites" / name
        with zipfile.ZipFile(io.BytesIO(kits[-1])) as files:
            files.extractall(home)
        site = Site(folder=home, **tomllib.loads((home / "site.toml").read_text()))
        app.kits.join(site.token, public_key(site), proof(site))
        homes.append(home)
    keys = [load_ssh_private_key((home / "site.key").read_bytes(), None) for home in homes]
    assert len({key.private_numbers().private_value for key in keys}) == ALL
    return keys, kits


def test_the_search_would_find_a_key(tmp_path):
    key = ec.generate_private_key(ec.SECP384R1())
    for encoding, form in (
        (Encoding.PEM, PrivateFormat.OpenSSH),
        (Encoding.PEM, PrivateFormat.PKCS8),
        (Encoding.DER, PrivateFormat.PKCS8),
        (Encoding.PEM, PrivateFormat.TraditionalOpenSSL),
    ):
        written = key.private_bytes(encoding, form, NoEncryption())
        content = b"".join(written.splitlines()) if encoding is Encoding.PEM else written
        assert any(form in content for form in (*forms(key), *LOOKS_PRIVATE)), (encoding, form)
        bare = written.split(b"-----")[2] if encoding is Encoding.PEM else written
        joined = b"".join(bare.split()) if encoding is Encoding.PEM else bare
        assert any(form in joined for form in (*forms(key), LOOKS_PRIVATE[2]))
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    assert not any(form in public for form in (*forms(key), *LOOKS_PRIVATE))


def test_no_private_key_of_a_site_is_anywhere_on_the_server(federation, onboarded):
    keys, kits = onboarded
    needles = [form for key in keys for form in forms(key)]
    places = [
        *what_the_server_keeps(federation.app.settings.data_dir),
        *what_processes_show(psutil.process_iter()),
        *((f"mail {m.id}", m.body.encode()) for m in federation.app.outbox.newest(ADMIN, 1000)),
    ]
    for number, kit in enumerate(kits):
        with zipfile.ZipFile(io.BytesIO(kit)) as files:
            places += [(f"kit {number}: {name}", files.read(name)) for name in files.namelist()]
    assert sum(name.endswith((".db", ".sqlite", ".sqlite3")) for name, _ in places)
    assert [name for name, content in places if holds(content, needles)] == []
    planted = (federation.folder / "sites" / "p7" / "site.key").read_bytes()
    assert holds(b"log line\n" + planted, needles)  # the search itself works


def test_what_looks_like_a_private_key_is_the_servers_own_and_only_it_may_read_it(
    federation, onboarded
):
    data = federation.app.settings.data_dir
    found = [
        Path(name)
        for name, content in what_the_server_keeps(data)
        if any(sign in content for sign in LOOKS_PRIVATE)
    ]
    assert {path.parent for path in found} == {data / "certificates"}
    assert sorted(path.name for path in found) == ["ca.key", "server.key"]
    for path in found:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    ours = psutil.Process().children(recursive=True)
    assert len(ours) >= 2 + REAL
    assert not [name for name, text in what_processes_show(ours) if b"PRIVATE KEY" in text]


def test_somebody_with_a_key_of_their_own_is_online_with_the_plain_command(
    federation, onboarded, tmp_path
):
    app = federation.app
    row = approved(app.participants, app.outbox, "handmade")
    ways = app.kits.ways(row.id, by=person("handmade"))
    for name in ("own_key", "prove"):
        typed = subprocess.run(
            ways[name], shell=True, cwd=tmp_path, check=True, capture_output=True
        )
    app.kits.accept_key(row.id, typed.stdout.decode(), by=person("handmade"))
    shutil.copy(app.credentials.ca_cert, tmp_path / "ca.pem")
    wait_for(lambda: any(s.name == row.site and s.node_id for s in app.sites.sites(ADMIN)), 30)
    env = commands.child_environment(tmp_path / "home", path=PATH)
    env["PATH"] = f"{Path(sys.executable).parent}:{PATH}"
    with (tmp_path / "out").open("wb") as out:
        command = f"exec {ways['plain']} --port {free_port()}"  # exec: it is what we end
        node = subprocess.Popen(command, shell=True, cwd=tmp_path, env=env, stdout=out, stderr=out)
    try:
        wait_for(lambda: row.site in federation.online(), 90)
    finally:
        node.terminate()
        node.wait(30)
