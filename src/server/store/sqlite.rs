//! The embedded store: one SQLite file in WAL mode with `synchronous=FULL`, so that what is committed survives a power
//! cut. The core's writer has a connection of its own, which it calls directly (`write`); a few others read beside it, and
//! one writes what is not the core's.

pub(in crate::server) mod direct;
mod gather;
#[cfg(test)]
#[path = "sqlite_tests.rs"]
pub mod tests;

use super::*;
use crate::model::record::Field;
use crate::model::value::Name;
use crate::sync::op::Effect;
use crate::sync::wire::decode;
use direct::{Direct, Seat};
use read::PageReaders;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection, Row, SqliteConnection};
use std::fmt::Write as _;
use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, OwnedMutexGuard};
use uuid::Uuid;
use write::{Known, OwnSeat, SqliteWrite};

/// Connections that read: more than the cores of a small server gain nothing.
const READERS_MAX: u32 = 4;
/// How long a connection waits for another, of this process or of a backup, to let go of the file.
const BUSY_MAX: Duration = Duration::from_secs(10);
/// Memory in which the core's connection keeps pages, KiB. SQLite's own 2 MiB is read again and again in a busy workspace.
const CACHE_KIB: u32 = 64 << 10;
/// Pages of 4 KiB the write-ahead log may hold before a commit carries them over. A page that many edits touch is then
/// carried once instead of every few batches; opening after a crash reads at most this much.
const WAL_PAGES: u32 = 8_000;

/// How the tables came about, in order.
pub static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("migrations/sqlite");

/// The store. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Sqlite {
    seat: CoreSeat,
    writer: SqlitePool,
    readers: SqlitePool,
    pages: PageReaders,
}

/// Where the core's writer sits.
#[derive(Clone)]
enum CoreSeat {
    /// On a connection of its own; nobody's once the store is closed.
    Own(Arc<Mutex<Option<OwnSeat>>>),
    /// On the only connection there is, one transaction at a time.
    Shared,
}

impl Sqlite {
    /// Opens the database, makes it if it does not exist, and brings its schema up to date.
    ///
    /// # Errors
    /// `Database` if the file cannot be opened or migrated.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        // Made first, so that nobody else can read it even for a moment; what lies beside it gets the same rights.
        match File::options().write(true).create_new(true).mode(0o600).open(path) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(StoreError::Database(error.into())),
            _ => {}
        }
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
        let own = options.clone().pragma("cache_size", format!("-{CACHE_KIB}"));
        let own = gather::name().into_iter().fold(own, SqliteConnectOptions::vfs);
        let own = own.pragma("wal_autocheckpoint", WAL_PAGES.to_string()).connect().await.map_err(database)?;
        let own = OwnSeat { seat: Seat::take(own, |connection| connection).await?, known: Known::default() };
        let readers = SqlitePoolOptions::new().max_connections(READERS_MAX).test_before_acquire(false);
        let options = options.pragma("query_only", "ON");
        let readers = readers.connect_lazy_with(options.clone());
        let pages = PageReaders::new(options);
        Ok(Self { seat: CoreSeat::Own(Arc::new(Mutex::new(Some(own)))), writer, readers, pages })
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
        let pages = PageReaders::new(SqliteConnectOptions::new());
        Ok(Self { seat: CoreSeat::Shared, writer: only.clone(), readers: only, pages })
    }
    /// The connection that may write what is not the core's: accounts. Keep its transactions short; pushes wait for them.
    pub fn writer(&self) -> &SqlitePool {
        &self.writer
    }
    /// Connections that only read.
    pub fn readers(&self) -> &SqlitePool {
        &self.readers
    }
    /// Reads on a connection of its own; where there is only one, on that.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&mut Direct) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        match &self.seat {
            CoreSeat::Own(_) => self.pages.read(read).await,
            CoreSeat::Shared => {
                let only = self.readers.acquire().await.map_err(database)?;
                read(Seat::take(only, |connection| connection).await?.direct())
            }
        }
    }
    /// Closes every connection and waits for the end of each. The last one to close writes everything into the one file, which
    /// can then be moved, unless another process has it open too.
    ///
    /// # Errors
    /// What `StoreError` names; what was committed is on disk all the same, in the file or in its log.
    pub async fn close(&self) -> Result<(), StoreError> {
        self.pages.close().await?;
        self.readers.close().await;
        self.writer.close().await;
        let own = match &self.seat {
            CoreSeat::Own(seat) => seat.lock().await.take(),
            CoreSeat::Shared => None,
        };
        match own {
            // A connection that is only dropped closes at some time later, on a thread of its own.
            Some(own) => own.seat.leave().close().await.map_err(database),
            None => Ok(()),
        }
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
    let code = error.as_database_error().and_then(|error| error.code());
    // SQLITE_FULL.
    if code.as_deref() == Some("13") { StoreError::Full } else { StoreError::Database(Box::new(error)) }
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

/// Bits of a place in the log that are the sequence number; those above are the workspace's number. The statements know it too.
const SEQ_BITS: u32 = 42;
/// The last sequence number that has a place.
const SEQ_MAX: Version = (1 << SEQ_BITS) - 1;
/// Where the log of the workspace `?1` begins: `place` is this and the sequence number.
macro_rules! base {
    () => {
        "(SELECT number << 42 FROM workspace WHERE id = ?1)"
    };
}

// Below the macros, because they use them.
mod read;
mod write;

/// The columns of a record, as they lie in the database.
struct Stored<'a> {
    kind: &'a str,
    id: Uuid,
    scope: &'a str,
    fields: &'a str,
    seq: i64,
    deleted: bool,
}

