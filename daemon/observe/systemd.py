"""What systemd is told: ready, still alive, stopping.  Outside systemd every call does nothing."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Notifier:
    """Sends datagrams to ``$NOTIFY_SOCKET``.

    ``watchdog_seconds`` is how often :meth:`watchdog` should be called (half of what the unit allows), ``None`` without a watchdog.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        values = os.environ if environment is None else environment
        self._address = values.get("NOTIFY_SOCKET", "")
        allowed = values.get("WATCHDOG_USEC", "")
        mine = values.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self.watchdog_seconds = int(allowed) / 2_000_000 if allowed.isdecimal() and int(allowed) > 0 and mine else None

    def ready(self, status: str = "") -> None:
        """The start is complete."""
        self._send(f"READY=1\nSTATUS={_line(status)}" if status else "READY=1")

    def status(self, status: str) -> None:
        """Show one line in ``systemctl status``."""
        self._send(f"STATUS={_line(status)}")

    def watchdog(self) -> None:
        """The work really goes on."""
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """The end has begun."""
        self._send("STOPPING=1")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            channel.setblocking(False)
            try:
                channel.sendto(message.encode(), address)
            except OSError:
                # A full or vanished socket must not stop the work; a watchdog that is not fed speaks for itself.
                return


def _line(text: str) -> str:
    return " ".join(text.split())
