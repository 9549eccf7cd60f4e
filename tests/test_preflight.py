"""`join.py --check` on a participant's machine: each seeded fault is named, with its fix.

Real processes, the real server; behind a proxy that is a small program here, before a server with
another certificate or another time, on a machine without flwr.
"""

from __future__ import annotations

import http.server
import io
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import tomllib
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import certifi
import pytest
import tomli_w
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from starlette.responses import HTMLResponse
from starlette.types import Receive, Scope, Send

from blossomtune_gradio.application import Application
from blossomtune_gradio.settings import Settings
from blossomtune_gradio.site.kit import Site, existing_key, proof, read_site
from blossomtune_gradio.site.network import judged_clock
from blossomtune_gradio.site.reports import last_lines, without_paths
from blossomtune_gradio.site.words import Fault
from blossomtune_gradio.store.models import Participant, now
from blossomtune_gradio.tls import ensure_server_credentials
from blossomtune_gradio.web.gateway import FleetGateway, fleet_app
from blossomtune_gradio.web.server import WebServer
from tests.fleet_door import Desk, Server
from tests.people import ADMIN, PrivateKey, approved
from tests.support import free_port
from tests.test_kits import token_of

NAME = "federation.example"  # in the server's certificate, known to no DNS
# Root may read everything; without these rights it is as good as anybody else.
MORTAL = ("setpriv", "--bounding-set=-dac_override,-dac_read_search") if os.geteuid() == 0 else ()
PROXIES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy")


@dataclass
class Machine:
    """A participant's machine: an unpacked kit, and what may be wrong with it."""

    app: Application
    participant: Participant
    kit: Path
    python: list[str] = field(default_factory=lambda: [sys.executable])
    before: tuple[str, ...] = MORTAL
    environment: dict[str, str] = field(default_factory=dict)
    expected: dict[str, str] = field(default_factory=dict)
    later: ExitStack = field(default_factory=ExitStack)

    def check(self) -> subprocess.CompletedProcess[str]:
        clean = {name: value for name, value in os.environ.items() if name not in PROXIES}
        return subprocess.run(
            [*self.before, *self.python, str(self.kit / "join.py"), "--check"],
            env=clean | self.environment,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def write(self, **values: object) -> None:
        """Change entries of site.toml."""
        file = self.kit / "site.toml"
        file.write_text(tomli_w.dumps(tomllib.loads(file.read_text()) | values))

    def points_at(self, address: str) -> None:
        self.write(superlink=address, join_url=f"https://{address}/api/v1/join")

    def serve(self, certificates: str = "", clock_ahead: float = 0) -> Server:
        """Another server than the true one; by default with the true certificate."""
        credentials = self.app.credentials
        if certificates:
            credentials = ensure_server_credentials(self.kit / certificates, [])
        app = fleet_app(FleetGateway(lambda: None, credentials.ca_cert), Desk())
        server = Server(app, credentials, clock_ahead=clock_ahead)
        self.points_at(self.later.enter_context(server).address)
        return server


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Application]:
    made = Application(
        Settings(
            data_dir=tmp_path_factory.mktemp("server"),
            port=0,
            fleet_port=0,
            partitions=100,
        )
    )
    with WebServer(made):
        yield made
    made.close()


@pytest.fixture
def machine(app: Application, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Machine]:
    name = "p" + sha256(request.node.name.encode()).hexdigest()[:12]
    participant = approved(app.participants, app.outbox, name)
    kit = tmp_path / "kit"
    with zipfile.ZipFile(io.BytesIO(app.kits.make(participant.id, by=ADMIN))) as files:
        files.extractall(kit)
    made = Machine(app, participant, kit)
    with made.later:
        yield made


# ------------------------------------------------------------------ what stands in the way


class Proxy(http.server.BaseHTTPRequestHandler):
    """A hospital's proxy: lets through to `target`, forbids, or shows its login page."""

    target: tuple[str, int] | None = None
    status = 403

    def do_CONNECT(self) -> None:
        if self.target is None:
            page = b"<html>Please log in</html>"
            self.send_response(self.status)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(page)
            return
        self.send_response(200)
        self.end_headers()
        self.wfile.flush()
        with socket.create_connection(self.target) as far:
            back = threading.Thread(target=_copy, args=(far, self.connection))
            back.start()
            _copy(self.connection, far)
            back.join()

    def do_GET(self) -> None:
        self.send_error(404)

    def log_message(self, *_: object) -> None:
        pass


