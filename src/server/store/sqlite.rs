//! The embedded store: one SQLite file in WAL mode with `synchronous=FULL`, so that what is committed survives a power
//! cut. One connection writes; a few read beside it. Statements take whole batches as JSON lists and one block of bytes,
//! so that their number does not grow with the number of ops.

#[cfg(test)]
#[path = "sqlite_tests.rs"]
pub mod tests;

use super::*;
use crate::model::record::Field;
use crate::model::value::Name;
use crate::sync::wire::{decode, encode};
use futures::TryStreamExt;
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection, Row};
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;
use uuid::Uuid;

/// Connections that read: more than the cores of a small server gain nothing.
const READERS_MAX: u32 = 4;
/// How long a connection waits for another process, such as a backup, to let go of the file.
const BUSY_MAX: Duration = Duration::from_secs(10);

/// How the tables came about, in order.
pub static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("migrations/sqlite");

/// The store. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Sqlite {
    writer: SqlitePool,
    readers: SqlitePool,
}

impl Sqlite {
    /// Opens the database, makes it if it does not exist, and brings its schema up to date.
    ///
    /// # Errors
    /// `Database` if the file cannot be opened or migrated.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_MAX)
            .disable_statement_logging();
        let writer = SqlitePoolOptions::new().max_connections(1).test_before_acquire(false);
        let writer = writer.connect_with(options.clone()).await.map_err(database)?;
        MIGRATIONS.run(&writer).await.map_err(|error| StoreError::Database(error.into()))?;
        let readers = SqlitePoolOptions::new().max_connections(READERS_MAX).test_before_acquire(false);
        let readers = readers.connect_lazy_with(options.pragma("query_only", "ON"));
        Ok(Self { writer, readers })
    }
    /// A database in memory, for tests and the simulator. One connection does everything; it is gone with the last clone.
    ///
    /// # Errors
    /// `Database` if it cannot be made.
    pub async fn open_in_memory() -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new().in_memory(true).foreign_keys(true).disable_statement_logging();
        let only = SqlitePoolOptions::new()
            .max_connections(1)
            .min_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false);
        let only = only.connect_with(options).await.map_err(database)?;
        MIGRATIONS.run(&only).await.map_err(|error| StoreError::Database(error.into()))?;
        Ok(Self { writer: only.clone(), readers: only })
    }
    /// The one connection that may write, for queries that are not the core's: accounts. Keep it briefly; pushes wait.
    pub fn writer(&self) -> &SqlitePool {
        &self.writer
    }
    /// Connections that only read.
    pub fn readers(&self) -> &SqlitePool {
        &self.readers
    }
    /// Closes every connection, so that the file can be moved.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
    /// Writes a consistent copy of the database to a path where nothing is yet, while others go on writing.
    ///
    /// # Errors
    /// `Database` if the path is taken or cannot be written, `Full` if the disk is.
    pub async fn backup(&self, to: &Path) -> Result<(), StoreError> {
        let options = self.writer.connect_options();
        let mut connection = SqliteConnectOptions::clone(&options).connect().await.map_err(database)?;
        let copied = sqlx::query("VACUUM INTO ?").bind(to.display().to_string()).execute(&mut connection).await;
        connection.close().await.map_err(database)?;
        copied.map(drop).map_err(database)
    }
    /// What SQLite finds wrong with the file; nothing if it is sound.
    ///
    /// # Errors
    /// `Database` if it cannot be read at all.
    pub async fn check(&self) -> Result<Vec<String>, StoreError> {
        let found: Vec<String> =
            sqlx::query_scalar("PRAGMA integrity_check").fetch_all(&self.readers).await.map_err(database)?;
        Ok(found.into_iter().filter(|line| line != "ok").collect())
    }
}

/// A failure of the database in the store's words.
fn database(error: sqlx::Error) -> StoreError {
    // SQLITE_FULL; and a NOT NULL guard on the head of a workspace, see `COMMIT`.
    let (code, text) = match &error {
        sqlx::Error::Database(inner) => (inner.code().map(|code| code.into_owned()), inner.message().to_owned()),
        _ => (None, String::new()),
    };
    match code.as_deref() {
        Some("13") => StoreError::Full,
        Some("1299") if text.contains("workspace.head") => StoreError::Overtaken,
        _ => StoreError::Database(Box::new(error)),
    }
}

/// Something stored that this program cannot have written.
fn damaged(what: impl std::fmt::Display) -> StoreError {
    StoreError::Damaged(what.to_string())
}

/// The columns of a record in the order `record` reads them, after `r.`.
macro_rules! columns {
    () => {
        "r.kind, r.id, r.scope, r.fields, r.seq, r.deleted"
    };
}

