"""The dashboard: one page, made on the server, that needs no script and refreshes itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape as html_escape
from typing import TYPE_CHECKING, Final, Literal

from daemon import __version__
from daemon.core.message import message
from daemon.core.outside import printable
from daemon.text import ENGLISH

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
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


STYLE: Final = """
:root{color-scheme:light dark;--bg:#f6f7f9;--card:#fff;--ink:#1d2430;--dim:#5c6675;
--line:#dfe3e9;--good:#1a7f4b;--warn:#946000;--bad:#b3261e;--idle:#5c6675}
@media(prefers-color-scheme:dark){:root{--bg:#14171c;--card:#1d2128;--ink:#e7eaef;--dim:#a0a9b8;
--line:#333a45;--good:#5fcf95;--warn:#e8b34b;--bad:#ff8a80;--idle:#a0a9b8}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:68rem;padding:1rem;background:var(--bg);color:var(--ink);font:16px/1.45 system-ui,sans-serif}
header{display:flex;flex-wrap:wrap;gap:.25rem 1rem;align-items:baseline;margin-bottom:1rem}
h1{font-size:1.35rem;margin:0}
h2{font-size:1rem;margin:0 0 .5rem}
header p{margin:0;color:var(--dim);font-size:.875rem}
section{background:var(--card);border:1px solid var(--line);border-radius:.5rem;padding:.875rem 1rem;margin-bottom:1rem}
.headline{border-left:.375rem solid currentColor;font-weight:600}
.headline span{color:var(--ink)}
.good{color:var(--good)}.warn{color:var(--warn)}.bad{color:var(--bad)}.idle{color:var(--idle)}
table{width:100%;border-collapse:collapse}
th{text-align:left;font-size:.8125rem;font-weight:600;color:var(--dim)}
th,td{padding:.3rem .75rem .3rem 0;vertical-align:top;border-bottom:1px solid var(--line);overflow-wrap:anywhere}
tr:last-child td{border-bottom:0}
th:first-child{min-width:8.5rem}
td.n{white-space:nowrap;font-variant-numeric:tabular-nums}
small{color:var(--dim);font-size:.875rem}
ul{margin:0;padding-left:1.1rem}
p{margin:.25rem 0}
@media(max-width:40rem){
thead{display:none}tr{display:block;padding:.5rem 0;border-bottom:1px solid var(--line)}tr:last-child{border-bottom:0}
td{display:flex;gap:.75rem;border:0;padding:.1rem 0}td:empty{display:none}
td::before{content:attr(data-h);flex:0 0 7.5rem;color:var(--dim);font-size:.875rem}
td>span{flex:1;min-width:0}
}
"""


def escape(text: str) -> str:
    """Return a text as it stands in a page: letters, no markup and nothing that is not seen."""
    return html_escape(printable(text))


def render(overview: Overview) -> str:
    """Return the page as HTML.  Everything that comes from outside is escaped in :func:`_table` and :func:`_list`, the only ways in."""
    say = overview.say
    parts = [
        f'<section class="headline {escape(overview.tone)}"><span>{escape(overview.headline)}</span></section>',
        _list(say(message("page.alerts")), overview.alerts),
        _questions(overview.questions, say),
        _held(overview),
        _flows(overview),
        _connections(overview.connections, say),
        _activity(overview),
    ]
    renewed = say(message("page.renewed", version=__version__, now=f"{overview.now:%Y-%m-%d %H:%M:%S}"))
    return (
        f'<!doctype html><html lang="{escape(say.language)}"><head><meta charset="utf-8"><title>Kassabrug</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1"><meta http-equiv="refresh" content="10">'
        f"<style>{STYLE}</style></head><body><header><h1>Kassabrug</h1>"
        f"<p>{escape(renewed)}</p></header><main>"
        f"{''.join(parts)}</main></body></html>"
    )


@dataclass(frozen=True, slots=True)
class _Cell:
    """Text in a table, with an optional second line and a colour."""

    text: str
    small: str = ""
    tone: str = ""
    narrow: bool = False


def _table(title: str, heads: Sequence[str], rows: Iterable[Sequence[_Cell]], *, empty: str, note: str = "") -> str:
    body = "".join("<tr>" + "".join(_cell(head, cell) for head, cell in zip(heads, row, strict=True)) + "</tr>" for row in rows)
    if not body:
        return f"<section><h2>{escape(title)}</h2><p><small>{escape(empty)}</small></p></section>"
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    foot = f"<p><small>{escape(note)}</small></p>" if note else ""
    return f"<section><h2>{escape(title)}</h2><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{foot}</section>"


def _cell(head: str, cell: _Cell) -> str:
    if not cell.text and not cell.small:
        return "<td></td>"
    tag, tone = ("b", f' class="{escape(cell.tone)}"') if cell.tone else ("span", "")
    small = f"<br><small>{escape(cell.small)}</small>" if cell.small else ""
    narrow = ' class="n"' if cell.narrow else ""
    inner = f"<{tag}{tone}>{escape(cell.text)}</{tag}>"
    return f'<td data-h="{escape(head)}"{narrow}><span>{inner}{small}</span></td>'


def _list(title: str, lines: Sequence[str]) -> str:
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f"<section><h2>{escape(title)}</h2><ul>{items}</ul></section>" if items else ""


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


def _flows(overview: Overview) -> str:
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
    return _table(say(message("page.flows")), _heads(say(message("page.flow_heads"))), rows, empty=say(message("page.no_flow")))


def _connections(connections: Sequence[ConnectionView], say: Speaker) -> str:
    rows = [(_Cell(one.name, one.kind), _Cell(one.state, tone=one.tone), _Cell(one.detail)) for one in connections]
    heads = _heads(say(message("page.connection_heads")))
    return _table(say(message("page.connections")), heads, rows, empty=say(message("page.no_connection")))


def _questions(questions: Sequence[QuestionView], say: Speaker) -> str:
    rows = [(_Cell(one.text, _choices(one.choices, say)), _Cell(str(one.waiting)), _Cell(one.key)) for one in questions]
    heads, note = _heads(say(message("page.question_heads"))), say(message("page.how_to_answer"))
    return _table(say(message("page.questions")), heads, rows, empty="", note=note) if rows else ""


def _choices(choices: Sequence[str], say: Speaker) -> str:
    return say(message("page.choices", choices=choices)) if choices else ""


def _held(overview: Overview) -> str:
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
    return _table(title, _heads(say(message("page.held_heads"))), rows, empty=say(message("page.none_held")), note=note)


def _activity(overview: Overview) -> str:
    say = overview.say
    rows = [
        (_Cell(f"{one.at:%H:%M:%S}", narrow=True), _Cell(one.label, f"{one.flow}, {one.link}"), _Cell(one.event, one.detail))
        for one in overview.activity
    ]
    heads = _heads(say(message("page.activity_heads")))
    return _table(say(message("page.activity")), heads, rows, empty=say(message("page.no_activity")))
