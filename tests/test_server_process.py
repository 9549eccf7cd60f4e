"""What is put into the process of a ServerApp: who said something decides what it counts as."""

import json
import subprocess
import sys
from logging import INFO, LogRecord

import pytest
from flwr.app import Error, Metadata, RecordDict
from flwr.app.message import make_message
from flwr.proto import message_pb2
from flwr.supercore.logger import console_handler
from hypothesis import given
from hypothesis import strategies as st

from blossomtune_gradio.flower.lines.round_log import RoundParser
from blossomtune_gradio.flower.link import commands, server_process
from blossomtune_gradio.flower.link.facts import LogChunk
from blossomtune_gradio.flower.link.server_process import Answers, Output, one_line, sendable
from blossomtune_gradio.logs import LogStore
from blossomtune_gradio.services.runs.carrying.log import RunLog

FORGED = "INFO :      [ROUND 77/3]"
POINT = '@@BLOSSOM {"round": 77, "accuracy": 0.999}'
BREAKS = ["\n", "\r", "\r\n", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"]
HOSTILE = st.one_of(
    st.text(),
    st.sampled_from(
        [FORGED, POINT, *BREAKS, "\x1b[92m", "\x1b]0;t\x07", "\x00", "INFO", " :", "\t"]
    ),
)


def written(*parts):
    """The log after the app ("app", text) and Flower's logger ("flower", text) wrote this."""
    pieces = []
    output = Output(pieces.append)
    for who, text in parts:
        getattr(output, who)(text)
    return "".join(pieces)


def events(log, folder):
    """What is read from such a log."""
    store = LogStore(folder)
    run_log = RunLog(store, "run-1")
    lines = [*run_log.add(LogChunk(log, 1.0)), *run_log.finish()]
    parser = RoundParser()
    first = [event for line in lines for event in parser.feed(line)]
    parser = RoundParser()
    again = [event for line in RunLog(store, "run-1").lines_so_far() for event in parser.feed(line)]
    assert again == first
    return first


def record(text, *values):
    """As Flower's logger writes it."""
    made = LogRecord("flwr", INFO, "x.py", 1, text, values, None)
    return console_handler.format(made) + "\n"


@given(st.lists(st.lists(HOSTILE, max_size=6).map("".join), max_size=5))
def test_no_text_of_an_app_passes_for_flowers(tmp_path_factory, texts):
    parts = [("app", f"note: {text}\n") for text in texts]
    assert events(written(*parts), tmp_path_factory.mktemp("log")) == []


@given(st.lists(HOSTILE, max_size=8).map("".join))
def test_no_reason_of_a_site_is_more_than_one_line_of_text(tmp_path_factory, reason):
    shown = one_line(reason)
    assert len(f"x{shown}x".splitlines()) == 1
    log = written(("flower", record("\t> Received error in reply from node %d: %s", 5, shown)))
    assert events(log, tmp_path_factory.mktemp("log")) == []
    log.encode()


@pytest.mark.parametrize("end", BREAKS)
@pytest.mark.parametrize(
    "forged", [FORGED, POINT, f"\x1b[92m{FORGED}", FORGED.replace(" ", "\x00")]
)
def test_a_break_begins_no_line_of_flower_or_of_the_app(tmp_path, end, forged):
    text = f"it failed{end}{forged}{end}"
    assert events(written(("app", text + "\n"), ("flower", record(text))), tmp_path) == []


def test_what_flower_and_the_app_say_themselves_counts(tmp_path):
    log = written(
        ("app", "\r 10%|#"),
        ("flower", record("[ROUND %s/%s]", 1, 3)),
        ("app", "\r 20%|##"),
        ("app", POINT),
        ("app", "\n"),
    )
    assert [type(event).__name__ for event in events(log, tmp_path)] == ["RoundStarted", "Point"]


def test_a_file_name_that_is_no_text_is_written_so_that_it_can_be_sent():
    name = b"K\xf6ln.csv".decode("utf-8", "surrogateescape")
    assert sendable(name) == "K\\xf6ln.csv"
    assert sendable("\ud800") == "\\ud800"


def question(node):
    return make_message(metadata=metadata(1, "", 7, node), content=RecordDict())


def reply(error, *, node, question="q1", run=7):
    content = None if error else RecordDict()
    return make_message(metadata=metadata(node, question, run, 1), content=content, error=error)


def metadata(source, question, run, target):
    return Metadata(
        run_id=run,
        message_id="m1",
        src_node_id=source,
        dst_node_id=target,
        reply_to_message_id=question,
        group_id="",
        created_at=1.0,
        ttl=1.0,
        message_type="train",
    )


def announced(node, question="q1", run=7):
    return message_pb2.Metadata(run_id=run, src_node_id=node, reply_to_message_id=question)


def test_the_sender_of_a_reply_is_the_one_that_the_superlink_has_checked():
    forged = reply(Error(0, f"RuntimeError\n{FORGED}"), node=99, question="of another", run=8)
    told = Answers().checked(forged, announced(5))
    assert (forged.metadata.src_node_id, forged.metadata.reply_to_message_id) == (5, "q1")
    assert forged.metadata.run_id == 7
    assert told == {
        "message": "q1",
        "node": "5",
        "by": "site",
        "code": 0,
        "reason": f"RuntimeError\n{FORGED}",
    }
    assert forged.error.reason == f"RuntimeError\\n{FORGED}"


def test_a_good_answer_keeps_its_content_and_is_no_error():
    good = reply(None, node=99)
    assert Answers().checked(good, announced(5)) == {"message": "q1", "node": "5", "by": "site"}
    assert good.metadata.src_node_id == 5


def test_of_an_answer_that_flower_made_up_the_site_that_was_asked_is_told():
    answers = Answers()
    asked = []

    class Grid:
        def push_messages(self, messages):
            asked.append(list(messages))
            return ["q1", None]

        def pull_messages(self, message_ids):
            return []

    class Client:
        def PullMessages(self, request):  # noqa: N802 - Flower's name
            return request

    answers.listen(Grid, Client)
    questions = [question(node) for node in (5, 6)]
    assert Grid().push_messages(iter(questions)) == ["q1", None]
    lost = reply(Error(3, "Error: Node Unavailable"), node=1)
    told = answers.checked(lost, announced(1))
    assert told is not None
    assert (told["node"], told["by"], lost.metadata.src_node_id) == ("5", "flower", 1)


def test_this_flwr_has_all_that_we_reach_for():
    """In a process of its own, as nothing can be put back."""
    code = "import runpy, sys; runpy.run_path(sys.argv[1])['prepare']()"
    subprocess.run([sys.executable, "-c", code, server_process.__file__], check=True, timeout=60)


def test_the_launcher_is_found_first_and_runs_flowers_program(tmp_path):
    home = tmp_path / "a 'home' of ours"
    commands.prepare_home(home)
    environment = commands.child_environment(home)
    done = subprocess.run(
        ["sh", "-c", "command -v flwr-serverapp && flwr-serverapp --help"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.startswith(f"{home}/bin/flwr-serverapp")
    assert "Run a Flower ServerApp" in done.stdout
    assert json.dumps(done.stderr) == '""'
