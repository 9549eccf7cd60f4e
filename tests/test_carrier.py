"""Scripts and style of the parts have addresses that hold for good, and nothing else has one."""

import re

import httpx
import pytest

from blossomtune_gradio.application import Application
from blossomtune_gradio.settings import Settings
from blossomtune_gradio.ui.page import PAGES
from blossomtune_gradio.ui.parts.carrier import FOLDER, STYLE, Carrier, carrier
from blossomtune_gradio.web.server import WebServer

_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)  # types are imported in there
_RELATIVE = re.compile(r'\bfrom "([^"]+)"|\bimport\("?([^")]+)')


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    app = Application(Settings(data_dir=tmp_path_factory.mktemp("parts"), port=0, fleet_port=0))
    with WebServer(app) as server, httpx.Client(base_url=server.url, trust_env=False) as client:
        yield client
    app.close()


def address(name: str) -> str:
    return carrier().address(name).removeprefix(".")


@pytest.mark.parametrize("name", carrier().files)
def test_every_file_is_answered_whole_and_kept_for_good(client, name):
    answer = client.get(address(name))
    assert answer.content == carrier().files[name]
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["content-type"].startswith("text/css" if name == STYLE else "text/java")
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("name", [name for name in carrier().files if name != STYLE])
def test_every_import_is_relative_and_leads_to_a_file(name):
    script = _COMMENT.sub("", carrier().files[name].decode())
    found = [one or other for one, other in _RELATIVE.findall(script)]
    assert all(one.startswith(("./", "../")) and one.endswith(".js") for one in found), found
    start = carrier().address(name)
    assert len(set(found)) < len(carrier().modules([start])) or not found
    for module in carrier().modules([start]):
        assert module in carrier().files


@pytest.mark.parametrize(
    "path",
    [
        "/parts/",
        f"/parts/{carrier().digest}",
        f"/parts/{carrier().digest}/",
        f"/parts/{carrier().digest}/header/",
        address("header/view.html"),
        address("header/view.test.js"),
        address("kit/style.css"),
        address("testing.js"),
        address("types/part.d.ts"),
        address("nobody/view.js"),
        address("__init__.py"),
        address("../page.py"),
        address("..%2fpage.py"),
        f"/parts/{'0' * 16}/header/view.js",
    ],
)
def test_nothing_else_of_the_folder_has_an_address(client, path):
    assert client.get(path).status_code == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_a_file_is_only_read(client, method):
    assert client.request(method, address(STYLE)).status_code in (404, 405)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.title)
def test_a_page_names_its_own_scripts_early_and_no_other(client, page):
    text = client.get(f"/{page.path}").text
    early = set(re.findall(r'<link rel="modulepreload" href="\./parts/\w+/([^"]+)"', text))
    assert {"header/view.js", "kit/dom.js"} <= early
    started = set(re.findall(r"/parts/\w+/(\w+/view\.js)", text[text.index("gradio_config") :]))
    assert started == {name for name in early if name.endswith("/view.js")}
    assert text.index(address(STYLE)) < text.index("</head>")


def test_each_part_with_a_script_can_be_mounted():
    for script in FOLDER.glob("*/view.js"):
        assert re.search(r"^export (const|function) mount\b", script.read_text("utf-8"), re.M)


def test_the_address_changes_with_the_content_and_the_name():
    def digest(**files: bytes) -> str:
        return Carrier.of(files).digest

    digests = [
        digest(a=b"1", b=b"2"),
        digest(a=b"1", b=b"3"),
        digest(a=b"12", b=b""),
        digest(c=b"1"),
    ]
    assert len(set(digests)) == 4
