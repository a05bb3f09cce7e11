-- What is settled, by when it was: pruned by its age, and added up without a look at the rows themselves.
CREATE INDEX work_settled ON work (link, flow, updated_at, till, books, state) WHERE state = 'done';
