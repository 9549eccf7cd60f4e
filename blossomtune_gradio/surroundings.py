"""Variables that others set: orchestrators, proxies, shells. None of them may stop us unexplained.

`config.py` hands the environment in. Limit: of a variable of another program only what stops ours
is looked at. Surprise: what stops an HTTP client is not guessed from the form of a value; one is
made with each variable alone, as Gradio makes one when it is imported, and Flower for each call.
"""

from __future__ import annotations

import difflib
import re
import traceback
from collections.abc import Collection, Iterable, Iterator, Mapping, MutableMapping

from blossomtune_gradio.errors import SettingsError

PREFIX = "BLOSSOMTUNE_"
_LINK = re.compile(r"(?:tcp|udp|sctp)://\S+")
_LINKED = re.compile(
    r"_SERVICE_HOST|_SERVICE_PORT(?:_\w+)?|_PORT(?:_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)?"
    r"|_NAME|_ENV_\w+"
)
# Read by the HTTP clients of Python, whoever set them.
_HTTP = re.compile(r"\w+_PROXY|SSL_CERT_FILE|SSL_CERT_DIR|SSLKEYLOGFILE", re.IGNORECASE)
# Options of Gradio, Flower and uvicorn for programs of one's own: this one gives them itself.
_FOREIGN = re.compile(r"GRADIO_\w+|FLWR_\w+|UVICORN_\w+|WEB_CONCURRENCY|FORWARDED_ALLOW_IPS")


def service_links(environ: Mapping[str, str]) -> set[str]:
    """Variables that Kubernetes and Docker inject for a service whose name begins with ours.

    A service called blossomtune-web brings BLOSSOMTUNE_WEB_SERVICE_HOST, BLOSSOMTUNE_WEB_PORT and
    more. An address like tcp://10.0.0.7:80 tells such a family from a mistyped option.
    """
    ours = {name: value for name, value in environ.items() if name.startswith(PREFIX)}
    families = {n.removesuffix("_SERVICE_HOST") for n in ours if n.endswith("_SERVICE_HOST")}
    families |= {
        n.removesuffix("_PORT") for n, v in ours.items() if n.endswith("_PORT") and _LINK.match(v)
    }
    return set(_members(ours, families))


def _members(ours: Mapping[str, str], families: Iterable[str]) -> Iterator[str]:
    for family in families:
        for name, value in ours.items():
            rest = name.removeprefix(family)
            if rest == name or not _LINKED.fullmatch(rest):
                continue
            if rest != "_PORT" or _LINK.match(value):  # BLOSSOMTUNE_PORT=8080 is our own option
                yield name


def unknown_option(name: str, known: Collection[str]) -> SettingsError:
    """What to say of a variable with our prefix that is no option of ours."""
    close = difflib.get_close_matches(name, known, n=1)
    meant = f"Did you mean {close[0]}? " if close else ""
    return SettingsError(f"{name} is not an option. {meant}Known: {', '.join(known)}.")


def without_foreign_options(environ: MutableMapping[str, str]) -> None:
    """Take out what others wish of Gradio, Flower and uvicorn: it would stop or change ours."""
    for name in [name for name in environ if _FOREIGN.fullmatch(name)]:
        del environ[name]


def clear_way(environ: MutableMapping[str, str]) -> list[str]:
    """Make sure that an HTTP client can be made; what was taken out for it, as sentences.

    `environ` is the environment of this process. Exceptions to a proxy that nobody can read and a
    key log that cannot be written are taken out; the rest is not ours to change.

    Raises:
        SettingsError: a proxy or certificates cannot be used; doing without is not what was asked.
    """
    if _trouble() is None:
        return []
    given = {name: environ.pop(name) for name in list(environ) if _HTTP.fullmatch(name)}
    if (error := _trouble()) is not None:  # nothing that a variable says
        raise SettingsError(
            f"No HTTP client can be made ({type(error).__name__}: {error}). Install anew what "
            "BlossomTune needs: pip install --force-reinstall httpx"
        )
    told, refused = [], []
    for name, value in given.items():
        environ[name] = value
        if (error := _trouble()) is None:
            continue
        del environ[name]
        if name.upper() == "NO_PROXY":
            told.append(_shortened(environ, name, value))
        elif name == "SSLKEYLOGFILE":
            told.append(f"{name} names a file that cannot be written, so no keys are logged.")
        else:
            refused.append(_refusal(name, value, error))
    if refused:
        raise SettingsError(" ".join(refused))
    return told


def read_when_it_failed(error: BaseException | None, environ: Mapping[str, str]) -> list[str]:
    """Variables that are set and that the lines of code of a traceback name: the likely reason."""
    lines: list[str] = []
    while error is not None:
        lines += [frame.line or "" for frame in traceback.extract_tb(error.__traceback__)]
        error = error.__cause__ or error.__context__
    named = re.findall(r"[\"'](\w+)[\"']", "\n".join(lines))
    return sorted({name for name in named if name in environ})


def _shortened(environ: MutableMapping[str, str], name: str, value: str) -> str:
    """Set NO_PROXY to those of its entries that can be read; what to say of the others."""
    good: list[str] = []
    bad: list[str] = []
    for entry in filter(None, (part.strip() for part in value.split(","))):
        environ[name] = entry
        (good if _trouble() is None else bad).append(entry)
    environ[name] = ",".join(good)
    return (
        f"{name} has {', '.join(bad)}, which HTTP clients of Python cannot read: left out. They "
        "read names, and IPv6 addresses one by one."
    )


def _refusal(name: str, value: str, error: Exception) -> str:
    """What is wrong with a variable and what to do. A proxy's password is not repeated."""
    reason = "" if "@" in value else f" ({error})"
    if not name.upper().endswith("_PROXY"):
        return (
            f"{name} names {value}, which cannot be used as certificates{reason}. Name a file or "
            f"folder in PEM form, or unset {name}."
        )
    if isinstance(error, ImportError):
        return (
            f"{name} names a SOCKS proxy, for which a package is missing. Run: pip install "
            f"'httpx[socks]', or name a proxy that speaks http, or unset {name}."
        )
    return (
        f"{name} is no address of a proxy{reason}. Write it like http://proxy.example.org:3128, or "
        f"unset {name}."
    )


def _trouble() -> Exception | None:
    """Why no HTTP client can be made with the environment as it is."""
    import httpx

    try:
        httpx.Client().close()
    except Exception as error:  # noqa: BLE001 - whatever it is, it would stop the start
        return error
    return None
