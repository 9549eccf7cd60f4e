"""The Control API adapter against the real SuperLink. When Flower changes, this is what breaks."""

import ssl
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from blossomtune_gradio.errors import FlowerError, FlowerUnreachable, SettingsError
from blossomtune_gradio.flower.apps.catalogue import read_app
from blossomtune_gradio.flower.apps.config import write_run_config
from blossomtune_gradio.flower.lines.round_log import RoundParser, Waiting
from blossomtune_gradio.flower.link.control import FlowerControl
from blossomtune_gradio.flower.link.failures import Code, FlowerRefused
from blossomtune_gradio.tls import ensure_server_credentials
from tests.flower_stack import APPS, make_private_key
from tests.support import free_port, wait_for

pytest_plugins = ["tests.flower_fixtures"]
pytestmark = pytest.mark.slow
UNKNOWN = 2**64 - 1


@pytest.fixture
def control(flower_stack):
    control = FlowerControl(flower_stack.address, flower_stack.credentials.ca_cert)
    yield control
    control.close()


@pytest.fixture
def waiting_run(flower_stack, tmp_path):
    """A run that waits for more sites than there are; stopped afterwards."""
    config = write_run_config(tmp_path / "run.toml", {"min-nodes": 50})
    run_id = flower_stack.submit(APPS / "message_app", config)
    wait_for(lambda: "Waiting for nodes" in flower_stack.run_log(run_id), seconds=60)
    yield run_id
    flower_stack.control.stop(run_id)
    flower_stack.wait_for_end(run_id, seconds=30)


def test_a_superlink_that_answers_is_healthy_and_none_is_not(control, flower_stack):
    assert control.healthy()
    started = time.monotonic()
    nobody = FlowerControl(f"127.0.0.1:{free_port()}", flower_stack.credentials.ca_cert)
    assert not nobody.healthy()
    assert time.monotonic() - started < 3


def test_a_registered_key_is_listed_with_its_name_and_can_leave(control, tmp_path):
    key = make_private_key(tmp_path / "key")
    before = datetime.now(UTC)
    node_id = control.register(key.pem, "Charité Berlin")
    [node] = [node for node in control.nodes() if node.node_id == node_id]
    assert (node.name, node.status, node.public_key) == ("Charité Berlin", "registered", key.pem)
    assert node.last_seen is None
    assert node.online_since is None
    assert timedelta() <= node.registered_at - before < timedelta(seconds=10)

    control.unregister(node_id)
    [node] = [node for node in control.nodes() if node.node_id == node_id]
    assert node.status == "unregistered"
    assert node.unregistered_at >= node.registered_at
    with pytest.raises(FlowerRefused, match="no such site") as refusal:
        control.unregister(node_id)
    assert refusal.value.code == Code.NODE_NOT_FOUND


@pytest.mark.parametrize("unregistered", [False, True])
def test_a_key_is_taken_only_once_even_after_it_left(control, tmp_path, unregistered):
    key = make_private_key(tmp_path / "key")
    node_id = control.register(key.pem, "one")
    if unregistered:
        control.unregister(node_id)
    with pytest.raises(FlowerRefused, match="make a new key") as refusal:
        control.register(key.pem, "two")
    assert refusal.value.code == Code.KEY_IN_USE


def test_a_key_of_the_wrong_kind_is_refused_by_flower_too(control):
    wrong = ed25519.Ed25519PrivateKey.generate().public_key()
    pem = wrong.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    for bad in (pem, b"junk"):
        with pytest.raises(FlowerRefused, match="elliptic curve key") as refusal:
            control.register(bad, "wrong")
        assert refusal.value.code == Code.KEY_NOT_VALID


def test_a_run_flower_does_not_know_is_none_and_cannot_be_stopped_or_read(control):
    assert control.run(UNKNOWN) is None
    for ask in (control.stop, control.log_now, lambda run_id: next(control.logs(run_id))):
        with pytest.raises(FlowerRefused, match="no such run") as refusal:
            ask(UNKNOWN)
        assert refusal.value.code == Code.RUN_NOT_FOUND


def test_a_waiting_run_can_be_read_and_stopped(control, waiting_run):
    fact = control.run(waiting_run)
    assert (fact.status, fact.finished) == ("running", False)
    assert fact.app_id == "blossomtune-tests/message-app"
    assert fact.fab_hash == read_app(APPS / "message_app", APPS).bundle_hash
    assert fact.pending_at <= fact.starting_at <= fact.running_at
    assert fact.finished_at is None
    assert 0 <= fact.server_seconds < 60
    assert waiting_run in [run.run_id for run in control.runs(limit=3)]

    parser = RoundParser()
    lines = control.log_now(waiting_run).text.splitlines()
    events = [event for line in lines for event in parser.feed(line)]
    assert {event.required for event in events if isinstance(event, Waiting)} == {50}

    assert control.stop(waiting_run) is True
    wait_for(lambda: control.run(waiting_run).finished, seconds=30)
    fact = control.run(waiting_run)
    assert fact.sub_status == "stopped"
    assert fact.finished_at >= fact.running_at
    assert control.stop(waiting_run) is False


