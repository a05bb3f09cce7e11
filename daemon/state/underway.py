"""Records and what became of the writes for them, as SQL: one look for a whole flow, whatever is in hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemon.state import work as work_rows
from daemon.state.failures import legible
from daemon.state.port import UnderWay
from daemon.state.values import dump, load, to_optional_moment, to_text

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence
    from datetime import datetime

    from daemon.state.cipher import Cipher

#: how many of the newest lines of the activity are looked at for what was settled lately
_LATELY = 2000


@legible("work")
def find(
    connection: sqlite3.Connection,
    cipher: Cipher | None,
    links: Sequence[str],
    flow: str,
    *,
    kind: str,
    operation: str,
    since: datetime,
    until: datetime,
) -> list[UnderWay]:
    """Return every record of a flow that is not settled, and those settled between two moments (inclusive), oldest first.

    ``kind`` is that of the binding which says that a record has its counterpart, ``operation`` that of the writes asked for.
    """
    values = {
        "links": dump(list(links)),
        "flow": flow,
        "kind": kind,
        "operation": operation,
        "since": to_text(since),
        "until": to_text(until),
    }
    rows = connection.execute(
        # what was settled lately is found by the activity's end: no index leads to it, and it is short
        "WITH late AS (SELECT DISTINCT link, record FROM (SELECT * FROM activity ORDER BY id DESC LIMIT :lately)"
        " WHERE event = 'settled' AND flow = :flow AND at BETWEEN :since AND :until AND link IN (SELECT value FROM json_each(:links))),"
        " mine AS (SELECT work.* FROM work WHERE flow = :flow AND state <> 'done' AND link IN (SELECT value FROM json_each(:links))"
        " UNION SELECT work.* FROM late JOIN work ON work.link = late.link AND work.flow = :flow AND work.record = late.record)"
        " SELECT mine.*,"
        " EXISTS (SELECT 1 FROM binding WHERE binding.link = mine.link AND kind = :kind AND source = mine.record) AS bound,"
        " (SELECT json_group_array(json_array(intent.state, intent.sent_at)) FROM intent WHERE intent.record = mine.record"
        " AND intent.flow = mine.flow AND intent.link = mine.link AND intent.operation = :operation) AS writes"
        " FROM mine ORDER BY moment, record",
        {**values, "lately": _LATELY},
    ).fetchall()
    found = []
    for row, work in zip(rows, work_rows.read(rows, cipher), strict=True):
        writes = load(row["writes"])
        sent = max((at for _, at in writes), default=None)
        found.append(UnderWay(work, bool(row["bound"]), frozenset(state for state, _ in writes), to_optional_moment(sent)))
    return found