/// The record in the columns from `at` on.
fn record(row: &SqliteRow, at: usize) -> Result<Record, StoreError> {
    let kind: &str = row.try_get(at).map_err(database)?;
    let id: Uuid = row.try_get(at + 1).map_err(database)?;
    let scope: &str = row.try_get(at + 2).map_err(database)?;
    let fields: &str = row.try_get(at + 3).map_err(database)?;
    let seq: i64 = row.try_get(at + 4).map_err(database)?;
    Ok(Record {
        kind: Kind::from_name(kind).ok_or_else(|| damaged(format_args!("a record of the unknown kind {kind}")))?,
        id: RecordId(id),
        scope: scope.parse().map_err(damaged)?,
        fields: serde_json::from_str::<BTreeMap<Name, Field>>(fields).map_err(damaged)?,
        seq: version(seq)?,
        deleted: row.try_get::<bool, _>(at + 5).map_err(database)?,
    })
}

/// The workspace in a row of `WORKSPACE`.
fn workspace_of(row: &SqliteRow) -> Result<Workspace, StoreError> {
    let number = |at: usize| row.try_get::<i64, _>(at).map_err(database);
    Ok(Workspace {
        id: WorkspaceId(row.try_get(0).map_err(database)?),
        name: row.try_get(1).map_err(database)?,
        epoch: version(number(2)?)?,
        head: version(number(3)?)?,
        horizon: version(number(4)?)?,
        next_number: number(5)?,
        created_ms: number(6)?,
    })
}

/// One row more than the page holds tells whether there are more.
fn limit(page: Page) -> i64 {
    i64::try_from(page.count_max).unwrap_or(i64::MAX).saturating_add(1)
}
fn version(stored: i64) -> Result<Version, StoreError> {
    Version::try_from(stored).map_err(damaged)
}
/// As SQLite holds a sequence number. One larger than it can hold is larger than any head.
fn stored(version: Version) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
}

/// Keys as a JSON list of `[kind, id]`.
fn keys(keys: impl Iterator<Item = Key>) -> String {
    let mut rows = Rows::default();
    for key in keys {
        rows.next().text(key.kind.spec().name).id(key.id.0);
    }
    rows.end()
}

/// A JSON list of lists for `json_each`, and one block of bytes for what is long: a row names its part by place and
/// length, so that nothing long is escaped on the way in or parsed on the way out.
struct Rows {
    json: String,
    bytes: Vec<u8>,
}

impl Default for Rows {
    fn default() -> Self {
        Self { json: "[".to_owned(), bytes: Vec::new() }
    }
}

impl Rows {
    fn next(&mut self) -> Cells<'_> {
        if self.json.len() > 1 {
            self.json.push_str("],[");
        } else {
            self.json.push('[');
        }
        Cells { rows: self, first: true }
    }
    fn end(mut self) -> String {
        self.json.push_str(if self.json.len() > 1 { "]]" } else { "]" });
        self.json
    }
    fn both(mut self) -> (Vec<u8>, String) {
        (std::mem::take(&mut self.bytes), self.end())
    }
}

/// One row being written.
struct Cells<'a> {
    rows: &'a mut Rows,
    first: bool,
}

impl Cells<'_> {
    /// Writing to a string cannot fail.
    fn cell(&mut self, cell: std::fmt::Arguments<'_>) -> &mut Self {
        if !std::mem::take(&mut self.first) {
            self.rows.json.push(',');
        }
        if self.rows.json.write_fmt(cell).is_err() {
            self.rows.json.push_str("null");
        }
        self
    }
    fn id(&mut self, id: Uuid) -> &mut Self {
        self.cell(format_args!("\"{}\"", id.as_simple()))
    }
    fn maybe_id(&mut self, id: Option<Uuid>) -> &mut Self {
        match id {
            Some(id) => self.id(id),
            None => self.cell(format_args!("null")),
        }
    }
    fn number(&mut self, number: i64) -> &mut Self {
        self.cell(format_args!("{number}"))
    }
    /// A word of ours: a kind or a scope, never anything to escape.
    fn text(&mut self, word: impl std::fmt::Display) -> &mut Self {
        self.cell(format_args!("\"{word}\""))
    }
    fn bytes(&mut self, write: impl FnOnce(&mut Vec<u8>) -> Result<(), StoreError>) -> Result<&mut Self, StoreError> {
        let from = self.rows.bytes.len();
        write(&mut self.rows.bytes)?;
        let length = self.rows.bytes.len() - from;
        Ok(self.cell(format_args!("{},{length}", from + 1)))
    }
}

const WORKSPACE: &str = "SELECT id, name, epoch, head, horizon, next_number, created_ms FROM workspace WHERE ?1 IS NULL OR id = ?1 ORDER BY created_ms, id";

