"""What a page tells the browser early: links that lead to files, in a page that stays whole."""

import asyncio
import re

import httpx
import pytest

from blossomtune_gradio.application import Application
from blossomtune_gradio.settings import Settings
from blossomtune_gradio.ui.page import PAGES
from blossomtune_gradio.web.early import EarlyHead
from blossomtune_gradio.web.server import WebServer


@pytest.fixture(scope="module")
def client(tmp_path_factory):

    settings = Settings(data_dir=tmp_path_factory.mktemp("early"), port=0, fleet_port=0)
    app = Application(settings)
    with WebServer(app) as server, httpx.Client(base_url=server.url, trust_env=False) as client:
        yield client
    app.close()


@pytest.mark.parametrize("path", [f"/{page.path}" for page in PAGES])
def test_every_early_link_leads_to_a_file_and_comes_after_the_base(client, path):
    page = client.get(path)
    head = page.text[: page.text.index("</head>")]
    links = re.findall(r'<link rel="(?:module)?preload"[^>]*href="([^"]+)"', head)
    assert len([link for link in links if link.endswith(".js")]) >= 6
    assert len([link for link in links if link.endswith(".woff2")]) == 2
    for link in links:
        assert client.get(link.removeprefix(".")).status_code == 200, link
    assert head.index("<base ") < head.index(links[0])
    assert page.text.rstrip().endswith("</html>")


def test_fonts_are_those_the_style_asks_for(client):
    style = client.get("/theme.css").text
    early = re.findall(r'static/fonts/[^"]+', client.get("/").text)
    assert early
    for font in early:
        assert font.removesuffix(".woff2") in style, font


def test_a_page_without_such_places_and_what_is_no_page_pass_as_they_are():
    async def plain(scope, receive, send):
        kind = "text/html; charset=utf-8" if scope["path"] == "/page" else "application/json"
        headers = [(b"content-type", kind.encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"<p>one", "more_body": True})
        await send({"type": "http.response.body", "body": b"two"})

    async def read(path):
        transport = httpx.ASGITransport(EarlyHead(plain, {"page": "<link>"}, "<style>"))
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            return await client.get(path)

    page, data = asyncio.run(read("/page")), asyncio.run(read("/data"))
    assert (page.text, data.text) == ("<p>onetwo", "<p>onetwo")
    assert page.headers["content-length"] == "9"
    assert "cache-control" not in page.headers
    assert "content-length" not in data.headers
