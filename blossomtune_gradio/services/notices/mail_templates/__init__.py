"""Mails from templates: `KIND.txt` (its first line is the subject) and `KIND.html`, all in here.

An operator overrides single files with files of the same name in a folder of their own; both are
Jinja, sandboxed, and what people typed is escaped in HTML. Surprise: a broken file of the operator
never costs a mail; ours is used instead, and the log says so.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jinja2 import FileSystemLoader, TemplateNotFound
from jinja2.sandbox import ImmutableSandboxedEnvironment

from blossomtune_gradio.errors import SettingsError
from blossomtune_gradio.plain_text import plain

_log = logging.getLogger(__name__)
_OURS = Path(__file__).parent
_SUBJECT = "Subject:"
_TOO_MANY_BLANK_LINES = re.compile(r"\n\s*\n(\s*\n)+")
KINDS = frozenset(file.stem for file in _OURS.glob("*.txt"))
"""The kinds of mails there are."""


class _Broken(ValueError):
    """A template that renders, but to no mail of ours."""


@dataclass(frozen=True)
class Rendered:
    """What a mail says. The subject is one line."""

    subject: str
    text: str
    html: str


class Templates:
    """Renders mails."""

    def __init__(self, folder: Path | None = None) -> None:
        """`folder` overrides files of ours; the log has those that cannot be used.

        Raises:
            SettingsError: the folder does not exist.
        """
        if folder and not folder.is_dir():
            raise SettingsError(
                f"BLOSSOMTUNE_MAIL_TEMPLATES_DIR is {folder}, but that is no folder. Make it, or "
                "leave the variable empty."
            )
        self._has_own = folder is not None
        self._ours = _environment([_OURS])
        self._own = _environment([folder, _OURS] if folder else [_OURS])

    def render(self, kind: str, words: Mapping[str, object]) -> Rendered:
        """The mail of one kind. Raises KeyError for a kind there is none of."""
        if kind not in KINDS:
            raise KeyError(f"There is no template for mails of the kind {kind!r}.")
        safe = {name: _harmless(value) for name, value in words.items()}
        if self._has_own:
            try:
                return _render(self._own, kind, safe)
            except Exception as error:  # noqa: BLE001 - a template can raise anything
                where = plain(f"{type(error).__name__}: {error}")[:200]
                _log.warning(
                    "Your mail template %s cannot be used (%s); ours is sent.",
                    kind,
                    where,
                    exc_info=True,
                )
        return _render(self._ours, kind, safe)


def _environment(folders: list[Path]) -> ImmutableSandboxedEnvironment:
    return ImmutableSandboxedEnvironment(
        loader=FileSystemLoader(folders),
        autoescape=lambda name: bool(name and name.endswith(".html")),
        keep_trailing_newline=True,
    )


def _render(
    environment: ImmutableSandboxedEnvironment, kind: str, words: dict[str, str]
) -> Rendered:
    written = environment.get_template(f"{kind}.txt").render(words)
    first, _, body = written.lstrip("\ufeff").partition("\n")
    if not first.startswith(_SUBJECT) or not body.strip():
        raise _Broken(f"{kind}.txt must begin with a line '{_SUBJECT} …' and go on with a text")
    subject = plain(first.removeprefix(_SUBJECT).strip())[:200]
    text = _TOO_MANY_BLANK_LINES.sub("\n\n", body).strip() + "\n"
    html = _html(environment, kind, words | {"subject": subject})
    if kind == "code" and not all(words["code"] in part for part in (text, html) if part):
        raise _Broken("the code is missing in it")
    return Rendered(subject, text, html)


def _html(environment: ImmutableSandboxedEnvironment, kind: str, words: dict[str, str]) -> str:
    try:
        return environment.get_template(f"{kind}.html").render(words)
    except TemplateNotFound as missing:
        if missing.name == f"{kind}.html":
            return ""
        raise


def _harmless(value: object) -> str:
    """A word as text: no colours, control characters or marks that turn the reading direction."""
    shown = f"{value:g}" if isinstance(value, float) else str("" if value is None else value)
    return "\n".join(plain(line) for line in shown.split("\n"))
