"""Whoever asks REST for something is looked up once."""

from sqlalchemy import Engine, event
from starlette.testclient import TestClient

from blossomtune_gradio.application import Application
from blossomtune_gradio.web.api import rest_api
from tests.live import PATH, live_settings
from tests.people import ADMIN


def test_a_request_looks_its_token_up_once(tmp_path):
    app = Application(live_settings(tmp_path), PATH)
    _, secret = app.tokens.create(ADMIN, "rita", "researcher")
    statements: list[str] = []

    def note(_connection, _cursor, statement, *_) -> None:
        statements.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        client = TestClient(rest_api(app), headers={"Authorization": f"Bearer {secret}"})
        for path in ("/runs", "/apps", "/presets?app=message_app"):
            statements.clear()
            assert client.get(path).status_code == 200, path
            assert len([one for one in statements if "token_hash = ?" in one]) == 1, path
    finally:
        event.remove(Engine, "before_cursor_execute", note)
        app.close()
