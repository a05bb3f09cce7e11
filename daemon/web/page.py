"""The dashboard: one page, made on the server, that needs no script and refreshes itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from daemon import __version__
from daemon.core.message import message
from daemon.core.outside import printable
from daemon.text import ENGLISH

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from daemon.core.outcomes import Reason
    from daemon.text import Speaker

Tone = Literal["good", "warn", "bad", "idle"]


@dataclass(frozen=True, slots=True)
class FlowView:
    """A flow of a link.  ``state`` is a word or two ("up to date"), ``tone`` its colour; ``counts`` are open records by state."""

    link: str
    flow: str
    state: str
    tone: Tone
    last_success: datetime | None = None
    newest_at_source: datetime | None = None
    settled: datetime | None = None
    counts: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ConnectionView:
    """A connection and how it does."""

    name: str
    kind: str
    state: str
    tone: Tone
    detail: str = ""


@dataclass(frozen=True, slots=True)
class HeldView:
    """A record that waits for a person."""

    link: str
    flow: str
    label: str
    reason: Reason
    detail: str = ""
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class QuestionView:
    """A question that waits for an answer; ``waiting`` records wait with it."""

    key: str
    text: str
    choices: tuple[str, ...] = ()
    waiting: int = 0


@dataclass(frozen=True, slots=True)
class ActivityView:
    """Something that happened."""

    at: datetime
    link: str
    flow: str
    label: str
    event: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything on the page.  ``headline`` sums it up in a sentence; lists may be cut by the source, ``held_total`` is the whole."""

    now: datetime
    headline: str
    tone: Tone
    flows: Sequence[FlowView] = ()
    connections: Sequence[ConnectionView] = ()
    alerts: Sequence[str] = ()
    questions: Sequence[QuestionView] = ()
    held: Sequence[HeldView] = ()
    held_total: int = 0
    activity: Sequence[ActivityView] = ()
    say: Speaker = ENGLISH


_TEMPLATES: Final = Path(__file__).with_name("templates")
STYLE: Final = (_TEMPLATES / "overview.css").read_text(encoding="utf-8")


def _letters(value: object) -> object:
    """Let nothing into the page that is not seen; what is markup is ours."""
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


_PAGES: Final = Environment(loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined, finalize=_letters)
_PAGE: Final = _PAGES.get_template("overview.html")


@dataclass(frozen=True, slots=True)
class _Cell:
    """Text in a table, with an optional second line and a colour."""

    text: str
    small: str = ""
    tone: str = ""
    narrow: bool = False


@dataclass(frozen=True, slots=True)
class _Section:
    """A table, or a list where it has no heads.  Without rows it says that it is ``empty``, or is not there where nothing says so."""

    title: str
    heads: Sequence[str]
    rows: Sequence[Sequence[_Cell]]
    empty: str = ""
    note: str = ""


def render(overview: Overview) -> str:
    """Return the page as HTML.  The template lays out, and escapes whatever it is given; all words are chosen here."""
    say = overview.say
    sections = (
        _Section(say(message("page.alerts")), (), [(_Cell(line),) for line in overview.alerts]),
        _questions(overview.questions, say),
        _held(overview),
        _flows(overview),
        _connections(overview.connections, say),
        _activity(overview),
    )
    return _PAGE.render(
        language=say.language,
        style=Markup(STYLE),  # noqa: S704 - our own file, and no data in it
        renewed=say(message("page.renewed", version=__version__, now=f"{overview.now:%Y-%m-%d %H:%M:%S}")),
        tone=overview.tone,
        headline=overview.headline,
        sections=sections,
    )


def _ago(moment: datetime | None, overview: Overview) -> str:
    if moment is None:
        return overview.say(message("page.never"))
    seconds = (overview.now - moment).total_seconds()
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return overview.say(message("page.ago", number=int(seconds // size), unit=unit))
    return overview.say(message("page.just_now"))


def _heads(text: str) -> Sequence[str]:
    return text.split("|")


def _flows(overview: Overview) -> _Section:
    say = overview.say
    nothing = say(message("page.nothing"))
    rows = [
        (
            _Cell(flow.flow, flow.link),
            _Cell(flow.state, tone=flow.tone),
            _Cell(_ago(flow.last_success, overview), narrow=True),
            _Cell(_ago(flow.newest_at_source, overview) if flow.newest_at_source else "", narrow=True),
            _Cell(_ago(flow.settled, overview) if flow.settled else "", narrow=True),
            _Cell(", ".join(f"{number} {state}" for state, number in flow.counts.items() if number) or nothing),
        )
        for flow in overview.flows
    ]
    return _Section(say(message("page.flows")), _heads(say(message("page.flow_heads"))), rows, empty=say(message("page.no_flow")))


def _connections(connections: Sequence[ConnectionView], say: Speaker) -> _Section:
    rows = [(_Cell(one.name, one.kind), _Cell(one.state, tone=one.tone), _Cell(one.detail)) for one in connections]
    heads = _heads(say(message("page.connection_heads")))
    return _Section(say(message("page.connections")), heads, rows, empty=say(message("page.no_connection")))


def _questions(questions: Sequence[QuestionView], say: Speaker) -> _Section:
    rows = [(_Cell(one.text, _choices(one.choices, say)), _Cell(str(one.waiting)), _Cell(one.key)) for one in questions]
    heads, note = _heads(say(message("page.question_heads"))), say(message("page.how_to_answer"))
    return _Section(say(message("page.questions")), heads, rows, note=note)


def _choices(choices: Sequence[str], say: Speaker) -> str:
    return say(message("page.choices", choices=choices)) if choices else ""


def _held(overview: Overview) -> _Section:
    say = overview.say
    rows = [
        (
            _Cell(one.label, f"{one.flow}, {one.link}"),
            _Cell(one.reason.value.replace("_", " "), say.word("reason", one.reason)),
            _Cell(one.detail),
            _Cell(_ago(one.since, overview) if one.since else "", narrow=True),
        )
        for one in overview.held
    ]
    total = max(overview.held_total, len(rows))
    more = message("page.more", number=total - len(rows)) if total > len(rows) else ""
    note = say(message("page.how_to_cure", more=more))
    title = say(message("page.held_number", number=total)) if total else say(message("page.held"))
    return _Section(title, _heads(say(message("page.held_heads"))), rows, empty=say(message("page.none_held")), note=note)


def _activity(overview: Overview) -> _Section:
    say = overview.say
    rows = [
        (_Cell(f"{one.at:%H:%M:%S}", narrow=True), _Cell(one.label, f"{one.flow}, {one.link}"), _Cell(one.event, one.detail))
        for one in overview.activity
    ]
    heads = _heads(say(message("page.activity_heads")))
    return _Section(say(message("page.activity")), heads, rows, empty=say(message("page.no_activity")))
