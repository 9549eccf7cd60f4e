"""Imports run one way, and each heavy or delicate thing has one room."""

import ast
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = "blossomtune_gradio"
# A room may import what stands on a lower floor, and itself. Rooms of one floor do not mix.
FLOORS = (
    {
        *("background", "errors", "settings", "option_kinds", "app_variables"),
        *("surroundings", "providers"),
        *("identity", "names", "plain_text", "python_text", "files", "tls", "__init__"),
    },
    {"store", "flower", "processes", "logs", "mail"},
    {"services"},
    {"views"},
    {"application"},
    {"ui"},
    {"web"},
    {"demo"},
    {"cli"},
)
# The same within the rooms that have rooms.
WITHIN: dict[str, tuple[set[str], ...]] = {
    "services": (
        {"addresses", "audit", "entrances", "outside", "rights"},
        {"options"},
        {"notices", "apps", "backup", "checkup"},
        {"people"},
        {"sites"},
        {"review", "runtimes"},
        {"federation", "runs"},
        {"overview"},
    ),
    "services/runs": (
        {"folder", "judging", "limits", "metrics", "rows", "timeline"},
        {"alerts"},
        {"book"},
        {"watching"},
        {"carrying"},
        {"queue"},
        {"asking"},
    ),
    "flower": ({"apps", "link"}, {"lines"}),
    "application": ({"signal"}, {"ground"}, {"notices"}, {"people"}, {"sites"}, {"runs"}),
}
GROUND = FLOORS[0]  # these few may know each other
FLOOR_OF = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
FLOWER_BRINGS = {"cryptography", "httpx"}  # installed wherever flwr is
ONLY_IN = {
    "gradio": {"ui", "web/server.py"},
    "flwr": {"flower", "site"},
    "torch": set(),
    "transformers": set(),
    "datasets": set(),
    "flwr_datasets": set(),
}


def _modules() -> list[Path]:
    found = (ROOT / PACKAGE).rglob("*.py")
    return sorted(path for path in found if "node_modules" not in path.parts)


def _room(path: Path) -> str:
    first = path.relative_to(ROOT / PACKAGE).parts[0]
    return first.removesuffix(".py")


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                continue  # within an app's own package
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _rooms_used(path: Path) -> set[str]:
    names = (name.split(".") for name in _imports(path))
    ours = {name[1] for name in names if name[0] == PACKAGE and len(name) > 1}
    return ours & ({*FLOOR_OF, "site"})


def test_every_room_has_a_floor():
    assert {_room(path) for path in _modules()} - set(FLOOR_OF) == {"site"}


def test_imports_run_one_way():
    wrong = []
    for path in _modules():
        room = _room(path)
        for used in _rooms_used(path) - {room}:
            below = room in FLOOR_OF and FLOOR_OF.get(used, 99) < FLOOR_OF[room]
            if not below and not (room in GROUND and used in GROUND):
                wrong.append(f"{path.relative_to(ROOT)} imports {used}")
    assert wrong == []


@pytest.mark.parametrize("home", WITHIN)
def test_imports_within_a_room_run_one_way(home):
    floor_of = {room: number for number, rooms in enumerate(WITHIN[home]) for room in rooms}
    above, wrong = [PACKAGE, *home.split("/")], []
    for path in sorted((ROOT / PACKAGE / home).rglob("*.py")):
        room = path.relative_to(ROOT / PACKAGE / home).parts[0].removesuffix(".py")
        if room == "__init__":
            continue  # the door of the room, for those outside
        names = [name.split(".") for name in _imports(path)]
        inner = {
            name[len(above)] for name in names if name[: len(above)] == above and name[len(above) :]
        }
        for other in inner - {room}:
            if not floor_of[other] < floor_of[room]:
                wrong.append(f"{path.relative_to(ROOT)} imports {other}")
    assert wrong == []


