"""The process of one ServerApp: Flower's own program, with ears for what sites answer.

Our executor finds this in place of `flwr-serverapp` (`commands.prepare_home`) and runs it by its
path, so it imports nothing of ours. It adds four things to Flower's program. Each reply that the
app is given is kept by the SuperLink in an event of the run, with the site that was asked: good
ones many to an event (about 100 bytes each), an error in one of its own. A text that sites or
apps wrote cannot begin a line as only Flower's logger does. No text, and no failing request, ends
the upload of the log. And each run works in a folder of its own, named by Flower's number. Limit:
it uses functions of flwr 1.42 that are not public; where they are gone, Flower's program runs
without us and says so. Surprise: a reply comes twice, as the
announcement that the SuperLink has checked and as the object the ServerApp reads, which a site may
have filled in otherwise; so the sender is taken from the announcement.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from queue import Queue
from typing import Any, TextIO

ERROR = "blossomtune.error"  # the kind of an event with one error reply
REPLIES = "blossomtune.replies"  # with many good ones; the first has none and says that they come
MARK = "@@BLOSSOM "  # begins a line that an app prints for us
_SUPERLINK = 1  # the node id of the SuperLink itself
_LONGEST = 4000  # characters of a reason that are kept
_MOST_ASKED = 1_000_000  # questions whose site is remembered
_PAUSES = (0.2, 1.0, 3.0)  # seconds between two tries to tell
_OF_AN_EVENT = 500  # good replies
_MOST_UNTOLD = 100_000  # events that wait for a SuperLink that takes them
_BREAKS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_SURROGATES = re.compile(r"[\ud800-\udfff]")
_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-Z\\-_]|\x1b"
)
_BLANK = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")  # is shown as one
_PREFIX = re.compile(r"(?:DEBUG|INFO|WARNING|ERROR|CRITICAL) ?:(?: |$)")  # of Flower's logger


def one_line(text: str) -> str:
    """`text` with line breaks and control characters written as `\\n`, `\\x1b` …"""
    return _BREAKS.sub(lambda hit: repr(hit[0])[1:-1], sendable(text))


def sendable(text: str) -> str:
    """`text` that is good UTF-8: what Python made of bytes that are none is written as `\\xe9`."""
    return _SURROGATES.sub(_written, text)


def _written(hit: re.Match[str]) -> str:
    number = ord(hit[0])
    return f"\\x{number - 0xDC00:02x}" if 0xDC80 <= number <= 0xDCFF else f"\\u{number:04x}"


class Answers:
    """What the grid of this process was answered; all of it is told before the app sees it."""

    def __init__(self) -> None:
        self._asked: dict[str, int] = {}  # message id -> node
        self._announced = threading.local()
        self._untold: list[tuple[str, Any]] = [(REPLIES, _good([]))]  # events: kind and data
        self._telling = threading.Lock()

    def listen(self, grid: Any, client: Any) -> None:
        """Hear what passes through these two classes of Flower."""
        push, pull, pull_raw = grid.push_messages, grid.pull_messages, client.PullMessages

        def push_messages(this: Any, messages: Iterable[Any]) -> list[str]:
            questions = list(messages)
            nodes = [question.metadata.dst_node_id for question in questions]
            self.tell(this)  # before there is a question: that all replies will be told
            names = list(push(this, questions))
            if len(self._asked) < _MOST_ASKED:
                self._asked.update(zip(names, nodes, strict=False))
            return names

        def pull_announced(this: Any, request: Any) -> Any:
            answer = pull_raw(this, request)
            self._announced.replies = [reply.metadata for reply in answer.messages_list]
            return answer

        def pull_messages(this: Any, message_ids: Iterable[str]) -> list[Any]:
            self._announced.replies = []
            replies = list(pull(this, message_ids))
            pairs = zip(replies, self._announced.replies, strict=False)
            self.keep([self.checked(*pair) for pair in pairs])
            self.tell(this)
            return replies

        grid.push_messages, grid.pull_messages = push_messages, pull_messages
        client.PullMessages = pull_announced

    def keep(self, told: list[dict[str, Any]]) -> None:
        """Have these replies told with the next `tell`."""
        good = [[reply["message"], reply["node"]] for reply in told if "reason" not in reply]
        pieces = [good[i : i + _OF_AN_EVENT] for i in range(0, len(good), _OF_AN_EVENT)]
        with self._telling:
            self._untold += [(REPLIES, _good(piece)) for piece in pieces]
            self._untold += [(ERROR, reply) for reply in told if "reason" in reply]

    def tell(self, grid: Any) -> None:
        """Have the SuperLink keep what was not told yet. What it does not take waits here."""
        with self._telling:
            untold = self._untold[:_MOST_UNTOLD]
            if untold and _kept(grid, untold):
                untold = []
            self._untold = untold

    def checked(self, reply: Any, announced: Any) -> dict[str, Any]:
        """Give a reply the sender that the SuperLink has checked; what is to be told of it."""
        question = announced.reply_to_message_id
        site = self._asked.pop(question, announced.src_node_id)
        by_flower = announced.src_node_id == _SUPERLINK or not reply.metadata.message_id
        if not by_flower:
            reply.metadata.__dict__["_src_node_id"] = announced.src_node_id
        reply.metadata.__dict__["_reply_to_message_id"] = question
        reply.metadata.__dict__["_run_id"] = announced.run_id
        told = {"message": question, "node": str(site), "by": "flower" if by_flower else "site"}
        if not reply.has_error():
            return told
        reason = sendable(reply.error.reason or "")
        reply.error.__dict__["_reason"] = one_line(reason)
        return told | {"code": reply.error.code, "reason": _cut(reason)}


def _good(replies: list[list[str]]) -> dict[str, Any]:
    """An object: Flower drops anything else and what came with it, and says that it is kept."""
    return {"replies": replies}


def _cut(reason: str) -> str:
    """What is in the middle of a long one matters least."""
    if len(reason) <= _LONGEST:
        return reason
    return f"{reason[: _LONGEST - _LONGEST // 4]} … {reason[-_LONGEST // 4 :]}"


def _kept(grid: Any, events: list[tuple[str, Any]]) -> bool:
    """Whether the SuperLink has these events now."""
    runtime = importlib.import_module("flwr.proto.runtime_pb2")
    event = importlib.import_module("flwr.proto.task_pb2").TaskEvent
    made = [event(event=kind, data=json.dumps(data)) for kind, data in events]
    for pause in (*_PAUSES, None):
        try:
            grid._runtime_client.PushTaskEvents(runtime.PushTaskEventsRequest(events=made))
            return True
        except Exception as error:  # noqa: BLE001 - the app must not fail where we do
            if pause is None:
                _say(f"WARNING: {len(made)} notes of replies are not kept yet: {error!r}")
            else:
                time.sleep(pause)
    return False


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


class Output:
    """What the process writes, on its way to the run's log.

    Only a record of Flower's logger begins a line with its prefix, and each begins one; the mark
    counts where a text that the app writes begins with it.
    """

    def __init__(self, put: Callable[[str], object]) -> None:
        self._put, self._lock = put, threading.Lock()
        self._fresh, self._bar = True, False  # at the start of a line; behind a progress bar

    def app(self, text: str) -> None:
        """The app has written this, in one go."""
        text = _ESCAPES.sub("", sendable(text))
        with self._lock:
            own = text.startswith(MARK)
            if own and self._bar:
                self._write("\n")
            self._write("".join(self._harmless(text, marks=own and self._fresh)))

    def flower(self, text: str) -> None:
        """Flower's logger has written this record."""
        text = sendable(text).replace("\r", "\\r")
        first, end, rest = text.partition("\n")
        with self._lock:
            self._write(f"{'' if self._fresh else chr(10)}{first}{end}")
            self._write("".join(self._harmless(_ESCAPES.sub("", rest), marks=False)))

    def _harmless(self, text: str, *, marks: bool) -> Iterable[str]:
        fresh = self._fresh
        for piece in re.split(r"(?<=[\r\n])", text):
            shown = _BLANK.sub(" ", piece)
            forged = _PREFIX.match(shown) or (piece.startswith(MARK) and not marks)
            yield f" {piece}" if fresh and forged else piece
            fresh = True

    def _write(self, text: str) -> None:
        if text:
            self._fresh = text.endswith("\n")
            self._bar = "\r" in text.rpartition("\n")[2]
            self._put(text)


