"""What counts as noise in the log of Flower's programs."""

import pytest

from blossomtune_gradio.flower.lines.noise import is_noise

ACCESS = '2026-11-22T03:35:48.096Z INFO [uvicorn.access] 127.0.0.1:59186 - "POST {} HTTP/1.1" {}'


@pytest.mark.parametrize(
    ("line", "noise"),
    [
        ("\x1b[92mINFO \x1b[0m:      ControlServicer.ListNodes", True),
        (ACCESS.format("/v1/control/list-nodes", 200), True),
        (ACCESS.format("/v1/fleet/pull-messages", 401), False),
        (ACCESS.format("/v1/fleet/pull-messages", 500), False),
        ("\x1b[92mINFO \x1b[0m:      ControlServicer.StopRun", False),
        ("INFO :      Finished task 3465948599093669345", False),
        ("", False),
    ],
)
def test_only_answered_requests_are_noise(line, noise):
    assert is_noise(line) is noise
