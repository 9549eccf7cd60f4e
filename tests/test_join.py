"""What a participant runs: join.py and executor.py, from an unpacked kit, as real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from flwr.common.config import parse_config_args
from starlette.responses import Response

from blossomtune_gradio.flower.link.site_keys import parse_public_key
from blossomtune_gradio.site.kit import Site, read_site
from blossomtune_gradio.site.node_values import node_config
from blossomtune_gradio.site.server import ask_whether_welcome
from blossomtune_gradio.site.words import Unreachable
from blossomtune_gradio.tls import ServerCredentials, ensure_server_credentials
from blossomtune_gradio.web.gateway import FleetGateway, fleet_app
from tests.fleet_door import Desk, Server, lay_out_kit
from tests.flower_stack import APPS, FlowerStack
from tests.support import free_port, wait_for


class Joined:
    """A running `python join.py` whose whole tree can be found again by a mark in its environ."""

    def __init__(self, kit: Path, *options: str) -> None:
        self.mark = f"BLOSSOMTUNE_TEST={uuid.uuid4()}"
        self.log = kit / "output.log"
        name, value = self.mark.split("=")
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, str(kit / "join.py"), *options],
                stdout=out,
                stderr=subprocess.STDOUT,
                env=os.environ | {name: value},
            )

    def text(self) -> str:
        return self.log.read_text()

    def waits_for(self, words: str, seconds: float = 60, times: int = 1) -> None:
        def there() -> bool:
            running = self.process.poll() is None
            found = self.text().count(words) >= times
            assert found or running
            return found

        try:
            wait_for(there, seconds)
        except AssertionError:
            raise AssertionError(f"did not say {words!r} {times}x:\n{self.text()}") from None

    def ends(self, seconds: float = 30) -> int:
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"did not end:\n{self.text()}") from None

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.ends()

    def tree(self) -> dict[int, str]:
        """Every process that inherited the mark: pid -> command line."""
        name, value = self.mark.split("=")
        found = {}
        for process in psutil.process_iter():
            try:
                if process.environ().get(name) == value and process.status() != "zombie":
                    found[process.pid] = " ".join(process.cmdline())
            except psutil.Error:
                continue
        return found

    def pid_of(self, program: str) -> int:
        return next(pid for pid, line in self.tree().items() if program in line)

    def clear(self) -> None:
        if self.process.poll() is None:
            self.stop()
        for pid in self.tree():
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
def joined() -> Iterator[Callable[..., Joined]]:
    started: list[Joined] = []

    def start(kit: Path, *options: str) -> Joined:
        started.append(Joined(kit, *options))
        return started[-1]

    yield start
    for one in started:
        one.clear()


@pytest.fixture(scope="module")
def credentials(tmp_path_factory: pytest.TempPathFactory) -> ServerCredentials:
    return ensure_server_credentials(tmp_path_factory.mktemp("certificates"), [])


@pytest.fixture
def desk_only(credentials: ServerCredentials) -> Iterator[tuple[Desk, Server]]:
    """A desk behind a gateway whose SuperLink is stopped."""
    desk = Desk()
    gateway = FleetGateway(lambda: None, credentials.ca_cert)
    with Server(fleet_app(gateway, desk), credentials) as server:
        desk.superlink = server.address
        yield desk, server


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlowerStack]:
    with FlowerStack(tmp_path_factory.mktemp("flower")) as stack:
        yield stack


@pytest.fixture
def door(stack: FlowerStack) -> Iterator[tuple[Desk, Server]]:
    """The whole way in: gateway, desk, and a real SuperLink behind them."""
    desk = Desk()
    name = f"site-{uuid.uuid4()}"
    desk.register = lambda key: stack.control.register(parse_public_key(key).pem, name)
    gateway = FleetGateway(lambda: f"https://{stack.address}", stack.credentials.ca_cert)
    with Server(fleet_app(gateway, desk), stack.credentials) as server:
        desk.superlink = server.address
        yield desk, server


def test_a_kit_with_another_ca_is_refused_in_a_sentence(tmp_path, credentials, desk_only, joined):
    _, server = desk_only
    kit = lay_out_kit(
        tmp_path / "kit", credentials, server.address, ca_fingerprint="sha256:" + "AB:" * 31 + "AB"
    )
    site = joined(kit)
    assert site.ends() == 2
    assert "is not the one this kit was made with" in site.text()
    assert not (kit / "site.key").exists()


def test_a_server_with_a_certificate_of_another_ca_never_sees_the_token(
    tmp_path, desk_only, joined
):
    desk, server = desk_only
    stranger = ensure_server_credentials(tmp_path / "stranger", [])
    site = joined(lay_out_kit(tmp_path / "kit", stranger, server.address))
    assert site.ends() == 2
    assert "ca.pem does not vouch for" in site.text()
    assert desk.keys == []


def test_a_flwr_of_another_version_is_named_with_the_command_that_helps(
    tmp_path, credentials, desk_only, joined
):
    _, server = desk_only
    site = joined(lay_out_kit(tmp_path / "kit", credentials, server.address, flwr="1.99.0"))
    assert site.ends() == 2
    assert 'pip install "flwr==1.99.*"' in site.text()


def test_an_expired_token_is_told_plainly(tmp_path, credentials, desk_only, joined):
    _, server = desk_only
    site = joined(lay_out_kit(tmp_path / "kit", credentials, server.address, token="old"))
    assert site.ends() == 1
    assert "This token is not valid (any more). Get a new kit." in site.text()
    assert "Traceback" not in site.text()


def test_check_looks_but_hands_nothing_in(tmp_path, credentials, desk_only, joined):
    desk, server = desk_only
    kit = lay_out_kit(tmp_path / "kit", credentials, server.address)
    site = joined(kit, "--check")
    assert site.ends() == 0
    assert "Ready" in site.text()
    assert desk.keys == []
    assert not (kit / "site.key").exists()


def test_the_key_is_made_once_and_handed_in_again_at_each_start(
    tmp_path, credentials, desk_only, joined
):
    desk, server = desk_only
    desk.registered = False
    kit = lay_out_kit(tmp_path / "kit", credentials, server.address)
    for start in (1, 2):
        site = joined(kit)
        wait_for(lambda start=start: len(desk.keys) >= start, 20)
        assert site.stop() == 0
        assert site.tree() == {}
    assert len(set(desk.keys)) == 1
    assert parse_public_key(desk.keys[0]).openssh.startswith("ecdsa-sha2-nistp384 ")
    assert (kit / "site.key").stat().st_mode & 0o777 == 0o600


def test_a_server_that_is_not_ready_is_asked_again(tmp_path, credentials, desk_only, joined):
    desk, server = desk_only
    desk.refusals = [(503, "The server is starting.")] * 2
    desk.registered = False
    site = joined(lay_out_kit(tmp_path / "kit", credentials, server.address))
    site.waits_for("The server is starting. Trying again in 2 s.")
    site.waits_for("its SuperLink does not run yet")
    assert site.stop() == 0


def test_a_server_that_nobody_reaches_is_asked_again(tmp_path, credentials, joined):
    site = joined(lay_out_kit(tmp_path / "kit", credentials, f"127.0.0.1:{free_port()}"))
    site.waits_for("does not answer")
    site.waits_for("Trying again in 2 s.")
    assert site.stop() == 0


def test_two_in_one_folder_do_not_fight(tmp_path, credentials, desk_only, joined):
    desk, server = desk_only
    desk.registered = False
    kit = lay_out_kit(tmp_path / "kit", credentials, server.address)
    first = joined(kit)
    first.waits_for("Trying again")
    second = joined(kit)
    assert second.ends() == 2
    assert "join.py runs already" in second.text()
    assert first.process.poll() is None


def test_flower_reads_the_node_configuration_as_it_was_written(tmp_path):
    extra = {"data": "/with space/a'b\"c\\d.toml", "note": "Größe = 3", "gpu": True, "rate": 0.5}
    site = Site(tmp_path, "s", "a:1", "https://a", "f", "t", 0, 2, "1.41.0", [], extra)
    text = node_config(site, {"partition_id": 1, "num_partitions": 3})
    assert parse_config_args([text]) == {**extra, "partition-id": 1, "num-partitions": 3}


@pytest.mark.slow
def test_a_site_joins_works_warm_and_leaves_nothing_behind(tmp_path, stack, door, joined):
    desk, server = door
    kit = lay_out_kit(tmp_path / "kit", stack.credentials, server.address)
    site = joined(kit)
    site.waits_for("executor: ready")
    wait_for(lambda: stack.status(desk.node_id) == "online", 60)
    config = tmp_path / "run.toml"
    config.write_text("min-nodes = 1\nnum-server-rounds = 2\n")
    run = stack.wait_for_end(stack.submit(APPS / "numpy_app", config))
    assert run.sub_status == "completed", site.text()
    workers = [line.split()[-1] for line in site.text().splitlines() if "runs in process" in line]
    assert len(set(workers)) == 2
    assert site.text().count(" is done") == 2

    assert "no_such_module is not preloaded" in site.text()
    assert len(site.tree()) == 3  # join.py, SuperNode, executor
    assert site.stop() == 0
    assert site.tree() == {}
    assert stack.status(desk.node_id) == "offline"  # at once, not after a missed heartbeat


@pytest.mark.slow
@pytest.mark.parametrize("share", [True, False])
def test_the_last_lines_of_a_failed_task_are_shared_if_the_site_chose_that(
    tmp_path, stack, door, joined, share
):
    desk, server = door
    kit = lay_out_kit(tmp_path / "kit", stack.credentials, server.address, share_log=share)
    site = joined(kit)
    site.waits_for("executor: ready")
    wait_for(lambda: stack.status(desk.node_id) == "online", 60)
    config = tmp_path / "run.toml"
    config.write_text('min-nodes = 1\nnum-server-rounds = 1\nmode = "raise"\n')
    stack.wait_for_end(stack.submit(APPS / "message_app", config))
    assert "this client was told to fail" in site.text()
    if share:
        wait_for(lambda: any(report["tail"] for report in desk.reports), 30)
    assert site.stop() == 0
    tails = "".join(report["tail"] for report in desk.reports)
    assert ("this client was told to fail" in tails) is share
    assert desk.reports[0]["fingerprint"] == parse_public_key(desk.keys[0]).fingerprint


@pytest.mark.slow
def test_a_killed_executor_comes_back_and_works(tmp_path, stack, door, joined):
    desk, server = door
    site = joined(lay_out_kit(tmp_path / "kit", stack.credentials, server.address))
    site.waits_for("executor: ready")
    os.kill(site.pid_of("executor.py"), signal.SIGKILL)
    site.waits_for("The executor ended (exit code -9); starting it again.")
    site.waits_for("executor: ready", times=2)
    wait_for(lambda: stack.status(desk.node_id) == "online", 60)
    config = tmp_path / "run.toml"
    config.write_text("min-nodes = 1\nnum-server-rounds = 1\n")
    assert stack.wait_for_end(stack.submit(APPS / "numpy_app", config)).sub_status == "completed"


@pytest.mark.slow
def test_a_revoked_site_is_told_so_and_ends_with_code_3(tmp_path, stack, door, joined):
    desk, server = door
    site = joined(lay_out_kit(tmp_path / "kit", stack.credentials, server.address))
    site.waits_for("SuperNode ID")
    desk.revoked = True
    stack.control.unregister(desk.node_id)
    assert site.ends(40) == 3
    assert "Charité was revoked by an admin" in site.text()
    assert site.tree() == {}


@pytest.mark.slow
def test_without_a_usable_executor_the_site_works_plainly(tmp_path, stack, door, joined):
    desk, server = door
    kit = lay_out_kit(tmp_path / "kit", stack.credentials, server.address)
    (kit / "blossomtune_site" / "executor.py").write_text("import sys\nsys.exit(4)\n")
    site = joined(kit)
    site.waits_for("going on without it")
    wait_for(lambda: any("flower-superexec" in line for line in site.tree().values()), 30)
    wait_for(lambda: stack.status(desk.node_id) == "online", 60)
    config = tmp_path / "run.toml"
    config.write_text("min-nodes = 1\nnum-server-rounds = 1\n")
    assert stack.wait_for_end(stack.submit(APPS / "numpy_app", config)).sub_status == "completed"
    assert site.stop() == 0
    assert site.tree() == {}


@pytest.mark.slow
def test_after_a_crash_of_join_the_next_start_ends_what_was_left(tmp_path, stack, door, joined):
    desk, server = door
    kit = lay_out_kit(tmp_path / "kit", stack.credentials, server.address)
    first = joined(kit)
    first.waits_for("SuperNode ID")
    first.process.kill()
    first.process.wait()
    orphans = first.tree()
    assert any("flower-supernode" in line for line in orphans.values())
    second = joined(kit)
    second.waits_for("SuperNode ID", 180, times=2)  # an unheard goodbye costs 60 s, and more
    assert first.tree() == {}
    assert stack.status(desk.node_id) == "online"


@pytest.mark.slow
def test_a_crashed_supernode_is_started_until_flower_lets_it_in(tmp_path, stack, door, joined):
    desk, server = door
    site = joined(lay_out_kit(tmp_path / "kit", stack.credentials, server.address))
    site.waits_for("SuperNode ID")
    os.kill(site.pid_of("flower-supernode"), signal.SIGKILL)
    site.waits_for("Flower still counts the last session as online")
    site.waits_for("SuperNode ID", 180, times=2)
    assert stack.status(desk.node_id) == "online"


@pytest.mark.parametrize("status", [401, 403, 404, 409, 422, 502])
@pytest.mark.parametrize("kind", ["text/html", "application/json"])
def test_the_page_of_a_proxy_is_no_refusal(credentials, tmp_path, status, kind):
    page = Response('{"detail": "Not Found"}', status, media_type=kind)
    with Server(page, credentials) as server:
        site = read_site(lay_out_kit(tmp_path / "kit", credentials, server.address))
        with pytest.raises(Unreachable, match=f"answered {status} .* not in our server's words"):
            ask_whether_welcome(site, "")