class _Record:
    """Where Flower's logger writes to."""

    def __init__(self, output: Output, write: Callable[[str], int], stream: TextIO) -> None:
        self._output, self._written, self._stream = output, write, stream

    def write(self, text: str) -> int:
        self._output.flower(text)
        return self._written(text)

    def flush(self) -> None:
        self._stream.flush()


def _mirrored(logger: Any) -> Callable[[Queue[str | None]], None]:
    """In the place of Flower's function that copies output to the log."""

    def mirror(queue: Queue[str | None]) -> None:
        output = Output(queue.put)
        plain = sys.stdout.write
        for stream in (sys.stdout, sys.stderr):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
            stream.write = _copying(stream, output)  # type: ignore[method-assign]
        logger.console_handler.stream = _Record(output, plain, sys.stdout)

    return mirror


def _copying(stream: TextIO, output: Output) -> Callable[[str], int]:
    original = stream.write

    def write(text: str) -> int:
        count = original(text)
        stream.flush()
        output.app(text)
        return count

    return write


class _Patient:
    """A client that has a piece of the log sent again when the SuperLink has trouble."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def PushLogs(self, request: Any) -> Any:  # noqa: N802 - Flower's name
        httpx = importlib.import_module("httpx")
        try:
            return self._client.PushLogs(request)
        except httpx.HTTPStatusError as error:
            if error.response.status_code >= 500:
                raise httpx.TransportError(str(error)) from error  # Flower tries these again
            return None  # refused for good: without this piece the rest comes through


def _in_own_folder(run: Callable[..., Any], answers: Answers) -> Callable[..., Any]:
    """In the place of Flower's function that runs the app: two runs never write the same file."""

    def run_there(*, grid: Any, context: Any, **others: Any) -> Any:
        folder = Path.cwd() / str(context.run_id)
        folder.mkdir(mode=0o700, exist_ok=True)
        os.chdir(folder)
        try:
            return run(grid=grid, context=context, **others)
        finally:
            answers.tell(grid)

    return run_there


