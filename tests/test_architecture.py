"""Imports run one way, and each heavy or delicate thing has one room."""

import ast
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = "blossomtune_gradio"
# A room may import what stands on a lower floor, and itself. Rooms of one floor do not mix.
FLOORS = (
    {
        *("errors", "settings", "option_kinds", "app_variables", "surroundings", "providers"),
        *("identity", "names", "plain_text", "python_text", "files", "tls", "__init__"),
    },
    {"store", "flower", "processes", "logs", "mail"},
    {"services"},
    {"application"},
    {"ui"},
    {"web"},
    {"demo"},
    {"cli"},
)
# The same within the services.
SERVICES = (
    {"addresses", "audit", "entrances", "outside", "rights"},
    {"options"},
    {"notices", "apps", "backup", "checkup"},
    {"people"},
    {"sites"},
    {"review", "runtimes"},
    {"federation", "runs"},
    {"overview"},
)
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


def test_imports_within_the_services_run_one_way():
    floor_of = {room: number for number, rooms in enumerate(SERVICES) for room in rooms}
    home, wrong = ROOT / PACKAGE / "services", []
    for path in sorted(home.rglob("*.py")):
        room = path.relative_to(home).parts[0].removesuffix(".py")
        names = [name.split(".") for name in _imports(path)]
        used = {name[2] for name in names if name[:2] == [PACKAGE, "services"] and name[2:]}
        for other in used - {room}:
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