const BY_SCOPE: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM record r WHERE workspace = ?1 AND scope = ?2 AND deleted = 0 AND (priority, id) > (?3, ?4) ORDER BY priority, id LIMIT ?5"
);
const BY_KIND: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM record r WHERE workspace = ?1 AND kind = ?2 AND deleted = 0 ORDER BY id LIMIT ?3"
);
const BY_KEY: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM json_each(?2) n CROSS JOIN record r ON r.workspace = ?1 AND r.kind = n.value->>0 AND r.id = unhex(n.value->>1) LIMIT ?3"
);
const UNDER: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM record r INDEXED BY record_by_parent WHERE workspace = ?1 AND parent = ?2 AND parent_kind = ?3 AND deleted = 0",
    " ORDER BY kind, id LIMIT ?4"
);
const ASSIGNED: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM assigned a CROSS JOIN record r ON r.workspace = a.workspace AND r.kind = a.kind AND r.id = a.record",
    " WHERE a.workspace = ?1 AND a.member = ?2 AND r.deleted = 0 LIMIT ?3"
);
/// Finds the place of each entry in the index first, so that only the bodies of the page are read.
const LOG: &str = "SELECT l.until, l.body FROM (
    SELECT l.seq FROM json_each(?2) a
    CROSS JOIN log l INDEXED BY log_by_scope ON l.workspace = ?1 AND l.scope = a.value->>0 AND l.seq > a.value->>1 AND l.seq <= ?3
    ORDER BY l.seq LIMIT ?4
) found CROSS JOIN log l ON l.workspace = ?1 AND l.seq = found.seq ORDER BY found.seq";
/// The index is named where the order asked for could tempt the planner, which has no statistics, to read a workspace whole.
const HISTORY: &str =
    "SELECT body FROM log INDEXED BY log_by_record WHERE workspace = ?1 AND record = ?2 ORDER BY seq DESC LIMIT ?3";
const QUARANTINED: &str = "SELECT op, member, device, intent, place, at_ms, body FROM quarantine
WHERE workspace = ?1 ORDER BY at_ms, place";

/// Records with everything they stand under.
const LOAD_RECORDS: &str = concat!(
    "WITH RECURSIVE up(kind, id) AS (
        SELECT value->>0, unhex(value->>1) FROM json_each(?2)
        UNION
        SELECT r.parent_kind, r.parent FROM up
        CROSS JOIN record r ON r.workspace = ?1 AND r.kind = up.kind AND r.id = up.id
        WHERE r.parent IS NOT NULL
    ) SELECT up.kind, up.id, r.id IS NOT NULL, ",
    columns!(),
    " FROM up LEFT JOIN record r ON r.workspace = ?1 AND r.kind = up.kind AND r.id = up.id"
);
/// The live records below each key.
const LOAD_BELOW: &str = concat!(
    "WITH RECURSIVE below(root, kind, id, depth) AS (
        SELECT key, value->>0, unhex(value->>1), 0 FROM json_each(?2)
        UNION
        SELECT root, r.kind, r.id, depth + 1 FROM below b
        CROSS JOIN record r INDEXED BY record_by_parent ON r.workspace = ?1 AND r.parent = b.id AND r.parent_kind = b.kind
        WHERE r.deleted = 0
    ) SELECT b.root, ",
    columns!(),
    " FROM below b CROSS JOIN record r ON r.workspace = ?1 AND r.kind = b.kind AND r.id = b.id WHERE b.depth > 0"
);
/// The tombstones below each tombstone that are younger than it.
const LOAD_BURIED: &str = concat!(
    "WITH RECURSIVE below(root, kind, id, seq, depth) AS (
        SELECT n.key, r.kind, r.id, r.seq, 0 FROM json_each(?2) n
        CROSS JOIN record r ON r.workspace = ?1 AND r.kind = n.value->>0 AND r.id = unhex(n.value->>1)
        UNION
        SELECT root, r.kind, r.id, b.seq, depth + 1 FROM below b
        CROSS JOIN record r INDEXED BY record_by_parent ON r.workspace = ?1 AND r.parent = b.id AND r.parent_kind = b.kind
        WHERE r.deleted = 1 AND r.seq > b.seq
    ) SELECT b.root, ",
    columns!(),
    " FROM below b CROSS JOIN record r ON r.workspace = ?1 AND r.kind = b.kind AND r.id = b.id WHERE b.depth > 0"
);
const LOAD_RECEIPTS: &str = "SELECT r.op, r.digest, r.body FROM json_each(?2) n
CROSS JOIN receipt r ON r.workspace = ?1 AND r.op = unhex(n.value->>0)";
const LOAD_WROTE: &str =
    "SELECT l.body FROM json_each(?2) n CROSS JOIN log l ON l.workspace = ?1 AND l.seq = n.value->>0";

