"""The two entrances for sites: the fleet port with our own CA, and the page's https address.

Both are open at once, so a kit stays good when the operator turns to the other one; new kits name
`chosen`. Surprise: a site is always answered with the address it came by, because its kit can only
check the certificate it finds there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from blossomtune_gradio.errors import SettingsError
from blossomtune_gradio.settings import Settings, host_and_port, is_loopback


@dataclass(frozen=True)
class Entrance:
    """One address for sites, and what they check its certificate with."""

    address: str
    """host:port, as a SuperNode wants it."""
    ca: bytes | None
    """Certificates (PEM) that go into kits; None: each site trusts the public CAs as it is."""

    @property
    def join_url(self) -> str:
        """Where `join.py` hands its key in."""
        return f"https://{self.address.removesuffix(':443')}/api/v1/join"

    @property
    def ca_fingerprint(self) -> str:
        """SHA-256 of the certificates (DER) in `ca`, like `sha256:AB:CD:…`; "" without any."""
        if self.ca is None:
            return ""
        ders = [
            cert.public_bytes(Encoding.DER) for cert in x509.load_pem_x509_certificates(self.ca)
        ]
        return f"sha256:{sha256(b''.join(ders)).digest().hex(':').upper()}"


class Entrances:
    """Where sites come in."""

    def __init__(self, settings: Settings, own_ca: Path, fleet_port: Callable[[], int]) -> None:
        """`own_ca` is our CA's certificate, read when a kit needs it; `fleet_port` is asked each
        time, as a free port is only known once it is bound.

        Raises:
            SettingsError: the CA file for kits cannot be used.
        """
        self._settings, self._own_ca, self._fleet_port = settings, own_ca, fleet_port
        self._page_ca = certificates_in(settings.sites_ca) if settings.sites_ca else None

    @property
    def chosen(self) -> Entrance:
        """The one that new kits name."""
        return self.page if self._settings.sites_use_page else self.fleet

    @property
    def fleet(self) -> Entrance:
        """The TLS listener that is only for sites."""
        return Entrance(self._fleet_address, self._own_ca.read_bytes())

    @property
    def page(self) -> Entrance:
        """The page's own address; where that is no https, the fleet port in its place."""
        address = self._settings.page_address
        return Entrance(address, self._page_ca) if address else self.fleet

    @property
    def sentence(self) -> str:
        """Where sites join, and with which certificate."""
        if not self._settings.sites_use_page:
            return f"Sites join at {self._fleet_address} with this server's own CA."
        whose = "public certificate" if self._page_ca is None else "its CA is in each kit"
        return f"Sites join at {self._settings.public_url} ({whose})."

    @property
    def _fleet_address(self) -> str:
        return host_and_port(self._settings.fleet_name, self._fleet_port())

    @property
    def warnings(self) -> list[str]:
        """What keeps sites away or makes them one for us, as far as the settings show it."""
        return list(self._warnings())

    @property
    def note(self) -> str:
        """What nobody can see from inside, as a sentence, or ""."""
        if not (self._settings.space_hosts and self._settings.sites_use_page):
            return ""
        return (
            "The Space must be public: a private one asks for a token of Hugging Face, which a "
            "SuperNode cannot send."
        )

    def _warnings(self) -> Iterator[str]:
        settings = self._settings
        if settings.sites_use_page:
            if not settings.tls_cert and not settings.trusted_proxies:
                yield (
                    "BLOSSOMTUNE_TRUSTED_PROXIES is empty, so limits and audit take all sites for "
                    "one: the proxy. Name the proxy's address there (docs/proxies.md)."
                )
        elif settings.space_hosts:
            yield (
                "A Space is reached at its page only, so no site outside comes to the fleet port. "
                "Unset BLOSSOMTUNE_SITES_VIA."
            )
        elif not settings.is_local and is_loopback(settings.fleet_name):
            yield (
                f"Only sites on this machine can join, as kits name {settings.fleet_name}. Set "
                "BLOSSOMTUNE_FLEET_HOST and BLOSSOMTUNE_FLEET_PUBLIC_HOST, or BLOSSOMTUNE_SITES_VIA"
                " to page (docs/proxies.md)."
            )


def certificates_in(file: Path) -> bytes:
    """The certificates of a PEM file and nothing else of it: a key beside them stays here.

    Raises:
        SettingsError: there is none, or the file cannot be read.
    """
    try:
        found = x509.load_pem_x509_certificates(file.read_bytes())
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"BLOSSOMTUNE_SITES_CA is {file}, but no certificates can be read there ({error}). "
            "Name a PEM file with the CA of the page's certificate, or unset it."
        ) from error
    return b"".join(cert.public_bytes(Encoding.PEM) for cert in found)
