-- Who answered, what of the books there is to answer with, and what was done with an answer, so that a wrong one can be taken back.
ALTER TABLE question ADD COLUMN answered_by TEXT NOT NULL DEFAULT '';
ALTER TABLE question ADD COLUMN offers TEXT NOT NULL DEFAULT '[]';  -- JSON array of strings

CREATE TABLE answer_use (
    link   TEXT NOT NULL,
    key    TEXT NOT NULL,
    flow   TEXT NOT NULL,
    record TEXT NOT NULL,
    label  TEXT NOT NULL,
    answer TEXT NOT NULL,
    at     TEXT NOT NULL,  -- when the answer released the record, and then when the record was settled with it
    PRIMARY KEY (link, key, flow, record)
) STRICT, WITHOUT ROWID;

CREATE INDEX answer_use_record ON answer_use (record, flow, link);
