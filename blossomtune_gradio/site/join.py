"""Join a federation: run this at your site, and leave it running.

It makes your key (which never leaves this folder), hands the public half in, and then keeps
`flower-supernode` running until you stop it (Ctrl-C) or the admin revokes your access. It needs
Python 3.11 and flwr, nothing else, and listens on no port that another machine can reach.
Surprise: Flower refuses a node that crashed for up to 60 seconds, so a restart may have to wait.

    python join.py            join and stay
    python join.py --check    only look whether everything is ready
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import importlib.metadata
import ipaddress
import json
import os
import re
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

if sys.version_info < (3, 11):  # noqa: UP036 - a site may well try an older one
    sys.exit(f"This needs Python 3.11 or newer; {sys.executable} is {sys.version.split()[0]}.")

STOPPED, REFUSED, FIX_HERE, REVOKED = 0, 1, 2, 3  # exit codes
RETRY_SECONDS = (1, 2, 4, 8, 15, 20)  # the last one is repeated
REFUSED_SECONDS = 5  # while Flower counts the last session as online; it lets go after 60
STILL_ONLINE_SECONDS = 180  # longer than that is another fault; starting takes its time, too
STOP_SECONDS = 10
SECRET = "executor.secret"  # file in the state folder
EXECUTOR_UNUSABLE = 4  # exit code of executor.py: this flwr is not the one it knows
WARM_PLATFORMS = ("linux",)  # elsewhere a fork after importing torch may crash

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_NODE_KEY = re.compile(r"[A-Za-z0-9_-]+")


class Problem(Exception):
    """Cannot go on. The message says why and what to do; `code` is the exit code."""

    def __init__(self, message: str, code: int = FIX_HERE) -> None:
        super().__init__(message)
        self.code = code


class Unreachable(Exception):
    """The server does not answer now; worth another try."""


class Stopped(Exception):
    """Somebody asked us to end while we waited."""


def say(text: str) -> None:
    """One calm line with the time."""
    echo(f"{time.strftime('%H:%M:%S')} {text}\n")


def echo(text: str) -> None:
    """Write to the terminal; when nobody reads any more, carry on without."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError:
        pass


# ------------------------------------------------------------------ what the kit says


@dataclass
class Site:
    """`site.toml` and the files beside it."""

    folder: Path
    site: str
    superlink: str
    join_url: str
    ca_fingerprint: str
    token: str
    partition_id: int
    num_partitions: int
    flwr: str
    preload: list[str] = field(default_factory=list)
    node_config: dict[str, Any] = field(default_factory=dict)

    @property
    def ca(self) -> Path:
        return self.folder / "ca.pem"

    @property
    def key(self) -> Path:
        return self.folder / "site.key"

    @property
    def state(self) -> Path:
        """Folder for what Flower and we remember; may be deleted while nothing runs."""
        return self.folder / "state"


def read_site(folder: Path) -> Site:
    """Read and check `site.toml`.

    Raises:
        Problem: it is missing, cannot be read, or lacks something.
    """
    import tomllib  # not at the top: Python 3.10, which has none, shall get its sentence

    path = folder / "site.toml"
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Problem(f"{path} cannot be read ({error.strerror}). Unpack the whole kit.") from None
    except ValueError as error:
        raise Problem(f"{path} is damaged ({error}). Get a new kit.") from None
    names = {name for name in Site.__dataclass_fields__ if name != "folder"}
    missing = sorted(names - {"preload", "node_config"} - set(values))
    if missing:
        raise Problem(f"{path} lacks {', '.join(missing)}. Get a new kit.")
    return Site(folder=folder, **{name: values[name] for name in names & set(values)})


def check_here(site: Site) -> None:
    """Everything that can be wrong on this machine.

    Raises:
        Problem: flwr is missing or another version, or `ca.pem` is not the one the kit names.
    """
    wanted = ".".join(site.flwr.split(".")[:2])
    advice = f'Run: "{sys.executable}" -m pip install "flwr=={wanted}.*"'
    try:
        found = importlib.metadata.version("flwr")
    except importlib.metadata.PackageNotFoundError:
        raise Problem(f"flwr is not installed for {sys.executable}. {advice}") from None
    if found.split(".")[:2] != wanted.split("."):
        raise Problem(f"This federation uses flwr {wanted}, here is {found}. {advice}")
    try:
        der = ssl.PEM_cert_to_DER_cert(site.ca.read_text(encoding="ascii").strip())
    except OSError as error:
        raise Problem(
            f"{site.ca} cannot be read ({error.strerror}). Unpack the whole kit."
        ) from None
    except ValueError:
        raise Problem(f"{site.ca} is not a certificate. Get a new kit.") from None
    actual = hashlib.sha256(der).hexdigest()
    if actual != site.ca_fingerprint.removeprefix("sha256:").replace(":", "").lower():
        raise Problem(
            f"The certificate in {site.ca} is not the one this kit was made with, so somebody "
            "may have replaced it. Get a new kit, over a way you trust."
        )


