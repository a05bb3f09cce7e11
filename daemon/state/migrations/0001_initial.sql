-- Moments are ISO 8601 text in UTC with microseconds, so that they sort; amounts are whole cents.
-- Payloads, tokens and the key check are encrypted; every other column is free of personal data.

CREATE TABLE meta (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE position (
    link   TEXT NOT NULL,
    flow   TEXT NOT NULL,
    moment TEXT,
    seen   TEXT NOT NULL,  -- JSON: [[record, version], ...]
    PRIMARY KEY (link, flow)
) STRICT, WITHOUT ROWID;

CREATE TABLE work (
    id         INTEGER PRIMARY KEY,
    link       TEXT NOT NULL,
    flow       TEXT NOT NULL,
    record     TEXT NOT NULL,
    label      TEXT NOT NULL,
    version    TEXT NOT NULL,
    moment     TEXT NOT NULL,
    state      TEXT NOT NULL DEFAULT 'queued'
               CHECK (state IN ('queued', 'running', 'waiting', 'retrying', 'uncertain', 'held', 'done', 'dead')),
    outcome    TEXT,
    reason     TEXT NOT NULL DEFAULT '',
    detail     TEXT NOT NULL DEFAULT '',
    attempt    INTEGER NOT NULL DEFAULT 0,
    not_before TEXT,
    payload    BLOB CHECK (payload IS NULL OR state <> 'done'),
    again      INTEGER NOT NULL DEFAULT 0 CHECK (again = 0 OR state = 'running'),
    question   TEXT,           -- key of the question that this record waits for
    till       INTEGER,        -- cents, once settled
    books      INTEGER,        -- cents, once settled
    created_at TEXT NOT NULL,  -- since when it is unsettled
    updated_at TEXT NOT NULL,  -- since when it is in this state
    UNIQUE (record, flow, link)
) STRICT;

CREATE INDEX work_due ON work (link, flow, moment, record) WHERE state IN ('queued', 'waiting', 'retrying', 'uncertain');
CREATE INDEX work_open ON work (link, flow, state, created_at) WHERE state <> 'done';
CREATE INDEX work_label ON work (label);
CREATE INDEX work_question ON work (link, question) WHERE question IS NOT NULL;

CREATE TABLE intent (
    link         TEXT NOT NULL,
    key          TEXT NOT NULL,
    flow         TEXT NOT NULL,
    record       TEXT NOT NULL,
    operation    TEXT NOT NULL,
    reference    TEXT NOT NULL,
    payload_hash TEXT NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('sent', 'done', 'refused', 'unknown')),
    sent_at      TEXT NOT NULL,
    remote_id    TEXT NOT NULL,
    memo         TEXT NOT NULL,  -- JSON object of strings
    attempts     INTEGER NOT NULL,
    PRIMARY KEY (link, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX intent_record ON intent (record, flow, link);
CREATE INDEX intent_open ON intent (link, state) WHERE state IN ('sent', 'unknown');

CREATE TABLE binding (
    link        TEXT NOT NULL,
    kind        TEXT NOT NULL,
    source      TEXT NOT NULL,
    target      TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    label       TEXT NOT NULL,
    PRIMARY KEY (link, kind, source)
) STRICT, WITHOUT ROWID;

-- a target that the vendor did not name is unknown, not equal to every other unknown one
CREATE UNIQUE INDEX binding_target ON binding (link, kind, target) WHERE target <> '';

CREATE TABLE question (
    link        TEXT NOT NULL,
    key         TEXT NOT NULL,
    flow        TEXT NOT NULL,
    text        TEXT NOT NULL,
    choices     TEXT NOT NULL,  -- JSON array of strings
    asked_at    TEXT NOT NULL,
    answer      TEXT,
    answered_at TEXT,
    PRIMARY KEY (link, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE fact (
    link  TEXT NOT NULL,
    name  TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (link, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE activity (
    id        INTEGER PRIMARY KEY,
    at        TEXT NOT NULL,
    link      TEXT NOT NULL,
    flow      TEXT NOT NULL,
    record    TEXT NOT NULL,
    label     TEXT NOT NULL,
    event     TEXT NOT NULL,
    outcome   TEXT NOT NULL,
    reason    TEXT NOT NULL,
    detail    TEXT NOT NULL,
    remote_id TEXT NOT NULL
) STRICT;

CREATE INDEX activity_label ON activity (label);
CREATE INDEX activity_record ON activity (record);

CREATE TABLE alert (
    fingerprint TEXT NOT NULL PRIMARY KEY,
    first_seen  TEXT NOT NULL,
    last_sent   TEXT,
    resolved_at TEXT,
    summary     TEXT NOT NULL,
    severity    TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE token (
    connection TEXT NOT NULL PRIMARY KEY,
    value      BLOB NOT NULL,
    saved_at   TEXT NOT NULL
) STRICT, WITHOUT ROWID;