def prepare() -> None:
    """Put our ears into Flower's modules. ImportError or AttributeError where they do not fit."""
    logger = importlib.import_module("flwr.supercore.logger")
    program: Any = importlib.import_module("flwr.superlink.cli.flwr_serverapp")
    runtime: Any = importlib.import_module("flwr.superlink.runtime.run_serverapp")
    client: Any = importlib.import_module("flwr.supercore.runtime").RuntimeHttpClient
    upload = runtime.start_log_uploader

    def start_log_uploader(*, client: Any, **others: Any) -> Any:
        return upload(client=_Patient(client), **others)

    _ = program.mirror_output_to_queue, logger.console_handler, client.PushTaskEvents
    answers = Answers()
    answers.listen(runtime.HttpGrid, client)
    runtime.start_log_uploader = start_log_uploader
    runtime.run_ = _in_own_folder(runtime.run_, answers)
    program.mirror_output_to_queue = _mirrored(logger)


def main() -> None:
    """Run Flower's program with what is on the command line."""
    sys.argv[0] = "flwr-serverapp"
    try:
        prepare()
    except (ImportError, AttributeError) as error:
        _say(f"WARNING: This is not flwr 1.41 or 1.42: replies of sites are not kept: {error}")
    program = importlib.import_module("flwr.superlink.cli.flwr_serverapp")
    sys.exit(program.flwr_serverapp())


if __name__ == "__main__":
    main()