def test_gradio_flower_and_torch_stay_in_their_rooms():
    wrong = []
    for path in _modules():
        inside = path.relative_to(ROOT / PACKAGE).as_posix()
        for name in _imports(path):
            rooms = ONLY_IN.get(name.split(".")[0])
            if rooms is not None and inside not in rooms and _room(path) not in rooms:
                wrong.append(f"{inside} imports {name}")
    assert wrong == []


def test_what_runs_on_a_site_needs_nothing_of_ours():
    allowed = set(sys.stdlib_module_names) | {"flwr", "blossomtune_site", *FLOWER_BRINGS}
    for path in (ROOT / PACKAGE / "site").glob("*.py"):
        used = {name.split(".")[0] for name in _imports(path)}
        assert used <= allowed, f"{path.name} imports {used - allowed}"


def test_flower_apps_import_nothing_of_ours():
    for path in (ROOT / "flower_apps").rglob("*.py"):
        assert not any(name.startswith((PACKAGE, "config")) for name in _imports(path)), path


def test_only_config_reads_the_environment():
    for path in [*_modules(), ROOT / "app.py"]:
        if path.parent.name == "site":
            continue  # a program of its own, on another machine
        assert "os.environ" not in path.read_text(), path
        assert "getenv" not in path.read_text(), path


def test_the_space_gets_the_tested_versions():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = project["dependencies"] + project["optional-dependencies"]["apps"]
    names = {_name(line) for line in wanted}
    pins = _pins("constraints.txt")
    assert _pins("requirements.txt") == {name: pins[name] for name in names}


def _name(requirement: str) -> str:
    letters = requirement.replace("_", "-").lower()
    return letters[: next((i for i, c in enumerate(letters) if c in " <>=!~["), len(letters))]


def _pins(file: str) -> dict[str, str]:
    lines = (ROOT / file).read_text().splitlines()
    pairs = (line.split("==") for line in lines if "==" in line and not line.startswith("#"))
    return {_name(name): version for name, version in pairs}


# -- sizes ---------------------------------------------------------------------------------------

# Too long still. A name leaves this list when its module is split; none is added.
LONG_MODULES = {
    "services/notices/mailer.py",
    "mail/postman.py",
    "flower/link/server_process.py",
}
LONG_FUNCTIONS = {"web/api/runs.py:router", "web/login.py:login_router"}


def _is_migration(path: Path) -> bool:
    return path.parent.name == "versions"


def test_modules_are_short():
    lengths = {
        path.relative_to(ROOT / PACKAGE).as_posix(): len(path.read_text().splitlines())
        for path in _modules()
        if not _is_migration(path)
    }
    assert median(lengths.values()) <= 110
    assert {name for name, lines in lengths.items() if lines > 250} <= LONG_MODULES


def _functions() -> Iterator[tuple[str, int]]:
    """Name and number of lines of each."""
    for path in _modules():
        if not _is_migration(path):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    name = f"{path.relative_to(ROOT / PACKAGE).as_posix()}:{node.name}"
                    yield name, (node.end_lineno or 0) - node.lineno + 1


def test_no_two_classes_have_one_name():
    names: dict[str, list[str]] = {}
    for path in _modules():
        if path.parent.name != "site":  # a program of its own
            for node in ast.parse(path.read_text()).body:
                if isinstance(node, ast.ClassDef):
                    names.setdefault(node.name, []).append(str(path.relative_to(ROOT)))
    assert {name: paths for name, paths in names.items() if len(paths) > 1} == {}


def test_functions_are_short():
    functions = list(_functions())
    lengths = sorted(lines for _, lines in functions)
    assert median(lengths) <= 8
    assert lengths[len(lengths) * 9 // 10] <= 20
    assert {name for name, lines in functions if lines > 60} <= LONG_FUNCTIONS


def test_toml_is_read_by_the_parser_that_flower_uses():
    for path in _modules():
        if path.parent.name != "site":  # which has the standard library and no more
            assert "tomllib" not in _imports(path), path
