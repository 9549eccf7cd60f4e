"""Everything the page can do, REST and the command line can do: one table, walked."""

from __future__ import annotations

import argparse
from pathlib import Path

from blossomtune_gradio.application import Application
from blossomtune_gradio.cli import parser
from blossomtune_gradio.identity import STRANGER
from blossomtune_gradio.ui.page import build_page
from tests.live import PATH, live_settings
from tests.test_api import LEAST

NOT_AN_ACTION = "only draws the page"
ONE_PERSON = "belongs to one person in the browser"
# Name of a guarded callback or server function: what else does the same, or why nothing does.
ACTIONS: dict[str, str | tuple[tuple[str, str], ...]] = {
    # Live
    "snapshot": (("get /health", "superlink status"), ("get /sites", "site list")),
    "on_grown": (("get /runs/{run_id}/metrics", "run show"),),
    "tail": (("get /logs/{source}", "log"), ("get /runs/{run_id}/log", "run log")),
    "search": (("get /logs/{source}", "log"),),
    # Join
    "stand": ONE_PERSON,
    "ask": ONE_PERSON,
    "confirm": ONE_PERSON,
    "resend": ONE_PERSON,
    "withdraw": ONE_PERSON,
    "own_key": ONE_PERSON,
    "ways": ONE_PERSON,
    # Runs
    "apps": (("get /apps", "app list"),),
    "app_readme": (("get /apps/{name}", "app list"),),
    "on_make": (("post /apps", "app new"),),
    "queue": (("get /runs", "run list"),),
    "form": (("get /apps/{name}", "app list"),),
    "check": (("post /runs", "run start"),),
    "deploy": (("post /runs", "run start"),),
    "halt": (("post /runs/{run_id}/stop", "run stop"),),
    "shift": (("post /runs/{run_id}/move", "run move"),),
    "mark": (("patch /runs/{run_id}", "run mark"),),
    "remove": (("delete /runs/{run_id}", "run delete"),),
    "detail": (("get /runs/{run_id}", "run show"), ("get /runs/{run_id}/events", "run show")),
    "watch": (("put /runs/{run_id}/watch", "run watch"),),
    "around": (("get /runs/{run_id}/log", "run log"),),
    "keep": (("put /presets", "preset save"),),
    "drop": (("delete /presets/{preset_id}", "preset delete"),),
    "alerts": (("get /alerts", "alert show"), ("get /webhooks", "webhook list")),
    "wish": (("put /alerts", "alert set"),),
    "hook": (("post /webhooks", "webhook add"),),
    "unhook": (("delete /webhooks/{webhook_id}", "webhook delete"),),
    "probe": (("post /webhooks/{webhook_id}/test", "webhook test"),),
    "runs": (("get /runs", "run list"),),
    # Admin
    "on_start": (("post /superlink/start", "superlink start"),),
    "on_stop": (("post /superlink/stop", "superlink stop"),),
    "on_note": (("put /requests/{request_id}/note", "request note"),),
    "on_partitions": (("put /partitions", "partitions"),),
    "on_try_again": (("post /mails/retry", "mail retry"),),
    "on_send_again": (("post /mails/{mail_id}/send-again", "mail send-again"),),
    "stakes": NOT_AN_ACTION,
    "person": (("get /requests/{request_id}", "request list"),),
    "people": (("get /requests", "request list"), ("get /sites", "site list")),
    "on_decide": (
        ("post /requests/{request_id}/approve", "request approve"),
        ("post /requests/{request_id}/deny", "request deny"),
        ("post /sites/{site_id}/revoke", "site revoke"),
    ),
    "mails": (("get /mails", "mail list"),),
    "audit": (
        ("get /audit", "audit list"),
        ("get /audit/verify", "audit verify"),
        ("get /audit/export", "audit export"),
    ),
    "tokens": (("get /tokens", "token list"),),
    "on_create": (("post /tokens", "token create"),),
    "on_revoke": (("delete /tokens/{token_id}", "token revoke"),),
}
# What REST can do beyond that, with its verb; "" where only programs ask.
MORE = {
    "get /me": "",
    "get /partitions": "partitions",
    "get /accounts": "role list",
    "put /accounts": "role grant",
    "post /accounts/sign-out": "role sign-out",
    "get /logs": "log",
    "get /superlink": "superlink status",
    "post /requests/{request_id}/revoke": "site revoke",
    "post /requests/{request_id}/kit": "request kit",
    "get /runs/{run_id}/sites": "run show",
    "get /runs/{run_id}/files": "run files",
    "get /runs/{run_id}/files/{name}": "run files",
    "get /presets": "preset list",
}


def callbacks(folder: Path) -> set[str]:
    """Names of all guarded callbacks and server functions of all pages."""
    app = Application(live_settings(folder), PATH)
    try:
        pages = build_page(app, lambda _: STRANGER)
    finally:
        app.close()
    found = {fn.fn.__name__ for fn in pages.fns.values() if fn.fn is not None}
    for block in pages.blocks.values():
        found |= {fn.__name__ for fn in getattr(block, "server_fns", [])}
    return found


def verbs(found: argparse.ArgumentParser, words: str = "") -> set[str]:
    """Every command of the command line, as it is typed."""
    inner = [a for a in found._actions if isinstance(a, argparse._SubParsersAction)]
    if not inner:
        return {words.strip()}
    return {
        verb
        for action in inner
        for name, command in action.choices.items()
        for verb in verbs(command, f"{words} {name}")
    }


def test_whatever_a_page_can_do_has_a_route_and_a_verb(tmp_path):
    assert callbacks(tmp_path) == set(ACTIONS), "name every callback in ACTIONS"
    routes = {f"{method} {path}" for method, path in LEAST}
    for name, others in ACTIONS.items():
        if isinstance(others, str):
            assert others in (NOT_AN_ACTION, ONE_PERSON), name
            continue
        for route, verb in others:
            assert route in routes, (name, route)
            assert verb in verbs(parser()), (name, verb)


def test_whatever_rest_can_do_has_a_verb():
    known = {
        route: verb
        for others in ACTIONS.values()
        if not isinstance(others, str)
        for route, verb in others
    }
    assert {f"{method} {path}" for method, path in LEAST} == set(known | MORE)
    assert {verb for verb in MORE.values() if verb} <= verbs(parser())