def _copy(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


@contextmanager
def proxy(target: tuple[str, int] | None, status: int = 403) -> Iterator[str]:
    handler = type("Handler", (Proxy,), {"target": target, "status": status})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def behind(machine: Machine, target: tuple[str, int] | None, status: int = 403) -> None:
    port = machine.app.fleet_port
    address = machine.later.enter_context(proxy(target, status))
    machine.points_at(f"{NAME}:{port}")
    machine.environment["HTTPS_PROXY"] = f"http://someone:secret@{address}"


@contextmanager
def full_backlog() -> Iterator[int]:
    """A port that never answers, as behind a firewall that drops: its queue is full."""
    with ExitStack() as stack:
        server = stack.enter_context(socket.socket())
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for _ in range(8):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(server.getsockname())
        yield server.getsockname()[1]


# ------------------------------------------------------------------ the faults


def make_key(machine: Machine, private: object = None) -> None:
    private = private or ec.generate_private_key(ec.SECP384R1())
    key = machine.kit / "site.key"
    key.touch(0o600)
    key.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))


def an_old_python(machine: Machine) -> None:
    old = machine.kit / "old_python.py"
    old.write_text(
        "import runpy, sys\n"
        "class Version(tuple): major, minor = 3, 9\n"
        "sys.version_info, sys.version = Version((3, 9, 2, 'final', 0)), '3.9.2 (old)'\n"
        "sys.argv = sys.argv[1:]\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')\n"
    )
    machine.python.append(str(old))
    machine.expected = {"python": r"is Python 3\.9\.2.*Fix: install a newer Python"}


def no_flwr(machine: Machine) -> None:
    machine.python.append("-S")
    machine.expected = {
        "flwr": r'flwr is not installed.*Fix: run: .* -m pip install "flwr==1\.4[12]'
    }


def no_flwr_any_more(machine: Machine) -> None:
    no_flwr(machine)
    make_key(machine)


def another_flwr(machine: Machine) -> None:
    machine.write(flwr="1.99.0")
    machine.expected = {"flwr": r'uses flwr 1\.99, here is .*Fix: run: .*"flwr==1\.99\.\*"'}


def a_damaged_site_toml(machine: Machine) -> None:
    (machine.kit / "site.toml").write_text("site = ")
    machine.expected = {"kit": r"site\.toml, line 1, column \d: a name without a value.*Fix: "}


def a_site_toml_that_lost_its_token(machine: Machine) -> None:
    file = machine.kit / "site.toml"
    file.write_text(re.sub("(?m)^token.*", "", file.read_text()))
    machine.expected = {"kit": r"lacks token\. Fix: Take site\.toml out of the kit's zip again"}


def a_socks_proxy(machine: Machine) -> None:
    machine.environment["ALL_PROXY"] = "socks5://127.0.0.1:1080"
    machine.expected = {"client": r"ALL_PROXY names a SOCKS proxy.*Fix: .*unset ALL_PROXY"}


def a_proxy_of_no_kind(machine: Machine) -> None:
    machine.environment["HTTPS_PROXY"] = "htp://someone:secret@proxy.example:3128"
    machine.environment["NO_PROXY"] = "127.0.0.1"
    machine.expected = {"client": r"with HTTPS_PROXY as it is .*Fix: correct or unset HTTPS_PROXY"}


def a_value_flower_refuses(machine: Machine) -> None:
    machine.write(node_config={"fine": 1, "patient-id-salt": 2**64 - 1})
    machine.expected = {"data": r"node_config\.patient-id-salt .* is too large.*Fix: Write it as"}


def a_replaced_ca(machine: Machine) -> None:
    other = ensure_server_credentials(machine.kit / "other", [])
    shutil.copy(other.ca_cert, machine.kit / "ca.pem")
    machine.expected = {
        "certificate": r"is not the one this kit was made with.*Fix: get a new kit",
        "tls": "does not vouch for",
    }


def a_clock_ahead(machine: Machine) -> None:
    machine.serve(clock_ahead=-60)
    machine.expected = {"clock": r"clock is (59|60|61) s ahead .*Fix: set this machine's clock"}


def a_clock_behind(machine: Machine) -> None:
    machine.serve(clock_ahead=400)
    machine.expected = {"clock": r"clock is (399|400) s behind .*Fix: set this machine's clock"}


