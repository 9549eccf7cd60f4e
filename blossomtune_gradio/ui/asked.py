"""Fields of what a script of ours asks a server function. Anybody can send anything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from blossomtune_gradio.errors import InvalidFields, InvalidInput

_LONGEST = 20_000


def text(asked: object, name: str) -> str:
    """A text, "" when it is missing or something else."""
    value = field(asked, name)
    return value[:_LONGEST] if isinstance(value, str) else ""


def number(asked: object, name: str) -> int:
    """A whole number.

    Raises:
        InvalidInput: there is none.
    """
    value = field(asked, name)
    if type(value) is not int:
        raise InvalidInput("The page sent no valid number. Reload it and try again.")
    return value


def typed_number(asked: object, name: str, what: str) -> int:
    """A whole number that somebody typed; empty is 0.

    Raises:
        InvalidFields: it is none; the sentence begins with `what`.
    """
    value = field(asked, name)
    shown = str(value if value is not None else "").strip()
    if not shown:
        return 0
    if not shown.removeprefix("-").isdecimal() or len(shown) > 12:
        raise InvalidFields({name: f"{what} must be a whole number."})
    return int(shown)


def texts(asked: object, name: str) -> list[str]:
    """The texts of a list; others are left out."""
    value = field(asked, name)
    return [one for one in value[:100] if isinstance(one, str)] if isinstance(value, list) else []


def mapping(asked: object, name: str) -> dict[str, Any]:
    """An object, empty when it is missing or something else."""
    value = field(asked, name)
    return {str(key): one for key, one in value.items()} if isinstance(value, Mapping) else {}


def field(asked: object, name: str) -> Any:
    """Whatever was sent under this name, or None."""
    return asked.get(name) if isinstance(asked, Mapping) else None
