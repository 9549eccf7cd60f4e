"""An app counts as runnable exactly where `flwr run` takes it; where we say no, Flower does too.

Folders are made in many shapes and judged twice: by us, who run nothing, and by Flower's own checks
of `flwr run`, in a child process for each folder.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from blossomtune_gradio.flower.apps.catalogue import check
from tests.hostile_apps import CLIENT, PROJECT, SERVER

# What `flwr run` does with a folder before it asks the SuperLink.
FLOWER = """\
import json, os, sys
from pathlib import Path
from flwr.cli.build import build_fab_from_disk
from flwr.cli.config_utils import load_and_validate

for folder in map(Path, sys.argv[1:]):
    read, write = os.pipe()
    if os.fork() == 0:
        try:
            load_and_validate(folder / "pyproject.toml")
            build_fab_from_disk(folder)
            said = ""
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        os.write(write, json.dumps(said[-500:]).encode())
        os._exit(0)
    os.close(write)
    print(os.read(read, 9000).decode(), flush=True)
    os.close(read)
    os.wait()
"""
REFERENCE = "small.server_app:app"


def flower_says(folders, path=""):
    """Why Flower refuses each folder; "" where it takes it."""
    done = subprocess.run(
        [sys.executable, "-c", FLOWER, *map(str, folders)],
        env={"PATH": os.defpath, "FLWR_HOME": str(folders[0].parent), "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith('"')]


def make(folder: Path, files: dict[str, str], *changes: tuple[str, str]) -> Path:
    text = PROJECT
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    for name, content in {"pyproject.toml": text, **files}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, "utf-8")
    return folder


def package(root="small", init=True, server="server_app", client="client_app"):
    files = {f"{root}/{server}.py": SERVER, f"{root}/{client}.py": CLIENT}
    return files | ({f"{root}/__init__.py": ""} if init else {})


def refer(module):
    return ("small.server_app:app", f"{module}:app")


LAYOUTS = {
    "plain": (package(), []),
    "without __init__": (package(init=False), []),
    "hyphens": (package("my-app"), [("small.", "my-app.")]),
    "digits first": (package("2small"), [("small.", "2small.")]),
    "two deep": (package("small/inner"), [("small.", "small.inner.")]),
    "src": (package("src/small"), []),
    "src as a package": (package("src/small"), [("small.", "src.small.")]),
    "top-level modules": (
        {"server_app.py": SERVER, "client_app.py": CLIENT},
        [("small.", "")],
    ),
    "one module": (
        {"both.py": SERVER + CLIENT},
        [("small.server_app", "both"), ("small.client_app", "both")],
    ),
    "package beside module": (package() | {"small.py": "x = 1"}, []),
    "in __init__": (
        {"small/__init__.py": SERVER + CLIENT},
        [("small.server_app", "small"), ("small.client_app", "small")],
    ),
    "no server": ({"small/client_app.py": CLIENT}, []),
    "only compiled": (package() | {"small/server_app.py": ""}, []),
    "named as json": (package("json"), [("small.", "json.")]),
    "named as sys": (package("sys"), [("small.", "sys.")]),
    "named as zipimport": (package("zipimport"), [("small.", "zipimport.")]),
    "named as email": (package("email"), [("small.", "email.")]),
    "named as numpy": (package("numpy"), [("small.", "numpy.")]),
    "named as flwr": (package("flwr"), [("small.", "flwr.")]),
    "named as torch": (package("torch"), [("small.", "torch.")]),
    "named as sklearn": (package("sklearn"), [("small.", "sklearn.")]),
    "named as test": (package("test"), [("small.", "test.")]),
    "installed without __init__": (package("pytest", init=False), [("small.", "pytest.")]),
}
WAYS = {
    name: (package() | {"small/server_app.py": code}, [(REFERENCE, reference)])
    for name, code, reference in [
        ("dotted attribute", "import x\nwrap = x()\n", "small.server_app:wrap.app"),
        ("annotated", "app: object = 1\n", REFERENCE),
        ("in a branch", "if True:\n    app = 1\n", REFERENCE),
        ("in a function", "def f():\n    app = 1\n", REFERENCE),
        ("two names", "one = app = 1\n", REFERENCE),
        ("a pair", "app, b = 1, 2\n", REFERENCE),
        ("imported", "from flwr.serverapp import ServerApp as app\n", REFERENCE),
        ("promised", "from x import app\n__all__ = ['app']\n", REFERENCE),
        ("promised in a tuple", "__all__ = ('app', 'b')\n", REFERENCE),
        ("promised by +=", "__all__ = []\n__all__ += ['app']\n", REFERENCE),
        ("a class", "class app: pass\n", REFERENCE),
        ("walrus", "(app := 1)\n", REFERENCE),
        ("broken", "app = (\n", REFERENCE),
        ("no attribute", SERVER, "small.server_app"),
        ("no module", SERVER, ":app"),
        ("empty part", SERVER, "small..server_app:app"),
        ("relative", SERVER, ".small.server_app:app"),
        ("a path", SERVER, "small/server_app:app"),
        ("with .py", SERVER, "small.server_app.py:app"),
        ("two colons", SERVER, "small.server_app:app:x"),
        ("blank", SERVER, " small.server_app:app"),
        ("installed", SERVER, "tomli._parser:TOML_WS"),
        ("installed, not assigned", SERVER, "tomli._parser:nothing"),
        ("not there", SERVER, "small.other:app"),
    ]
}
NAME, PUBLISHER, VERSION = 'name = "small-app"', 'publisher = "tests"', 'version = "1.0.0"'
PROJECTS = {
    name: (package(), [change])
    for name, change in {
        "underscore": (NAME, 'name = "small_app"'),
        "long": (NAME, f'name = "{"a" * 33}"'),
        "longest": (NAME, f'name = "{"a" * 32}"'),
        "digit first": (NAME, 'name = "2small"'),
        "hyphen last": (NAME, 'name = "small-"'),
        "dot": (NAME, 'name = "small.app"'),
        "umlaut": (NAME, 'name = "größe"'),
        "blanks around it": (NAME, 'name = " small-app "'),
        "only blanks": (NAME, 'name = "  "'),
        "capitals": (NAME, 'name = "SmallApp"'),
        "no name": (NAME, ""),
        "no version": (VERSION, ""),
        "dynamic version": (VERSION, 'dynamic = ["version"]'),
        "no publisher": (PUBLISHER, ""),
        "no server": (f'serverapp = "{REFERENCE}"', ""),
        "bad requirement": (NAME, f'{NAME}\ndependencies = ["a b c"]'),
        "two flwr": (NAME, f'{NAME}\ndependencies = ["flwr>=1", "flwr<2"]'),
        "flwr simulation": (NAME, f'{NAME}\ndependencies = ["flwr[simulation]>=1.8.0"]'),
        "flwr of the future": (NAME, f'{NAME}\ndependencies = ["flwr>=99"]'),
        "dependencies no list": (NAME, f'{NAME}\ndependencies = "numpy"'),
        "packages not here": (NAME, f'{NAME}\ndependencies = ["no-such-thing"]'),
        "format 1": (PUBLISHER, f"{PUBLISHER}\nfab-format-version = 1"),
        "format true": (PUBLISHER, f"{PUBLISHER}\nfab-format-version = true"),
        "include all": (PUBLISHER, f'{PUBLISHER}\nfab-include = ["**/*.py"]'),
        "include nothing": (PUBLISHER, f'{PUBLISHER}\nfab-include = ["none/*"]'),
        "include empty": (PUBLISHER, f"{PUBLISHER}\nfab-include = []"),
        "exclude": (PUBLISHER, f'{PUBLISHER}\nfab-exclude = ["small/client_app.py"]'),
        "exclude nothing": (PUBLISHER, f'{PUBLISHER}\nfab-exclude = ["none/*"]'),
        "list setting": ("rounds = 3", "rounds = [1]"),
        "date setting": ("rounds = 3", "rounds = 2026-01-01"),
        "table setting": ("rounds = 3", "rounds.a.b = 3"),
        "inf setting": ("rounds = 3", "rounds = inf"),
        "no settings": ("[tool.flwr.app.config]\nrounds = 3", ""),
        "broken toml": ("[project]", "[project"),
        "federations": ("[project]", '[tool.flwr.federations]\ndefault = "x"\n[project]'),
    }.items()
}
FILES = {
    "gitignore hides the project": (package() | {".gitignore": "*.toml\n"}, []),
    "gitignore hides a module": (package() | {".gitignore": "server_app.py\n"}, []),
    "deep": (package() | {"/".join("abcdefghijklm") + "/x.py": ""}, []),
    "odd encoding": (package() | {"small/data.json": "größe"}, []),
}
SHAPES = {**LAYOUTS, **WAYS, **PROJECTS, **FILES}


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    """Name → (our app, Flower's words), for every shape; made and judged once."""
    base = tmp_path_factory.mktemp("shapes")
    folders = []
    for number, (files, changes) in enumerate(SHAPES.values()):
        folders.append(make(base / f"app{number}", files, *changes))
    said = flower_says(folders)
    assert len(said) == len(folders)
    return {
        name: (check(folder), word)
        for name, folder, word in zip(SHAPES, folders, said, strict=True)
    }


@pytest.mark.parametrize("name", SHAPES)
def test_we_take_what_flower_takes_and_refuse_what_it_refuses(judged, name):
    app, flower = judged[name]
    ours = [finding.sentence for finding in app.findings if finding.level == "error"]
    assert app.runnable is (not flower), f"Flower: {flower or 'takes it'}; we: {ours}"


def test_both_answers_are_among_the_shapes(judged):
    taken = sum(not flower for _, flower in judged.values())
    assert 20 < taken < len(judged) - 20


def test_an_installed_app_in_src_is_taken_and_one_that_is_not_is_told_what_to_do(
    tmp_path, monkeypatch
):
    folder = make(tmp_path / "app", package("src/lungs"), ("small.", "lungs."))
    [finding] = [one for one in check(folder).findings if one.level == "error"][:1]
    assert "lungs lies in src/" in finding.sentence
    assert "pip install -e ." in finding.sentence
    monkeypatch.syspath_prepend(folder / "src")
    assert flower_says([folder], str(folder / "src")) == [""]
    app = check(folder)
    assert app.runnable, app.findings
    assert [one.level for one in app.findings] == ["note"]
    assert "each site needs it" in app.findings[0].sentence
    assert app.needs.modules["lungs"] == "lungs"


@pytest.mark.parametrize("components", ["agentapp", "all"])
def test_an_agentapp_is_refused_with_flowers_own_reason(tmp_path, components):
    more = ("serverapp =", 'agentapp = "small.server_app:app"\nserverapp =')
    folder = make(tmp_path / "agent", package(), more)
    if components == "agentapp":
        text = (folder / "pyproject.toml").read_text()
        kept = [
            line for line in text.splitlines() if not line.startswith(("serverapp", "clientapp"))
        ]
        (folder / "pyproject.toml").write_text("\n".join(kept))
    assert flower_says([folder]) == [""]  # it can be built; the SuperLink refuses to start it
    [finding] = [one for one in check(folder).findings if one.level == "error"]
    assert "only with a prompt" in finding.sentence


@pytest.mark.parametrize("own", ["", "[project]\nname = 'a'\n[tool.ruff]\n"])
def test_an_app_further_down_is_pointed_at(tmp_path, own):
    make(tmp_path / "outer" / "deeper" / "real-app", package())
    if own:
        (tmp_path / "outer" / "pyproject.toml").write_text(own)
    [finding] = check(tmp_path / "outer").findings
    assert finding.level == "error"
    assert "deeper/real-app looks like the app" in finding.sentence
    assert check(tmp_path / "outer" / "deeper" / "real-app").runnable


def test_what_a_component_needs_and_the_bundle_lacks_is_told(tmp_path):
    files = package() | {
        "small/lib/net.py": "",
        "small/net_test.py": "",
        "small/server_app.py": "from small import net_test\nfrom small.lib.net import x\n" + SERVER,
        ".gitignore": "lib/\n",
    }
    app = check(make(tmp_path / "app", files))
    said = [one.sentence for one in app.findings if one.level == "warning"]
    assert app.runnable
    assert len(said) == 2
    assert {words.split()[0] for words in said} == {"small/lib/net.py", "small/net_test.py"}


QUIET = {  # what real apps have, and what is no reason to warn
    "pinned versions": ("", ['"torch==2.8.0"', '"numpy<1"', '"flwr[simulation]>=1.13"']),
    "torch.load": ("import torch\nx = lambda: torch.load('model.pt')\n", ['"torch"']),
    "weights only": ("import torch\nx = lambda: torch.load('a', weights_only=True)\n", []),
    "pickle of its own": ("import pickle\ndef f():\n    pickle.load(open('a', 'rb'))\n", []),
    "another key": ("def f(c):\n    return c.node_config['dataset-path']\n", []),
    "key by name": ("def f(node_config):\n    return node_config['site']\n", []),
    "default": ("def f(c):\n    return c.node_config.get('partition-id', 0)\n", []),
    "no data at all": ("def f(c):\n    return 1\n", []),
    "package of a try": ("try:\n    import no_such\nexcept ImportError:\n    no_such = 0\n", []),
    "for type checkers": (
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import no_such\n",
        [],
    ),
    "script part": ("if __name__ == '__main__':\n    import no_such\n", []),
    "declared, not imported": ("", ['"wandb"', '"no-such-thing"']),
}


@pytest.mark.parametrize("name", QUIET)
def test_what_is_no_trouble_gives_no_warning(tmp_path, name):
    code, dependencies = QUIET[name]
    client = CLIENT.replace('key = "partition-id"', "") + code
    files = package() | {
        "small/client_app.py": client,
        "test.py": "import requests, torch\nrequests.get('x')\nfrom datasets import load_dataset\n"
        "load_dataset('mnist')\nimport subprocess\nsubprocess.run(['x'])\n",
        "notebooks/train.py": "import pickle, no_such\npickle.loads(b'')\n",
    }
    declared = (NAME, f"{NAME}\ndependencies = [{', '.join(dependencies)}]")
    app = check(make(tmp_path / "app", files, declared))
    assert app.runnable
    assert [one.sentence for one in app.findings if one.level == "warning"] == []


LOUD = {
    "absent package of the server": (
        "server",
        "import no_such.thing\n",
        "imports no_such on the server",
    ),
    "absent, of a helper": (
        "helper",
        "import no_such\n",
        r"small/helper.py, line 1, imports no_such",
    ),
    "public data for all": (
        "client",
        "from datasets import load_dataset\ndef f():\n    load_dataset('mnist')\n",
        "all sites train on the same",
    ),
    "unsafe torch.load": (
        "client",
        "import torch\nx = lambda b: torch.load(b, weights_only=False)\n",
        "torch.load",
    ),
    "pickled bytes": ("client", "import pickle\nx = lambda b: pickle.loads(b)\n", "pickle.loads"),
    "download at import": (
        "client",
        "import requests\nrequests.get('x')\n",
        "while the module is imported",
    ),
}


@pytest.mark.parametrize("name", LOUD)
def test_what_goes_wrong_is_a_warning(tmp_path, name):
    where, code, said = LOUD[name]
    files = package() | {"small/helper.py": code if where == "helper" else ""}
    files["small/server_app.py"] = (
        "from .helper import *\n" + (code if where == "server" else "") + SERVER
    )
    client = CLIENT.replace('key = "partition-id"', "") + (code if where == "client" else "")
    files["small/client_app.py"] = client
    app = check(make(tmp_path / "app", files))
    [warning] = [one.sentence for one in app.findings if one.level == "warning"]
    assert re.search(said, warning), warning


def test_what_sites_need_is_read_from_the_code_of_the_clientapp(tmp_path):
    task = """\
import numpy as np
import sklearn.linear_model
from PIL import Image
try:
    import cupy
except ImportError:
    cupy = None
KEY = "dataset-path"
def load(context):
    import pandas
    config = context.node_config
    if "mode" in config and config["mode"]:
        pass
    return config[KEY], context.node_config["table"], config.get("rate", 1), config["partition-id"]
"""
    files = package() | {
        "small/client_app.py": "from small.task import load\n" + CLIENT,
        "small/task.py": task,
        "small/server_app.py": "import wandb\n" + SERVER,
    }
    declared = (NAME, f'{NAME}\ndependencies = ["scikit-learn>=1.5", "wandb", "flwr", "pillow"]')
    needs = check(make(tmp_path / "app", files, declared)).needs
    assert needs.modules == {
        "PIL": "pillow",
        "numpy": "numpy",
        "pandas": "pandas",
        "sklearn": "scikit-learn",
    }
    assert needs.install == ("pillow", "numpy", "pandas", "scikit-learn>=1.5")
    assert needs.keys == ("dataset-path", "table")


def test_imports_in_a_circle_and_without_end_are_followed_once(tmp_path):
    loop = {
        f"small/m{n}.py": f"from small import m{(n + 1) % 40}\nimport x{n}\n" for n in range(40)
    }
    files = package() | loop | {"small/client_app.py": "import small.m0\n" + CLIENT}
    needs = check(make(tmp_path / "app", files)).needs
    assert set(needs.modules) == {f"x{n}" for n in range(40)}
