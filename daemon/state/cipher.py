"""Encryption at rest: what is personal or secret is written to the disk only through a :class:`Cipher`.

The key stays beside the database, or comes from systemd's credential store.  It protects what leaves the machine without the
key: a copied database file, a backup, a disk sector.  What is encrypted is bound to the place where it stands (table, column, row), so
that nothing can be moved into another row.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidTag
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from daemon.state.files import open_private, read_private, sync_directory
from daemon.state.port import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

KEY_FILE = "state.key"
CREDENTIAL = "kassabrug-state-key"
#: what is encrypted at creation, to recognise the key by
CHECK: Final = b"kassabrug"
#: what begins a token of ours, its random part, and what a key is made for
_VERSION: Final = b"\x02"
_NONCE: Final = 12
_KEY: Final = 32
_PURPOSE: Final = b"kassabrug state 2: encryption"


def place(table: str, column: str, *row: str) -> bytes:
    """Return the name of the place where a value stands; different places have different names."""
    return b"".join(len(part.encode()).to_bytes(4) + part.encode() for part in (table, column, *row))


CHECK_PLACE: Final = place("meta", "value", "key_check")


class Cipher:
    """Authenticated encryption with one key or several: the first encrypts, each may decrypt (so a key can be replaced)."""

    def __init__(self, keys: bytes, *, origin: str = "the given key") -> None:
        """``keys`` holds url-safe base64 keys of 32 bytes, one a line; raises :class:`StoreError` when they are none."""
        self.origin = origin
        lines = keys.split()
        try:
            raw = [base64.urlsafe_b64decode(line) for line in lines]
        except (ValueError, binascii.Error):
            raw = []
        if not raw or any(len(key) != _KEY for key in raw):
            raise StoreError(f"{origin}: this is no key (expected 32 bytes in url-safe base64 on each line); restore the right one")
        self._lines = tuple(lines)
        self._ciphers = tuple(AESGCM(HKDF(SHA256(), _KEY, salt=None, info=_PURPOSE).derive(key)) for key in raw)
        self._before = MultiFernet([Fernet(line) for line in lines])

    def encrypt(self, plain: bytes, where: bytes) -> bytes:
        """Return what can be decrypted at this place (see :func:`place`) only; the same bytes give another token each time.

        Nothing stays nothing: an empty value tells nobody anything.
        """
        if not plain:
            return b""
        nonce = secrets.token_bytes(_NONCE)
        return _VERSION + nonce + self._ciphers[0].encrypt(nonce, plain, where)

    def decrypt(self, token: bytes, where: bytes) -> bytes:
        """Return the bytes again; raises :class:`StoreError` when the key is another one, or the token was changed or moved."""
        if not token:
            return b""
        for one in self._ciphers:
            with contextlib.suppress(InvalidTag, ValueError):
                return one.decrypt(token[1 : 1 + _NONCE], token[1 + _NONCE :], where)
        raise self._wrong()

    def decrypt_before(self, token: bytes) -> bytes:
        """Return what a version of this program before encryption was bound to places has written; raises :class:`StoreError`."""
        try:
            return self._before.decrypt(token)
        except InvalidToken as error:
            raise self._wrong() from error

    def encrypt_text(self, plain: str, where: bytes) -> str:
        """Return the same as text, for a column of text."""
        return base64.b64encode(self.encrypt(plain.encode(), where)).decode("ascii")

    def decrypt_text(self, token: str, where: bytes) -> str:
        """Return the text again; raises :class:`StoreError`."""
        try:
            return self.decrypt(base64.b64decode(token, validate=True), where).decode()
        except ValueError as error:
            raise self._wrong() from error

    def preferring(self, token: str) -> tuple[Cipher, int]:
        """Return the cipher that encrypts with the key which opens this key check, and which of the keys that is, from 0.

        Raises :class:`StoreError` when none does.
        """
        for number, line in enumerate(self._lines):
            alone = Cipher(line, origin=self.origin)
            with contextlib.suppress(StoreError):
                alone.check(token)
                rest = (*self._lines[:number], *self._lines[number + 1 :])
                return Cipher(b"\n".join((line, *rest)), origin=self.origin), number
        raise self._wrong()

    def check(self, token: str) -> None:
        """Raise :class:`StoreError` unless this is the key that the key check was made with, by this version or the one before."""
        if token.startswith("gAAAA"):
            self.decrypt_before(token.encode("ascii", "replace"))
        else:
            self.decrypt_text(token, CHECK_PLACE)

    def _wrong(self) -> StoreError:
        return StoreError(
            f"{self.origin}: this is not the key that the stored data was encrypted with, or the data was changed; "
            "restore the right key, or a backup (kassabrug restore)"
        )


def find_key(directory: Path, environment: Mapping[str, str] = os.environ) -> Cipher | None:
    """Return the cipher of systemd's credential or of the key file, ``None`` when there is neither.

    Raises:
        StoreError: a key is there and cannot be read or understood.
    """
    if credentials := environment.get("CREDENTIALS_DIRECTORY"):
        given = Path(credentials) / CREDENTIAL
        with contextlib.suppress(FileNotFoundError):
            return Cipher(_read(given, given.read_bytes), origin=str(given))
    own = directory / KEY_FILE
    with contextlib.suppress(FileNotFoundError):
        return Cipher(_read(own, lambda: read_private(own)), origin=str(own))
    return None


def _read(path: Path, read: Callable[[], bytes]) -> bytes:
    try:
        return read()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StoreError(f"{path}: the key cannot be read ({error.strerror}); run as the user that owns it") from error


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
