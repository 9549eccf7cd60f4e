"""From what programs wrote to a named cause: what happened, the lines that show it, what to do.

Pure: texts in, a `Cause` out. The patterns are what Flower 1.41, Python, NumPy and PyTorch really
print; the tests hold recorded and fresh output against them. Surprise: the rules are tried in
order and the first that fits wins, so the special ones stand before the general.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

MOST_EVIDENCE = 12  # lines on a card
SERVER_KILLED = "server-killed"  # the code of a ServerApp that is gone without a word
_LONGEST = 400  # characters of one of them


@dataclass(frozen=True)
class Cause:
    """Why something failed. `code` is stable and for programs, the rest is for people."""

    code: str
    sentence: str
    """What happened."""
    advice: str
    """What to do next."""
    evidence: tuple[str, ...] = ()
    """The lines that show it, oldest first."""

    @property
    def text(self) -> str:
        """Both sentences."""
        return f"{self.sentence} {self.advice}"


@dataclass(frozen=True)
class Who:
    """Whose output is judged; both words complete our sentences."""

    name: str
    """"The ServerApp", "Charité"."""
    place: str
    """Where something must be done: "on the server", "at Charité"."""


SERVER = Who("The ServerApp", "on the server")
_EXCEPTION = re.compile(r"^(?:\w+\.)*\w*(?:Error|Exception|Interrupt|Exit|Warning|Replies)\b.*")
_WRAPPED = re.compile(r"<class '([\w.]+)'>:<(.*)>$", re.DOTALL)  # an error reply's exception


@dataclass(frozen=True)
class _Rule:
    code: str
    pattern: re.Pattern[str]
    sentence: str  # {who}, {place} and the pattern's groups {0}, {1} …
    advice: str


def _rule(code: str, pattern: str, sentence: str, advice: str) -> _Rule:
    return _Rule(code, re.compile(pattern, re.IGNORECASE), sentence, advice)


_RULES = (
    _rule(
        "partition-id",
        r"KeyError.{0,20}?(partition-id|num-partitions)|^['\"](partition-id|num-partitions)['\"]$"
        r"|started without (partition-id|num-partitions)",
        "{who} asked for {0}, which it was not given.",
        "Start the SuperNode with the kit (or with --node-config 'partition-id=0 "
        "num-partitions=2'); a ServerApp must not read it at all.",
    ),
    _rule(
        "missing-dependency",
        r"No module named ['\"]?([\w.]+)",
        "{who} needs the Python package {0}, which is not installed {place}.",
        "Install it in the environment that flwr runs in {place}, then start the run again.",
    ),
    _rule(
        "bad-import",
        r"cannot import name ['\"](\w+)['\"]|ImportError|module ['\"][\w.]+['\"] has no attribute"
        r"|LoadServerAppError|LoadClientAppError|Unable to load",
        "{who} could not import the app's own code.",
        "Correct the import in the app's folder; Runs → Apps shows what a check finds.",
    ),
    _rule(
        "out-of-memory",
        r"MemoryError|CUDA out of memory|DefaultCPUAllocator|Cannot allocate memory"
        r"|out of memory",
        "{who} ran out of memory.",
        "Use a smaller batch or model, or give the machine {place} more memory.",
    ),
    _rule(
        "disk-full",
        r"No space left on device|database or disk is full|Disk quota exceeded",
        "The disk is full {place}.",
        "Free some space there, then start the run again; nothing that was saved is lost.",
    ),
    _rule(
        "database-locked",
        r"database is locked|database table is locked",
        "The database {place} was locked by another program for too long.",
        "End the other program (a backup, a second server, a network disk) and start again.",
    ),
    _rule(
        "metric-keys",
        r"(?:Metric|Array)Records must have the same keys|InconsistentMessageReplies"
        r"|(?:Metric|Array)Record.{0,40}same keys",
        "The sites' answers do not fit together: one has other names in it than the others.",
        "Make the ClientApp return the same metric and array names at every site.",
    ),
    _rule(
        "shape-mismatch",
        r"could not be broadcast|size mismatch|shapes? .{0,60}(?:not aligned|mismatch|differ)"
        r"|mat1 and mat2|must match the size of tensor|Error\(s\) in loading state_dict"
        r"|cannot reshape array|inhomogeneous shape",
        "Arrays of different shapes met {place}: not every site has the same model.",
        "Make sure every site builds the same model from the same configuration and app version.",
    ),
    _rule(
        "wrong-config-type",
        r"object cannot be interpreted as an integer|must be real number, not str"
        r"|could not convert string to float|invalid literal for int\(\)"
        r"|unsupported operand type\(s\)|not supported between instances of"
        r"|must be an? (?:int|float|str|bool|integer|number)\b",
        "{who} was given a value of the wrong type.",
        "Compare the run's configuration with the app's defaults: 1, 1.0 and \"1\" differ.",
    ),
    _rule(
        "no-network",
        r"Temporary failure in name resolution|Name or service not known|Max retries exceeded"
        r"|OfflineModeIsEnabled|LocalEntryNotFoundError|Connection(?:Refused)?Error"
        r"|could not be had from the hub|Network is unreachable",
        "{who} could not reach something on the network.",
        "Check the network {place}, or use data and a model that lie there already.",
    ),
    _rule(
        "certificate",
        r"CERTIFICATE_VERIFY_FAILED|certificate verify failed|\[SSL\]|PEM lib",
        "A TLS certificate was not accepted.",
        "Use the certificate of this data directory; a site needs the ca.pem of its newest kit.",
    ),
    _rule(
        "port-in-use",
        r"address already in use|errno 98|errno 48|port \d+ is already used|Port .{0,12}in use",
        "A port that is needed is used by another program.",
        "End that program, or set another one (BLOSSOMTUNE_SUPERLINK_PORT is the SuperLink's).",
    ),
    _rule(
        "clock",
        r"timestamp.{0,40}(?:invalid|expired|out of|future)|clock",
        "The clock {place} is wrong, so Flower refuses its signature.",
        "Set the clock (NTP) {place}; join.py --check names the difference.",
    ),
    _rule(
        "bundle-too-large",
        r"FAB size|fab.{0,30}(?:exceeds|too large)|exceeds the (?:maximum|allowed) .{0,20}size",
        "The app is too large for Flower, which takes at most 10 MB of code.",
        "Move data and weights out of the app's folder, or list them in its .gitignore.",
    ),
    _rule(
        "permission",
        r"PermissionError|Permission denied|Operation not permitted",
        "{who} was not allowed to read or write something.",
        "Correct the rights of the path in the evidence {place}.",
    ),
    _rule(
        "file-missing",
        r"FileNotFoundError|No such file or directory",
        "{who} did not find a file.",
        "Put the file in the evidence where it is looked for {place}, or change the path.",
    ),
    _rule(
        "client-killed",
        r"ClientApp stopped responding",
        "The ClientApp of {who} ended without a word; mostly the system killed it.",
        "Look for 'out of memory' in the system log {place}; use a smaller batch or model.",
    ),
    _rule(
        "node-lost",
        r"Node Unavailable|NODE_UNAVAILABLE|message.{0,20}unavailable",
        "{who} went away while it had work to do.",
        "Start the SuperNode {place} again (python join.py) and look why it ended.",
    ),
    _rule(
        SERVER_KILLED,
        r"No heartbeat received from the task|Task failed with unknown error",  # SIGKILL, SIGTERM
        "The ServerApp's process ended without a word: it was killed, or left by itself.",
        "Look for 'out of memory' in the system log on the server, then start the run again.",
    ),
)
_FAILED = "{who} failed: {0}"
_LOOK = "The evidence shows where; correct the app {place}, then start the run again."


def diagnose(who: Who, said: str, evidence: Sequence[str] = ()) -> Cause:
    """The cause behind a message (an exception, an error reply, Flower's details).

    `evidence` is what to show; the message itself when there is none.
    """
    text = spoken(said)
    shown = tuple(line[:_LONGEST] for line in list(evidence)[-MOST_EVIDENCE:]) or (text[:_LONGEST],)
    for rule in _RULES:
        if hit := rule.pattern.search(text):
            groups = [group for group in hit.groups() if group]
            sentence = rule.sentence.format(*groups, who=who.name, place=who.place)
            return Cause(rule.code, sentence, rule.advice.format(place=who.place), shown)
    sentence = _FAILED.format(_short(text), who=who.name)
    return Cause("exception", sentence, _LOOK.format(place=who.place), shown)


def server_cause(details: str, lines: Sequence[str]) -> Cause:
    """Why a ServerApp failed: Flower's details, and the traceback in its log if there is one."""
    said = details.removeprefix("ServerApp failed with exception: ").strip()
    block = traceback_of(lines)
    last = next((line for line in reversed(block) if _EXCEPTION.match(line)), "")
    return diagnose(SERVER, f"{last}\n{said}".strip() or "it gave no reason", block or [said])


def program_cause(name: str, lines: Sequence[str]) -> Cause | None:
    """Why a program of ours (SuperLink, executor, flwr run) failed, if its output tells."""
    words = "\n".join(lines)
    who = Who(name, "on the server")
    cause = diagnose(who, words, lines)
    return None if cause.code == "exception" else cause


def traceback_of(lines: Sequence[str]) -> list[str]:
    """The newest traceback in a log, without the frames of Flower itself."""
    starts = [i for i, line in enumerate(lines) if line.startswith("Traceback (most recent call")]
    if not starts:
        return []
    block: list[str] = [lines[starts[-1]]]
    for line in lines[starts[-1] + 1 :]:
        block.append(line)
        if line and not line.startswith((" ", "\t")) and _EXCEPTION.match(line):
            break
    return _without_flowers_frames(block)


def _without_flowers_frames(block: list[str]) -> list[str]:
    kept: list[str] = []
    foreign = False
    for line in block:
        if line.startswith("  File "):
            foreign = "/site-packages/flwr/" in line or "\\site-packages\\flwr\\" in line
        elif not line.startswith(" "):
            foreign = False
        if not foreign:
            kept.append(_short_path(line))
    return kept


def _short_path(line: str) -> str:
    """An app's files lie deep in Flower's home; the app's own part is enough."""
    return re.sub(r'File "[^"]*?/apps/([^"]+)"', r'File "\1"', line)


def spoken(text: str) -> str:
    """`<class 'ValueError'>:<'…'>` as Python would print it."""
    if hit := _WRAPPED.search(text):
        name = hit[1].rpartition(".")[2]
        said = hit[2].strip().strip("'\"")
        return f"{name}: {said}" if said else name
    return text.strip()


def _short(text: str) -> str:
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return (lines[0] if lines else "it gave no reason")[:200].rstrip(".") + "."