/// One transaction, sent to the database's thread as one message. Parameters are taken in the order in which they stand.
const COMMIT: &str = "BEGIN IMMEDIATE;
INSERT INTO workspace (id, name, epoch, head, horizon, next_number, created_ms)
    SELECT unhex(value->>0), value->>1, value->>2, 0, 0, 1, value->>3 FROM json_each(?);
UPDATE workspace SET head = CASE WHEN workspace.head = c.head_before THEN c.head END, next_number = c.next_number
    FROM (SELECT unhex(value->>0) AS id, value->>1 AS head_before, value->>2 AS head, value->>3 AS next_number FROM json_each(?)) c
    WHERE workspace.id = c.id;
WITH block(bytes) AS (VALUES (?))
INSERT INTO log (workspace, seq, scope, record, at_ms, until, body)
    SELECT unhex(value->>0), value->>1, value->>2, unhex(value->>3), value->>4, value->>5, substr(bytes, value->>6, value->>7)
    FROM block CROSS JOIN json_each(?);
WITH block(bytes) AS (VALUES (?))
INSERT INTO record (workspace, kind, id, scope, priority, parent_kind, parent, seq, deleted, fields)
    SELECT unhex(value->>0), value->>1, unhex(value->>2), value->>3, value->>4, value->>5, unhex(value->>6), value->>7, value->>8,
        CAST(substr(bytes, value->>9, value->>10) AS TEXT)
    FROM block CROSS JOIN json_each(?) WHERE true
    ON CONFLICT (workspace, kind, id) DO UPDATE SET scope = excluded.scope, parent_kind = excluded.parent_kind,
        parent = excluded.parent, seq = excluded.seq, deleted = excluded.deleted, fields = excluded.fields;
DELETE FROM assigned WHERE (workspace, kind, record) IN
    (SELECT unhex(value->>0), value->>1, unhex(value->>2) FROM json_each(?));
INSERT OR IGNORE INTO assigned (workspace, kind, record, member)
    SELECT unhex(value->>0), value->>1, unhex(value->>2), unhex(value->>3) FROM json_each(?);
WITH block(bytes) AS (VALUES (?))
INSERT OR REPLACE INTO receipt (workspace, op, digest, at_ms, body)
    SELECT unhex(value->>0), unhex(value->>1), value->>2, value->>3, substr(bytes, value->>4, value->>5)
    FROM block CROSS JOIN json_each(?);
INSERT OR REPLACE INTO scope_sum (workspace, scope, head, checksum, count)
    SELECT unhex(value->>0), value->>1, value->>2, value->>3, value->>4 FROM json_each(?);
DELETE FROM quarantine WHERE (workspace, op) IN (SELECT unhex(value->>0), unhex(value->>1) FROM json_each(?));
WITH block(bytes) AS (VALUES (?))
INSERT OR REPLACE INTO quarantine (workspace, op, member, device, intent, place, at_ms, body)
    SELECT unhex(value->>0), unhex(value->>1), unhex(value->>2), unhex(value->>3), unhex(value->>4), value->>5, value->>6,
        substr(bytes, value->>7, value->>8)
    FROM block CROSS JOIN json_each(?);
COMMIT";

impl Store for Sqlite {
    type Write = SqliteWrite;

    async fn begin(&self) -> Result<SqliteWrite, StoreError> {
        Ok(SqliteWrite { connection: self.writer.acquire().await.map_err(database)?, state: State::Clean })
    }

    async fn workspace(&self, id: WorkspaceId) -> Result<Option<Workspace>, StoreError> {
        let row = sqlx::query(WORKSPACE).bind(id.0).fetch_optional(&self.readers).await.map_err(database)?;
        row.as_ref().map(workspace_of).transpose()
    }

    async fn workspaces(&self) -> Result<Vec<Workspace>, StoreError> {
        let rows = sqlx::query(WORKSPACE).bind(None::<Uuid>).fetch_all(&self.readers).await.map_err(database)?;
        rows.iter().map(workspace_of).collect()
    }