@pytest.mark.concurrent
def test_a_log_stream_that_is_resumed_repeats_nothing_and_misses_nothing(control, waiting_run):
    first = control.log_now(waiting_run)
    with ThreadPoolExecutor(1) as pool:
        rest = pool.submit(lambda: list(control.logs(waiting_run, first.timestamp)))
        wait_for(lambda: control.log_now(waiting_run, first.timestamp), 60)
        control.stop(waiting_run)
        later = rest.result(timeout=30)  # it ends because the run has ended
    assert later

    def is_whole() -> bool:
        """The last words of a ServerApp may come after the stream has ended."""
        while chunk := control.log_now(waiting_run, later[-1].timestamp):
            later.append(chunk)
        whole = control.log_now(waiting_run)
        said = first.text + "".join(chunk.text for chunk in later)
        assert whole.text.startswith(said)
        return (whole.text, whole.timestamp) == (said, later[-1].timestamp)

    wait_for(is_whole, 30)


def test_a_quiet_log_gives_the_thread_back(control, flower_stack, waiting_run):
    """Here nothing comes because the timestamp lies ahead."""
    ahead = time.time() + 3600
    started = time.monotonic()
    assert control.log_now(waiting_run, ahead) is None
    assert list(control.logs(waiting_run, ahead, quiet=0.5)) == []
    assert time.monotonic() - started < 3


def test_a_stream_that_nobody_reads_any_more_is_left_alone(control, waiting_run):
    stream = control.logs(waiting_run)
    next(stream)
    stream.close()
    assert control.healthy()


@pytest.mark.concurrent
def test_many_threads_may_ask_at_once(control):
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: (control.nodes(), control.runs(5)), range(40)))
    # Heartbeats of other tests' sites may come in between, so only who and what is compared.
    told = {
        (tuple(n.node_id for n in nodes), tuple(r.run_id for r in runs)) for nodes, runs in answers
    }
    assert len(told) == 1


def test_nothing_answers_at_a_free_port(flower_stack):
    nobody = FlowerControl(f"127.0.0.1:{free_port()}", flower_stack.credentials.ca_cert)
    for ask in (nobody.nodes, nobody.runs, lambda: nobody.run(1), lambda: nobody.log_now(1)):
        with pytest.raises(FlowerUnreachable, match="does not answer"):
            ask()


def test_a_superlink_of_another_ca_is_not_trusted(flower_stack, tmp_path):
    other = ensure_server_credentials(tmp_path, [])
    stranger = FlowerControl(flower_stack.address, other.ca_cert)
    assert not stranger.healthy()
    with pytest.raises(FlowerUnreachable, match="certificate that our CA did not sign"):
        stranger.nodes()


def test_a_ca_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "ca.pem").write_text("nonsense")
    for name in ("ca.pem", "missing.pem"):
        with pytest.raises(SettingsError, match=rf"{name} cannot be read"):
            FlowerControl("127.0.0.1:1", tmp_path / name)


def test_a_closed_adapter_says_so(flower_stack):
    control = FlowerControl(flower_stack.address, flower_stack.credentials.ca_cert)
    control.close()
    assert not control.healthy()
    with pytest.raises(FlowerError, match="closed"):
        control.nodes()


def test_no_proxy_is_used_for_the_superlink(flower_stack):
    code = (
        "import sys; from pathlib import Path;"
        "from blossomtune_gradio.flower.link.control import FlowerControl;"
        "control = FlowerControl(sys.argv[1], Path(sys.argv[2]));"
        "print(control.healthy(), len(control.nodes()) >= 0, control.run(1))"
    )
    proxy = f"http://127.0.0.1:{free_port()}"
    done = subprocess.run(
        [sys.executable, "-c", code, flower_stack.address, str(flower_stack.credentials.ca_cert)],
        env={"HTTPS_PROXY": proxy, "HTTP_PROXY": proxy, "ALL_PROXY": proxy},
        cwd=APPS.parent.parent,
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == ["True", "True", "None"], done.stderr


def test_only_the_executor_with_the_secret_gets_work(flower_stack):
    """The reason why the secret file is there: this port has no other login."""
    trust = ssl.create_default_context(cafile=str(flower_stack.credentials.ca_cert))
    answer = httpx.post(
        f"https://{flower_stack.address}/v1/runtime/acquire-task",
        content=b"",
        headers={"content-type": "application/protobuf"},
        verify=trust,
        trust_env=False,
    )
    assert (answer.status_code, answer.json()["code"]) == (401, 1008)


def test_a_supernode_comes_online_and_its_goodbye_is_seen(flower_stack):
    site = flower_stack.add_node(7, 8)
    [node] = [node for node in flower_stack.control.nodes() if node.node_id == site.node_id]
    now = datetime.now(UTC)
    assert now - timedelta(seconds=60) < node.online_since <= now
    assert now - timedelta(seconds=60) < node.last_seen <= now
    site.process.terminate()
    wait_for(lambda: flower_stack.status(site.node_id) == "offline", seconds=30)
    [node] = [node for node in flower_stack.control.nodes() if node.node_id == site.node_id]
    assert node.online_since is None
    assert node.last_seen >= now - timedelta(seconds=1)


def test_a_supernode_is_cut_off_when_it_is_unregistered(flower_stack):
    site = flower_stack.add_node(8, 9)
    flower_stack.control.unregister(site.node_id)
    assert site.process.wait(30) == 0  # Flower calls this a graceful end


def test_a_supernode_with_an_unknown_key_is_refused(flower_stack, tmp_path):
    make_private_key(tmp_path / "stranger.key")
    child = flower_stack.start_supernode("stranger", tmp_path / "stranger.key", 0, 2)
    assert child.wait(60) == 1
    assert "code: 2004" in flower_stack.log("stranger")
