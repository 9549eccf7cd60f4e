"""The guard in front of every callback: roles, kinds of functions, the check at start-up."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Iterator
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from blossomtune_gradio.errors import NotPossible
from blossomtune_gradio.identity import LOCAL_ADMIN, STRANGER, Role, User
from blossomtune_gradio.ui.guard import Guard, assert_all_guarded, role_of

ASKED = SimpleNamespace(client=None)  # a request; who is behind it is the guard's own question


def guard_for(user: User) -> Guard:
    return Guard(lambda request: user)


async def _all(stream: AsyncIterator[Any]) -> list[Any]:
    return [value async for value in stream]


def test_a_callback_learns_who_calls() -> None:
    @guard_for(LOCAL_ADMIN)(Role.ADMIN)
    def greet(word: str, user: User) -> str:
        return f"{word}, {user.name}"

    assert greet(ASKED, "Good day") == "Good day, local admin"
    assert role_of(greet) is Role.ADMIN


def test_a_user_below_the_role_is_refused_with_a_sentence() -> None:
    calls = []

    @guard_for(STRANGER)(Role.ADMIN)
    def stop(user: User) -> None:
        calls.append(user)

    with pytest.raises(gr.Error, match="Only an admin may do this"):
        stop(ASKED)
    assert calls == []


def test_an_error_of_ours_becomes_a_toast_and_any_other_stays_what_it_is() -> None:
    guard = guard_for(LOCAL_ADMIN)

    @guard(Role.ADMIN)
    def expected() -> None:
        raise NotPossible("The SuperLink is running already.")

    @guard(Role.ADMIN)
    def surprising() -> None:
        raise ZeroDivisionError

    with pytest.raises(gr.Error, match="running already"):
        expected(ASKED)
    with pytest.raises(ZeroDivisionError):
        surprising(ASKED)


def test_a_server_function_answers_an_error_instead_of_raising() -> None:
    @guard_for(LOCAL_ADMIN).server_function(Role.PARTICIPANT)
    def tail(asked: dict[str, Any]) -> dict[str, Any]:
        raise NotPossible(f"Nothing at {asked['cursor']}.")

    @guard_for(STRANGER).server_function(Role.PARTICIPANT)
    def secret(asked: dict[str, Any]) -> dict[str, Any]:
        return asked

    assert tail(ASKED, {"cursor": 3}) == {"error": "Nothing at 3."}
    assert "Sign in" in secret(ASKED, {})["error"]


def test_the_kind_of_a_callback_is_kept_and_refused_all_the_same() -> None:
    guard, closed = guard_for(LOCAL_ADMIN), guard_for(STRANGER)

    def steps(count: int, user: User) -> Iterator[int]:
        yield from range(count)

    async def later(count: int) -> int:
        return count

    async def stream(count: int, user: User) -> AsyncIterator[int]:
        for number in range(count):
            yield number

    assert list(guard(Role.ADMIN)(steps)(ASKED, 3)) == [0, 1, 2]
    assert asyncio.run(guard(Role.ADMIN)(later)(ASKED, 3)) == 3
    assert asyncio.run(_all(guard(Role.ADMIN)(stream)(ASKED, 3))) == [0, 1, 2]
    assert inspect.isgeneratorfunction(guard(Role.ADMIN)(steps))
    assert inspect.iscoroutinefunction(guard(Role.ADMIN)(later))
    assert inspect.isasyncgenfunction(guard(Role.ADMIN)(stream))
    with pytest.raises(gr.Error):
        next(closed(Role.ADMIN)(steps)(ASKED, 3))
    with pytest.raises(gr.Error):
        asyncio.run(closed(Role.ADMIN)(later)(ASKED, 3))
    with pytest.raises(gr.Error):
        asyncio.run(_all(closed(Role.ADMIN)(stream)(ASKED, 3)))


def test_gradio_sees_a_request_where_the_function_takes_a_user() -> None:
    @guard_for(LOCAL_ADMIN)(Role.ADMIN)
    def act(event: gr.EventData, user: User) -> None: ...

    assert list(inspect.signature(act).parameters) == ["request", "event"]
    assert act.__annotations__["request"] is gr.Request
    assert act.__annotations__["event"] is gr.EventData


def test_a_page_with_an_unguarded_callback_does_not_start() -> None:
    guard = guard_for(LOCAL_ADMIN)

    @guard(Role.ADMIN)
    def good() -> None: ...

    def open_to_all() -> None: ...

    with gr.Blocks() as guarded:
        gr.Button().click(good)
    with gr.Blocks() as bare:
        gr.Button().click(open_to_all)
    assert_all_guarded(guarded)
    with pytest.raises(RuntimeError, match="callback open_to_all"):
        assert_all_guarded(bare)


def test_a_page_with_an_unguarded_server_function_does_not_start() -> None:
    guard = guard_for(LOCAL_ADMIN)

    @guard.server_function(Role.ADMIN)
    def good(asked: object) -> None: ...

    @guard(Role.ADMIN)
    def raises_where_it_must_answer(asked: object) -> None: ...

    with gr.Blocks() as guarded:
        gr.HTML(server_functions=[good])
    with gr.Blocks() as bare:
        gr.HTML(server_functions=[raises_where_it_must_answer])
    assert_all_guarded(guarded)
    with pytest.raises(RuntimeError, match="raises_where_it_must_answer of html"):
        assert_all_guarded(bare)


def test_a_quiet_callback_gives_nothing_to_who_may_not_see_it() -> None:
    def on_load(user: User) -> str:
        return user.name

    assert guard_for(LOCAL_ADMIN)(Role.ADMIN, quiet=True)(on_load)(ASKED) == "local admin"
    assert guard_for(STRANGER)(Role.ADMIN, quiet=True)(on_load)(ASKED) == gr.skip()
