"""An exception as it reaches us: in an error reply, in a log with its traceback, in Flower's words.

Pure. A reply of a site has type and words; a traceback has also where it was raised; Flower's
details of a run have the words alone. Surprise: an exception's type says nothing by its name
(`struct.error`, `TimeoutExpired`), and its words may have several lines or a traceback of their
own. So a traceback is read by its form, and believed only if it ends in what Flower says itself.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from blossomtune_gradio.plain_text import plain

_TYPE = r"[A-Za-z_]\w*(?:\.(?:[A-Za-z_]\w*|<locals>))*"
_REPLY = re.compile(rf"<class '({_TYPE})'>:<'(.*)'>", re.DOTALL)  # flwr's run_clientapp
_SPOKEN = re.compile(rf"({_TYPE})(?::(?:\s(.*))?)?", re.DOTALL)  # as Python prints it
HEAD = "Traceback (most recent call last):"
_FROM_WORKER = re.compile(r"Caught \w+ in DataLoader worker process \d+\.\nOriginal Traceback")
_HEAD = re.compile(r"[ |]*(?:\+ Exception Group )?Traceback \(most recent call last\):")
_MARGIN = re.compile(r"[ |+-]*[|+-] ?")  # in front of the lines of an exception group
_FRAME = re.compile(r'  File "([^"]*)", line (\d+)(?:, in .*)?')
_LEVEL = re.compile(r"(?:DEBUG|INFO|WARNING|ERROR|CRITICAL) *: ")
_MARK = re.compile(r"ERROR *: *ServerApp raised an exception")
_CAUSED = "The above exception was the direct cause of the following exception:"
_DURING = "During handling of the above exception, another exception occurred:"
_APP = re.compile(r".*[/\\]apps[/\\][^/\\]+[/\\]")
_LIBRARY = re.compile(r".*[/\\](?:site|dist)-packages[/\\]|.*[/\\]lib[/\\]python3\.\d+[/\\]")
_MOST_MESSAGE, _MOST_LINES = 6, 12  # lines that are shown


@dataclass(frozen=True)
class Raised:
    """One exception."""

    type: str
    """As Python prints it: `KeyError`, `torch.OutOfMemoryError`; "" when there are only words."""
    message: str
    module: str = ""
    """Dotted, of the frame that raised it; "" when it is not known."""
    site: str = ""
    """The last frame in the app's own code: `some_app/task.py, line 12`."""
    lines: tuple[str, ...] = ()
    """The traceback without Flower's own frames, oldest frame first."""
    behind: str = ""
    """What it was raised from (`raise … from`), as Python prints it."""

    @property
    def headline(self) -> str:
        """Type and first line of the words, as Python prints them."""
        said = next((line.strip() for line in self.message.splitlines() if line.strip()), "")
        return f"{self.type}: {said}" if self.type and said else self.type or said


def raised(text: str) -> Raised:
    """What an error reply's reason, or a line such as `KeyError: 'age'`, tells."""
    text = text.strip()
    if hit := _REPLY.fullmatch(text):
        return _unwrapped(Raised(hit[1], hit[2]))
    hit = _SPOKEN.fullmatch(text)
    if hit and hit[1] != "Error" and ("." in hit[1] or hit[1][0].isupper()):
        return Raised(hit[1], hit[2] or "")
    return Raised("", text)


def raised_by_server(details: str, lines: Sequence[str]) -> Raised:
    """What ended a ServerApp: Flower's details of the run, and its log."""
    said = details.removeprefix("ServerApp failed with exception: ")
    marks = [at for at, line in enumerate(lines) if _MARK.match(line)]
    heads = [i for i, line in enumerate(lines) if _HEAD.fullmatch(line) and not _is_link(lines, i)]
    for at in [marks[-1] + 1] if marks else reversed(heads):
        found = _chain(lines[at:])
        if found is not None and (not details or _agree(found.message, said)):
            return _unwrapped(found)
    return Raised("", said.strip())


def _is_link(lines: Sequence[str], at: int) -> bool:
    """Whether this traceback goes on after another one."""
    before = next((lines[i] for i in range(at - 1, -1, -1) if lines[i].strip()), "")
    return before.strip(" |") in (_CAUSED, _DURING)


def _agree(message: str, details: str) -> bool:
    """By the first line: a log has lost empty lines and what makes lines too long."""
    ours, theirs = (
        "".join(plain(next(filter(str.strip, text.split("\n")), "")).split())[:200]
        for text in (message, details)
    )
    return ours == theirs or bool(ours and theirs and ours.startswith(theirs[: len(ours)]))


