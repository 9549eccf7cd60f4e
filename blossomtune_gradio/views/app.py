"""What a Flower app looks like from outside."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from blossomtune_gradio.flower.apps.catalogue import ConfigField, FlowerApp
from blossomtune_gradio.flower.apps.config import form_value
from blossomtune_gradio.flower.apps.ranges import range_of
from blossomtune_gradio.plain_text import plain
from blossomtune_gradio.services.runs.limits import site_keys
from blossomtune_gradio.views.base import From, Tone, View, Word

_MOST_FIELDS = 100  # settings that are shown of one app
_LONGEST_VALUE = 120  # characters
_APIS = {"message": "Message API", "legacy": "older API", "unknown": ""}
_FINDING_TONES: Mapping[str, Tone] = {"error": "bad", "warning": "busy", "note": "off"}


class FindingView(View):
    level: Literal["error", "warning", "note"]
    sentence: str


class NeedsView(View):
    """What an app asks of each site, as far as its code tells."""

    packages: Annotated[list[str], From(lambda needs: sorted(set(needs.modules.values())))] = Field(
        description="To be installed, by name"
    )
    keys: list[str] = Field(description="Of [node_config], besides those every site is told")
    lacking: list[str] = Field(description="What sites that are online lack now, in sentences")


class AppView(View):
    """One Flower app."""

    name: str
    title: str
    version: str
    description: str
    runnable: bool
    config: Annotated[dict[str, Any], From(lambda app: dict(app.config))]
    components: dict[str, str]
    api: str
    bundle_hash: str
    readme: str = Field(description="Its README as harmless HTML")
    findings: Annotated[
        list[FindingView], From(lambda app: [FindingView.of(one) for one in app.findings])
    ]
    needs: NeedsView


class FieldRow(View):
    """One setting of an app on its card."""

    key: Annotated[str, From(lambda field: _short(field.key))]
    type: str
    default: Annotated[str, From(lambda one: _short(json.dumps(one.default, ensure_ascii=False)))]
    comment: str


class FindingRow(View):
    """One finding on the card or beside the form."""

    level: str
    tone: Annotated[Tone, From(lambda finding: _FINDING_TONES[finding.level])]
    text: Annotated[str, From("sentence")]


class AppRow(View):
    """One app on its card, short enough to be sent often. Its README comes when it is opened."""

    name: str
    title: str
    tone: Annotated[Tone, From(lambda app: _state(app).tone)]
    word: Annotated[str, From(lambda app: _state(app).text)]
    description: str
    about: Annotated[list[str], From(lambda app: _about(app))]
    findings: Annotated[
        list[FindingRow], From(lambda app: [FindingRow.of(one) for one in app.findings])
    ]
    fields: Annotated[
        list[FieldRow], From(lambda app: [FieldRow.of(one) for one in app.fields[:_MOST_FIELDS]])
    ]
    more_fields: Annotated[int, From(lambda app: max(0, len(app.config) - _MOST_FIELDS))]
    facts: Annotated[list[tuple[str, str]], From(lambda app: _facts(app))]
    has_readme: Annotated[bool, From(lambda app: bool(app.readme))]


class FormField(View):
    """One setting of an app in the launch form."""

    key: str
    type: str
    default: Annotated[Any, From(lambda one: form_value(one.default))]
    comment: str
    range: Annotated[str | None, From(lambda one: str(range_of(one) or "") or None)]
    least: Annotated[str | None, From(lambda one: _end(one, "least"))]
    most: Annotated[str | None, From(lambda one: _end(one, "most"))]


class AppForm(View):
    """One app as the launch form begins with it."""

    app: Annotated[str, From("name")]
    about: Annotated[
        str, From(lambda app: " · ".join(filter(None, (app.version, app.description))))
    ]
    site_keys: Annotated[list[str], From(lambda app: site_keys(app.config))]
    findings: Annotated[
        list[FindingRow], From(lambda app: [FindingRow.of(one) for one in app.findings])
    ]
    fields: Annotated[list[FormField], From(lambda app: [FormField.of(one) for one in app.fields])]

    def to_json(self) -> dict[str, Any]:
        """Without the limits that a setting has not."""
        return self.model_dump(exclude_none=True)


def app_view(app: FlowerApp, lacking: list[str]) -> AppView:
    """As REST gives it; `lacking` is what sites lack for it."""
    return AppView.of(app, needs=NeedsView.of(app.needs, lacking=lacking))


def _state(app: FlowerApp) -> Word:
    if not app.runnable:
        return Word("cannot run", "bad")
    warned = any(finding.level == "warning" for finding in app.findings)
    return Word("ready, with warnings", "busy") if warned else Word("ready", "good")


def _about(app: FlowerApp) -> list[str]:
    folder = "" if app.name == app.title else app.name
    words = (folder, app.version, app.publisher, *app.frameworks, _APIS[app.api])
    return [word for word in words if word]


def _facts(app: FlowerApp) -> list[tuple[str, str]]:
    """Pairs of a word and what it is."""
    facts = [
        ("Folder", _short(str(app.path))),
        ("Server", app.components.get("serverapp", "")),
        ("Sites", app.components.get("clientapp", "")),
        ("Needs", ", ".join(app.dependencies)),
        ("Each site needs", ", ".join(dict.fromkeys(app.needs.modules.values()))),
        ("In site.toml", ", ".join(app.needs.keys)),
        ("Bundle", f"{app.bundle_size / 1000:,.0f} kB" if app.bundle_size else ""),
        ("Bundle hash", app.bundle_hash),
        ("Git revision", app.revision),
    ]
    return [(word, text) for word, text in facts if text]


def _short(text: str) -> str:
    text = "".join(letter if letter.isprintable() else "·" for letter in plain(text))
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"


def _end(field: ConfigField, which: str) -> str | None:
    """A limit as a text, because a browser would round large numbers."""
    limit = getattr(range_of(field), which, None)
    return None if limit is None else repr(limit)
