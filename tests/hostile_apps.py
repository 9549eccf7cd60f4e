"""Folders of apps that mean harm: each spoils a good app in one way.

`HOSTILE` maps a folder's name to what spoils it, whether the app may still run, and what the list
must say of it. Wherever code could be run, it makes the canary file.
"""

from __future__ import annotations

import contextlib
import os
import socket
import zipfile
from collections.abc import Callable
from pathlib import Path

PROJECT = """
[project]
name = "small-app"
version = "1.0.0"

[tool.flwr.app]
publisher = "tests"

[tool.flwr.app.components]
serverapp = "small.server_app:app"
clientapp = "small.client_app:app"

[tool.flwr.app.config]
rounds = 3
"""
SING = "import pathlib\npathlib.Path({canary!r}).write_text('it was run')\n"
SERVER = "from flwr.serverapp import ServerApp\napp = ServerApp()\n"
CLIENT = 'from flwr.clientapp import ClientApp\napp = ClientApp()\nkey = "partition-id"\n'
Spoil = Callable[[Path, str], object]
TOKEN = "hf_" + "aB3" * 11 + "x"


def write_good_app(path: Path, canary: Path) -> None:
    """An app whose every module sings when it is imported."""
    sing = SING.format(canary=str(canary))
    (path / "small").mkdir(parents=True)
    (path / "pyproject.toml").write_text(PROJECT)
    (path / "small" / "__init__.py").write_text(sing)
    (path / "small" / "server_app.py").write_text(sing + SERVER)
    (path / "small" / "client_app.py").write_text(sing + CLIENT)


def build_all(folder: Path, canary: Path) -> dict[str, str]:
    """All of them below `folder`; the real name of each folder by its name in HOSTILE."""
    sing = SING.format(canary=str(canary))
    for number, (name, (spoil, *_)) in enumerate(HOSTILE.items()):
        path = folder / (name if name != "odd_name" else f"odd\n\x1b[31mname\u202e{number}")
        write_good_app(path, canary)
        spoil(path, sing)
    return {"odd_name": f"odd{number}"}


def put(name: str, content: str | bytes) -> Spoil:
    """Write a file of the app."""

    def spoil(path: Path, sing: str) -> None:
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        text = content.encode() if isinstance(content, str) else content
        file.write_bytes(text.replace(b"SING", sing.encode()))

    return spoil


def project(old: str, new: str) -> Spoil:
    """Change pyproject.toml."""

    def spoil(path: Path, sing: str) -> None:
        file = path / "pyproject.toml"
        assert old in file.read_text()
        file.write_text(file.read_text().replace(old, new))

    return spoil


def config(lines: str) -> Spoil:
    """Another [tool.flwr.app.config]."""
    return project("rounds = 3", lines)


def link(name: str, target: str) -> Spoil:
    """A link in the app."""
    return lambda path, sing: (path / name).symlink_to(target)


def _linked_readme(path: Path, sing: str) -> None:
    (path / "README.md").symlink_to("/etc/passwd")


def _loop(path: Path, sing: str) -> None:
    (path / "small" / "a").symlink_to("b")
    (path / "small" / "b").symlink_to("a")
    (path / "small" / "self").symlink_to("../small", target_is_directory=True)


