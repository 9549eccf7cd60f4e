"""The keys of the federation: our own CA and the server certificate.

SuperNodes that sign with a key insist on TLS, so a federation without a bought certificate needs
a CA of its own. It is made at the first start and lives ten years, because its certificate is in
every kit; the server certificate under it is made anew whenever the hosts change or it is about
to expire. No private key of a site is ever seen here.

Surprise: 127.0.0.1 is always in the server certificate. Our own SuperExec connects there, and
without it Flower would look healthy and never start a run.
"""

from __future__ import annotations

import ipaddress
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from blossomtune_gradio.errors import SettingsError
from blossomtune_gradio.files import private_folder, write_private

_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_CA_LIFE = timedelta(days=3650)
_SERVER_LIFE = timedelta(days=397)  # what strict TLS clients still accept
_RENEW_BEFORE = timedelta(days=30)
_CLOCK_SLACK = timedelta(days=1)  # sites whose clock is slow
_LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST = re.compile(rf"(\*\.)?({_LABEL}\.)*{_LABEL}")


@dataclass(frozen=True)
class ServerCredentials:
    """Files a TLS server of ours is started with, and what a site compares the CA with."""

    ca_cert: Path
    cert: Path
    key: Path
    ca_fingerprint: str
    """SHA-256 of the CA certificate (DER), as in `sha256:AB:CD:…`."""


@dataclass(frozen=True)
class _Pair:
    cert: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def ensure_server_credentials(directory: Path, hosts: Sequence[str]) -> ServerCredentials:
    """CA and server certificate in `directory`, made when missing, reused when good.

    The server certificate is valid for loopback and for `hosts` (names or IP addresses). Raises
    SettingsError with the file and the remedy when something there cannot be read or written.
    """
    wanted = _names((*_LOOPBACK, *hosts))
    try:
        private_folder(directory)
        ca = _ensure_ca(directory)
        _ensure_server(directory, ca, wanted)
    except OSError as error:
        raise SettingsError(
            f"The certificate folder {directory} cannot be used ({error.strerror}: "
            f"{error.filename}). Give our user the right to read and write it."
        ) from error
    digest = ca.cert.fingerprint(hashes.SHA256()).hex(":").upper()
    return ServerCredentials(
        ca_cert=directory / "ca.pem",
        cert=directory / "server.pem",
        key=directory / "server.key",
        ca_fingerprint=f"sha256:{digest}",
    )


def make_secret_file(path: Path) -> Path:
    """The secret SuperLink and SuperExec share; kept when it exists, else made. Returns `path`.

    Raises SettingsError when it is empty or cannot be read or written.
    """
    try:
        private_folder(path.parent)
        if not path.exists():
            write_private(path, secrets.token_hex(32).encode())
        elif not path.read_bytes():
            raise SettingsError(f"The secret file {path} is empty. Delete it and start again.")
        path.chmod(0o600)
    except OSError as error:
        raise SettingsError(
            f"The secret file {path} cannot be used ({error.strerror}). Give our user the right "
            "to read and write it, or delete it and start again."
        ) from error
    return path


def _ensure_ca(directory: Path) -> _Pair:
    cert_file, key_file = directory / "ca.pem", directory / "ca.key"
    if not cert_file.exists():
        pair = _new_ca()
        write_private(key_file, _key_bytes(pair.key))  # first: a certificate without key is useless
        write_private(cert_file, pair.cert.public_bytes(serialization.Encoding.PEM))
        return pair
    remedy = (
        f"Restore it from a backup, or delete the folder {directory} to make a new CA; "
        "every site then needs a new kit."
    )
    pair = _load_pair(cert_file, key_file, remedy)
    if pair.cert.public_key() != pair.key.public_key():
        raise SettingsError(f"{key_file} does not belong to {cert_file}. {remedy}")
    if pair.cert.not_valid_after_utc < datetime.now(UTC):
        raise SettingsError(f"The CA in {cert_file} has expired. {remedy}")
    return pair


def _ensure_server(directory: Path, ca: _Pair, wanted: list[x509.GeneralName]) -> None:
    cert_file, key_file = directory / "server.pem", directory / "server.key"
    if cert_file.exists() and key_file.exists():
        remedy = "Delete server.pem and server.key beside it; they are made anew at the next start."
        if _serves(_load_pair(cert_file, key_file, remedy), ca, wanted):
            return
    pair = _new_server(ca, wanted)
    write_private(key_file, _key_bytes(pair.key))
    write_private(cert_file, pair.cert.public_bytes(serialization.Encoding.PEM))


def _serves(pair: _Pair, ca: _Pair, wanted: list[x509.GeneralName]) -> bool:
    """True when this certificate can go on being used: ours, for these hosts, long enough."""
    try:
        pair.cert.verify_directly_issued_by(ca.cert)
        names = pair.cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return False  # of an older CA, or not of our making
    return (
        pair.cert.public_key() == pair.key.public_key()
        and set(names) == set(wanted)
        and pair.cert.not_valid_after_utc - datetime.now(UTC) > _RENEW_BEFORE
    )


def _load_pair(cert_file: Path, key_file: Path, remedy: str) -> _Pair:
    current = cert_file
    try:
        cert = x509.load_pem_x509_certificate(cert_file.read_bytes())
        current = key_file
        key = serialization.load_pem_private_key(key_file.read_bytes(), password=None)
    except FileNotFoundError as error:
        raise SettingsError(f"{current} is missing. {remedy}") from error
    except (ValueError, TypeError) as error:
        raise SettingsError(f"{current} is damaged or of a wrong kind. {remedy}") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise SettingsError(f"{key_file} is damaged or of a wrong kind. {remedy}")
    return _Pair(cert, key)


def _new_ca() -> _Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    name = _common_name("BlossomTune CA")
    builder = _builder(name, name, key, _CA_LIFE)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=True), critical=True)
    return _Pair(builder.sign(key, hashes.SHA256()), key)


def _new_server(ca: _Pair, names: list[x509.GeneralName]) -> _Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    life = min(_SERVER_LIFE, ca.cert.not_valid_after_utc - datetime.now(UTC))
    issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.key.public_key())
    builder = _builder(_common_name("BlossomTune SuperLink"), ca.cert.subject, key, life)
    builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(False, None), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=False), critical=True)
    builder = builder.add_extension(
        x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False
    )
    builder = builder.add_extension(issuer_key, critical=False)
    return _Pair(builder.sign(ca.key, hashes.SHA256()), key)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, life: timedelta
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SLACK)
        .not_valid_after(now + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _common_name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _key_bytes(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _names(hosts: Sequence[str]) -> list[x509.GeneralName]:
    return list(dict.fromkeys(_name(host) for host in hosts))


def _name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        pass  # then it must be a name
    try:
        ascii_name = host.encode("idna").decode().lower()
    except UnicodeError:
        ascii_name = ""
    if not _HOST.fullmatch(ascii_name):
        raise SettingsError(
            f"{host!r} is neither a host name nor an IP address, so no certificate can be made "
            "for it. Write it without https://, port or path, for example fl.example.org."
        )
    return x509.DNSName(ascii_name)
