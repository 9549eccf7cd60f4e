"""What an approved participant needs to connect their site: the ways in, and a key of their own."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from typing import Any

from blossomtune_gradio.application import Application
from blossomtune_gradio.errors import InvalidInput, NotPossible
from blossomtune_gradio.identity import Role, User
from blossomtune_gradio.ui.guard import Guard

_UNPACK = "unzip blossomtune-*.zip -d federation && cd federation"


def site_readers(app: Application, guard: Guard) -> tuple[Callable[..., Any], ...]:
    """The server functions of the part: `ways` is asked once, `own_key` when one is pasted."""

    @guard.server_function(Role.PARTICIPANT)
    def ways(asked: object, user: User) -> dict[str, Any]:  # noqa: ARG001 - nothing is asked
        known = app.kits.ways(_own_id(app, user), user)
        ready, join = known["kit"].rsplit("\n", 1)
        return {
            "commands": [
                _text("Unpack it where it can stay", _UNPACK),
                _text("Make it ready; the last line looks whether all is fine", ready),
                _text("Join, and leave it running", join),
            ],
            "needs": [
                _text(f"What {one['name']} needs", _install(one))
                for one in app.apps.asked_of_sites()
                if one["install"]
            ],
            "systemd": [
                _text("In the kit's folder, as the user who owns it", known["systemd"]),
                _text("The unit, blossomtune-site.service in the kit", known["unit"]),
            ],
            "docker": [
                _text("In the kit's folder", known["docker"]),
                _text("The Dockerfile in the kit", known["dockerfile"]),
            ],
            "own_key": [
                _text("Make a key; its private half stays with you", known["own_key"]),
                _text("Show that it is yours, and paste all that this prints", known["prove"]),
            ],
            "plain": [
                _text(f"{known['plain_place']}, start the SuperNode", known["plain"]),
            ],
        }

    @guard.server_function(Role.PARTICIPANT)
    def own_key(typed: object, user: User) -> dict[str, Any]:
        pasted = typed.get("key", "") if isinstance(typed, dict) else ""
        if not isinstance(pasted, str) or not pasted.strip():
            raise InvalidInput("Paste all that the command above prints, from BEGIN to END.")
        key = app.kits.accept_key(_own_id(app, user), pasted, user)
        return {"said": f"The federation knows your key from now on: {key.fingerprint}."}

    return ways, own_key


def _install(needs: Mapping[str, Any]) -> str:
    """The command to install it, and the lines site.toml lacks."""
    command = f"venv/bin/pip install {shlex.join(needs['install'])}"
    keys = [f"#   {key} = …" for key in needs["keys"]]
    heading = ["# and in site.toml, below [node_config]:"] if keys else []
    return "\n".join([command, *heading, *keys])


def _own_id(app: Application, user: User) -> int:
    mine = app.participants.mine(user)
    if mine is None:
        raise NotPossible("You have not asked for access yet. Ask first.")
    return mine.id


def _text(what: str, text: str) -> dict[str, str]:
    return {"what": what, "text": text}