def an_unknown_host(machine: Machine) -> None:
    machine.points_at("no-such-host.invalid:7861")
    machine.expected = {"name": r"no-such-host\.invalid is not found.*Fix: .*DNS"}


def a_closed_port(machine: Machine) -> None:
    machine.points_at(f"127.0.0.1:{free_port()}")
    machine.expected = {"port": r"is closed \(nobody listens there\)\. Fix: ask the admin"}


def a_firewall_that_drops(machine: Machine) -> None:
    machine.points_at(f"127.0.0.1:{machine.later.enter_context(full_backlog())}")
    machine.expected = {"port": r"a firewall on the way drops.*Fix: ask your network people"}


def somebody_in_between(machine: Machine) -> None:
    server = machine.serve(certificates="stranger")
    pem = (machine.kit / "stranger" / "server.pem").read_text()
    seen = sha256(ssl.PEM_cert_to_DER_cert(pem[: pem.index("-----END") + 25])).digest().hex(":")
    machine.expected = {"tls": rf"{server.address} answers .*{seen.upper()}.*Fix: ask the admin"}


def a_login_page_instead_of_tls(machine: Machine) -> None:
    machine.points_at(machine.later.enter_context(proxy(None)))
    machine.expected = {"tls": r"does not speak TLS .*Fix: .*must not be decrypted"}


def a_certificate_for_another_name(machine: Machine) -> None:
    behind(machine, ("127.0.0.1", machine.app.fleet_port))
    machine.expected = {"tls": rf"is not made for the name {NAME}.*Fix: use the address"}


def a_certificate_of_no_public_ca(machine: Machine) -> None:
    machine.write(ca_fingerprint="")
    machine.environment |= {"SSL_CERT_FILE": "", "SSL_CERT_DIR": ""}
    machine.expected = {
        "tls": r"the list of public CAs does not vouch for .*issued by CN=BlossomTune CA.*"
        "Fix: ask the admin.*BLOSSOMTUNE_SITES_CA"
    }


def a_firewall_that_opens_tls(machine: Machine) -> None:
    """Its CA was given to the operating system, which Flower does not ask."""
    made = ["openssl", "x509", "-hash", "-noout", "-in"]
    ca = machine.app.credentials.ca_cert
    done = subprocess.run([*made, str(ca)], capture_output=True, text=True)
    if done.returncode:
        pytest.skip("the program openssl is not here")
    folder = machine.kit / "certs"
    folder.mkdir()
    shutil.copy(ca, folder / f"{done.stdout.strip()}.0")
    machine.write(ca_fingerprint="")
    machine.environment |= {"SSL_CERT_FILE": certifi.where(), "SSL_CERT_DIR": str(folder)}
    machine.expected = {
        "tls": r"SSL_CERT_FILE \(\S+\) does not vouch for .*CN=BlossomTune CA.*"
        "Fix: a firewall of yours opens TLS.*export SSL_CERT_FILE="
    }


def public_cas_that_cannot_be_read(machine: Machine) -> None:
    machine.write(ca_fingerprint="")
    machine.environment["SSL_CERT_FILE"] = "/no/such/file"
    machine.expected = {
        "client": "SSL_CERT_FILE",
        "tls": r"cannot be loaded: SSL_CERT_FILE \(/no/such/file\).*Fix: .*unset SSL_CERT_FILE",
    }


def answered(machine: Machine, status: int, fleet_only: bool) -> None:
    """A proxy with a page of its own for what it does not pass on."""
    page = HTMLResponse("<h1>Sorry</h1>", status)
    inside = fleet_app(FleetGateway(lambda: None, machine.app.credentials.ca_cert), Desk())

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        fleet = scope["type"] == "http" and scope["path"].startswith("/v1/")
        await (page if fleet or not fleet_only else inside)(scope, receive, send)

    server = Server(app, machine.app.credentials)
    machine.points_at(machine.later.enter_context(server).address)


def a_proxy_that_keeps_flower_out(machine: Machine) -> None:
    answered(machine, 404, fleet_only=True)
    machine.expected = {
        "flower": r"keeps Flower's requests out .*answered 404, text/html.*Fix: .*Space has to be"
    }


def a_proxy_with_a_login(machine: Machine) -> None:
    answered(machine, 200, fleet_only=True)
    machine.expected = {"flower": r"answered 200, text/html.*Fix: .*without a login of its own"}


