"""CA, server certificate, secret and the public keys of sites."""

import hashlib
import socket
import ssl
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from blossomtune_gradio import tls
from blossomtune_gradio.errors import InvalidInput, SettingsError
from blossomtune_gradio.flower.link.site_keys import parse_public_key
from blossomtune_gradio.tls import ensure_server_credentials, make_secret_file

OPENSSH = serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH


def handshake(server: tls.ServerCredentials, name: str) -> None:
    """A real TLS connection over loopback to a server with these credentials."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server.cert, server.key)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with listener.accept()[0] as plain:
                try:
                    context.wrap_socket(plain, server_side=True).close()
                except OSError:
                    return  # the client did not like us; it tells the test

        thread = Thread(target=serve)
        thread.start()
        trust = ssl.create_default_context(cafile=str(server.ca_cert))
        trust.verify_flags |= ssl.VERIFY_X509_STRICT
        try:
            with socket.create_connection(listener.getsockname(), timeout=5) as plain:
                trust.wrap_socket(plain, server_hostname=name).close()
        finally:
            thread.join(5)


@pytest.mark.parametrize("name", ["127.0.0.1", "::1", "localhost", "fl.example.org", "10.1.2.3"])
def test_a_strict_tls_client_accepts_the_certificate_for_every_host(tmp_path, name):
    handshake(ensure_server_credentials(tmp_path, ["fl.example.org", "10.1.2.3"]), name)


def test_a_host_that_was_not_asked_for_is_refused(tmp_path):
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(ensure_server_credentials(tmp_path, []), "other.example.org")


def test_keys_are_readable_by_us_only_and_no_draft_is_left(tmp_path):
    folder = tmp_path / "new" / "certificates"
    ensure_server_credentials(folder, [])
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {entry.name: entry.stat().st_mode & 0o777 for entry in folder.iterdir()} == {
        "ca.pem": 0o600,
        "ca.key": 0o600,
        "server.pem": 0o600,
        "server.key": 0o600,
    }


def test_a_second_start_reuses_everything(tmp_path):
    ensure_server_credentials(tmp_path, ["a.example.org"])
    before = {entry: entry.read_bytes() for entry in tmp_path.iterdir()}
    ensure_server_credentials(tmp_path, ["a.example.org"])
    assert {entry: entry.read_bytes() for entry in tmp_path.iterdir()} == before


def test_new_hosts_renew_the_server_certificate_but_not_the_ca(tmp_path):
    first = ensure_server_credentials(tmp_path, ["a.example.org"])
    ca, server = first.ca_cert.read_bytes(), first.cert.read_bytes()
    second = ensure_server_credentials(tmp_path, ["b.example.org"])
    assert second.ca_fingerprint == first.ca_fingerprint
    assert second.ca_cert.read_bytes() == ca
    assert second.cert.read_bytes() != server
    handshake(second, "b.example.org")


def reissue(folder: Path, days: int) -> None:
    """Replace the server certificate by one that ends after so many days."""
    ca = x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes())
    ca_key = serialization.load_pem_private_key((folder / "ca.key").read_bytes(), None)
    key = serialization.load_pem_private_key((folder / "server.key").read_bytes(), None)
    old = x509.load_pem_x509_certificate((folder / "server.pem").read_bytes())
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(old.subject)
        .issuer_name(ca.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=60))
        .not_valid_after(now + timedelta(days=days))
    )
    for extension in old.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    cert = builder.sign(ca_key, tls.hashes.SHA256())
    (folder / "server.pem").write_bytes(cert.public_bytes(serialization.Encoding.PEM))


@pytest.mark.parametrize(("days", "renewed"), [(29, True), (31, False), (-1, True)])
def test_the_server_certificate_is_renewed_thirty_days_before_its_end(tmp_path, days, renewed):
    ensure_server_credentials(tmp_path, [])
    reissue(tmp_path, days)
    before = (tmp_path / "server.pem").read_bytes()
    ensure_server_credentials(tmp_path, [])
    assert ((tmp_path / "server.pem").read_bytes() != before) is renewed


def test_a_server_key_that_does_not_fit_is_replaced(tmp_path):
    """A crash between the two writes leaves such a pair."""
    ensure_server_credentials(tmp_path / "a", [])
    ensure_server_credentials(tmp_path / "b", [])
    (tmp_path / "a" / "server.key").write_bytes((tmp_path / "b" / "server.key").read_bytes())
    handshake(ensure_server_credentials(tmp_path / "a", []), "localhost")


def test_the_fingerprint_is_that_of_openssl(tmp_path):
    made = ensure_server_credentials(tmp_path, [])
    der = ssl.PEM_cert_to_DER_cert(made.ca_cert.read_text())
    digest = hashlib.sha256(der).hexdigest().upper()
    assert made.ca_fingerprint == "sha256:" + ":".join(
        digest[at : at + 2] for at in range(0, 64, 2)
    )


@pytest.mark.parametrize("name", ["ca.pem", "ca.key", "server.pem", "server.key"])
def test_a_damaged_file_is_named_with_its_remedy(tmp_path, name):
    ensure_server_credentials(tmp_path, [])
    (tmp_path / name).write_text("-----BEGIN NOTHING-----")
    with pytest.raises(SettingsError, match=rf"{name} is damaged.*(backup|Delete)"):
        ensure_server_credentials(tmp_path, [])


def test_a_ca_without_its_key_is_named_and_not_replaced(tmp_path):
    ca = ensure_server_credentials(tmp_path, []).ca_cert.read_bytes()
    (tmp_path / "ca.key").unlink()
    with pytest.raises(SettingsError, match=r"ca\.key is missing.*backup.*new kit"):
        ensure_server_credentials(tmp_path, [])
    assert (tmp_path / "ca.pem").read_bytes() == ca


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match=r"certificate folder .*file/sub cannot be used"):
        ensure_server_credentials(tmp_path / "file" / "sub", [])


@pytest.mark.parametrize("host", ["https://a.org", "a.org:80", "a b", "", "x" * 300, "a..b", "-a"])
def test_what_is_no_host_is_refused_with_an_example(tmp_path, host):
    with pytest.raises(SettingsError, match=r"neither a host name nor an IP"):
        ensure_server_credentials(tmp_path, [host])


def test_a_name_in_another_script_becomes_ascii(tmp_path):
    handshake(ensure_server_credentials(tmp_path, ["charité.example"]), "xn--charit-gva.example")


def test_the_secret_is_kept_private_and_not_empty(tmp_path):
    path = make_secret_file(tmp_path / "sub" / "secret")
    first = path.read_bytes()
    assert len(first) >= 32
    assert path.stat().st_mode & 0o777 == 0o600
    assert make_secret_file(path).read_bytes() == first
    path.write_bytes(b"")
    with pytest.raises(SettingsError, match="is empty"):
        make_secret_file(path)


@pytest.mark.parametrize("bits", [256, 384, 521])
def test_a_key_of_ssh_keygen_is_understood(tmp_path, bits):
    made = tmp_path / "site.key"
    command = ["ssh-keygen", "-q", "-t", "ecdsa", "-b", str(bits), "-N", "", "-f", str(made)]
    try:
        subprocess.run([*command, "-C", "ada@böx of work"], check=True)
    except FileNotFoundError:
        pytest.skip("ssh-keygen is not installed")
    listed = subprocess.run(
        ["ssh-keygen", "-lf", f"{made}.pub"], check=True, capture_output=True, text=True
    )
    key = parse_public_key(Path(f"{made}.pub").read_text())
    assert key.fingerprint == listed.stdout.split()[1]
    assert "ada" not in key.openssh
    assert serialization.load_pem_public_key(key.pem).key_size == bits


def line_of(private: object) -> str:
    return private.public_key().public_bytes(*OPENSSH).decode()


def pem_of(private: ec.EllipticCurvePrivateKey, form: str) -> str:
    return private.private_bytes(
        serialization.Encoding.PEM,
        getattr(serialization.PrivateFormat, form),
        serialization.NoEncryption(),
    ).decode()


P384 = ec.generate_private_key(ec.SECP384R1())
WRONG = {
    "ed25519": line_of(ed25519.Ed25519PrivateKey.generate()),
    "rsa": line_of(rsa.generate_private_key(65537, 2048)),
    "a pem public key": P384.public_key()
    .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    .decode(),
    "an openssh private key": pem_of(P384, "OpenSSH"),
    "a pkcs8 private key": pem_of(P384, "PKCS8"),
    "nothing": " \n ",
    "junk": "\x00\x01 hello",
    "cut off": line_of(P384)[:90],
    "of another curve than it says": line_of(P384).replace("nistp384 ", "nistp256 ", 1),
    "too long": line_of(P384) + " " + "x" * 5000,
    "two keys": f"{line_of(P384)}\n{line_of(P384)}",
    "with options": f'from="10.0.0.1" {line_of(P384)}',
}


@pytest.mark.parametrize("kind", WRONG)
def test_any_other_key_is_refused_with_the_command_that_makes_a_right_one(kind):
    with pytest.raises(InvalidInput, match=r"ssh-keygen -t ecdsa -b 384") as refusal:
        parse_public_key(WRONG[kind])
    assert len(str(refusal.value)) < 350
    assert "BEGIN" not in str(refusal.value)


def test_a_pasted_private_key_is_called_by_its_name():
    with pytest.raises(InvalidInput, match="This is a private key"):
        parse_public_key(WRONG["an openssh private key"])
