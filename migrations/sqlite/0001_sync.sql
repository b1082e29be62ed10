-- The durable truth: records, the change log, receipts and what both add up to. Ids are 16-byte blobs; the workspace
-- leads every primary key, because nothing crosses it and because it is what the data would be divided by.

CREATE TABLE workspace (
    id BLOB NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    -- Changes when the history was replaced (restore from a backup); devices then offer their settled ops again.
    epoch INTEGER NOT NULL,
    -- The newest sequence number.
    head INTEGER NOT NULL,
    -- The log below this was compacted away; an older tidemark takes a new snapshot.
    horizon INTEGER NOT NULL,
    -- The next human number, as in TASK-142.
    next_number INTEGER NOT NULL,
    created_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Records, tombstones included. A rowid table on purpose: rows are large, and a b-tree clustered by the key would hold
-- a handful of them per inner page and grow deep.
CREATE TABLE record (
    workspace BLOB NOT NULL,
    kind TEXT NOT NULL,
    id BLOB NOT NULL,
    -- `workspace`, `personal/<id>` or `project/<id>`.
    scope TEXT NOT NULL,
    -- The kind's place in a snapshot: 1 arrives first.
    priority INTEGER NOT NULL,
    -- The record it stands under.
    parent_kind TEXT,
    parent BLOB,
    seq INTEGER NOT NULL,
    deleted INTEGER NOT NULL,
    -- {"title": {"v": "Pour the slab", "s": 17}}: value and the sequence number at which it was written. Last, because a
    -- long one continues on other pages, which whoever looks at the columns before it does not read.
    fields TEXT NOT NULL,
    PRIMARY KEY (workspace, kind, id)
) STRICT;
-- A scope's snapshot in the order in which it is sent.
CREATE INDEX record_by_scope ON record (workspace, scope, priority, id) WHERE deleted = 0;
-- What stands under a record: cascades of deletes and restores.
CREATE INDEX record_by_parent ON record (workspace, parent, kind) WHERE parent IS NOT NULL;
-- Tombstones that compaction may drop.
CREATE INDEX record_tombstone ON record (workspace, seq) WHERE deleted = 1;

-- Who is assigned to what, so that "my tasks" reads no other tasks.
CREATE TABLE assigned (
    workspace BLOB NOT NULL,
    member BLOB NOT NULL,
    kind TEXT NOT NULL,
    record BLOB NOT NULL,
    PRIMARY KEY (workspace, member, kind, record)
) STRICT, WITHOUT ROWID;
CREATE INDEX assigned_by_record ON assigned (workspace, kind, record);

-- The change log, in the workspace's one order.
CREATE TABLE log (
    workspace BLOB NOT NULL,
    seq INTEGER NOT NULL,
    scope TEXT NOT NULL,
    record BLOB NOT NULL,
    -- When it landed, by the server's clock: what retention counts from.
    at_ms INTEGER NOT NULL,
    -- The last sequence number of the intent it belongs to: a page is cut where an intent ends.
    until INTEGER NOT NULL,
    -- The entry before it of the same record, 0 for the first. A record's history is read along these, from its `seq` back;
    -- an index instead would be the largest cost of an edit, because it is written all over.
    before INTEGER NOT NULL,
    -- The entry as it goes over the wire (MessagePack).
    body BLOB NOT NULL,
    PRIMARY KEY (workspace, seq)
) STRICT, WITHOUT ROWID;
-- What a device reads: one scope from a sequence number onwards.
CREATE INDEX log_by_scope ON log (workspace, scope, seq);

-- The lasting outcome of every op, so that a resend gets the same answer.
CREATE TABLE receipt (
    workspace BLOB NOT NULL,
    op BLOB NOT NULL,
    -- Of the op's frozen bytes: the same id with other bytes is another op, and refused.
    digest INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    -- The receipt as it goes over the wire (MessagePack).
    body BLOB NOT NULL,
    PRIMARY KEY (workspace, op)
) STRICT, WITHOUT ROWID;

-- What a scope's live records add up to, kept in the transaction that changes them.
CREATE TABLE scope_sum (
    workspace BLOB NOT NULL,
    scope TEXT NOT NULL,
    head INTEGER NOT NULL,
    -- 64 bits without a sign, stored as SQLite's signed number of the same bits.
    checksum INTEGER NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (workspace, scope)
) STRICT, WITHOUT ROWID;

-- Ops whose author may no longer write, held until an owner releases or discards them.
CREATE TABLE quarantine (
    workspace BLOB NOT NULL,
    op BLOB NOT NULL,
    member BLOB NOT NULL,
    device BLOB NOT NULL,
    intent BLOB NOT NULL,
    -- Places ops of one push in the order in which their author made them.
    place INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    -- The frozen bytes of the op.
    body BLOB NOT NULL,
    PRIMARY KEY (workspace, op)
) STRICT, WITHOUT ROWID;

-- Reports read these views, never the tables: a field's value without its version, ids as text.
CREATE VIEW task_report AS
SELECT
    lower(hex(workspace)) AS workspace,
    lower(hex(id)) AS id,
    scope,
    json_extract(fields, '$.number.v') AS number,
    json_extract(fields, '$.title.v') AS title,
    json_extract(fields, '$.status.v') AS status,
    json_extract(fields, '$.progress.v') AS progress,
    json_extract(fields, '$.priority.v') AS priority,
    json_extract(fields, '$.assignees.v') AS assignees,
    json_extract(fields, '$.start.v') AS start,
    json_extract(fields, '$.due.v') AS due,
    json_extract(fields, '$.estimate.v') AS estimate_minutes,
    seq
FROM record
WHERE kind = 'task' AND deleted = 0;

CREATE VIEW project_report AS
SELECT
    lower(hex(workspace)) AS workspace,
    lower(hex(id)) AS id,
    json_extract(fields, '$.title.v') AS title,
    json_extract(fields, '$.state.v') AS state,
    json_extract(fields, '$.start.v') AS start,
    json_extract(fields, '$.due.v') AS due,
    json_extract(fields, '$.progress.v') AS progress,
    json_extract(fields, '$.tasks_total.v') AS tasks_total,
    json_extract(fields, '$.tasks_done.v') AS tasks_done,
    seq
FROM record
WHERE kind = 'project' AND deleted = 0;

CREATE VIEW time_report AS
SELECT
    lower(hex(workspace)) AS workspace,
    lower(hex(id)) AS id,
    scope,
    json_extract(fields, '$.task.v') AS task,
    json_extract(fields, '$.author.v') AS member,
    json_extract(fields, '$.day.v') AS day,
    json_extract(fields, '$.minutes.v') AS minutes,
    seq
FROM record
WHERE kind = 'time_log' AND deleted = 0;