def a_proxy_with_a_small_limit(machine: Machine) -> None:
    """As nginx: it knows from the head already."""
    too_large = HTMLResponse("<h1>413 Request Entity Too Large</h1>", 413)
    inside = fleet_app(FleetGateway(lambda: None, machine.app.credentials.ca_cert), Desk())

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        length = int(dict(scope.get("headers", ())).get(b"content-length", 0))
        await (too_large if length > 1_000_000 else inside)(scope, receive, send)

    server = Server(app, machine.app.credentials)
    machine.points_at(machine.later.enter_context(server).address)
    machine.expected = {"flower": r"takes no request of 6 MB \(413\).*Fix: .*limit of bodies"}


def a_proxy_that_does_not_reach_the_server(machine: Machine) -> None:
    answered(machine, 502, fleet_only=False)
    machine.expected = {"flower": r"does not reach it \(it answered 502\)\. Fix: try again later"}


def a_proxy_that_forbids(machine: Machine) -> None:
    behind(machine, None)
    machine.expected = {"proxy": rf"it answered: HTTP/1\.. 403.*Fix: .*CONNECT to {NAME}"}


def a_proxy_that_shows_a_login_page(machine: Machine) -> None:
    behind(machine, None, status=200)
    machine.expected = {"tls": r"does not speak TLS .* login page.*Fix: ask your network people"}


def a_proxy_that_is_not_there(machine: Machine) -> None:
    machine.points_at(f"{NAME}:7861")
    machine.environment["HTTPS_PROXY"] = f"http://127.0.0.1:{free_port()}"
    machine.expected = {"port": r"is closed.*Fix: correct HTTPS_PROXY"}


def a_full_disk(machine: Machine) -> None:
    machine.write(free_disk_mb=10**9)
    machine.expected = {"disk": r"is full: \d+ MB are free.*Fix: delete what you do not need"}


def missing_data(machine: Machine) -> None:
    machine.write(node_config={"data-path": "/srv/no-such-data", "note": "text"})
    machine.expected = {
        "data": r"/srv/no-such-data does not exist.*Fix: correct node_config\.data-path"
    }


def unreadable_data(machine: Machine) -> None:
    secret = machine.kit / "data"
    secret.mkdir(mode=0o000)
    machine.write(node_config={"data": str(secret)})
    machine.expected = {"data": r"cannot be read by you\. Fix: .*the rights"}


def a_key_for_everybody(machine: Machine) -> None:
    (machine.kit / "site.key").write_text("")
    (machine.kit / "site.key").chmod(0o644)
    machine.expected = {"key": r"Other users .*mode is 0644.*Fix: run: chmod 600"}


def an_unreadable_key(machine: Machine) -> None:
    (machine.kit / "site.key").write_text("")
    (machine.kit / "site.key").chmod(0o000)
    machine.expected = {"key": r"you cannot read it\. Fix: start as that user"}


def a_damaged_key(machine: Machine) -> None:
    (machine.kit / "site.key").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\n")
    (machine.kit / "site.key").chmod(0o600)
    machine.expected = {"key": r"is damaged\. Fix: Move it away"}


def a_folder_of_somebody_else(machine: Machine) -> None:
    machine.kit.chmod(0o555)
    machine.later.callback(machine.kit.chmod, 0o755)
    machine.expected = {"folder": r"nothing can be written there\. Fix: run: sudo chown"}


def an_expired_token(machine: Machine) -> None:
    with machine.app.database.write() as session:
        session.get_one(Participant, machine.participant.id).token_expires_at = now()
    machine.expected = {"token": r"has expired\..*Fix: Get a new kit"}


def a_used_token(machine: Machine) -> None:
    token = tomllib.loads((machine.kit / "site.toml").read_text())["token"]
    machine.app.kits.join(*PrivateKey().handed_in(token))
    machine.expected = {"token": r"used with another key\. .*Fix: Get a new kit"}


def a_replaced_kit(machine: Machine) -> None:
    token_of(machine.app.kits.make(machine.participant.id, by=ADMIN))
    machine.expected = {"token": r"not valid \(any more\)\..*Fix: Get a new kit"}


def a_refused_key(machine: Machine) -> None:
    private = ed25519.Ed25519PrivateKey.generate()
    make_key(machine, private)
    machine.expected = {"token": r"needs an ECDSA public key.*Fix: Move site\.key away"}


