"""Encryption at rest: what is personal or secret is written to the disk only through a :class:`Cipher`.

The key stays beside the database, or comes from systemd's credential store.  It protects what leaves the machine without the
key: a copied database file, a backup, a disk sector.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from daemon.state.files import open_private, sync_directory
from daemon.state.port import StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping

KEY_FILE = "state.key"
CREDENTIAL = "kassabrug-state-key"
#: what is encrypted at creation, to recognise the key by
CHECK = b"kassabrug"


class Cipher:
    """Authenticated encryption with one key or several: the first encrypts, each may decrypt (so a key can be replaced)."""

    def __init__(self, keys: bytes, *, origin: str = "the given key") -> None:
        """``keys`` holds url-safe base64 keys of 32 bytes, one a line; raises :class:`StoreError` when they are none."""
        self.origin = origin
        try:
            self._fernet = MultiFernet([Fernet(key) for key in keys.split()])
        except ValueError as error:
            raise StoreError(
                f"{origin}: this is no key (expected 32 bytes in url-safe base64 on each line); restore the right one"
            ) from error

    def encrypt(self, plain: bytes) -> bytes:
        """Return a token; the same bytes give another one each time."""
        # Fernet writes the time into its token; the store keeps its own moments, so this one tells nothing
        return self._fernet.encrypt_at_time(plain, 0)

    def decrypt(self, token: bytes) -> bytes:
        """Return the bytes again; raises :class:`StoreError` when the key is another one or the token was changed."""
        try:
            return self._fernet.decrypt(token)
        except InvalidToken as error:
            raise StoreError(
                f"{self.origin}: this is not the key that the stored data was encrypted with; restore the right one"
            ) from error


def find_key(directory: Path, environment: Mapping[str, str] = os.environ) -> Cipher | None:
    """Return the cipher of systemd's credential or of the key file, ``None`` when there is neither.

    Raises:
        StoreError: a key is there and cannot be read or understood.
    """
    places = [directory / KEY_FILE]
    if credentials := environment.get("CREDENTIALS_DIRECTORY"):
        places.insert(0, Path(credentials) / CREDENTIAL)
    for place in places:
        try:
            return Cipher(place.read_bytes(), origin=str(place))
        except FileNotFoundError:
            continue
        except OSError as error:
            raise StoreError(f"{place}: the key cannot be read ({error.strerror}); run as the user that owns it") from error
    return None


def make_key(directory: Path) -> Cipher:
    """Write a new key file and return its cipher; if another process is faster, return that one's.

    Raises:
        StoreError: the file cannot be written.
    """
    path = directory / KEY_FILE
    # written whole under another name first: a key cut short by a crash would lock the store for good
    draft = directory / f"{KEY_FILE}.{secrets.token_hex(4)}"
    try:
        try:
            descriptor = open_private(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
            try:
                os.write(descriptor, Fernet.generate_key() + b"\n")
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            with contextlib.suppress(FileExistsError):
                os.link(draft, path)
        finally:
            draft.unlink(missing_ok=True)
        sync_directory(directory)
        return Cipher(path.read_bytes(), origin=str(path))
    except OSError as error:
        raise StoreError(f"{path}: the key file cannot be written ({error.strerror}); make the directory writable") from error