def public_key(site: Site) -> str:
    """The site's public key in OpenSSH form; the private one is made when there is none yet.

    Raises:
        Problem: the key file cannot be read or written.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric import ec

    try:
        if not site.key.exists():
            private = ec.generate_private_key(ec.SECP384R1())
            pem = private.private_bytes(
                form.Encoding.PEM, form.PrivateFormat.OpenSSH, form.NoEncryption()
            )
            write_private(site.key, pem)
            say(f"Made your key {site.key}. It stays here; keep it, it is your site's identity.")
        site.key.chmod(0o600)
        loaded = form.load_ssh_private_key(site.key.read_bytes(), None)
    except OSError as error:
        raise Problem(f"{site.key} cannot be used ({error.strerror}).") from None
    except (ValueError, UnsupportedAlgorithm):
        raise Problem(f"{site.key} is damaged. Move it away and get a new kit.") from None
    return (
        loaded.public_key().public_bytes(form.Encoding.OpenSSH, form.PublicFormat.OpenSSH).decode()
    )


def write_private(path: Path, content: bytes) -> None:
    """A file only this user can read; whole or not at all, and never over an existing one."""
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    draft.rename(path)


# ------------------------------------------------------------------ the server


def ask(site: Site, key: str) -> dict[str, Any]:
    """Hand the public key in (again); the answer says where to connect and as what.

    Raises:
        Unreachable: nobody answers, or the server is not ready.
        Problem: the server refuses us for good.
    """
    request = urllib.request.Request(
        site.join_url,
        data=json.dumps({"token": site.token, "public_key": key}).encode(),
        headers={"Content-Type": "application/json", "Accept": "application/json"},
    )
    try:
        with opener(site).open(request, timeout=20) as response:
            answer: dict[str, Any] = json.load(response)
            return answer
    except urllib.error.HTTPError as error:
        refused(error.code, problem_detail(error))
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, ssl.SSLCertVerificationError):
            raise Problem(
                f"{site.join_url} answers with a certificate that ca.pem does not vouch for "
                f"({reason.verify_message}). Check the address, then the clock of this machine."
            ) from None
        raise Unreachable(f"{site.join_url} does not answer ({reason})") from None


def opener(site: Site) -> urllib.request.OpenerDirector:
    """HTTPS with the kit's CA; through the usual proxy, but never for this very machine."""
    host = urllib.parse.urlsplit(site.join_url).hostname or ""
    context = ssl.create_default_context(cafile=str(site.ca))
    return urllib.request.build_opener(
        urllib.request.ProxyHandler({} if is_loopback(host) else None),
        urllib.request.HTTPSHandler(context=context),
    )


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def problem_detail(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(error)["detail"])
    except (ValueError, KeyError, TypeError, OSError):
        return f"The server answered {error.code} {error.reason}."


def refused(status: int, detail: str) -> NoReturn:
    advice = {
        401: "Get a new kit and put its site.toml here; keep site.key.",
        403: "Ask the admin of the federation if you think this is a mistake.",
        409: "Get a new kit.",
        422: "Move site.key away; the next start makes a new one.",
    }
    if status in (429, 500, 502, 503, 504):
        raise Unreachable(detail)
    code = REVOKED if status == 403 else REFUSED
    raise Problem(f"{detail} {advice.get(status, '')}".strip(), code)


# ------------------------------------------------------------------ child programs