def _chain(lines: Sequence[str]) -> Raised | None:
    """The last exception of a chain that begins with these lines."""
    found: Raised | None = None
    behind = ""
    rest = _from_text(lines)
    while rest:
        block, rest = _block(rest)
        if not block.type:
            break
        found = replace(block, behind=behind)
        rest = _from_text(rest)
        link = rest[0].strip(" |") if rest else ""
        if link not in (_CAUSED, _DURING):
            break
        behind = found.headline if link == _CAUSED else ""
        rest = _from_text(rest[1:])
    return found


def _from_text(lines: Sequence[str]) -> list[str]:
    """Without empty lines at the beginning."""
    return list(itertools.dropwhile(lambda line: not line.strip(" |"), lines))


def _block(lines: list[str]) -> tuple[Raised, list[str]]:
    """One traceback, and the lines behind it. One that was only ever a cause has no frames."""
    group = "Exception Group" in lines[0]
    body = [_MARGIN.sub("", line, count=1) if group else line for line in lines]
    at = int(bool(_HEAD.fullmatch(lines[0])))
    while at < len(body) and at and (not body[at].strip() or body[at].startswith(" ")):
        at += 1
    frames = [line for line in body[1:at] if line.strip(" ^~")]
    hit = _SPOKEN.fullmatch(body[at]) if at < len(body) else None
    if hit is None:
        return Raised("", ""), []
    end = next((i for i in range(at + 1, len(body)) if _ends(lines[i])), len(body))
    words = [hit[2] or "", *body[at + 1 : end]]
    shown = _shown(frames, [body[at], *body[at + 1 : end]])
    what = Raised(hit[1], "\n".join(words).rstrip(), _module(frames), _site(frames), shown)
    return what, lines[end:]


def _unwrapped(what: Raised) -> Raised:
    """An exception of one of PyTorch's worker processes arrives within another of its type."""
    if not _FROM_WORKER.match(what.message):
        return what
    lines = what.message.rstrip().split("\n")
    name = what.type.rpartition(".")[2]
    for at in range(len(lines) - 1, 0, -1):
        hit = _SPOKEN.fullmatch(lines[at])
        if hit and hit[1].rpartition(".")[2] == name:
            said = "\n".join([hit[2] or "", *lines[at + 1 :]])
            return replace(what, message=said, lines=what.lines)
    return what


def _ends(line: str) -> bool:
    return bool(_LEVEL.match(line)) or line.strip(" |") in (_CAUSED, _DURING)


def _shown(frames: list[str], said: list[str]) -> tuple[str, ...]:
    """At most a dozen lines: frames (the app's own and the newest first of all), what was said."""
    said = [line for line in said if line.strip()][:_MOST_MESSAGE]
    starts = [i for i, line in enumerate(frames) if _FRAME.match(line)]
    pieces = [frames[a:b] for a, b in itertools.pairwise([*starts, len(frames)])]
    pieces = [piece for piece in pieces if not _is_flowers(_path(piece[0]))]
    own = [i for i, piece in enumerate(pieces) if _is_own(_path(piece[0]))]
    room, kept = _MOST_LINES - 1 - len(said), set[int]()
    for at in [*own[-1:], len(pieces) - 1, *own[-2::-1], *range(len(pieces) - 2, -1, -1)]:
        if at >= 0 and at not in kept and len(pieces[at]) <= room:
            kept.add(at)
            room -= len(pieces[at])
    lines = [_short(line) for at in sorted(kept) for line in pieces[at]]
    return (*([HEAD, *lines] if frames else []), *said)


def _is_flowers(path: str) -> bool:
    return bool(_LIBRARY.match(path)) and re.split(r"[/\\]", _LIBRARY.sub("", path))[0] == "flwr"


def _is_own(path: str) -> bool:
    return bool(_APP.match(path)) and not _LIBRARY.match(path)


def _path(frame: str) -> str:
    hit = _FRAME.match(frame)
    return hit[1] if hit else ""


def _short(line: str) -> str:
    """An app's files lie deep in Flower's home; the app's own part is enough."""
    path = _path(line)
    return line.replace(path, _APP.sub("", path)) if path and _APP.match(path) else line


def _module(frames: list[str]) -> str:
    """`flwr.serverapp.strategy.fedavg` of the last frame's path; "" for an app's own."""
    paths = [path for path in map(_path, frames) if path and not path.startswith("<")]
    if not paths or not _LIBRARY.match(paths[-1]):
        return ""
    return re.sub(r"[/\\]", ".", _LIBRARY.sub("", paths[-1])).removesuffix(".py")


def _site(frames: list[str]) -> str:
    for frame in reversed(frames):
        hit = _FRAME.match(frame)
        if hit and _is_own(hit[1]):
            return f"{_APP.sub('', hit[1])}, line {hit[2]}"
    return ""