    async fn records(&self, workspace: WorkspaceId, select: &Select, page: Page) -> Result<Paged<Record>, StoreError> {
        let limit = limit(page);
        let query = match select {
            Select::Scope { scope, after } => {
                let (priority, id) =
                    after.map_or((0, Vec::new()), |(priority, id)| (priority, id.0.as_bytes().to_vec()));
                sqlx::query(BY_SCOPE).bind(workspace.0).bind(scope.to_string()).bind(i64::from(priority)).bind(id)
            }
            Select::Kind(kind) => sqlx::query(BY_KIND).bind(workspace.0).bind(kind.spec().name),
            Select::Keys(wanted) => sqlx::query(BY_KEY).bind(workspace.0).bind(keys(wanted.iter().copied())),
            Select::Under(key) => sqlx::query(UNDER).bind(workspace.0).bind(key.id.0).bind(key.kind.spec().name),
            Select::AssignedTo(member) => sqlx::query(ASSIGNED).bind(workspace.0).bind(member.0),
        };
        let mut rows = query.bind(limit).fetch(&self.readers);
        let (mut found, mut bytes) = (Vec::new(), 0);
        while let Some(row) = rows.try_next().await.map_err(database)? {
            if found.len() == page.count_max || bytes >= page.bytes_max {
                return Ok(Paged { rows: found, more: true });
            }
            bytes += row.try_get::<&str, _>(3).map_err(database)?.len();
            found.push(record(&row, 0)?);
        }
        Ok(Paged { rows: found, more: false })
    }

    async fn log(
        &self,
        workspace: WorkspaceId,
        above: &BTreeMap<Scope, Version>,
        to: Version,
        page: Page,
    ) -> Result<Paged<Line>, StoreError> {
        let mut scopes = Rows::default();
        for (scope, tidemark) in above {
            scopes.next().text(scope).number(stored(*tidemark));
        }
        let limit = limit(page);
        let query = sqlx::query(LOG).bind(workspace.0).bind(scopes.end()).bind(stored(to)).bind(limit);
        let mut rows = query.fetch(&self.readers);
        let (mut found, mut bytes) = (Vec::new(), 0);
        while let Some(row) = rows.try_next().await.map_err(database)? {
            if found.len() == page.count_max || bytes >= page.bytes_max {
                return Ok(Paged { rows: found, more: true });
            }
            let body: &[u8] = row.try_get(1).map_err(database)?;
            bytes += body.len();
            let until = version(row.try_get(0).map_err(database)?)?;
            found.push(Line { entry: decode(body).map_err(damaged)?, until });
        }
        Ok(Paged { rows: found, more: false })
    }

    async fn history(
        &self,
        workspace: WorkspaceId,
        record: RecordId,
        count_max: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let limit = i64::try_from(count_max).unwrap_or(i64::MAX);
        let query = sqlx::query_scalar::<_, Vec<u8>>(HISTORY).bind(workspace.0).bind(record.0).bind(limit);
        let bodies = query.fetch_all(&self.readers).await.map_err(database)?;
        bodies.iter().map(|body| decode(body).map_err(damaged)).collect()
    }

    async fn quarantined(&self, workspace: WorkspaceId) -> Result<Vec<Quarantined>, StoreError> {
        let rows = sqlx::query(QUARANTINED).bind(workspace.0).fetch_all(&self.readers).await.map_err(database)?;
        let held = |row: &SqliteRow| {
            Ok(Quarantined {
                op: OpId(row.try_get(0)?),
                member: MemberId(row.try_get(1)?),
                device: DeviceId(row.try_get(2)?),
                intent: IntentId(row.try_get(3)?),
                place: row.try_get(4)?,
                at_ms: row.try_get(5)?,
                bytes: row.try_get(6)?,
            })
        };
        rows.iter().map(held).collect::<Result<_, sqlx::Error>>().map_err(database)
    }
}

/// Whether the connection may go back to its pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// No transaction is open.
    Clean,
    /// A transaction may be open: the connection is closed instead, which rolls it back.
    Open,
}

/// The right to write: the one writing connection, taken out of its pool.
pub struct SqliteWrite {
    connection: PoolConnection<sqlx::Sqlite>,
    state: State,
}

impl Drop for SqliteWrite {
    fn drop(&mut self) {
        if self.state == State::Open {
            self.connection.close_on_drop();
        }
    }
}

impl SqliteWrite {
    /// Ends a transaction that failed half-way. If that fails too, closing the connection does it.
    async fn roll_back(&mut self) {
        // SQLite has rolled back by itself after some errors, such as a full disk; then there is nothing to end.
        let ended = sqlx::query("ROLLBACK").execute(&mut *self.connection).await;
        let nothing_open = |error: &sqlx::Error| error.to_string().contains("no transaction is active");
        if ended.is_ok() || ended.as_ref().is_err_and(nothing_open) {
            self.state = State::Clean;
        }
    }

