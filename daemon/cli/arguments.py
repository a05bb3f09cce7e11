"""What a person may type: each argument is bounded and becomes a value here, or is wrong usage, which argparse says and exits with 2."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from daemon.core.flow_registry import NAMES, TURNS

HIGHEST_PORT: Final = 65_535
_HIGHEST_SEED: Final = 2**63 - 1
_LONGEST: Final = 1_000
_LONGEST_PATH: Final = 4_096
_WHOLE: Final = re.compile(r"[0-9]{1,19}")


def words(text: str) -> str:
    """A text of UTF-8 without control characters, not empty and not long."""
    try:
        text.encode()
    except UnicodeEncodeError:  # bytes of the command line that are no text come as lone surrogates
        raise argparse.ArgumentTypeError("is not UTF-8") from None
    if not text.strip():
        raise argparse.ArgumentTypeError("is empty")
    if len(text) > _LONGEST:
        raise argparse.ArgumentTypeError(f"has {len(text)} characters, more than {_LONGEST}")
    if not text.isprintable():
        raise argparse.ArgumentTypeError("has a control character in it")
    return text


def said(text: str) -> str:
    """The same, but it may be empty: an answer can be."""
    return text if not text else words(text)


def email(text: str) -> str:
    """An e-mail address, as far as that can be told."""
    if "@" not in words(text).strip("@ ") or text != text.strip():
        raise argparse.ArgumentTypeError("is not an e-mail address")
    return text


def _whole(text: str, highest: int) -> int:
    if not _WHOLE.fullmatch(text) or int(text) > highest:
        raise argparse.ArgumentTypeError(f"is not a whole number from 0 to {highest}")
    return int(text)


def port(text: str) -> int:
    """A port; 0 is a free one."""
    return _whole(text, HIGHEST_PORT)


def seed(text: str) -> int:
    """What seeds the dice."""
    return _whole(text, _HIGHEST_SEED)


def path(text: str) -> Path:
    """A path: any bytes that a name can have, not empty and not longer than a system takes."""
    if not text or len(text) > _LONGEST_PATH:
        raise argparse.ArgumentTypeError("is not a path" if not text else f"has more than {_LONGEST_PATH} characters")
    return Path(text)


def address(text: str) -> str:
    """An address of the web."""
    try:
        parts = urlsplit(words(text))
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 0) >= 0
    except ValueError:
        good = False
    if not good:
        raise argparse.ArgumentTypeError("is not an address like https://host/path")
    return text


def flow(text: str) -> str:
    """The name of a flow."""
    if text not in NAMES:
        raise argparse.ArgumentTypeError(f"there is no such flow, expected one of {', '.join(TURNS)}")
    return text
