"""What an app says of itself, cut and cleaned before anybody else sees it. Pure."""

from __future__ import annotations

from dataclasses import replace

from blossomtune_gradio.flower.apps.facts import Finding, FlowerApp
from blossomtune_gradio.plain_text import plain

_LONGEST_SENTENCE = 400  # characters


_LONGEST_WORDS = 300  # characters of a title or description


_MOST_DEPENDENCIES = 50


def harmless(app: FlowerApp) -> FlowerApp:
    """Whatever the app says of itself can be shown anywhere: one line, no control characters."""
    return replace(
        app,
        title=shown(app.title),
        version=shown(app.version),
        publisher=shown(app.publisher),
        description=shown(app.description),
        components={key: shown(value) for key, value in app.components.items()},
        dependencies=tuple(shown(line) for line in app.dependencies[:_MOST_DEPENDENCIES]),
        comments={key: shown(said) for key, said in app.comments.items()},
        findings=tuple(
            Finding(one.level, shown(one.sentence, _LONGEST_SENTENCE)) for one in app.findings
        ),
    )


def shown(text: str, longest: int = _LONGEST_WORDS) -> str:
    words = plain(" ".join(text.encode("utf-8", "replace").decode().split()))
    words = "".join(letter if letter.isprintable() else " " for letter in words).strip()
    return words if len(words) <= longest else f"{words[: longest - 1]}…"