    /// The records a query found, by the place of the key they belong to.
    async fn trees(
        &mut self,
        query: &'static str,
        workspace: WorkspaceId,
        roots: &[Key],
    ) -> Result<Vec<Vec<Record>>, StoreError> {
        let query = sqlx::query(query).bind(workspace.0).bind(keys(roots.iter().copied()));
        let mut trees = vec![Vec::new(); roots.len()];
        for row in query.fetch_all(&mut *self.connection).await.map_err(database)? {
            let root = usize::try_from(row.try_get::<i64, _>(0).map_err(database)?).map_err(damaged)?;
            trees.get_mut(root).ok_or_else(|| damaged("a root that was not asked for"))?.push(record(&row, 1)?);
        }
        Ok(trees)
    }

    async fn load_records(&mut self, workspace: WorkspaceId, wanted: &[Key]) -> Result<Vec<Found>, StoreError> {
        let query = sqlx::query(LOAD_RECORDS).bind(workspace.0).bind(keys(wanted.iter().copied()));
        let mut found = Vec::new();
        for row in query.fetch_all(&mut *self.connection).await.map_err(database)? {
            let kind: &str = row.try_get(0).map_err(database)?;
            let kind = Kind::from_name(kind).ok_or_else(|| damaged(format_args!("the unknown kind {kind}")))?;
            let key = Key::new(kind, RecordId(row.try_get(1).map_err(database)?));
            let exists: bool = row.try_get(2).map_err(database)?;
            found.push(Found::Record(key, if exists { Some(record(&row, 3)?) } else { None }));
        }
        Ok(found)
    }

    async fn load_receipts(&mut self, workspace: WorkspaceId, wanted: &[OpId]) -> Result<Vec<Found>, StoreError> {
        let mut ops = Rows::default();
        for op in wanted {
            ops.next().id(op.0);
        }
        let query = sqlx::query(LOAD_RECEIPTS).bind(workspace.0).bind(ops.end());
        let mut kept: BTreeMap<OpId, Kept> = BTreeMap::new();
        for row in query.fetch_all(&mut *self.connection).await.map_err(database)? {
            let op = OpId(row.try_get(0).map_err(database)?);
            let digest = row.try_get::<i64, _>(1).map_err(database)?.cast_unsigned();
            let receipt = decode(row.try_get(2).map_err(database)?).map_err(damaged)?;
            kept.insert(op, Kept { receipt, digest });
        }
        Ok(wanted.iter().map(|op| Found::Receipt(*op, kept.remove(op))).collect())
    }

    async fn load_wrote(&mut self, workspace: WorkspaceId, wanted: &[Version]) -> Result<Vec<Found>, StoreError> {
        let mut places = Rows::default();
        for seq in wanted {
            places.next().number(stored(*seq));
        }
        let query = sqlx::query_scalar::<_, Vec<u8>>(LOAD_WROTE).bind(workspace.0).bind(places.end());
        let mut wrote = BTreeMap::new();
        for body in query.fetch_all(&mut *self.connection).await.map_err(database)? {
            let entry: Entry = decode(&body).map_err(damaged)?;
            wrote.insert(entry.seq, Wrote { by: entry.by, device: entry.device, op: entry.op, at_ms: entry.at_ms });
        }
        Ok(wanted.iter().map(|seq| Found::Wrote(*seq, wrote.remove(seq))).collect())
    }
}

impl Write for SqliteWrite {
    async fn load(&mut self, workspace: WorkspaceId, needs: &[Need]) -> Result<Vec<Found>, StoreError> {
        let (mut ops, mut records, mut below, mut buried, mut all, mut wrote) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for need in needs {
            match *need {
                Need::Receipt(op) => ops.push(op),
                Need::Record(key) => records.push(key),
                Need::Below(key) => below.push(key),
                Need::Buried(key) => buried.push(key),
                Need::All(kind) => all.push(kind),
                Need::Wrote(seq) => wrote.push(seq),
            }
        }
        let mut found = Vec::new();
        if !ops.is_empty() {
            found.append(&mut self.load_receipts(workspace, &ops).await?);
        }
        if !records.is_empty() {
            found.append(&mut self.load_records(workspace, &records).await?);
        }
        if !below.is_empty() {
            let trees = self.trees(LOAD_BELOW, workspace, &below).await?;
            found.extend(below.into_iter().zip(trees).map(|(key, records)| Found::Below(key, records)));
        }
        if !buried.is_empty() {
            let trees = self.trees(LOAD_BURIED, workspace, &buried).await?;
            found.extend(buried.into_iter().zip(trees).map(|(key, records)| Found::Buried(key, records)));
        }
        for kind in all {
            let query = sqlx::query(BY_KIND).bind(workspace.0).bind(kind.spec().name).bind(i64::MAX);
            let rows = query.fetch_all(&mut *self.connection).await.map_err(database)?;
            found.push(Found::All(kind, rows.iter().map(|row| record(row, 0)).collect::<Result<_, _>>()?));
        }
        if !wrote.is_empty() {
            found.append(&mut self.load_wrote(workspace, &wrote).await?);
        }
        Ok(found)
    }

