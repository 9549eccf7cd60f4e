"""Who may call what on the page: every callback and every server function carries a role.

A hidden component is no lock: whatever Gradio serves can be called over HTTP by anybody. So a
callback without a guard stops the start (`assert_all_guarded`), and services check again.
Surprise: Gradio reads `__signature__` and `__annotations__` to find out what to pass, so the
wrapper writes both: the user goes out, a `gr.Request` comes in.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import gradio as gr

from blossomtune_gradio.errors import BlossomError
from blossomtune_gradio.identity import Role, User, require

Function = Callable[..., Any]
_MARK = "guarded_for"  # attribute that holds (kind, role)
_CALLBACK, _READER = "callback", "server function"
_USER, _REQUEST = "user", "request"


class Guard:
    """Makes decorators that let a call pass only for users with a role."""

    def __init__(self, current_user: Callable[[gr.Request], User]) -> None:
        self._current_user = current_user

    def __call__(self, role: Role, *, quiet: bool = False) -> Callable[[Function], Function]:
        """Guard a callback; a `BlossomError` in it becomes a toast with its sentence.

        The function may take a parameter `user`. Its kind (async, generator) is kept. `quiet` is
        for what a page does when it is opened: who may not see the result is not told off, they
        get nothing. It takes no generator.
        """

        def decorate(function: Function) -> Function:
            call = self._quiet(function, role) if quiet else self._callback(function, role)
            return _dressed(call, function, _CALLBACK, role)

        return decorate

    def server_function(self, role: Role) -> Callable[[Function], Function]:
        """Guard a function that the script of a `gr.HTML` calls.

        It answers `{"error": sentence}` instead of raising: an error would leave the script
        without an answer. It takes one argument, an object, and may take a `user`.
        """

        def decorate(function: Function) -> Function:
            def answer(request: gr.Request, *args: Any) -> Any:
                try:
                    return function(*args, **self._admit(function, request, role))
                except BlossomError as error:
                    return {"error": str(error)}

            return _dressed(answer, function, _READER, role)

        return decorate

    def _admit(self, function: Function, request: gr.Request, role: Role) -> dict[str, User]:
        user = self._current_user(request)
        require(user, role, "do this")
        return {_USER: user} if _USER in inspect.signature(function).parameters else {}

    def _quiet(self, function: Function, role: Role) -> Function:
        allowed = self._callback(function, role)

        def perhaps(request: gr.Request, *args: Any) -> Any:
            if self._current_user(request).role < role:
                return gr.skip()
            return allowed(request, *args)

        return perhaps

    def _callback(self, function: Function, role: Role) -> Function:
        if inspect.isasyncgenfunction(function):

            async def stream(request: gr.Request, *args: Any) -> AsyncIterator[Any]:
                with _toast():
                    async for value in function(*args, **self._admit(function, request, role)):
                        yield value

            return stream
        if inspect.isgeneratorfunction(function):

            def steps(request: gr.Request, *args: Any) -> Iterator[Any]:
                with _toast():
                    yield from function(*args, **self._admit(function, request, role))

            return steps
        if inspect.iscoroutinefunction(function):

            async def later(request: gr.Request, *args: Any) -> Any:
                with _toast():
                    return await function(*args, **self._admit(function, request, role))

            return later

        def now(request: gr.Request, *args: Any) -> Any:
            with _toast():
                return function(*args, **self._admit(function, request, role))

        return now


def assert_all_guarded(blocks: gr.Blocks) -> None:
    """Raise `RuntimeError` that names every callback and server function without its guard."""
    bare = [f"callback {fn.name}" for fn in blocks.fns.values() if not _is(fn.fn, _CALLBACK)]
    for block in blocks.blocks.values():
        bare += [
            f"server function {fn.__name__} of {block.get_block_name()}"
            for fn in getattr(block, "server_fns", [])
            if not _is(fn, _READER)
        ]
    if bare:
        raise RuntimeError(f"Without a guard, anybody could call: {', '.join(bare)}.")


def role_of(function: Function) -> Role:
    """The role a guarded function asks for."""
    role: Role = getattr(function, _MARK)[1]
    return role


def _is(function: Function | None, kind: str) -> bool:
    return function is None or getattr(function, _MARK, ("",))[0] == kind


@contextmanager
def _toast() -> Iterator[None]:
    try:
        yield
    except BlossomError as error:  # ours is a sentence for people; others keep their traceback
        raise gr.Error(str(error), print_exception=False) from error


def _dressed(wrapper: Function, function: Function, kind: str, role: Role) -> Function:
    """Give the wrapper the looks of the function, as far as Gradio may see them."""
    for name in ("__name__", "__qualname__", "__doc__", "__module__"):
        setattr(wrapper, name, getattr(function, name))
    asked = inspect.Parameter(_REQUEST, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    rest = [p for n, p in inspect.signature(function).parameters.items() if n != _USER]
    hints = typing.get_type_hints(function)
    hints.pop(_USER, None)
    wrapper.__annotations__ = {_REQUEST: gr.Request, **hints}
    signature = inspect.Signature([asked.replace(annotation=gr.Request), *rest])
    for name, value in (("__signature__", signature), (_MARK, (kind, role))):
        setattr(wrapper, name, value)
    return wrapper
