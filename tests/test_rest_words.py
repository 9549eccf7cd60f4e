"""REST keeps its words: what is recorded was promised to scripts, so it may grow and never change.

Whoever takes something away on purpose says the way over in CHANGELOG.md and writes the file anew:
`python -m tests.test_rest_words`.
"""

import json
import tempfile
from pathlib import Path
from typing import Any

from blossomtune_gradio.application import Application
from blossomtune_gradio.settings import Settings
from blossomtune_gradio.web.api import openapi, rest_api

RECORDED = Path(__file__).parent / "recorded" / "rest_words.json"


def words(document: dict[str, Any]) -> dict[str, dict[str, str]]:
    """What a script depends on: parameters of each route, fields of each schema, with types."""
    found = {}
    for path, verbs in document["paths"].items():
        for verb, operation in verbs.items():
            parameters = operation.get("parameters", [])
            found[f"{verb} {path}"] = {one["name"]: _type(one["schema"]) for one in parameters}
            for status, answer in operation["responses"].items():
                for kind, content in answer.get("content", {}).items():
                    told = f"{status} {kind}"
                    found[f"{verb} {path}"][told] = _type(content.get("schema", {}))
    for name, schema in document["components"]["schemas"].items():
        fields = schema.get("properties", {}).items()
        found[name] = {field: _type(what) for field, what in fields}
        if "required" in schema and name not in _sent(document):
            found[name] |= {f"{field} is there": "always" for field in schema["required"]}
    return found


def _sent(document: dict[str, Any]) -> set[str]:
    """Names of what scripts send: there a field that need not be given any more is no loss."""
    bodies = json.dumps(
        [operation.get("requestBody") for verbs in document["paths"].values()
         for operation in verbs.values()]
    )  # fmt: skip
    return {name for name in document["components"]["schemas"] if f'schemas/{name}"' in bodies}


def _type(schema: dict[str, Any]) -> str:
    """Without what people read of it."""
    kept = {k: v for k, v in schema.items() if k not in ("title", "description", "examples")}
    return json.dumps(kept, sort_keys=True)


def _today() -> dict[str, dict[str, str]]:
    with tempfile.TemporaryDirectory() as folder:
        return words(openapi(rest_api(Application(Settings(data_dir=Path(folder))))))


def test_whatever_was_promised_is_still_promised():
    today = _today()
    for name, recorded in json.loads(RECORDED.read_text()).items():
        kept = today.get(name, {})
        assert {word: kept.get(word) for word in recorded} == recorded, name


if __name__ == "__main__":
    RECORDED.write_text(json.dumps(_today(), indent=1, sort_keys=True) + "\n")