    async fn open(&mut self, workspace: WorkspaceId) -> Result<Option<(Workspace, Vec<ScopeState>)>, StoreError> {
        let row = sqlx::query(WORKSPACE).bind(workspace.0).fetch_optional(&mut *self.connection).await;
        let Some(row) = row.map_err(database)? else { return Ok(None) };
        let sums =
            sqlx::query("SELECT scope, head, checksum, count FROM scope_sum WHERE workspace = ?1").bind(workspace.0);
        let mut states = Vec::new();
        for row in sums.fetch_all(&mut *self.connection).await.map_err(database)? {
            states.push(ScopeState {
                scope: row.try_get::<&str, _>(0).map_err(database)?.parse().map_err(damaged)?,
                head: version(row.try_get(1).map_err(database)?)?,
                checksum: row.try_get::<i64, _>(2).map_err(database)?.cast_unsigned(),
                count: version(row.try_get(3).map_err(database)?)?,
            });
        }
        Ok(Some((workspace_of(&row)?, states)))
    }

    async fn commit(mut self, changes: &BTreeMap<WorkspaceId, Changes<'_>>) -> Result<(), StoreError> {
        let plan = Plan::of(changes)?;
        self.state = State::Open;
        let written = plan.query().execute(&mut *self.connection).await;
        match written {
            Ok(_) => {
                self.state = State::Clean;
                Ok(())
            }
            Err(error) => {
                self.roll_back().await;
                Err(database(error))
            }
        }
    }

    async fn compact(mut self, workspace: WorkspaceId, what: Compaction) -> Result<Version, StoreError> {
        self.state = State::Open;
        let horizon = compact(&mut self.connection, workspace, what).await;
        match horizon {
            Ok(horizon) => {
                self.state = State::Clean;
                Ok(horizon)
            }
            Err(error) => {
                self.roll_back().await;
                Err(error)
            }
        }
    }

    async fn new_epoch(mut self, workspace: WorkspaceId, at_least: u64) -> Result<u64, StoreError> {
        let query = "UPDATE workspace SET epoch = max(epoch + 1, ?2) WHERE id = ?1 RETURNING epoch";
        let query = sqlx::query_scalar::<_, i64>(query).bind(workspace.0).bind(stored(at_least));
        version(query.fetch_one(&mut *self.connection).await.map_err(database)?)
    }
}

async fn compact(
    connection: &mut PoolConnection<sqlx::Sqlite>,
    workspace: WorkspaceId,
    what: Compaction,
) -> Result<Version, StoreError> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(database)?;
    // Entries land in the order of their sequence numbers, so the first that is young enough ends what may go.
    let young = "SELECT seq FROM log WHERE workspace = ?1 AND at_ms >= ?2 ORDER BY seq LIMIT 1";
    let young: Option<i64> = sqlx::query_scalar(young)
        .bind(workspace.0)
        .bind(what.log_before_ms)
        .fetch_optional(&mut *transaction)
        .await
        .map_err(database)?;
    let horizon = "UPDATE workspace SET horizon = max(horizon, min(coalesce(?2 - 1, head), horizon + ?3))
        WHERE id = ?1 RETURNING horizon";
    let horizon: i64 = sqlx::query_scalar(horizon)
        .bind(workspace.0)
        .bind(young)
        .bind(stored(what.entries_max))
        .fetch_one(&mut *transaction)
        .await
        .map_err(database)?;
    for old in [
        "DELETE FROM log WHERE workspace = ?1 AND seq <= ?2",
        "DELETE FROM assigned WHERE workspace = ?1 AND (kind, record) IN
            (SELECT kind, id FROM record WHERE workspace = ?1 AND deleted = 1 AND seq <= ?2)",
        "DELETE FROM record WHERE workspace = ?1 AND deleted = 1 AND seq <= ?2",
    ] {
        sqlx::query(old).bind(workspace.0).bind(horizon).execute(&mut *transaction).await.map_err(database)?;
    }
    // The receipt of a held op stays as long as the op is held.
    let receipts = "DELETE FROM receipt WHERE workspace = ?1 AND at_ms < ?2
        AND op NOT IN (SELECT op FROM quarantine WHERE workspace = ?1)";
    let receipts = sqlx::query(receipts).bind(workspace.0).bind(what.receipts_before_ms);
    receipts.execute(&mut *transaction).await.map_err(database)?;
    transaction.commit().await.map_err(database)?;
    version(horizon)
}

