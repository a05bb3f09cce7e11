"""What may be typed, and how what ends a command is told."""

from __future__ import annotations

import errno
import io
import sys
from typing import TYPE_CHECKING, TypeVar

import pytest
import structlog

from daemon.cli import main
from daemon.cli.problems import told
from daemon.engine.last_line import fault_of
from daemon.settings import ConfigurationError
from tests.unit.test_log import _logging_as_it_was  # noqa: F401 - the set-up of the log is put back

if TYPE_CHECKING:
    from pathlib import Path

E = TypeVar("E", bound=BaseException)


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        (("why", "\udcff"), "argument RECORD: is not UTF-8"),
        (("why", "\x1b[2J"), "argument RECORD: has a control character in it"),
        (("why", ""), "argument RECORD: is empty"),
        (("resend", "a", "x" * 2_000), "argument RECORD: has 2000 characters, more than 1000"),
        (("resend", "a", "\udcff"), "argument RECORD: is not UTF-8"),
        (("answer", "\udcff", "x"), "argument QUESTION: is not UTF-8"),
        (("answer", "a", "x\n"), "argument ANSWER: has a control character in it"),
        (("login", "\udcff"), "argument CONNECTION: is not UTF-8"),
        (("login", "books", "--port", "99999"), "argument --port: is not a whole number from 0 to 65535"),
        (("login", "books", "--port", "-1"), "argument --port: is not a whole number from 0 to 65535"),
        (("login", "books", "--port", "1_0"), "argument --port: is not a whole number from 0 to 65535"),
        (("login", "books", "--port", "٣"), "argument --port: is not a whole number from 0 to 65535"),
        (("sandbox", "--eaccounting-port", "99999"), "argument --eaccounting-port: is not a whole number"),
        (("sandbox", "--salespos-port", "9" * 5_000), "argument --salespos-port: is not a whole number"),
        (("sandbox", "--seed", "1e3"), "argument --seed: is not a whole number"),
        (("sync", "--flow", "takings"), "argument --flow: there is no such flow, expected one of sales, products, stock"),
        (("check", "--vendor-schemas", "http://[::1"), "argument --vendor-schemas: is not an address like https://host/path"),
        (("check", "--vendor-schemas", "https://host:99999/"), "argument --vendor-schemas: is not an address"),
        (("check", "--vendor-schemas", "file:///etc/passwd"), "argument --vendor-schemas: is not an address"),
        (("forget", "--email", "a@b\udcff"), "argument --email: is not UTF-8"),
        (("status", "--config", "x" * 5_000), "argument --config: has more than 4096 characters"),
        (("status", "--state-dir", ""), "argument --state-dir: is not a path"),
    ],
)
def test_what_cannot_be_meant_is_wrong_usage(typed: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    """2, with the argument and what was expected, before anything is read."""
    assert main(typed) == 2
    assert says in capsys.readouterr().err


def test_a_path_may_have_any_bytes_that_a_name_can_have(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is wrong because there is no such file, and the line can be shown anywhere."""
    assert main(("status", "--config", f"{tmp_path}/\udcff\x1b[2J.toml")) == 78
    [line] = capsys.readouterr().err.splitlines()
    assert "cannot read it (no such file or directory)" in line
    assert "\x1b" not in line


def raised(error: E) -> E:
    """The error with a place."""
    with pytest.raises(type(error)) as caught:
        raise error
    return caught.value


def test_a_fault_of_this_program_is_one_line_with_a_mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The details are in a file of the user's own, without what is private; the line says where, and quotes nothing of it."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    line, code = told(raised(ValueError("of jan@example.org, token=abc")), "sync")
    [details] = list(tmp_path.iterdir())
    assert code == 1
    mark = fault_of(raised(ValueError())).mark
    assert line == f"internal error {mark}: a fault of this program (ValueError at ?); the details are in {details}"
    assert details.stat().st_mode & 0o777 == 0o600
    text = details.read_text(encoding="utf-8")
    assert "in raised" in text
    assert "jan@" not in text
    assert "abc" not in text


def test_the_daemon_writes_the_details_into_its_log() -> None:
    """A line of the log like any other; the mark leads there."""
    stream = io.StringIO()
    structlog.configure(processors=[structlog.processors.JSONRenderer()], logger_factory=structlog.WriteLoggerFactory(file=stream))
    line, code = told(raised(ExceptionGroup("several", [RuntimeError("x")])), "run")
    assert (code, line.endswith("(RuntimeError at ?); the details are in the log, under internal_error")) == (1, True)
    assert line.split()[2].rstrip(":") in stream.getvalue()
    assert len(stream.getvalue().splitlines()) == 1


def test_where_no_file_can_be_written_the_line_is_still_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk, say."""
    monkeypatch.setattr("tempfile.tempdir", "/nowhere")
    line, code = told(raised(KeyError("x")), "sync")
    assert (code, line.endswith("the details are in no file, for none can be written (no such file or directory)")) == (1, True)


def test_what_the_system_refuses_is_named() -> None:
    """A file that it names, in a few words; of several errors the one that can be explained speaks, and Ctrl-C is no fault."""
    refused = PermissionError(errno.EACCES, "Permission denied", "/var/lib/x")
    assert told(raised(ExceptionGroup("several", [refused])), "sync") == ("/var/lib/x: permission denied", 1)
    wrong = ConfigurationError("k.toml", "a", "is wrong", "right")
    assert told(raised(ExceptionGroup("several", [ValueError(), wrong])), "run") == ("k.toml: a: is wrong, expected right", 78)
    assert told(raised(BaseExceptionGroup("several", [KeyboardInterrupt()])), "run")[1] == 130


class Full(io.StringIO):
    """An output that takes nothing."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    def flush(self) -> None:
        """Fail, as it would at every try."""
        raise OSError(self.number, "No space left on device")


@pytest.mark.parametrize(("number", "line"), [(errno.ENOSPC, "standard output: no space left on device\n"), (errno.EPIPE, "")])
def test_an_output_that_takes_nothing_is_one_line(
    number: int, line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A full disk is said; a reader who has gone away knows."""
    monkeypatch.setattr(sys, "stdout", Full(number))
    assert main(("--version",)) == 1
    sys.stdout.close()  # what the command put in its place
    assert capsys.readouterr().err == line