class Child:
    """A program we started: its output is passed on, its end is seen, nothing of it stays."""

    def __init__(self, name: str, argv: list[str], env: dict[str, str]) -> None:
        self.name = name
        self.started = time.monotonic()
        self._tail: deque[str] = deque(maxlen=40)
        self._process = subprocess.Popen(
            argv,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for us; we end it orderly
        )
        self._reader = threading.Thread(target=self._pass_on, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def code(self) -> int | None:
        """Exit code once it has ended."""
        return self._process.poll()

    @property
    def seconds(self) -> float:
        """How long it has been running."""
        return time.monotonic() - self.started

    def said(self, words: str) -> bool:
        """Whether its last lines contain these words."""
        if self.code is not None:
            self._reader.join(2)  # what it said last may still be on its way
        return any(words in line for line in list(self._tail))

    def stop(self) -> None:
        """SIGTERM, wait, SIGKILL; its children too."""
        if self.code is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                say(f"{self.name} does not end by itself; killing it.")
                self._process.kill()
                self._process.wait()
        end_group(self._process.pid, grace=2)
        self._reader.join(2)

    def _pass_on(self) -> None:
        assert self._process.stdout is not None
        for raw in self._process.stdout:
            line = raw.decode(errors="replace")
            self._tail.append(_ANSI.sub("", line))
            echo(line)


def end_group(pid: int, grace: float) -> None:
    """Wait until a process group is empty; after `grace` seconds by force."""
    patience = time.monotonic() + grace
    while signal_group(pid, 0):
        if time.monotonic() > patience:
            signal_group(pid, signal.SIGKILL)
            time.sleep(0.2)
            return
        time.sleep(0.05)


def signal_group(pid: int, number: int) -> bool:
    """Send a signal to a process group; False when there is none (any more)."""
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):  # the latter: macOS, only zombies are left
        return False
    return True


def end_leftovers(site: Site) -> None:
    """End what an earlier join.py left behind when it was killed; Flower allows one node only."""
    for pid in leftovers(site):
        say(f"Ending process {pid}, left over from an earlier start.")
        signal_group(pid, signal.SIGTERM)
        end_group(pid, grace=STOP_SECONDS)


def leftovers(site: Site) -> list[int]:
    """Process ids of the programs that use our key or our secret."""
    marks = (str(site.key), str(site.state / SECRET))
    shown = subprocess.run(
        ["ps", "-A", "-ww", "-o", "pid=,args="], capture_output=True, text=True, check=False
    )
    rows = (line.split(maxsplit=1) for line in shown.stdout.splitlines())
    return [int(pid) for pid, *args in rows if args and is_ours(args[0], marks)]


def is_ours(args: str, marks: tuple[str, ...]) -> bool:
    programs = ("flower-supernode", "executor.py")
    return any(p in args for p in programs) and any(f"{mark} " in f"{args} " for mark in marks)


# ------------------------------------------------------------------ staying in the federation


