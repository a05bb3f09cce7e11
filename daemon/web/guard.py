"""Who may ask, and how many at once: in front of every application that listens.

A page on the internet can give its own name the address of this machine, and a browser on it then asks here as though that page did
(DNS rebinding).  What the browser cannot change is the name in ``Host``: an address of a machine, ``localhost`` and what is configured
are answered, any other name is not.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from starlette.responses import PlainTextResponse

if TYPE_CHECKING:
    from collections.abc import Collection

    from starlette.types import ASGIApp, Receive, Scope, Send

#: answers that are being made; a probe, Prometheus and a few people are fewer
MOST_ANSWERS: Final = 16
#: what costs nothing is answered however much is asked
_ALWAYS: Final = "/livez"
_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(:[0-9]{1,5})?")
_HEADERS: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Connection": "close"}


def answers_to(header: str, names: Collection[str]) -> bool:
    """Tell whether a ``Host`` header names this machine: by an address, as ``localhost``, or as one of ``names`` (in small letters)."""
    match = _HOST.fullmatch(header)
    if match is None:
        return False
    name = match[1].lower().removesuffix(".")
    try:
        ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return name == "localhost" or name.endswith(".localhost") or name in names
    return True


class Guard:
    """An application that turns away who asks for another host, and who asks when too much is being answered."""

    def __init__(self, app: ASGIApp, names: Collection[str] = ()) -> None:
        self._app = app
        self._names = frozenset(names)
        self._answering = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or turn away (ASGI)."""
        hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        # HTTP/1.0 knows no host, and no browser speaks it
        if not (all(answers_to(host, self._names) for host in hosts) and len(hosts) <= 1):
            text = "Asked for under another name; [daemon] hosts in the configuration says which there are.\n"
            await PlainTextResponse(text, 421, headers=_HEADERS)(scope, receive, send)
        elif scope["path"] == _ALWAYS:
            await self._app(scope, receive, send)
        elif self._answering >= MOST_ANSWERS:
            await PlainTextResponse("Too much is asked at once.\n", 503, headers={**_HEADERS, "Retry-After": "1"})(scope, receive, send)
        else:
            self._answering += 1
            try:
                await self._app(scope, receive, send)
            finally:
                self._answering -= 1
