"""SuperLink and executor: start, stop, and what is said when they cannot start."""

import socket
from pathlib import Path

import psutil
import pytest

from blossomtune_gradio.application import Application
from blossomtune_gradio.errors import NotAllowed, NotPossible, ProcessFailed, SettingsError
from blossomtune_gradio.processes import State
from tests.live import PATH, live_settings
from tests.people import ADMIN, person
from tests.support import free_port

pytestmark = pytest.mark.slow


@pytest.fixture
def app(tmp_path: Path):
    made = Application(live_settings(tmp_path), PATH)
    made.open()
    yield made
    made.close()


def test_start_brings_both_up_and_stop_leaves_nothing(app):
    app.federation.start(by=ADMIN)
    pids = {app.superlink.status.pid, app.superlink.executor.pid}
    assert app.superlink.running
    assert app.superlink.control.nodes() == []
    app.federation.stop(by=ADMIN)
    assert app.superlink.status.state is State.STOPPED is app.superlink.executor.state
    assert not any(psutil.pid_exists(pid) for pid in pids if pid)
    assert app.superlink.upstream is None


def test_a_second_start_is_told_that_it_runs(app):
    app.federation.start(by=ADMIN)
    with pytest.raises(NotPossible, match="running already"):
        app.federation.start(by=ADMIN)


@pytest.mark.parametrize("act", ["start", "stop"])
def test_only_an_admin_starts_and_stops(app, act):
    with pytest.raises(NotAllowed):
        getattr(app.federation, act)(by=person("ada"))


def test_after_an_orderly_end_the_wish_is_kept_and_the_superlink_comes_up_again(tmp_path):
    first = Application(live_settings(tmp_path), PATH)
    first.open()
    first.federation.start(by=ADMIN)
    first.close()
    second = Application(live_settings(tmp_path), PATH)
    second.open()
    try:
        assert second.superlink.running
        second.federation.stop(by=ADMIN)
    finally:
        second.close()
    third = Application(live_settings(tmp_path), PATH)
    third.open()
    assert third.superlink.status.state is State.STOPPED
    third.close()


def test_a_port_in_use_is_named_and_nothing_is_left(tmp_path):
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        app = Application(live_settings(tmp_path, superlink_port=port), PATH)
        app.open()
        try:
            with pytest.raises(ProcessFailed, match=str(port)):
                app.federation.start(by=ADMIN)
            assert app.superlink.status.pid is None
        finally:
            app.close()


def test_a_superlink_that_dies_at_start_says_why(app):
    app.credentials.cert.write_text("this is no certificate")
    with pytest.raises(ProcessFailed) as caught:
        app.federation.start(by=ADMIN)
    assert "superlink" in str(caught.value)
    assert app.superlink.status.pid is None


def test_an_unreadable_certificate_stops_the_start_with_its_name(tmp_path):
    settings = live_settings(tmp_path)
    Application(settings, PATH).close()
    (settings.data_dir / "certificates" / "ca.key").write_text("junk")
    with pytest.raises(SettingsError, match=r"ca\.key"):
        Application(settings, PATH)


def test_a_data_directory_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="BLOSSOMTUNE_DATA_DIR"):
        Application(live_settings(tmp_path, data_dir=tmp_path / "file" / "below"), PATH)


def test_two_programs_cannot_use_one_data_directory(app):
    with pytest.raises(SettingsError, match="Another BlossomTune is using"):
        Application(app.settings, PATH)


def test_a_superlink_that_cannot_come_up_again_leaves_the_page_up_and_the_wish_kept(tmp_path):
    port = free_port()
    first = Application(live_settings(tmp_path, superlink_port=port), PATH)
    first.open()
    first.federation.start(by=ADMIN)
    first.close()
    with socket.create_server(("127.0.0.1", port)):
        second = Application(live_settings(tmp_path, superlink_port=port), PATH)
        second.open()
        page = second.logs.since({}, ["blossomtune"], tail=20)
        assert second.options.superlink_port() == port
        second.close()
    assert any("did not start" in line.text and str(port) in line.text for line in page.lines)
