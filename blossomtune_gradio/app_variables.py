"""Which variables of the server's environment Flower apps may see (setting `app_env`).

A name, or the beginning of one with a star. Limit: whoever may start a run can read what is passed
on, so our own secrets never are, and neither is what holds a child program in its place.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from blossomtune_gradio.errors import SettingsError

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[A-Za-z][A-Za-z0-9_]+\*")
_HUB = ("HF_HOME", "HF_ENDPOINT", "HF_HUB_OFFLINE", "HF_HUB_CACHE", "XDG_CACHE_HOME")
# What every child program is given by us; `flower/link/commands.py` sets them.
_FIXED = frozenset(
    (
        *("PATH", "HOME", "TMPDIR", "LANG", "PYTHONUNBUFFERED", "FLWR_HOME"),
        *("FLWR_TELEMETRY_ENABLED", "FLWR_DISABLE_UPDATE_CHECK", "RAY_USAGE_STATS_ENABLED"),
        "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION",
    )
)
_PYTHON = frozenset(("PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "PYTHONINSPECT"))
_OURS = re.compile(r"BLOSSOMTUNE_\w*|OAUTH_CLIENT_SECRET", re.IGNORECASE)


def check_app_env(names: Collection[str]) -> None:
    """Raise SettingsError for what is no name of a variable, or one that apps never see."""
    for name in sorted(names):
        if not _NAME.fullmatch(name):
            raise SettingsError(
                f"BLOSSOMTUNE_APP_ENV has {name!r}, which is no name of a variable. Write names by "
                "commas, like HTTPS_PROXY,CUDA_VISIBLE_DEVICES,WANDB_*."
            )
        if _is_kept(name):
            raise SettingsError(
                f"BLOSSOMTUNE_APP_ENV has {name}, which apps do not see: it is a secret of ours or "
                "is set by BlossomTune for each program. Leave it out."
            )


def app_variables(names: Collection[str], environ: Mapping[str, str]) -> dict[str, str]:
    """What apps see of the environment besides what every child program is given."""
    wanted = {
        name: value
        for name, value in environ.items()
        if any(_matches(name, pattern) for pattern in names) and not _is_kept(name)
    }
    return {name: environ[name] for name in _HUB if name in environ} | wanted


def unset(names: Collection[str], environ: Mapping[str, str]) -> list[str]:
    """Names and beginnings that no variable has: mistyped, most likely."""
    return sorted(n for n in names if not any(_matches(name, n) for name in environ))


def _matches(name: str, pattern: str) -> bool:
    return name == pattern or (pattern.endswith("*") and name.startswith(pattern[:-1]))


def _is_kept(name: str) -> bool:
    return bool(_OURS.fullmatch(name.rstrip("*"))) or name in _FIXED | _PYTHON