impl Stored<'_> {
    fn record(self) -> Result<Record, StoreError> {
        let kind = Kind::from_name(self.kind);
        Ok(Record {
            kind: kind.ok_or_else(|| damaged(format_args!("a record of the unknown kind {}", self.kind)))?,
            id: RecordId(self.id),
            scope: self.scope.parse().map_err(damaged)?,
            fields: serde_json::from_str::<BTreeMap<Name, Field>>(self.fields).map_err(damaged)?,
            seq: version(self.seq)?,
            deleted: self.deleted,
        })
    }
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
        rows.add(key.kind.spec().name, format_args!("\"{}\"", key.id.0.as_simple()));
    }
    rows.end()
}

/// A JSON list of lists for `json_each`: what a query of no fixed size asks for.
struct Rows(String);

impl Default for Rows {
    fn default() -> Self {
        Self("[".to_owned())
    }
}

impl Rows {
    /// Adds a row: a word of ours, never anything to escape, and what follows it.
    fn add(&mut self, word: impl std::fmt::Display, then: std::fmt::Arguments<'_>) {
        let between = if self.0.len() > 1 { "," } else { "" };
        // Writing to a string cannot fail.
        write!(self.0, "{between}[\"{word}\",{then}]").ok();
    }
    fn end(mut self) -> String {
        self.0.push(']');
        self.0
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
const LOG: &str = concat!(
    "SELECT l.until, l.body FROM (
    SELECT l.place FROM json_each(?2) a
    CROSS JOIN scope s ON s.workspace = ?1 AND s.scope = a.value->>0
    CROSS JOIN log l INDEXED BY log_by_scope
        ON l.scope = s.number AND l.place > ",
    base!(),
    " + (a.value->>1) AND l.place <= ",
    base!(),
    " + ?3
    ORDER BY l.place LIMIT ?4
) found CROSS JOIN log l ON l.place = found.place ORDER BY found.place"
);
/// Every entry names the one before it of the same record, and the record names its latest.
const HISTORY: &str = concat!(
    "WITH RECURSIVE line(seq) AS (
    SELECT seq FROM record WHERE workspace = ?1 AND kind = ?2 AND id = ?3
    UNION ALL
    SELECT l.before FROM line CROSS JOIN log l ON l.place = ",
    base!(),
    " + line.seq WHERE l.before > 0
    LIMIT ?4
) SELECT l.body FROM line CROSS JOIN log l ON l.place = ",
    base!(),
    " + line.seq ORDER BY l.place DESC"
);
/// In each scope from its own `?3`-th newest entry on, found by a second look along the index: what a list shows of a long log does
/// not cost more than of a short one.
const LATEST: &str = concat!(
    "SELECT l.body, l.before, p.body FROM (
    SELECT l.place FROM json_each(?2) a
    CROSS JOIN scope s ON s.workspace = ?1 AND s.scope = a.value->>0
    CROSS JOIN log l INDEXED BY log_by_scope ON l.scope = s.number AND l.place >= coalesce((
        SELECT n.place FROM log n INDEXED BY log_by_scope
        WHERE n.scope = s.number ORDER BY n.place DESC LIMIT 1 OFFSET ?3 - 1
    ), 0)
    ORDER BY l.place DESC LIMIT ?3
) found CROSS JOIN log l ON l.place = found.place
LEFT JOIN log p ON p.place = ",
    base!(),
    " + l.before ORDER BY found.place DESC"
);
const HELD_COUNT: &str = "SELECT count(*) FROM quarantine WHERE workspace = ?1";
macro_rules! held {
    ($which:literal) => {
        concat!(
            "SELECT op, member, device, intent, place, at_ms, body FROM quarantine WHERE workspace = ?1 AND ",
            $which,
            " ORDER BY at_ms, place, op LIMIT ?2"
        )
    };
}
const HELD_AFTER: &str = held!("(at_ms, place, op) > (?3, ?4, ?5)");
const HELD_WITH: &str = held!(
    "intent IN (SELECT q.intent FROM json_each(?3) n CROSS JOIN quarantine q ON q.workspace = ?1 AND q.op = unhex(n.value))"
);