def a_revoked_site(machine: Machine) -> None:
    make_key(machine)
    (machine.kit / "site.key").chmod(0o600)
    site = read_site(machine.kit)
    machine.app.kits.join(site.token, existing_key(site), proof(site))
    machine.app.participants.revoke(machine.participant.id, by=ADMIN, reason="contract ended")
    machine.expected = {
        "token": r"was revoked by an admin on \S+\. Reason: contract ended\. Fix: Ask the admin"
    }


def a_setting_flower_cannot_take(machine: Machine) -> None:
    machine.write(node_config={"no names with blanks": 1})
    machine.expected = {"data": r"node_config\.no names .*Fix: Names consist of letters"}


FAULTS: list[Callable[[Machine], None]] = [
    an_old_python,
    no_flwr,
    no_flwr_any_more,
    another_flwr,
    a_damaged_site_toml,
    a_site_toml_that_lost_its_token,
    a_socks_proxy,
    a_proxy_of_no_kind,
    a_value_flower_refuses,
    a_replaced_ca,
    a_clock_ahead,
    a_clock_behind,
    an_unknown_host,
    a_closed_port,
    a_firewall_that_drops,
    somebody_in_between,
    a_login_page_instead_of_tls,
    a_certificate_for_another_name,
    a_certificate_of_no_public_ca,
    a_firewall_that_opens_tls,
    public_cas_that_cannot_be_read,
    a_proxy_that_keeps_flower_out,
    a_proxy_with_a_login,
    a_proxy_with_a_small_limit,
    a_proxy_that_does_not_reach_the_server,
    a_proxy_that_forbids,
    a_proxy_that_shows_a_login_page,
    a_proxy_that_is_not_there,
    a_full_disk,
    missing_data,
    unreadable_data,
    a_key_for_everybody,
    an_unreadable_key,
    a_damaged_key,
    a_folder_of_somebody_else,
    an_expired_token,
    a_used_token,
    a_replaced_kit,
    a_refused_key,
    a_revoked_site,
    a_setting_flower_cannot_take,
]


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_fault_is_named_with_its_fix_and_nothing_else_is_called_wrong(machine, fault):
    before = {path.name for path in machine.kit.iterdir()}
    fault(machine)
    made = {path.name for path in machine.kit.iterdir()}
    ended = machine.check()
    assert ended.returncode == 2, ended.stdout + ended.stderr
    assert "Traceback" not in ended.stdout + ended.stderr
    failed = {
        line.split(":")[0].removeprefix("FAIL "): line
        for line in ended.stdout.splitlines()
        if line.startswith("FAIL ")
    }
    assert set(failed) == set(machine.expected), ended.stdout
    for name, sentence in machine.expected.items():
        assert re.search(sentence, failed[name]), failed[name]
    assert "secret" not in ended.stdout  # the proxy's password
    assert {path.name for path in machine.kit.iterdir()} == made >= before


@contextmanager
def tiny_disk(folder: Path) -> Iterator[bool]:
    """A disk of 2 MB; False where it cannot be had without more rights."""
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)])
    yield done.returncode == 0
    if done.returncode == 0:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_is_really_full_is_named(machine, tmp_path):
    with tiny_disk(tmp_path / "disk") as mounted:
        if not mounted:
            pytest.skip("mounting needs root; a high limit stands for it above")
        machine.kit = shutil.copytree(machine.kit, tmp_path / "disk" / "kit")
        (machine.kit / "fill").write_bytes(bytes(1_000_000))
        ended = machine.check()
        assert ended.returncode == 2
        assert re.search(r"FAIL disk: .* is full: \d MB are free, 1000 are needed", ended.stdout)


def test_a_machine_without_loopback_is_named(machine):
    machine.before = ("unshare", "--net")
    if subprocess.run([*machine.before, "true"], capture_output=True).returncode:
        pytest.skip("taking the network away needs root")
    ended = machine.check()
    assert "FAIL loopback: No program can be reached on 127.0.0.1 here" in ended.stdout
    assert "ip link set lo up" in ended.stdout


