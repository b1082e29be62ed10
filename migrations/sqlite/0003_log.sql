-- The log in the order in which it grows. A row's place is its workspace's number and its sequence number in one integer, so
-- that an entry goes to the end of the last page; what was clustered by two columns moved its neighbours about and kept whole
-- entries in its inner pages. A scope is a number here, because its name was most of what the index held.

ALTER TABLE workspace ADD COLUMN number INTEGER NOT NULL DEFAULT 0;
UPDATE workspace SET number = (SELECT count(*) FROM workspace older WHERE older.id <= workspace.id);
CREATE UNIQUE INDEX workspace_by_number ON workspace (number);

-- What a scope is called in the log.
CREATE TABLE scope (
    number INTEGER PRIMARY KEY,
    workspace BLOB NOT NULL,
    scope TEXT NOT NULL,
    UNIQUE (workspace, scope)
) STRICT;
INSERT INTO scope (workspace, scope) SELECT DISTINCT workspace, scope FROM log;

CREATE TABLE log_by_place (
    -- `workspace.number << 42 | seq`: room for 2 million workspaces of 4 million million entries.
    place INTEGER PRIMARY KEY,
    -- `scope.number`.
    scope INTEGER NOT NULL,
    -- When it landed, by the server's clock: what retention counts from.
    at_ms INTEGER NOT NULL,
    -- The last sequence number of the intent it belongs to: a page is cut where an intent ends.
    until INTEGER NOT NULL,
    -- The sequence number of the entry before it of the same record, 0 for the first. A record's history is read along these,
    -- from its `seq` back; an index instead would be the largest cost of an edit, because it is written all over.
    before INTEGER NOT NULL,
    -- The entry as it goes over the wire (MessagePack).
    body BLOB NOT NULL
) STRICT;
INSERT INTO log_by_place (place, scope, at_ms, until, before, body)
SELECT (w.number << 42) + l.seq, s.number, l.at_ms, l.until, l.before, l.body
FROM log l
JOIN workspace w ON w.id = l.workspace
JOIN scope s ON s.workspace = l.workspace AND s.scope = l.scope
ORDER BY 1;
DROP TABLE log;
ALTER TABLE log_by_place RENAME TO log;
-- What a device reads: one scope from a sequence number onwards. The place is part of every index.
CREATE INDEX log_by_scope ON log (scope);
