"""The way to the server, step by step, for the checks: name, port, proxy, TLS, clock, Flower, us.

Each step goes on from where the one before stopped, with one connection, so that a fault is named
where it is: what answers instead of the server, and with which certificate. Flower tolerates a
clock that is at most 5 s ahead of the server's or 300 s behind.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import time
import urllib.parse
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any

from . import trust
from .kit import Site, existing_key
from .passage import room_for_a_model, through
from .proxy import address, connect, shown
from .server import ask_whether_welcome
from .stranger import SET_CLOCK, distrusted
from .surroundings import proxy_for
from .words import Doubt, Fault, Unreachable

SECONDS = 8.0  # for each step
AHEAD, BEHIND = 5.0, 300.0  # seconds of clock Flower tolerates
_FIREWALL = "ask your network people to let this machine out to {0} (TCP)."


class Way:
    """One walk to `site.join_url`."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._host, self._port = address(site.join_url, 443)
        self._path = urllib.parse.urlsplit(site.join_url).path
        self._proxy = proxy_for(self._host)
        self._near = address(self._proxy, 80) if self._proxy else (self._host, self._port)
        self._socket: socket.socket | None = None
        self.welcome: dict[str, Any] = {}  # the server's answer, once it took our token

    def steps(self, *, token: bool) -> list[tuple[str, Callable[[], str]]]:
        """The checks in their order; `token` asks the server about token and key, too."""
        last = [("token", self.token)] if token else []
        return [
            ("name", self.name),
            ("port", self.port),
            ("proxy", self.proxy),
            ("tls", self.tls),
            ("clock", self.clock),
            ("flower", self.flower),
            *last,
        ]

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()

    def name(self) -> str:
        host = self._near[0]
        try:
            found = socket.getaddrinfo(*self._near, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            what = "The proxy's name" if self._proxy else "The server's name"
            raise Fault(
                f"{what} {host} is not found ({error}).",
                "correct HTTPS_PROXY."
                if self._proxy
                else "check this machine's network and DNS; is the address in site.toml right?",
                passing=True,
            ) from None
        return f"{host} is {found[0][4][0]}."

    def port(self) -> str:
        where = f"{self._near[0]}:{self._near[1]}"
        try:
            self._socket = socket.create_connection(self._near, SECONDS)
        except TimeoutError:
            raise Fault(
                f"{where} does not answer at all: a firewall on the way drops what we send.",
                _FIREWALL.format(where),
                passing=True,
            ) from None
        except OSError as error:
            refused = isinstance(error, ConnectionRefusedError)
            why = "nobody listens there" if refused else error.strerror or str(error)
            raise Fault(
                f"The port of {where} is closed ({why}).",
                "ask the admin whether the server runs, and on which port."
                if not self._proxy
                else "correct HTTPS_PROXY, or start the proxy.",
                passing=True,
            ) from None
        return f"{where} takes connections."

    def proxy(self) -> str:
        if not self._proxy:
            return "none is in use."
        assert self._socket is not None
        if not self._proxy.startswith("http"):
            scheme = self._proxy.partition("://")[0]
            raise Fault(
                f"The proxy {shown(self._proxy)} is one for {scheme}, which join.py cannot use.",
                "set HTTPS_PROXY to an HTTP proxy, or if no proxy is needed run: "
                f"export NO_PROXY={self._host}",
            )
        try:
            status, first = connect(self._socket, f"{self._host}:{self._port}", self._proxy)
        except OSError as error:
            status, first = 0, str(error)
        if status == 200:
            return f"{shown(self._proxy)} lets us through."
        said = f"it answered: {first}" if first else "it hung up"
        raise Fault(
            f"The proxy {shown(self._proxy)} (HTTPS_PROXY) does not let us through to "
            f"{self._host}:{self._port}; {said}.",
            f"have it allow CONNECT to {self._host}:{self._port}, or if no proxy is needed run: "
            f"export NO_PROXY={self._host}",
            passing=True,
        )

    def tls(self) -> str:
        assert self._socket is not None
        try:
            context = trust.context(self._site)
        except (OSError, ValueError) as error:
            raise Fault(
                f"What the server is checked with cannot be loaded: {trust.voucher(self._site)} "
                f"({error}).",
                "unpack the whole kit; correct or unset SSL_CERT_FILE and SSL_CERT_DIR.",
            ) from None
        where = f"{self._host}:{self._port}"
        try:
            self._socket = context.wrap_socket(self._socket, server_hostname=self._host)
        except ssl.SSLCertVerificationError as error:
            raise distrusted(self._site, where, error, self._certificate) from None
        except (OSError, ssl.SSLError) as error:
            what = getattr(error, "reason", "") or str(error) or "it hung up"
            raise Fault(
                f"What answers at {where} does not speak TLS ({what}): something stands in "
                "between, such as a login page or a firewall that looks inside.",
                f"ask your network people to let {where} through untouched; it must not be "
                "decrypted on the way.",
                passing=True,
            ) from None
        return f"{trust.voucher(self._site)} vouches for the server's certificate."

    def _dial(self, context: ssl.SSLContext) -> ssl.SSLSocket:
        """One more connection. Raises OSError."""
        plain = socket.create_connection(self._near, SECONDS)
        try:
            if self._proxy:
                connect(plain, f"{self._host}:{self._port}", self._proxy)
            return context.wrap_socket(plain, server_hostname=self._host)  # its time-out stays
        except BaseException:
            plain.close()
            raise

    def _certificate(self, context: ssl.SSLContext) -> bytes:
        with self._dial(context) as line:
            return line.getpeercert(binary_form=True) or b""

    def clock(self) -> str:
        """Compare with the Date of an answer. Its resolution is a second, so half of one is off."""
        line = http.client.HTTPConnection(self._host, self._port, timeout=SECONDS)
        line.sock, self._socket = self._socket, None
        try:
            line.request("GET", self._path)
            answer = line.getresponse()
            said, here = answer.headers.get("Date"), time.time()
            server = parsedate_to_datetime(said or "").timestamp() + 0.5
        except (OSError, http.client.HTTPException) as error:
            raise Fault(
                f"The server hung up instead of answering ({error!r}).",
                "try again; if it stays, ask the admin.",
                passing=True,
            ) from None
        except ValueError:
            raise Doubt("The server did not tell its time.", "see that yours is right.") from None
        finally:
            line.close()
        return judged_clock(here - server)

    def flower(self) -> str:
        said = through(self._site, SECONDS)
        host = urllib.parse.urlsplit(self._site.join_url).netloc
        room_for_a_model(host, lambda: self._dial(trust.context(self._site)))
        return said

    def token(self) -> str:
        site = self._site
        try:
            answer = ask_whether_welcome(site, existing_key(site) if site.key.exists() else "")
        except Unreachable as error:
            raise Fault(str(error), "try again later.", passing=True) from None
        self.welcome = answer
        return f"the server knows us as {answer.get('site', site.site)} and takes our token."


def judged_clock(ahead: float) -> str:
    """`ahead`: seconds by which this machine's clock is ahead of the server's."""
    if ahead > AHEAD:
        raise Fault(
            f"This machine's clock is {ahead:.0f} s ahead of the server's; Flower refuses more "
            f"than {AHEAD:.0f} s.",
            SET_CLOCK,
        )
    if ahead < -BEHIND:
        raise Fault(
            f"This machine's clock is {-ahead:.0f} s behind the server's; Flower refuses more than "
            f"{BEHIND:.0f} s.",
            SET_CLOCK,
        )
    return (
        "agrees with the server's." if abs(ahead) < 2 else f"is {ahead:+.0f} s off, which is fine."
    )