impl Store for Sqlite {
    type Write = SqliteWrite;

    async fn begin(&self) -> Result<SqliteWrite, StoreError> {
        match &self.seat {
            CoreSeat::Own(seat) => {
                let seat = Arc::clone(seat).lock_owned().await;
                let seat = OwnedMutexGuard::try_map(seat, Option::as_mut);
                SqliteWrite::on_own(seat.map_err(|_| StoreError::Database("the store is closed".into()))?)
            }
            CoreSeat::Shared => {
                let only = self.writer.acquire().await.map_err(database)?;
                SqliteWrite::on_shared(Seat::take(only, |connection| connection).await?)
            }
        }
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
        let select = select.clone();
        self.read(move |direct| read::records(direct, workspace, &select, page)).await
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
            scopes.add(scope, format_args!("{}", stored(*tidemark)));
        }
        let scopes = scopes.end();
        self.read(move |direct| read::lines(direct, workspace, &scopes, to, page)).await
    }

    async fn history(&self, workspace: WorkspaceId, key: Key, count_max: usize) -> Result<Vec<Entry>, StoreError> {
        let limit = i64::try_from(count_max).unwrap_or(i64::MAX);
        let query =
            sqlx::query_scalar::<_, Vec<u8>>(HISTORY).bind(workspace.0).bind(key.kind.spec().name).bind(key.id.0);
        let bodies = query.bind(limit).fetch_all(&self.readers).await.map_err(database)?;
        bodies.iter().map(|body| decode(body).map_err(damaged)).collect()
    }

    async fn latest(
        &self,
        workspace: WorkspaceId,
        scopes: &[Scope],
        count_max: usize,
    ) -> Result<Vec<Latest>, StoreError> {
        let mut asked = Rows::default();
        for scope in scopes {
            asked.add(scope, format_args!("0"));
        }
        let limit = i64::try_from(count_max.max(1)).unwrap_or(i64::MAX);
        let query = sqlx::query(LATEST).bind(workspace.0).bind(asked.end()).bind(limit);
        let rows = query.fetch_all(&self.readers).await.map_err(database)?;
        let latest = |row: &SqliteRow| {
            let entry = decode(row.try_get::<&[u8], _>(0).map_err(database)?).map_err(damaged)?;
            let previous: Option<&[u8]> = row.try_get(2).map_err(database)?;
            let previous = previous.map(decode::<Entry>).transpose().map_err(damaged)?;
            let before = match previous.map(|previous| previous.effect) {
                Some(Effect::Delete) => Before::Deleted,
                Some(Effect::Put(_)) => Before::There,
                None if version(row.try_get(1).map_err(database)?)? == 0 => Before::Nowhere,
                // The entry before it has been compacted away.
                None => Before::There,
            };
            Ok(Latest { entry, before })
        };
        rows.iter().map(latest).collect()
    }

    async fn held_count(&self, workspace: WorkspaceId) -> Result<u64, StoreError> {
        let count = sqlx::query_scalar(HELD_COUNT).bind(workspace.0).fetch_one(&self.readers).await;
        version(count.map_err(database)?)
    }

    async fn quarantined(
        &self,
        workspace: WorkspaceId,
        which: &SelectHeld,
        count_max: usize,
    ) -> Result<Vec<Quarantined>, StoreError> {
        let count_max = i64::try_from(count_max).unwrap_or(i64::MAX);
        let query = match which {
            SelectHeld::After(at_ms, place, op) => {
                sqlx::query(HELD_AFTER).bind(workspace.0).bind(count_max).bind(at_ms).bind(place).bind(op.0)
            }
            SelectHeld::WithIntentsOf(ops) => {
                let ops: Vec<String> = ops.iter().map(|op| format!("\"{}\"", op.0.simple())).collect();
                sqlx::query(HELD_WITH).bind(workspace.0).bind(count_max).bind(format!("[{}]", ops.join(",")))
            }
        };
        let rows = query.fetch_all(&self.readers).await.map_err(database)?;
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