def _zip_bomb(path: Path, sing: str) -> None:
    with zipfile.ZipFile(path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("zeros", b"\0" * 50_000_000)


def _pipes(path: Path, sing: str) -> None:
    os.mkfifo(path / "small" / "pipe.py")
    os.mkfifo(path / ".gitignore")
    os.mkfifo(path / "README.md")


def _socket(path: Path, sing: str) -> None:
    here = Path.cwd()
    os.chdir(path)  # a socket's path must be short
    try:
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as made:
            made.bind("s.json")
    finally:
        os.chdir(here)


def _many_files(path: Path, sing: str) -> None:
    (path / "data").mkdir()
    for number in range(10_000):
        (path / "data" / f"{number}.json").touch()


def _deep(path: Path, sing: str) -> None:
    path.joinpath(*["d"] * 60).mkdir(parents=True)


def _odd_files(path: Path, sing: str) -> None:
    name = os.fsencode(path / "small") + b"/\xff\n\x1b[2J.py"
    os.close(os.open(name, os.O_CREAT | os.O_WRONLY))


def _huge_file(path: Path, sing: str) -> None:
    with (path / "small" / "huge.json").open("wb") as file:
        file.truncate(40_000_000_000)  # a hole: it takes no space


def _huge_readme(path: Path, sing: str) -> None:
    (path / "README.md").write_text("[" * 900_000)


def _slow_pattern(path: Path, sing: str) -> None:
    (path / ".gitignore").write_text("*a*a*a*a*a*a*a*a*a*a*b\n")
    (path / "small" / ("a" * 240 + ".py")).write_text("")


def _many_patterns(path: Path, sing: str) -> None:
    (path / ".gitignore").write_text("**/*x*y\n" * 4000)
    for number in range(300):
        (path / "small" / f"{'x' * 200}{number}.md").touch()


def _side_effects(path: Path, sing: str) -> None:
    for name in ("setup.py", "conftest.py", "sitecustomize.py", "usercustomize.py", "app.py"):
        (path / name).write_text(sing)
    (path / "evil.pth").write_text(sing.replace("\n", ";"))
    (path / "setup.cfg").write_text("[options]\npackages = find:\n")
    with (path / "pyproject.toml").open("a") as file:
        file.write('\n[build-system]\nrequires = []\nbuild-backend = "app"\nbackend-path = ["."]\n')


def _git_hooks(path: Path, sing: str) -> None:
    (path / ".git" / "hooks").mkdir(parents=True)
    (path / ".git" / "HEAD").write_text("ref: refs/heads/../../../../../etc/passwd\n")
    (path / ".git" / "config").write_text("[core]\n\tfsmonitor = touch canary\n")


def _outward(path: Path, sing: str) -> None:
    (path / "small" / "server_app.py").write_text(
        "import subprocess as s, socket\nfrom os import system\n"
        "s.run(['id'])\nsystem('id')\nclass A:\n    x = socket.create_connection(('a', 1))\n"
        "def later():\n    s.run(['id'])\n" + sing + SERVER
    )


def _habits(path: Path, sing: str) -> None:
    (path / "small" / "client_app.py").write_text(
        "import pickle, torch\n"
        + CLIENT
        + "def train(message, context):\n"
        + '    part = context.node_config.get("partition-id", 0)\n'
        + '    all_ = context.node_config.get("num-partitions", 1)\n'
        + "    torch.load('a'); torch.load('b', weights_only=False)\n"
        + "    return pickle.loads(part)\n"
    )


def _readme_with_scripts(path: Path, sing: str) -> None:
    (path / "README.md").write_text(
        "# <img src=x onerror=alert(1)>\n<script>alert(1)</script>\n\n"
        "![track](http://evil.example/a.png) [a](javascript:alert(1)) <b onclick=x>b</b>\n"
        '[b](data:text/html,x) [c](https://good.example "t") <iframe src="//evil.example">\n'
        "<style>*{display:none}</style> [d](../../admin) \0 \x1b[31m\n"
    )


_DEEP_KEY = ".".join("a" * 900)
_LEADS_OUT = "is a link that leads out of the app"
_ANY = None  # listed and runnable
HOSTILE: dict[str, tuple[Spoil, bool, str | None]] = {
    "escaping_link": (link("small/x.py", "../../../secret.py"), False, _LEADS_OUT),
    "link_to_root": (link("root", "/"), False, _LEADS_OUT),
    "link_to_itself": (link("me", "."), False, _LEADS_OUT),
    "readme_is_passwd": (_linked_readme, False, "README.md " + _LEADS_OUT),
    "cyclic_links": (_loop, True, "Flower leaves it out"),
    "zip_bomb": (_zip_bomb, True, r"Sites do not get bomb\.zip"),
    "pipes": (_pipes, False, "is a pipe, socket or device"),
    "socket": (_socket, False, r"s\.json is a pipe, socket or device"),
    "ten_thousand_files": (_many_files, False, "more than 5000 files"),
    "deep_folders": (_deep, False, "more than 20 folders"),
    "odd_files": (_odd_files, False, "characters in its name that cannot be shown"),
    "odd_name": (put("x.md", ""), False, r"characters in its name that cannot be shown"),
    "huge_file": (_huge_file, False, "limit is 10 MB"),
    "huge_toml": (put("pyproject.toml", "#" * 3_000_000), False, "larger than 256 KiB"),
    "deep_key": (config(f"{_DEEP_KEY} = 1"), False, "more than 20 tables"),
    "endless_key": (config(f"{'.'.join('a' * 60_000)} = 1"), False, "not valid TOML"),
    "deep_list": (config("a = " + "[" * 5000), False, "not valid TOML"),
    "wide_toml": (config("".join(f"k{n} = {n}\n" for n in range(12_000))), True, _ANY),
    "duplicate_keys": (config("a = 1\na = 2"), False, "not valid TOML"),
    "same_key_twice": (config('a.b = 1\n"a.b" = 2'), False, "given twice"),
    "empty_key": (config('"" = 1'), False, "is empty"),
    "list_in_config": (config("a = [1]"), False, "a is a list"),
    "date_in_config": (config("a = 2026-01-01"), False, "a is a date"),
    "huge_number": (config("a = " + "9" * 4000), False, "too large"),
    "longer_number": (config("a = " + "9" * 5000), False, "not valid TOML"),
    "odd_numbers": (config("a = inf\nb = nan\nc = -0.0\nd = 0xff"), True, _ANY),
    "odd_keys": (config('"\\u001b[31m\\u202e<b>" = "\\u0000</script>"'), True, _ANY),
    "binary_toml": (put("pyproject.toml", bytes(range(256)) * 8), False, "not valid TOML"),
    "utf16_toml": (put("pyproject.toml", PROJECT.encode("utf-16")), False, "byte order mark"),
    "bom_toml": (put("pyproject.toml", b"\xef\xbb\xbf" + PROJECT.encode()), False, "byte order"),
    "binary_code": (put("small/server_app.py", os.urandom(1000) + b"\xff"), False, "server_app"),
    "latin1_code": (
        put("small/server_app.py", b"# -*- coding: latin-1 -*-\n# \xe4\n" + SERVER.encode()),
        False,
        "not UTF-8",
    ),
    "nested_code": (put("small/client_app.py", "x = " + "(" * 90_000), False, "client_app"),
    "code_in_component": (
        project("small.server_app:app", "small.server_app:__import__('os').system('id')"),
        False,
        "does not assign",
    ),
    "component_outside": (project("small.server_app:app", "../x:app"), False, "module:attribute"),
    "component_elsewhere": (project("small.server_app:app", "os:path"), False, r"no os\.py"),
    "name_outside": (project('"small-app"', '"../../etc"'), False, "no underscore"),
    "name_with_escapes": (project('"small-app"', '"a\\u001b[2J\\nb"'), False, "no underscore"),
    "title_with_escapes": (
        project('publisher = "tests"', 'publisher = "a\\u001b[2J"\ndisplay-name = "\\u202e<b>\\n"'),
        True,
        _ANY,
    ),
    "wrong_types": (project('version = "1.0.0"', "version = [{a = 1}]"), False, "Add a version"),
    "side_effects": (_side_effects, True, _ANY),
    "git_hooks": (_git_hooks, True, _ANY),
    "token": (put("small/hub.py", f'token = "{TOKEN}"'), False, "looks like a Hugging Face token"),
    "private_key": (
        put("key.md", "\n\n-----BEGIN OPENSSH PRIVATE KEY-----\n"),
        False,
        "key.md, line 3, looks like a private key",
    ),
    "dot_env": (put(".env", "PASSWORD=1"), True, r"\.env looks like a secret"),
    "outward_at_import": (_outward, True, r"calls subprocess\.run while the module is imported"),
    "bad_habits": (_habits, True, "takes a default when a site has no partition-id"),
    "readme_with_scripts": (_readme_with_scripts, True, _ANY),
    "huge_readme": (_huge_readme, True, _ANY),
    "slow_pattern": (_slow_pattern, False, "more than 4 wildcards"),
    "many_patterns": (_many_patterns, False, "take too long"),
    "include_pattern": (
        project('publisher = "tests"', 'publisher = "tests"\nfab-include = ["*a*a*a*a*a*a*b"]'),
        False,
        "more than 4 wildcards",
    ),
    "no_project": (lambda path, sing: (path / "pyproject.toml").unlink(), False, "no pyproject"),
}