class Member:
    """Keeps this site in the federation: asks, starts, watches, starts again, ends orderly."""

    def __init__(self, site: Site, *, warm: bool, once: bool) -> None:
        self._site, self._warm, self._once = site, warm, once
        self._node: Child | None = None
        self._executor: Child | None = None
        self._executor_failures = 0
        self._port = free_port()
        self._stopping = self._asking = False

    def stay(self) -> int:
        """Returns the exit code once somebody stops us. Problem: we cannot or may not go on."""
        for number in (
            signal.SIGTERM,
            signal.SIGINT,
            signal.SIGHUP,
        ):  # HUP: the terminal was closed
            signal.signal(number, self._on_signal)
        key = public_key(self._site)
        with only_one(self._site):
            end_leftovers(self._site)
            try:
                return self._stay(key)
            except Stopped:
                say("Stopping.")
                return STOPPED
            finally:
                self._end_children()

    def _stay(self, key: str) -> int:
        tries, refused_since = 0, 0.0
        while True:
            answer = self._join(key)
            self._node = node = self._start_node(answer)
            self._watch(node)
            node.stop()
            if self._once:
                return self._last_word(node, key)
            if node.seconds > 60:
                tries, refused_since = 0, 0.0
            if is_refused(node):
                refused_since = refused_since or node.started
                still_refused(time.monotonic() - refused_since)
            elif node.said("address already in use"):
                self._move()
            wait = RETRY_SECONDS[min(tries, len(RETRY_SECONDS) - 1)]
            if is_refused(node):  # a longer wait would only be added to Flower's own
                wait = min(wait, REFUSED_SECONDS)
            say(f"The SuperNode ended ({why(node)}). Looking again in {wait} s.")
            tries += 1
            self._sleep(wait)

    def _join(self, key: str) -> dict[str, Any]:
        """Ask until the server has us registered."""
        tries = 0
        while True:
            try:
                self._asking = True
                answer = ask(self._site, key)
                if answer["registered"]:
                    say(
                        f"The server knows us as {answer['site']}, partition "
                        f"{answer['partition_id']} of {answer['num_partitions']}."
                    )
                    return answer
                reason = "The server has our key, but its SuperLink does not run yet"
            except Unreachable as error:
                reason = str(error).rstrip(".")
            finally:
                self._asking = False
            wait = RETRY_SECONDS[min(tries, len(RETRY_SECONDS) - 1)]
            if tries < len(RETRY_SECONDS) or tries % 15 == 0:  # then a line every five minutes
                say(f"{reason}. Trying again in {wait} s.")
            tries += 1
            self._sleep(wait)

    def _last_word(self, node: Child, key: str) -> int:
        with suppress(Unreachable):  # then we cannot know whether we were revoked
            ask(self._site, key)
        return STOPPED if node.code == 0 else REFUSED

    def _watch(self, node: Child) -> None:
        """Return when the SuperNode has ended, or must be started in another mode."""
        while node.code is None:
            if self._warm and not self._tend_executor():
                self._warm = False
                return
            self._sleep(0.2)

    def _tend_executor(self) -> bool:
        """Keep the executor running. False: it cannot work here."""
        executor = self._executor
        if executor is None:
            self._executor = self._start_executor()
        elif executor.code is not None:
            executor.stop()
            self._executor = None
            self._executor_failures = 0 if executor.seconds > 30 else self._executor_failures + 1
            if executor.code == EXECUTOR_UNUSABLE or self._executor_failures >= 3:
                say("The warm executor cannot work here; going on without it (rounds are slower).")
                return False
            say(f"The executor ended (exit code {executor.code}); starting it again.")
        return True

    def _start_node(self, answer: dict[str, Any]) -> Child:
        site, isolation = self._site, ["--isolation", "subprocess"]
        if self._warm:
            isolation = ["--isolation", "process", "--superexec-auth-secret-file", self._secret()]
        argv = [
            supernode_program(),
            *("--root-certificates", str(site.ca)),
            *("--superlink", answer["superlink"]),
            *("--auth-supernode-private-key", str(site.key)),
            *("--host", "127.0.0.1", "--port", str(self._port)),
            *("--node-config", node_config(site, answer)),
            *isolation,
        ]
        say(f"Starting the SuperNode for {answer['superlink']}.")
        return self._start("SuperNode", argv)

    def _start_executor(self) -> Child:
        return self._start(
            "executor",
            [
                sys.executable,
                str(Path(__file__).with_name("executor.py")),
                *("--runtime", f"127.0.0.1:{self._port}"),
                *("--secret-file", self._secret()),
                *(f"--preload={name}" for name in self._site.preload),
            ],
        )

    def _start(self, name: str, argv: list[str]) -> Child:
        try:
            return Child(name, argv, child_environment(self._site))
        except OSError as error:
            raise Problem(f"{argv[0]} cannot be started ({error.strerror}).") from None

    def _secret(self) -> str:
        """What SuperNode and executor share, so that no other user here can take our tasks."""
        path = self._site.state / SECRET
        if not path.exists():
            write_private(path, secrets.token_hex(32).encode())
        return str(path)

    def _move(self) -> None:
        """Somebody took our loopback port: use another one."""
        self._port = free_port()
        if self._executor is not None:
            self._executor.stop()
            self._executor = None

    def _end_children(self) -> None:
        for child in (self._node, self._executor):  # the node first: it says goodbye to Flower
            if child is not None:
                child.stop()

    def _sleep(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not self._stopping and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, 0.1))
        if self._stopping:
            raise Stopped

    def _on_signal(self, _number: int, _frame: object) -> None:
        self._stopping = True  # and nothing is printed: we may be in the middle of a line
        if self._asking:  # a request may take long; all else looks at the flag soon
            self._asking = False
            raise Stopped


def is_refused(node: Child) -> bool:
    """Flower did not let the node in: its key is unknown, or its last session counts as alive."""
    return node.said("code: 2004") or node.said("code: 2001")


