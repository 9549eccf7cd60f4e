"""Kinds of values that an option of the operator has, and the sentence for one that is none.

`settings.py` says which option is of which kind. Limit: a kind looks at one value; what two options
say to each other is checked there. Surprise: all raise `SettingsError`, which pydantic lets through
as it is, so that the sentence a person reads names the variable and not a type.
"""

from __future__ import annotations

import csv
import ipaddress
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, ValidationError, ValidationInfo

from blossomtune_gradio.app_variables import check_app_env
from blossomtune_gradio.errors import SettingsError
from blossomtune_gradio.surroundings import PREFIX

_NUMBERS = {"int_parsing": "a whole number", "float_parsing": "a number"}


def require(name: str, good: bool, wanted: str) -> None:
    """Raise `SettingsError` unless `good`; `name` is that of the field."""
    if not good:
        raise SettingsError(f"{variable(name)} must be {wanted}; change it and try again.")


def variable(name: str) -> str:
    """The variable of a field."""
    return f"{PREFIX}{name.upper()}"


def sentence(error: ValidationError) -> str:
    """What to say of a value that is not even of the right type."""
    first = error.errors(include_url=False)[0]
    wanted = _NUMBERS.get(first["type"], f"something else ({first['msg']})")
    return f"{variable(str(first['loc'][0]))} is {first['input']!r}, but must be {wanted}."


def _must_be(wanted: str, good: Callable[[Any], bool]) -> AfterValidator:
    """The limit of an option; `wanted` is what the sentence for a bad value tells."""

    def check(value: Any, info: ValidationInfo) -> Any:
        require(info.field_name or "", good(value), wanted)
        return value

    return AfterValidator(check)


def host_and_port(host: str, port: int) -> str:
    """As in a URL: an IPv6 address in brackets, a name as DNS knows it."""
    host = host.strip("[]")
    if ":" in host:
        return f"[{host}]:{port}"
    try:
        return f"{host.encode('idna').decode()}:{port}"
    except UnicodeError:  # no name of a host; whoever looks it up will say so
        return f"{host}:{port}"


def _is_bare(url: str) -> bool:
    """Scheme, host and perhaps a port, nothing else."""
    try:
        address = urlsplit(url)
        named = address.scheme in ("http", "https") and address.hostname and address.port != 0
    except ValueError:
        return False
    return bool(named) and "@" not in url and url == f"{address.scheme}://{address.netloc}"


def _parts(given: Any, info: ValidationInfo) -> Any:
    """What stands between commas; a part with a comma of its own stands in double quotes."""
    if not isinstance(given, str):
        return given
    try:
        rows = list(csv.reader(given.splitlines(), skipinitialspace=True, strict=True))
    except csv.Error:
        raise SettingsError(
            f"{variable(info.field_name or '')} has a double quote too many or too few. Put a part "
            'with a comma in it between two of them: "keycloak:Lovelace, Ada",hf:bob.'
        ) from None
    return frozenset(filter(None, (part.strip() for row in rows for part in row)))


def _existing(file: Path | None, info: ValidationInfo) -> Path | None:
    require(info.field_name or "", not file or file.is_file(), f"a file that exists, not {file}")
    return file


def _for_apps(names: frozenset[str]) -> frozenset[str]:
    check_app_env(names)
    return names


def _are_networks(text: str) -> bool:
    try:
        for part in filter(None, (part.strip() for part in text.split(","))):
            ipaddress.ip_network(part, strict=False)
    except ValueError:
        return False
    return True


_WITHOUT_PATH = (
    "like https://fl.example.org and without a path (SuperNodes know host and port only)"
)
# Absolute, because children work elsewhere.
Place = Annotated[Path, AfterValidator(lambda path: path.expanduser().absolute())]
File = Annotated[Place | None, AfterValidator(_existing)]
Names = Annotated[frozenset[str], BeforeValidator(_parts)]
Port = Annotated[int, _must_be("a port between 0 and 65535", lambda n: 0 <= n <= 65535)]
Positive = Annotated[float, _must_be("more than 0", lambda n: n > 0)]
Networks = Annotated[str, _must_be("networks, by commas", _are_networks)]
Url = Annotated[
    str,
    AfterValidator(lambda url: url.rstrip("/")),
    _must_be(_WITHOUT_PATH, lambda url: not url or _is_bare(url)),
]
Entrance = Annotated[str, _must_be("page or fleet, or empty", ("", "page", "fleet").__contains__)]
AppVariables = Annotated[Names, AfterValidator(_for_apps)]
AtLeastOne = Annotated[int, _must_be("at least 1", lambda n: n >= 1)]
Partitions = Annotated[int, _must_be("between 1 and 100000", lambda n: 1 <= n <= 100_000)]
Slots = Annotated[int, _must_be("between 1 and 64", lambda n: 1 <= n <= 64)]