/// The parameters of `COMMIT`.
#[derive(Default)]
struct Plan {
    made: Rows,
    heads: Rows,
    log: Rows,
    records: Rows,
    assigned_anew: Rows,
    assigned: Rows,
    receipts: Rows,
    sums: Rows,
    freed: Rows,
    held: Rows,
}

impl Plan {
    fn of(changes: &BTreeMap<WorkspaceId, Changes<'_>>) -> Result<Self, StoreError> {
        let mut plan = Self::default();
        for (workspace, changes) in changes {
            plan.workspace(*workspace, changes)?;
        }
        Ok(plan)
    }

    fn workspace(&mut self, workspace: WorkspaceId, changes: &Changes<'_>) -> Result<(), StoreError> {
        let id = workspace.0;
        if let Some(made) = changes.made {
            // The one text in these lists that a person wrote, so the one that has to be escaped.
            let name = serde_json::to_string(&made.name).map_err(damaged)?;
            let mut row = self.made.next();
            row.id(id).cell(format_args!("{name}")).number(stored(made.epoch)).number(made.created_ms);
        }
        let mut row = self.heads.next();
        row.id(id).number(stored(changes.head_before)).number(stored(changes.head)).number(changes.next_number);
        for (entry, until) in &changes.entries {
            let mut row = self.log.next();
            row.id(id).number(stored(entry.seq)).text(entry.scope).id(entry.record.0).number(entry.at_ms);
            row.number(stored(*until)).bytes(|bytes| pack(entry, bytes))?;
        }
        for record in &changes.records {
            self.record(id, record, changes.head_before)?;
        }
        for kept in &changes.receipts {
            let mut row = self.receipts.next();
            row.id(id).id(kept.receipt.op.0).number(kept.digest.cast_signed()).number(kept.receipt.at_ms);
            row.bytes(|bytes| pack(&kept.receipt, bytes))?;
        }
        for sum in &changes.sums {
            let mut row = self.sums.next();
            row.id(id)
                .text(sum.scope)
                .number(stored(sum.head))
                .number(sum.checksum.cast_signed())
                .number(stored(sum.count));
        }
        for op in &changes.freed {
            self.freed.next().id(id).id(op.0);
        }
        for held in &changes.held {
            let mut row = self.held.next();
            row.id(id)
                .id(held.op.0)
                .id(held.member.0)
                .id(held.device.0)
                .id(held.intent.0)
                .number(i64::from(held.place));
            row.number(held.at_ms).bytes(|bytes| {
                bytes.extend_from_slice(&held.bytes);
                Ok(())
            })?;
        }
        Ok(())
    }

    fn record(&mut self, workspace: Uuid, record: &Record, head_before: Version) -> Result<(), StoreError> {
        let (kind, spec) = (record.kind.spec().name, record.kind.spec());
        let parent = record.parent();
        let mut row = self.records.next();
        row.id(workspace).text(kind).id(record.id.0).text(record.scope).number(i64::from(spec.priority));
        match parent {
            Some(parent) => row.text(parent.kind.spec().name),
            None => row.cell(format_args!("null")),
        };
        row.maybe_id(parent.map(|parent| parent.id.0)).number(stored(record.seq)).number(i64::from(record.deleted));
        row.bytes(|bytes| serde_json::to_writer(bytes, &record.fields).map_err(damaged))?;
        if record.version(ASSIGNEES) > head_before {
            self.assigned_anew.next().id(workspace).text(kind).id(record.id.0);
            for member in record.references(ASSIGNEES) {
                self.assigned.next().id(workspace).text(kind).id(record.id.0).id(member.0);
            }
        }
        Ok(())
    }

    fn query(self) -> sqlx::query::Query<'static, sqlx::Sqlite, sqlx::sqlite::SqliteArguments> {
        let (log, log_rows) = self.log.both();
        let (records, record_rows) = self.records.both();
        let (receipts, receipt_rows) = self.receipts.both();
        let (held, held_rows) = self.held.both();
        sqlx::query(COMMIT)
            .bind(self.made.end())
            .bind(self.heads.end())
            .bind(log)
            .bind(log_rows)
            .bind(records)
            .bind(record_rows)
            .bind(self.assigned_anew.end())
            .bind(self.assigned.end())
            .bind(receipts)
            .bind(receipt_rows)
            .bind(self.sums.end())
            .bind(self.freed.end())
            .bind(held)
            .bind(held_rows)
    }
}

/// The field whose members are indexed, in whichever kinds have it.
const ASSIGNEES: &str = "assignees";

/// Appends the wire form.
fn pack<T: serde::Serialize>(value: &T, bytes: &mut Vec<u8>) -> Result<(), StoreError> {
    bytes.append(&mut encode(value).map_err(damaged)?);
    Ok(())
}
