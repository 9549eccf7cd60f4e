"""A run over two sites by Flower's means alone; its rounds are read from the log."""

import pytest

from blossomtune_gradio.flower.app_config import validated_config, write_run_config
from blossomtune_gradio.flower.apps import read_app
from blossomtune_gradio.flower.round_log import Finished, Point, Replies, RoundParser, RoundStarted
from tests.flower_stack import APPS

pytest_plugins = ["tests.flower_fixtures"]
pytestmark = pytest.mark.slow
ODD = 'it\'s "odd":\n\tä = [1] # 雪 \\n'


def run_app(stack, name, tmp_path, **overrides):
    """Submit, wait for the end; the fact and all events in the log."""
    app = read_app(APPS / name, APPS)
    config = validated_config(app, {key.replace("_", "-"): v for key, v in overrides.items()})
    run_id = stack.submit(app.path, write_run_config(tmp_path / "run.toml", config))
    fact = stack.wait_for_end(run_id)
    parser = RoundParser()
    log = stack.run_log(run_id)
    return fact, [event for line in log.splitlines() for event in parser.feed(line)], log


def points(events):
    """What a chart would show, in the order of the log, each once."""
    found = {(p.name, p.round, p.site): p.value for p in events if isinstance(p, Point)}
    return {key: found[key] for key in sorted(found)}


def test_an_app_of_the_message_api_completes_with_its_points(two_sites, tmp_path):
    fact, events, log = run_app(two_sites, "message_app", tmp_path, note=ODD)
    assert (fact.status, fact.sub_status) == ("finished", "completed")
    assert fact.bytes_sent > 0
    assert fact.bytes_received > 0
    assert fact.client_seconds > 0
    assert f"note: {ODD}" in log
    assert [event for event in events if isinstance(event, RoundStarted)] == [
        RoundStarted(1, 2),
        RoundStarted(2, 2),
    ]
    assert [event for event in events if isinstance(event, Replies)] == [
        Replies(phase, number, 2, 0) for number in (1, 2) for phase in ("train", "evaluate")
    ]
    assert events[-1] == Finished()
    assert points(events) == {
        ("evaluate/loss", 1, ""): 0.25,
        ("evaluate/loss", 2, ""): 0.0625,
        ("server/accuracy", 0, ""): 0,
        ("server/accuracy", 1, ""): 0.5,
        ("server/accuracy", 2, ""): 0.75,
        ("server/loss", 0, ""): 1,
        ("server/loss", 1, ""): 0.25,
        ("server/loss", 2, ""): 0.0625,
        ("train/loss", 1, ""): 0.25,
        ("train/loss", 2, ""): 0.0625,
    }