def test_a_machine_that_is_ready_is_told_so_and_nothing_is_used_up(machine):
    before = {path.name for path in machine.kit.iterdir()}
    ended = machine.check()
    assert ended.returncode == 0, ended.stdout
    assert ended.stdout.splitlines()[-1].startswith("Ready: ")
    assert {path.name for path in machine.kit.iterdir()} - before <= {"blossomtune_site"}
    token = tomllib.loads((machine.kit / "site.toml").read_text())["token"]
    assert not machine.app.kits.check(token).key_known
    report = machine.app.site_reports.latest(machine.participant.id, by=ADMIN)
    assert report.good
    assert all(check["ok"] for check in report.report["checks"])
    assert report.report["versions"]["flwr"]
    assert str(machine.kit) not in repr(report.report)


def test_what_is_of_no_use_to_flower_is_left_out_and_told(machine):
    networks = "localhost,127.0.0.1,fd07:b51a:cc66:f0::/64"
    machine.environment |= {"NO_PROXY": networks, "SSLKEYLOGFILE": "/no/such/folder/keys"}
    ended = machine.check()
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "NO_PROXY is used without fd07:b51a:cc66:f0::/64" in ended.stdout
    assert "SSLKEYLOGFILE names a file that cannot be written" in ended.stdout
    assert "PASS client: " in ended.stdout


def test_an_empty_data_folder_is_a_doubt_and_stops_nothing(machine):
    (machine.kit / "data").mkdir()
    machine.write(node_config={"data": str(machine.kit / "data")})
    ended = machine.check()
    assert ended.returncode == 0
    assert re.search(r"WARN data: .* is empty\. Fix: ", ended.stdout)


def test_a_good_proxy_is_used(machine, tmp_path):
    credentials = ensure_server_credentials(tmp_path / "certificates", [NAME])
    shutil.copy(credentials.ca_cert, machine.kit / "ca.pem")
    desk = Desk(token=tomllib.loads((machine.kit / "site.toml").read_text())["token"])
    with Server(fleet_app(FleetGateway(lambda: None, credentials.ca_cert), desk), credentials) as s:
        behind(machine, ("127.0.0.1", s.port))
        machine.write(ca_fingerprint=credentials.ca_fingerprint)
        ended = machine.check()
    assert ended.returncode == 0, ended.stdout
    assert re.search(r"PASS proxy: 127\.0\.0\.1:\d+ lets us through", ended.stdout)
    assert desk.reports[0]["good"]


def test_the_admin_reads_what_is_wrong_with_a_site_but_no_path_of_it(machine):
    missing_data(machine)
    machine.check()
    report = machine.app.site_reports.latest(machine.participant.id, by=ADMIN)
    assert not report.good
    wrong = next(check for check in report.report["checks"] if not check["ok"])
    assert wrong["name"] == "data"
    assert "(data) does not exist" in wrong["sentence"]
    assert "/srv/" not in repr(report.report)


def test_a_site_that_does_not_want_to_report_does_not(machine):
    machine.write(report=False)
    assert machine.check().returncode == 0
    assert machine.app.site_reports.latest(machine.participant.id, by=ADMIN) is None


def test_joining_stops_at_a_fault_of_the_machine_before_a_key_is_made(machine):
    another_flwr(machine)
    command = [sys.executable, str(machine.kit / "join.py")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 2
    assert "FAIL flwr: " in ended.stdout
    assert "PASS" not in ended.stdout
    assert not (machine.kit / "site.key").exists()
    assert not machine.app.site_reports.latest(machine.participant.id, by=ADMIN).good


@pytest.mark.parametrize(
    ("ahead", "fine"), [(-299, True), (-302, False), (0, True), (4.9, True), (5.6, False)]
)
def test_a_clock_is_judged_as_flower_does(ahead, fine):
    if fine:
        assert judged_clock(ahead)
    else:
        with pytest.raises(Fault, match="clock"):
            judged_clock(ahead)


def test_of_long_output_the_last_whole_lines_are_shared():
    assert last_lines(["first\n", "größe\n", "last\n"], 13) == "größe\nlast\n"
    assert last_lines(["x" * 100], 10) == ""


def test_paths_are_left_out_of_what_is_told(tmp_path):
    site = Site(tmp_path, "s", "a:1", "https://a", "f", "t", 0, 2, "1.41.0")
    site.node_config = {"data": "/srv/patients", "rate": 0.5}
    told = without_paths(site, f"{tmp_path}/site.key and /srv/patients/a.csv")
    assert told == "(kit)/site.key and (data)/a.csv"
