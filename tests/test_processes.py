"""The supervisor against real little programs: stubborn, silent, dying, orphaned ones."""

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from blossomtune_gradio.errors import NotPossible, ProcessFailed
from blossomtune_gradio.processes import ProcessSupervisor, Program, State, Status
from blossomtune_gradio.processes.model import next_pause
from blossomtune_gradio.processes.tree import TAG, is_alive
from tests.support import free_port, wait_for

PLAIN = "import time; print('up', flush=True); time.sleep(600)"

# Ignores SIGTERM and has a grandchild in a session of its own that lost its parent, too.
STUBBORN = """
    import os, signal, sys, time
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            print("grandchild", os.getpid(), flush=True)
            time.sleep(600)
        os._exit(0)
    os.wait()
    if os.fork() == 0:
        print("child", os.getpid(), flush=True)
        time.sleep(600)
    print("leader", os.getpid(), flush=True)
    time.sleep(600)
"""
LISTENER = """
    import socket, sys, time
    server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
    print("listening", flush=True)
    time.sleep(600)
"""
TICKER = """
    import time
    for i in range(6000):
        print("tick", i, flush=True)
        time.sleep(0.05)
"""

Make = Callable[..., Program]


@pytest.fixture
def program(tmp_path: Path) -> Make:
    def make(code: str, *args: str, **options: object) -> Program:
        argv = (sys.executable, "-c", textwrap.dedent(code), *args)
        known = {"name": "child", "argv": argv, "env": {}, "cwd": tmp_path, "grace": 5.0}
        return Program(**{**known, "output": tmp_path / "child.out", **options})  # type: ignore[arg-type]

    return make


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[ProcessSupervisor]:
    made = ProcessSupervisor(tmp_path / "records")
    yield made
    made.close()


def output(tmp_path: Path) -> str:
    file = tmp_path / "child.out"
    return file.read_text() if file.exists() else ""


