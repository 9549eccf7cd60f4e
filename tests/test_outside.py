"""What the page's public address shows from outside, and what the operator is told of it."""

import re

import pytest
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response

from blossomtune_gradio.services.outside import seen
from blossomtune_gradio.tls import ensure_server_credentials
from tests.fleet_door import Server
from tests.support import free_port

PAGE = JSONResponse({"status": "ok", "superlink": "running"})
HTML = HTMLResponse("<h1>Sorry</h1>", 404)


@pytest.fixture(scope="module")
def credentials(tmp_path_factory):
    return ensure_server_credentials(tmp_path_factory.mktemp("certificates"), [])


@pytest.mark.parametrize(
    ("page", "flower", "said"),
    [
        (PAGE, Response(status_code=401), ""),
        (PAGE, PlainTextResponse("The SuperLink is stopped.", 503), ""),
        (PAGE, HTML, "but not Flower: .* is answered 404. Have the proxy pass on /v1/fleet/"),
        (PAGE, HTMLResponse("<h1>Bad</h1>", 503), "but not Flower"),
        (PAGE, HTMLResponse("Sign in"), "but not Flower: .* 200"),
        (HTML, HTML, "answers 404 and not with our page.* A Space must be public"),
        (HTMLResponse("Sign in"), HTML, "answers 200 and not with our page"),
        (HTMLResponse("Bad gateway", 502), HTML, "answers 502"),
    ],
)
def test_an_answer_is_judged_as_a_site_would_meet_it(credentials, page, flower, said):
    async def app(scope, receive, send):
        request = Request(scope)
        answer = flower if request.url.path.startswith("/v1/") else page
        await answer(scope, receive, send)

    with Server(app, credentials) as server:
        sight = seen(f"https://{server.address}", credentials.ca_cert.read_bytes())
    assert sight.good == (not said)
    assert re.search(said, sight.sentence)


def test_silence_proves_nothing():
    sight = seen(f"https://127.0.0.1:{free_port()}")
    assert sight.good
    assert "cannot be seen from here" in sight.sentence
