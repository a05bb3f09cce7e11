"""Serving an application inside the caller's task group, without touching signals."""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING

import anyio
import uvicorn

if TYPE_CHECKING:
    from anyio.abc import TaskStatus
    from starlette.types import ASGIApp


class CannotListen(Exception):
    """The address cannot be listened on; the text is one line, ``reason`` a few words of it."""

    def __init__(self, host: str, port: int, reason: str) -> None:
        super().__init__(f"daemon.listen: cannot listen on {host}:{port} ({reason}), expected a free address of this machine")
        self.reason = reason


def bind(host: str, port: int) -> socket.socket:
    """Return a socket bound to the address (port 0: any free one), to be given to :func:`serve`.

    Raises:
        CannotListen: somebody else listens there, or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
        bound.listen(128)  # now, so that of two processes only one gets the address
    except OSError as error:
        bound.close()
        reasons = {errno.EADDRINUSE: "another program listens there", errno.EACCES: "ports below 1024 need a privilege"}
        reason = reasons.get(error.errno or 0, (error.strerror or str(error)).lower())
        raise CannotListen(host, port, reason) from error
    return bound


async def serve(app: ASGIApp, bound: socket.socket, *, task_status: TaskStatus[str] = anyio.TASK_STATUS_IGNORED) -> None:
    """Serve until cancelled; reports the base address when ready (``url = await group.start(serve, app, bound)``).

    Requests in hand get a second to end.  uvicorn's own main loop is not run: it would wake ten times a second and take the signals.
    """
    config = uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup(sockets=[bound])
    try:
        host, port = bound.getsockname()[:2]
        task_status.started(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}")
        await anyio.sleep_forever()
    finally:
        with anyio.CancelScope(shield=True):
            await server.shutdown(sockets=[bound])