def tagged(tag: str) -> list[psutil.Process]:
    """Every living process with this mark in its environment, found without our own code."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(TAG) == tag and is_alive(process):
                found.append(process)
        except psutil.Error:
            continue
    return found


def record(tmp_path: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((tmp_path / "records" / "child.json").read_text())
    return found


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


# -- starting and stopping ----------------------------------------------------------------------


def test_a_child_runs_with_exactly_its_own_environment(supervisor, program, tmp_path):
    show = "import os; print(sorted(os.environ), os.environ['COLOUR'], os.getcwd())"
    supervisor.start(program(show, env={"COLOUR": "green"}))
    status = supervisor.wait(State.EXITED, seconds=10)
    # Python itself may set LC_CTYPE; nothing else of ours is there.
    assert "'HOME'" not in output(tmp_path)
    assert f"'{TAG}', 'COLOUR'" in output(tmp_path)
    assert f"green {tmp_path}" in output(tmp_path)
    assert (status.exit_code, status.pid) == (0, None)


def test_start_returns_in_starting_and_running_means_the_port_answers(supervisor, program):
    port = free_port()
    slow = program(LISTENER, str(port), ports=(port,), ready=lambda: answers(port))
    supervisor.start(slow)
    assert supervisor.status.state is State.STARTING
    status = supervisor.wait(State.RUNNING, seconds=10)
    assert status.pid is not None
    assert answers(port)
    supervisor.stop()
    assert supervisor.status.state is State.STOPPED
    assert not psutil.pid_exists(status.pid)


def test_a_stubborn_child_is_killed_with_grandchildren_that_left_its_session(
    supervisor, program, tmp_path
):
    supervisor.start(program(STUBBORN, grace=0.5))
    wait_for(lambda: len(output(tmp_path).splitlines()) == 3)
    tag = str(record(tmp_path)["tag"])
    assert len(tagged(tag)) == 3
    supervisor.stop()
    assert tagged(tag) == []
    assert supervisor.status.state is State.STOPPED
    assert supervisor.status.exit_code == -signal.SIGKILL
    assert not (tmp_path / "records" / "child.json").exists()


def test_sigterm_goes_to_the_leader_first_so_that_it_can_end_its_own_children(
    supervisor, program, tmp_path
):
    code = """
        import signal, subprocess, sys, time
        worker = subprocess.Popen([sys.executable, "-c", '''
        import signal, time
        def told(*_): print("worker was told by the supervisor", flush=True); raise SystemExit
        signal.signal(signal.SIGTERM, told); print("worker up", flush=True); time.sleep(600)
        '''])
        def end(*_):
            time.sleep(0.5)
            worker.kill(); worker.wait(); print("leader ended it", flush=True)
            raise SystemExit
        signal.signal(signal.SIGTERM, end)
        print("leader up", flush=True)
        time.sleep(600)
    """
    supervisor.start(program(code))
    wait_for(lambda: "worker up" in output(tmp_path) and "leader up" in output(tmp_path))
    supervisor.stop()
    assert "leader ended it" in output(tmp_path)
    assert "told by the supervisor" not in output(tmp_path)


def test_a_taken_port_is_named_with_the_program_that_holds_it(supervisor, program):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ProcessFailed, match=f"port {port} is already used by .*{os.getpid()}"):
            supervisor.start(program(PLAIN, ports=(port,)))
    assert supervisor.status.state is State.FAILED
    assert str(port) in supervisor.status.reason
    supervisor.start(program(PLAIN, ports=(port,)))  # free again: no trace of the failure
    assert supervisor.wait(State.RUNNING, seconds=5).reason == ""


def test_a_missing_program_folder_or_output_is_a_sentence(supervisor, program, tmp_path):
    with pytest.raises(ProcessFailed, match="'no-such-program' was not found"):
        supervisor.start(program("", argv=("no-such-program",)))
    with pytest.raises(ProcessFailed, match="working folder 'gone' does not exist"):
        supervisor.start(program("", cwd=tmp_path / "gone"))
    (tmp_path / "file").touch()
    with pytest.raises(ProcessFailed, match=r"output file 'x\.log' cannot be written"):
        supervisor.start(program("", output=tmp_path / "file" / "x.log"))
    assert list((tmp_path / "records").glob("*")) == []


def test_an_unwritable_record_starts_nothing(program, tmp_path):
    (tmp_path / "blocked").touch()
    supervisor = ProcessSupervisor(tmp_path / "blocked")
    with pytest.raises(ProcessFailed, match="in the data folder cannot be read"):
        supervisor.start(program(PLAIN))
    assert output(tmp_path) == ""


def test_a_second_start_is_refused_and_a_second_stop_is_fine(supervisor, program):
    supervisor.stop()
    supervisor.start(program(PLAIN))
    with pytest.raises(NotPossible, match="already"):
        supervisor.start(program(PLAIN))
    supervisor.stop()
    supervisor.stop()
    assert supervisor.status.state is State.STOPPED


@pytest.mark.concurrent
def test_concurrent_starts_and_stops_leave_one_child_and_then_none(supervisor, program, tmp_path):
    refused: list[str] = []

    def at_once(work: Callable[[], None], times: int) -> None:
        def run() -> None:
            try:
                work()
            except NotPossible as error:
                refused.append(str(error))

        threads = [threading.Thread(target=run) for _ in range(times)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
            assert not thread.is_alive()

    at_once(lambda: supervisor.start(program(PLAIN)), 8)
    assert len(refused) == 7
    tag = str(record(tmp_path)["tag"])
    wait_for(lambda: tagged(tag))  # a program that has just begun shows no environment yet
    assert len(tagged(tag)) == 1
    at_once(supervisor.stop, 8)
    assert tagged(tag) == []
    assert len(refused) == 7


@pytest.mark.concurrent
def test_stop_works_while_it_is_still_starting(supervisor, program):
    supervisor.start(program(PLAIN, ready=lambda: False))
    pid = supervisor.status.pid
    supervisor.stop()
    assert supervisor.status.state is State.STOPPED
    assert pid is not None
    assert not psutil.pid_exists(pid)


# -- ends nobody asked for ----------------------------------------------------------------------


def test_a_child_that_dies_at_start_is_noticed_at_once_with_its_last_words(supervisor, program):
    dies = "import sys; print('\\x1b[91mno licence file\\x1b[0m\\n\\n'); sys.exit(3)"
    supervisor.start(program(dies, ready=lambda: False, ready_within=60))
    with pytest.raises(ProcessFailed) as caught:
        supervisor.wait(State.RUNNING, seconds=8)
    assert str(caught.value) == (
        "child ended with exit code 3 before it was ready.\nno licence file"
    )
    assert supervisor.status.state is State.FAILED
    assert supervisor.status.exit_code == 3


def test_last_words_are_those_of_this_start_only(supervisor, program):
    supervisor.start(program("print('first'); raise SystemExit(1)"))
    with pytest.raises(ProcessFailed, match="first"):
        supervisor.wait(State.EXITED, seconds=8)
    supervisor.start(program("raise SystemExit(1)"))
    with pytest.raises(ProcessFailed, match=r"^child ended with exit code 1\.$"):
        supervisor.wait(State.EXITED, seconds=8)


def test_a_child_that_is_never_ready_is_ended_with_its_tree(supervisor, program, tmp_path):
    def check() -> bool:
        raise ConnectionError("nobody answers")

    supervisor.start(program(STUBBORN, ready=check, ready_within=1.0, grace=0.3))
    tag = str(record(tmp_path)["tag"])
    with pytest.raises(ProcessFailed, match=r"not ready within 1 s.*nobody answers(?s:.*)leader"):
        supervisor.wait(State.RUNNING, seconds=15)
    assert supervisor.status.state is State.FAILED
    assert tagged(tag) == []


def test_a_kill_from_outside_is_put_in_words_and_leftovers_are_ended(supervisor, program, tmp_path):
    supervisor.start(program(STUBBORN))
    wait_for(lambda: len(output(tmp_path).splitlines()) == 3)
    tag = str(record(tmp_path)["tag"])
    pid = supervisor.status.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(ProcessFailed, match=r"killed by SIGKILL \(out of memory\?\)"):
        supervisor.wait(State.EXITED, seconds=10)
    assert supervisor.status.exit_code == -9
    assert tagged(tag) == []


def test_waiting_has_an_end(supervisor, program):
    supervisor.start(program(PLAIN))
    supervisor.wait(State.RUNNING, seconds=5)
    with pytest.raises(ProcessFailed, match=r"is running after 0\.2 s, not exited or failed"):
        supervisor.wait(State.EXITED, State.FAILED, seconds=0.2)


def test_each_change_is_told_once_and_in_order(program, tmp_path):
    heard: list[Status] = []

    def listen(status: Status) -> None:
        heard.append(status)
        raise ValueError("a broken listener changes nothing")

    supervisor = ProcessSupervisor(tmp_path / "records", listen)
    supervisor.start(program(PLAIN))
    supervisor.wait(State.RUNNING, seconds=5)
    supervisor.close()
    assert [s.state for s in heard] == ["starting", "running", "stopping", "stopped"]
    assert [s.since for s in heard] == sorted(s.since for s in heard)


# -- restart with back-off ----------------------------------------------------------------------


def test_pauses_double_up_to_thirty_seconds_and_begin_anew_after_a_calm_minute():
    pauses = [0.0]
    for _ in range(7):
        pauses.append(next_pause(pauses[-1], lived=1))
    assert pauses[1:] == [1, 2, 4, 8, 16, 30, 30]
    assert next_pause(30, lived=61) == 1


@pytest.mark.slow
def test_a_child_that_dies_is_started_again_with_growing_pauses(program, tmp_path):
    heard: list[Status] = []
    supervisor = ProcessSupervisor(tmp_path / "records", heard.append)
    supervisor.start(program(PLAIN, restart=True))
    for _ in range(2):
        pid = supervisor.wait(State.RUNNING, seconds=10).pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        reason = supervisor.wait(State.BACKING_OFF, seconds=10).reason
        assert "SIGKILL" in reason
        assert "started again in" in reason
    status = supervisor.wait(State.RUNNING, seconds=10)
    assert status.restarts == 2
    supervisor.close()
    lives = ["starting", "running", "failed", "backing off"] * 2
    assert [s.state for s in heard] == [*lives, "starting", "running", "stopping", "stopped"]
    ends = [s.since for s in heard if s.state is State.BACKING_OFF]
    starts = [s.since for s in heard if s.state is State.STARTING][1:]
    waited = [(b - a).total_seconds() for a, b in zip(ends, starts, strict=True)]
    assert waited == pytest.approx([1, 2], abs=0.6)


def test_an_end_that_is_being_told_is_still_on_record(program, tmp_path):
    """Else a crash of ours in that moment would forget it."""
    file, there = tmp_path / "records" / "child.json", {}

    def listen(status: Status) -> None:
        there[status.state] = file.exists()

    supervisor = ProcessSupervisor(tmp_path / "records", listen)
    supervisor.start(program(PLAIN, restart=True))
    pid = supervisor.wait(State.RUNNING, seconds=10).pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    supervisor.wait(State.BACKING_OFF, seconds=10)
    supervisor.close()
    assert there[State.FAILED]
    assert not file.exists()


def test_a_restarting_child_that_never_ran_fails_the_wait_and_can_be_stopped(supervisor, program):
    supervisor.start(program("raise SystemExit('bad option')", ready=lambda: False, restart=True))
    with pytest.raises(ProcessFailed, match=r"^child ended with exit code 1 (?s:.*)bad option"):
        supervisor.wait(State.RUNNING, seconds=10)
    assert supervisor.status.state is State.BACKING_OFF
    supervisor.stop()
    assert supervisor.status.state is State.STOPPED


# -- adoption -----------------------------------------------------------------------------------


def test_a_child_left_running_writes_on_and_is_adopted_and_stopped(program, tmp_path):
    first = ProcessSupervisor(tmp_path / "records")
    first.start(program(TICKER))
    pid = first.wait(State.RUNNING, seconds=5).pid
    first.close(leave_running=True)
    size = len(output(tmp_path))
    wait_for(lambda: len(output(tmp_path)) > size)
    with pytest.raises(NotPossible, match="closing"):
        first.start(program(TICKER))

    second = ProcessSupervisor(tmp_path / "records")
    assert second.adopt(program(TICKER))
    assert second.wait(State.RUNNING, seconds=5).pid == pid
    second.close()
    assert second.status.state is State.STOPPED
    assert pid is not None
    assert not psutil.pid_exists(pid)


def test_a_child_survives_the_kill_of_its_supervisor_and_is_adopted_by_the_next(program, tmp_path):
    """The supervisor lives in a process of its own that is killed, so nothing is handed over."""
    code = f"""
        import sys, time
        from pathlib import Path
        from blossomtune_gradio.processes import *
        here = Path({str(tmp_path)!r})
        supervisor = ProcessSupervisor(here / "records")
        supervisor.start(Program(name="child", argv=(sys.executable, "-c", {PLAIN!r}), env={{}},
            cwd=here, output=here / "child.out"))
        print("started", flush=True)
        time.sleep(600)
    """
    root = str(Path(__file__).parent.parent)
    argv = [sys.executable, "-c", textwrap.dedent(code)]
    ours = subprocess.Popen(argv, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": root})
    assert ours.stdout is not None
    assert ours.stdout.readline() == b"started\n"
    wait_for(lambda: "up" in output(tmp_path))
    ours.kill()
    ours.wait(10)
    ours.stdout.close()

    supervisor = ProcessSupervisor(tmp_path / "records")
    assert supervisor.adopt(program(PLAIN))
    pid = supervisor.wait(State.RUNNING, seconds=5).pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(ProcessFailed, match=r"child (ended|was killed)"):
        supervisor.wait(State.EXITED, seconds=5)
    assert supervisor.status.state is State.FAILED
    supervisor.close()


def test_a_foreign_process_with_the_recorded_pid_is_neither_adopted_nor_touched(
    supervisor, program, tmp_path
):
    first = ProcessSupervisor(tmp_path / "records")
    first.start(program(STUBBORN, grace=0.3))
    wait_for(lambda: len(output(tmp_path).splitlines()) == 3)
    first.close(leave_running=True)
    bystander = subprocess.Popen([sys.executable, "-c", PLAIN], stdout=subprocess.DEVNULL)
    try:
        faked = {**record(tmp_path), "pid": bystander.pid}
        (tmp_path / "records" / "child.json").write_text(json.dumps(faked))
        assert not supervisor.adopt(program(PLAIN))
        assert tagged(str(faked["tag"])) == []  # the true leftovers are found by their mark
        assert bystander.poll() is None
        assert not (tmp_path / "records" / "child.json").exists()
        assert supervisor.status.state is State.STOPPED
    finally:
        bystander.kill()
        bystander.wait()


@pytest.mark.parametrize("field", ["start_time", "boot_id"])
def test_a_record_from_another_start_or_boot_is_not_believed(supervisor, program, tmp_path, field):
    first = ProcessSupervisor(tmp_path / "records")
    first.start(program(PLAIN))
    first.wait(State.RUNNING, seconds=5)
    first.close(leave_running=True)
    faked = {**record(tmp_path), field: 1.0 if field == "start_time" else "another boot"}
    (tmp_path / "records" / "child.json").write_text(json.dumps(faked))
    assert not supervisor.adopt(program(PLAIN))
    assert tagged(str(faked["tag"])) == []


def test_a_start_ends_what_an_earlier_one_left_so_nothing_runs_twice(supervisor, program, tmp_path):
    port = free_port()
    listener = program(LISTENER, str(port), ports=(port,), ready=lambda: answers(port))
    first = ProcessSupervisor(tmp_path / "records")
    first.start(listener)
    old = first.wait(State.RUNNING, seconds=5).pid
    first.close(leave_running=True)
    supervisor.start(listener)
    assert supervisor.wait(State.RUNNING, seconds=5).pid != old
    assert old is not None
    wait_for(lambda: not psutil.pid_exists(old) or not is_alive(psutil.Process(old)))


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": 1}'])
def test_a_broken_record_is_no_record(supervisor, program, tmp_path, content):
    (tmp_path / "records").mkdir()
    (tmp_path / "records" / "child.json").write_text(content)
    assert not supervisor.adopt(program(PLAIN))


# -- nothing is left ----------------------------------------------------------------------------


@pytest.mark.slow
def test_twenty_starts_and_stops_leave_no_process_thread_or_file(program, tmp_path):
    me = psutil.Process()

    def held() -> tuple[int, int, int]:
        """Open files, threads and child processes of ours."""
        return me.num_fds(), threading.active_count(), len(me.children(recursive=True))

    def cycle() -> None:
        supervisor = ProcessSupervisor(tmp_path / "records")
        supervisor.start(program(PLAIN))
        supervisor.wait(State.RUNNING, seconds=5)
        supervisor.close()

    cycle()
    before = held()
    for _ in range(20):
        cycle()
    # Fewer is no fault: what an earlier test left in this process may end meanwhile.
    more = [now - then for now, then in zip(held(), before, strict=True)]
    assert max(more) <= 0, more
    assert list((tmp_path / "records").iterdir()) == []
