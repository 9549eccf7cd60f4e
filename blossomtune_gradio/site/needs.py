"""What the federation's apps need of this machine, and whether it is here; nothing is imported.

The server names the modules that the code of each app imports and the keys of [node_config] that
it reads. What it says is looked at like anything from elsewhere: only names pass.
"""

from __future__ import annotations

import importlib.metadata
import re
import shlex
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

from .kit import Site
from .words import Doubt

GIVEN = ("partition-id", "num-partitions")  # the server tells each site its own
MOST_APPS, MOST_NAMES, MOST_REPORTED = 20, 64, 400
_MODULE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
_KEY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
_TITLE = re.compile(r"[\w .()-]{1,100}")
_REQUIREMENT = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}(?:[<>=!~]=?[A-Za-z0-9.*+!<>=~,-]{1,99})?"
)
# Looked for whatever the apps of today need, so that the next one's need is known at once.
_USUAL = (
    *("PIL", "SimpleITK", "accelerate", "catboost", "cv2", "datasets", "einops", "evaluate"),
    *("flax", "flwr_datasets", "h5py", "jax", "joblib", "keras", "lifelines", "lightgbm"),
    *("lightning", "matplotlib", "monai", "nibabel", "numba", "numpy", "opacus", "pandas"),
    *("peft", "polars", "psycopg2", "pyarrow", "pydicom", "pytorch_lightning", "requests"),
    *("safetensors", "scipy", "skimage", "sklearn", "sksurv", "sqlalchemy", "statsmodels"),
    *("tensorflow", "timm", "tokenizers", "torch", "torchaudio", "torchmetrics", "torchvision"),
    *("tqdm", "transformers", "xgboost", "yaml"),
)


@dataclass(frozen=True)
class App:
    """What one app needs here."""

    name: str
    modules: tuple[str, ...]
    install: tuple[str, ...]
    keys: tuple[str, ...]


def told_apps(answer: dict[str, Any]) -> list[App]:
    """The apps in an answer of the server; none from one that does not tell."""
    told = answer.get("apps")
    return [
        App(
            name=one["name"],
            modules=_names(one.get("modules"), _MODULE),
            install=_names(one.get("install"), _REQUIREMENT),
            keys=_names(one.get("keys"), _KEY),
        )
        for one in (told if isinstance(told, list) else [])[:MOST_APPS]
        if isinstance(one, dict)
        and isinstance(one.get("name"), str)
        and _TITLE.fullmatch(one["name"])
    ]


def installed(site: Site, names: Iterable[str]) -> dict[str, str]:
    """Version of each module; "" where there is none, "present" where it has no version."""
    holders = importlib.metadata.packages_distributions()
    return {name: _version(name, holders) if _is_here(site, name) else "" for name in names}


def known_modules(site: Site, apps: Iterable[App]) -> dict[str, str]:
    """Those that the apps need, and the usual ones; at most MOST_REPORTED."""
    asked = (module for app in apps for module in app.modules)
    return installed(site, list(dict.fromkeys([*_USUAL, *asked]))[:MOST_REPORTED])


def node_keys(site: Site) -> list[str]:
    """Names of what [node_config] has; the values stay here."""
    return sorted({*site.node_config, *GIVEN})[:MOST_REPORTED]


def lacking(site: Site, apps: Iterable[App]) -> tuple[list[str], list[str], list[str]]:
    """What is missing, as (sentences, what to give to pip, keys to write into site.toml)."""
    here = known_modules(site, apps := list(apps))
    keys = set(node_keys(site))
    said, install, write = [], dict[str, None](), dict[str, None]()
    for app in apps:
        modules = [name for name in app.modules if here.get(name) == ""]
        missing = [key for key in app.keys if key not in keys]
        wants = []
        if modules:
            wants.append(f"{', '.join(modules)} (not installed)")
            install |= dict.fromkeys(app.install)
        if missing:
            wants.append(f"{', '.join(missing)} under [node_config]")
            write |= dict.fromkeys(missing)
        if wants:
            said.append(f"{app.name} needs {' and '.join(wants)}")
    return said, list(install), list(write)


def look(site: Site, apps: list[App]) -> str:
    """Whether all apps find what they need. Raises Doubt: nothing has to stop for it."""
    if not apps:
        return "the server names none yet."
    said, install, write = lacking(site, apps)
    if not said:
        return f"what {', '.join(app.name for app in apps[:5])} need is here."
    fixes = []
    if install:
        fixes.append(f'run: "{sys.executable}" -m pip install {shlex.join(install)}')
    if write:
        fixes.append(f"add to site.toml, below [node_config]: {' and '.join(write)}")
    raise Doubt(f"{'; '.join(said)}.", f"{'; then '.join(fixes)}. Runs of other apps work.")


def _names(told: object, shape: re.Pattern[str]) -> tuple[str, ...]:
    listed = list(told)[:MOST_NAMES] if isinstance(told, list | dict) else []
    return tuple(name for name in listed if isinstance(name, str) and shape.fullmatch(name))


def _is_here(site: Site, top: str) -> bool:
    """Whether an app could import it: what lies in the kit's folder is not for apps."""
    path = [place for place in sys.path if Path(place).resolve() != site.folder]
    if PathFinder.find_spec(top, path) is not None:
        return True
    others = [finder for finder in sys.meta_path if finder is not PathFinder]
    return any(finder.find_spec(top, None) is not None for finder in others)


def _version(top: str, holders: Any) -> str:
    for name in holders.get(top, []):
        try:
            return importlib.metadata.version(name)[:100]
        except importlib.metadata.PackageNotFoundError:
            continue
    return "present"
