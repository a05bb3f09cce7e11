"""The loopback address to which a browser comes back from a sign-in page: one answer is taken, everything else is turned away."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import anyio
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.responses import HTMLResponse
from starlette.routing import Route

from connectors.offer import OtherSignIn, SignInRefused
from daemon.settings import ConfigurationError
from daemon.web.guard import Guard
from daemon.web.serve import CannotListen, bind, serve

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Coroutine, Iterator

    from starlette.requests import Request

    from connectors.offer import Attempt

_HOST = "127.0.0.1"
_PAGE = (
    '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Kassabrug</title></head>'
    "<body><h1>{title}</h1><p>{text}</p></body></html>"
)
_HEADERS = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "Connection": "close"}


class Callback:
    """An open port, before the sign-in that will come back to it is begun."""

    def __init__(self, bound: socket.socket) -> None:
        self._bound = bound
        self.port = int(bound.getsockname()[1])

    async def code(self, attempt: Attempt, meanwhile: Callable[[], Coroutine[Any, Any, object]]) -> str:
        """Wait for the answer to a sign-in and return its code; ``meanwhile`` opens the page.  Whoever calls sets a deadline.

        Raises:
            SignInRefused: the answer is a refusal.
        """
        answers: list[str | SignInRefused] = []
        told = anyio.Event()

        async def over() -> None:
            told.set()

        async def nothing(_request: Request, _error: Exception | None = None) -> HTMLResponse:
            return _page("Nothing here", "Go back to the sign-in page.", 404)

        async def answer(request: Request) -> HTMLResponse:
            if request.method != "GET":  # who only looks whether there is something must not use the code up
                return await nothing(request)
            try:
                answers.append(attempt.code_from(f"?{request.url.query}"))
            except OtherSignIn as error:
                # a page elsewhere may send a browser here: the answer that is waited for is still to come
                return _page("Not this sign-in", f"{error}.", 400)
            except SignInRefused as error:
                answers.append(error)
                return _page("Not signed in", "The sign-in was refused. You may close this window.", then=BackgroundTask(over))
            return _page("Thank you", "You may close this window; the rest is told where you began.", then=BackgroundTask(over))

        path = urlsplit(attempt.redirect_uri).path or "/"
        app = Starlette(routes=[Route(path, answer, methods=["GET"])], exception_handlers={404: nothing, 405: nothing})
        app.router.redirect_slashes = False
        async with anyio.create_task_group() as group:
            await group.start(serve, Guard(app), self._bound)
            group.start_soon(meanwhile)
            await told.wait()
            group.cancel_scope.cancel()
        if isinstance(answers[0], SignInRefused):
            raise answers[0]
        return answers[0]


def _page(title: str, text: str, status: int = 200, *, then: BackgroundTask | None = None) -> HTMLResponse:
    return HTMLResponse(_PAGE.format(title=title, text=text), status, _HEADERS, background=then)


@contextmanager
def listening(port: int) -> Iterator[Callback]:
    """Open a port of the loopback address, 0 for any.

    Raises:
        ConfigurationError: it is taken, or not for this user.
    """
    try:
        bound = bind(_HOST, port)
    except CannotListen as error:
        expected = "another one with --port, if the application is registered for it, or --no-browser"
        raise ConfigurationError("", "port", f"{port} cannot be listened on ({error.reason})", expected) from error
    with bound:
        yield Callback(bound)