def still_refused(seconds: float) -> None:
    """Raises Problem when Flower has been refusing the node for too long."""
    if seconds > STILL_ONLINE_SECONDS:
        raise Problem(
            f"Flower has refused this site for {STILL_ONLINE_SECONDS} s. If the same site.key is "
            "in use on another machine, stop it there; otherwise ask the admin.",
            REFUSED,
        )


def why(node: Child) -> str:
    if is_refused(node):
        return "Flower still counts the last session as online; it lets go within 60 s"
    return "told to by the server" if node.code == 0 else f"exit code {node.code}, see above"


def supernode_program() -> str:
    """`flower-supernode` of the Python we run under."""
    beside = Path(sys.executable).parent / "flower-supernode"
    found = str(beside) if beside.exists() else shutil.which("flower-supernode")
    if found is None:
        raise Problem("flower-supernode is not found. Activate the environment that has flwr.")
    return found


def node_config(site: Site, answer: dict[str, Any]) -> str:
    """The node configuration in Flower's notation: key=value pairs, values as in TOML."""
    values = {
        **site.node_config,
        "partition-id": answer["partition_id"],
        "num-partitions": answer["num_partitions"],
    }
    return " ".join(f"{key}={toml_value(key, value)}" for key, value in values.items())


def toml_value(key: str, value: object) -> str:
    if not _NODE_KEY.fullmatch(key) or not isinstance(value, str | int | float):
        raise Problem(
            f"node_config.{key} in site.toml cannot be used. Names consist of letters, digits, - "
            "and _; values are texts, numbers, true or false."
        )
    if isinstance(value, str):  # Flower's pattern ends a text at its first quotation mark
        return '"' + json.dumps(value, ensure_ascii=False)[1:-1].replace('\\"', "\\u0022") + '"'
    return json.dumps(value)


def child_environment(site: Site) -> dict[str, str]:
    """Ours, plus what keeps Flower quiet, local and apart from other installations."""
    loopback = "127.0.0.1,localhost,::1"
    apart = os.environ.get("NO_PROXY") or os.environ.get("no_proxy")
    no_proxy = f"{apart},{loopback}" if apart else loopback
    return os.environ | {
        "FLWR_HOME": str(site.state / "flwr"),
        "FLWR_TELEMETRY_ENABLED": "0",
        "FLWR_DISABLE_UPDATE_CHECK": "1",
        "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
        "PYTHONUNBUFFERED": "1",
        "NO_PROXY": no_proxy,
        "no_proxy": no_proxy,
        # In plain mode the SuperNode starts flower-superexec by name.
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
    }


@contextmanager
def only_one(site: Site) -> Iterator[None]:
    """Refuse to run twice in one folder."""
    import fcntl

    site.state.mkdir(mode=0o700, exist_ok=True)
    with (site.state / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Problem(f"join.py runs already in {site.folder}. Stop it first.") from None
        yield


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


# ------------------------------------------------------------------ the command


def check(site: Site) -> int:
    """What `--check` does beyond `check_here`: see whether the server answers."""
    try:
        opener(site).open(site.join_url, timeout=20).close()
    except urllib.error.HTTPError:
        pass  # it answers, and rightly refuses a GET
    except OSError as error:
        raise Problem(
            f"{site.join_url} cannot be reached: {getattr(error, 'reason', error)}"
        ) from None
    say(f"Ready: Python, flwr, ca.pem and the way to {site.superlink} are fine.")
    return STOPPED


def main() -> int:
    parser = argparse.ArgumentParser(description="Join a federation with this site's data.")
    parser.add_argument("--dir", type=Path, default=Path(__file__).parent, help="folder of the kit")
    parser.add_argument("--check", action="store_true", help="look whether all is ready, then end")
    parser.add_argument("--plain", action="store_true", help="no warm executor: slower, simpler")
    parser.add_argument("--once", action="store_true", help="end when the SuperNode ends")
    options = parser.parse_args()
    try:
        if os.name != "posix":
            raise Problem("This runs on Linux and macOS; on Windows use WSL.")
        site = read_site(options.dir.resolve())
        check_here(site)
        if options.check:
            return check(site)
        warm = not options.plain and sys.platform.startswith(WARM_PLATFORMS)
        say(f"Joining as {site.site}.")
        return Member(site, warm=warm, once=options.once).stay()
    except Problem as problem:
        say(str(problem))
        return problem.code
    except KeyboardInterrupt:  # before there was anything to stop
        return STOPPED


if __name__ == "__main__":
    sys.exit(main())
