//! The right to write: one transaction at a time, on the thread of whoever has it. SQLite is called directly, so a load or a
//! commit waits for nobody but the disk, and its future is done when it is first polled.

use super::direct::{Arg, Direct, Row};
use super::read::record_in;
use super::*;
use crate::sync::wire::encode;
use sqlx::pool::PoolConnection;
use tokio::sync::OwnedMappedMutexGuard;

/// The right to write. Its transaction is open from the beginning; dropped without a commit, it is rolled back.
pub struct SqliteWrite {
    seat: Taken,
    state: State,
}

/// A place on the connection that writes.
enum Taken {
    Own(OwnedMappedMutexGuard<Option<OwnSeat>, OwnSeat>),
    Shared(Seat<PoolConnection<sqlx::Sqlite>>, Box<Known>),
}

/// The core's own connection, and what is known of what lies behind it.
pub(super) struct OwnSeat {
    pub(super) seat: Seat<SqliteConnection>,
    pub(super) known: Known,
}

/// What was looked up or written lately. True as long as every transaction since has been committed and nobody else writes.
#[derive(Default)]
pub(super) struct Known {
    /// Where records lie.
    places: HashMap<(Uuid, Key), Place>,
    /// `workspace.number`.
    workspaces: HashMap<Uuid, i64>,
    /// `scope.number`.
    scopes: HashMap<(Uuid, Scope), i64>,
}

/// Things known, about 100 bytes each, before all are forgotten and looked up again.
const KNOWN_MAX: usize = 50_000;

impl Known {
    fn count(&self) -> usize {
        self.places.len() + self.workspaces.len() + self.scopes.len()
    }
    fn forget(&mut self) {
        *self = Self::default();
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Committed,
}

impl Drop for SqliteWrite {
    fn drop(&mut self) {
        if self.state == State::Open
            // SQLite has rolled back by itself after some errors, such as a full disk.
            && self.direct().in_transaction()
            && let Err(error) = self.direct().execute("ROLLBACK", &[])
        {
            tracing::error!(error = %error, "a transaction could not be rolled back; the next one will try again");
        }
        if self.state == State::Open || self.known().count() > KNOWN_MAX {
            self.known().forget();
        }
    }
}

const RECORD: &str = concat!("SELECT ", columns!(), " FROM record r WHERE workspace = ?1 AND kind = ?2 AND id = ?3");
const OF_KIND: &str =
    concat!("SELECT ", columns!(), " FROM record r WHERE workspace = ?1 AND kind = ?2 AND deleted = 0 ORDER BY id");
/// The live records below one.
const BELOW: &str = concat!(
    "WITH RECURSIVE below(kind, id, depth) AS (
        VALUES (?2, ?3, 0)
        UNION
        SELECT r.kind, r.id, depth + 1 FROM below b
        CROSS JOIN record r INDEXED BY record_by_parent ON r.workspace = ?1 AND r.parent = b.id AND r.parent_kind = b.kind
        WHERE r.deleted = 0
    ) SELECT ",
    columns!(),
    " FROM below b CROSS JOIN record r ON r.workspace = ?1 AND r.kind = b.kind AND r.id = b.id WHERE b.depth > 0"
);
/// The tombstones below a tombstone that are younger than it.
const BURIED: &str = concat!(
    "WITH RECURSIVE below(kind, id, seq, depth) AS (
        SELECT kind, id, seq, 0 FROM record WHERE workspace = ?1 AND kind = ?2 AND id = ?3
        UNION
        SELECT r.kind, r.id, b.seq, depth + 1 FROM below b
        CROSS JOIN record r INDEXED BY record_by_parent ON r.workspace = ?1 AND r.parent = b.id AND r.parent_kind = b.kind
        WHERE r.deleted = 1 AND r.seq > b.seq
    ) SELECT ",
    columns!(),
    " FROM below b CROSS JOIN record r ON r.workspace = ?1 AND r.kind = b.kind AND r.id = b.id WHERE b.depth > 0"
);
const RECEIPT: &str = "SELECT digest, body FROM receipt WHERE workspace = ?1 AND op = ?2";
const WROTE: &str = concat!("SELECT body FROM log WHERE place = ", base!(), " + ?2");
const ONE_WORKSPACE: &str =
    "SELECT id, name, epoch, head, horizon, next_number, created_ms FROM workspace WHERE id = ?1";
const SUMS: &str = "SELECT scope, head, checksum, count FROM scope_sum WHERE workspace = ?1 ORDER BY scope";

const MAKE: &str = "INSERT INTO workspace (id, name, epoch, head, horizon, next_number, created_ms, number)
    VALUES (?1, ?2, ?3, 0, 0, 1, ?4, (SELECT coalesce(max(number), 0) + 1 FROM workspace))";
const NUMBER: &str = "SELECT number FROM workspace WHERE id = ?1";
const SCOPE_NUMBER: &str = "SELECT number FROM scope WHERE workspace = ?1 AND scope = ?2";
const NUMBER_SCOPE: &str = "INSERT INTO scope (workspace, scope) VALUES (?1, ?2)";
/// Changes nothing if somebody else has moved the head.
const MOVE_HEAD: &str = "UPDATE workspace SET head = ?3, next_number = ?4 WHERE id = ?1 AND head = ?2";
const ENTER: &str = "INSERT INTO log (place, scope, at_ms, until, before, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
const PLACE: &str = "SELECT rowid, seq, scope, parent_kind, parent, deleted FROM record
    WHERE workspace = ?1 AND kind = ?2 AND id = ?3";
const INSERT: &str =
    "INSERT INTO record (workspace, kind, id, scope, priority, parent_kind, parent, seq, deleted, fields)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
/// What places a record in an index is only written where it changed: an edit of a title leaves the indexes alone.
const REWRITE: &str =
    "UPDATE record SET seq = ?5, fields = ?6 WHERE rowid = ?4 AND workspace = ?1 AND kind = ?2 AND id = ?3";
const MOVE: &str = "UPDATE record SET seq = ?5, fields = ?6, scope = ?7, parent_kind = ?8, parent = ?9, deleted = ?10
    WHERE rowid = ?4 AND workspace = ?1 AND kind = ?2 AND id = ?3";
const UNASSIGN: &str = "DELETE FROM assigned WHERE workspace = ?1 AND kind = ?2 AND record = ?3";
const ASSIGN: &str = "INSERT OR IGNORE INTO assigned (workspace, kind, record, member) VALUES (?1, ?2, ?3, ?4)";
const KEEP: &str = "INSERT OR REPLACE INTO receipt (workspace, op, digest, at_ms, body) VALUES (?1, ?2, ?3, ?4, ?5)";
const ADD_UP: &str =
    "INSERT OR REPLACE INTO scope_sum (workspace, scope, head, checksum, count) VALUES (?1, ?2, ?3, ?4, ?5)";
const FREE: &str = "DELETE FROM quarantine WHERE workspace = ?1 AND op = ?2";
const HOLD: &str = "INSERT OR REPLACE INTO quarantine (workspace, op, member, device, intent, place, at_ms, body)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";

/// The field whose members are indexed, in whichever kinds have it.
const ASSIGNEES: &str = "assignees";

/// A key as the parameters `?1` to `?3`.
fn at(workspace: Uuid, key: Key) -> [Arg<'static>; 3] {
    [Arg::Id(workspace), Arg::Text(key.kind.spec().name), Arg::Id(key.id.0)]
}

fn packed<T: serde::Serialize>(value: &T) -> Result<Vec<u8>, StoreError> {
    encode(value).map_err(damaged)
}

/// Where a record lies.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    row: i64,
    /// Its latest entry.
    seq: i64,
    among: Among,
}

/// What places a record in the indexes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Among {
    scope: Scope,
    parent: Option<Key>,
    deleted: bool,
}

fn place_in(row: &Row<'_>) -> Result<Place, StoreError> {
    let parent = match row.text(3)? {
        "" => None,
        kind => {
            let kind =
                Kind::from_name(kind).ok_or_else(|| damaged(format_args!("a parent of the unknown kind {kind}")))?;
            Some(Key::new(kind, RecordId(row.id(4)?)))
        }
    };
    let among = Among { scope: row.text(2)?.parse().map_err(damaged)?, parent, deleted: row.int(5) != 0 };
    Ok(Place { row: row.int(0), seq: row.int(1), among })
}

impl SqliteWrite {
    pub(super) fn on_own(seat: OwnedMappedMutexGuard<Option<OwnSeat>, OwnSeat>) -> Result<Self, StoreError> {
        Self::begin(Taken::Own(seat))
    }
    pub(super) fn on_shared(seat: Seat<PoolConnection<sqlx::Sqlite>>) -> Result<Self, StoreError> {
        Self::begin(Taken::Shared(seat, Box::default()))
    }
    fn begin(seat: Taken) -> Result<Self, StoreError> {
        let mut write = Self { seat, state: State::Open };
        if write.direct().in_transaction() {
            write.direct().execute("ROLLBACK", &[])?;
        }
        write.direct().execute("BEGIN IMMEDIATE", &[])?;
        Ok(write)
    }
    fn end(mut self) -> Result<(), StoreError> {
        gather::commit(|| self.direct().execute("COMMIT", &[]))?;
        self.state = State::Committed;
        Ok(())
    }
    pub(super) fn direct(&mut self) -> &mut Direct {
        match &mut self.seat {
            Taken::Own(own) => own.seat.direct(),
            Taken::Shared(seat, _) => seat.direct(),
        }
    }
    fn known(&mut self) -> &mut Known {
        match &mut self.seat {
            Taken::Own(own) => &mut own.known,
            Taken::Shared(_, known) => known,
        }
    }

    /// The place in the log of the workspace's entry with this sequence number.
    fn place(&mut self, workspace: Uuid, seq: Version) -> Result<i64, StoreError> {
        let number = match self.known().workspaces.get(&workspace) {
            Some(number) => *number,
            None => {
                let number = self.direct().query(NUMBER, &[Arg::Id(workspace)], |row| Ok(row.int(0)))?.pop();
                let number = number.ok_or_else(|| damaged("a workspace that does not exist was to be written to"))?;
                self.known().workspaces.insert(workspace, number);
                number
            }
        };
        if seq > SEQ_MAX {
            return Err(StoreError::Database(format!("the log has no place for entry {seq}").into()));
        }
        Ok(number << SEQ_BITS | stored(seq))
    }

    /// What the scope is called in the log, from now on if it was not before.
    fn scope(&mut self, workspace: Uuid, scope: Scope) -> Result<i64, StoreError> {
        if let Some(number) = self.known().scopes.get(&(workspace, scope)) {
            return Ok(*number);
        }
        let name = scope.to_string();
        let called = [Arg::Id(workspace), Arg::Text(&name)];
        let mut number = self.direct().query(SCOPE_NUMBER, &called, |row| Ok(row.int(0)))?.pop();
        if number.is_none() {
            self.direct().execute(NUMBER_SCOPE, &called)?;
            number = self.direct().query(SCOPE_NUMBER, &called, |row| Ok(row.int(0)))?.pop();
        }
        let number = number.ok_or_else(|| damaged("a scope has no number"))?;
        self.known().scopes.insert((workspace, scope), number);
        Ok(number)
    }

    /// Records with everything they stand under.
    fn lines(&mut self, workspace: Uuid, wanted: Vec<Key>) -> Result<Vec<Found>, StoreError> {
        let (mut found, mut next) = (BTreeMap::new(), wanted);
        while let Some(key) = next.pop() {
            if found.contains_key(&key) {
                continue;
            }
            let record = self.direct().query(RECORD, &at(workspace, key), record_in)?.pop();
            next.extend(record.as_ref().and_then(Record::parent));
            found.insert(key, record);
        }
        Ok(found.into_iter().map(|(key, record)| Found::Record(key, record)).collect())
    }

    fn receipt(&mut self, workspace: Uuid, op: OpId) -> Result<Option<Kept>, StoreError> {
        let kept = |row: &Row<'_>| {
            Ok(Kept { digest: row.int(0).cast_unsigned(), receipt: decode(row.bytes(1)).map_err(damaged)? })
        };
        Ok(self.direct().query(RECEIPT, &[Arg::Id(workspace), Arg::Id(op.0)], kept)?.pop())
    }

    fn wrote(&mut self, workspace: Uuid, seq: Version) -> Result<Option<Wrote>, StoreError> {
        let wrote = |row: &Row<'_>| {
            let entry: Entry = decode(row.bytes(0)).map_err(damaged)?;
            Ok(Wrote { by: entry.by, device: entry.device, op: entry.op, at_ms: entry.at_ms })
        };
        Ok(self.direct().query(WROTE, &[Arg::Id(workspace), Arg::Int(stored(seq))], wrote)?.pop())
    }

    /// Writes what one workspace's part of a batch came to.
    fn write(&mut self, workspace: Uuid, changes: &Changes<'_>) -> Result<(), StoreError> {
        let id = Arg::Id(workspace);
        if let Some(made) = changes.made {
            let (epoch, created) = (Arg::Int(stored(made.epoch)), Arg::Int(made.created_ms));
            self.direct().execute(MAKE, &[id, Arg::Text(&made.name), epoch, created])?;
        }
        let heads = [stored(changes.head_before), stored(changes.head), changes.next_number].map(Arg::Int);
        let [before, after, next_number] = heads;
        if self.direct().execute(MOVE_HEAD, &[id, before, after, next_number])? != 1 {
            return Err(StoreError::Overtaken);
        }
        let (mut latest, mut fields) = (BTreeMap::<Key, i64>::new(), Vec::new());
        for record in &changes.records {
            fields.clear();
            serde_json::to_writer(&mut fields, &record.fields).map_err(damaged)?;
            let fields = std::str::from_utf8(&fields).map_err(damaged)?;
            let before = self.record(workspace, record, fields, changes.head_before)?;
            latest.entry(record.key()).or_insert(before);
        }
        for (entry, until) in &changes.entries {
            let before = latest.insert(entry.key(), stored(entry.seq)).unwrap_or(0);
            let (place, scope) = (self.place(workspace, entry.seq)?, self.scope(workspace, entry.scope)?);
            let [place, scope, at_ms, until, before] =
                [place, scope, entry.at_ms, stored(*until), before].map(Arg::Int);
            let body = packed(entry)?;
            self.direct().execute(ENTER, &[place, scope, at_ms, until, before, Arg::Bytes(&body)])?;
        }
        for kept in &changes.receipts {
            let [digest, at_ms] = [kept.digest.cast_signed(), kept.receipt.at_ms].map(Arg::Int);
            let body = packed(&kept.receipt)?;
            self.direct().execute(KEEP, &[id, Arg::Id(kept.receipt.op.0), digest, at_ms, Arg::Bytes(&body)])?;
        }
        for sum in &changes.sums {
            let [head, checksum, count] =
                [stored(sum.head), sum.checksum.cast_signed(), stored(sum.count)].map(Arg::Int);
            self.direct().execute(ADD_UP, &[id, Arg::Text(&sum.scope.to_string()), head, checksum, count])?;
        }
        for op in &changes.freed {
            self.direct().execute(FREE, &[id, Arg::Id(op.0)])?;
        }
        for held in &changes.held {
            let [op, member, device, intent] = [held.op.0, held.member.0, held.device.0, held.intent.0].map(Arg::Id);
            let [place, at_ms] = [i64::from(held.place), held.at_ms].map(Arg::Int);
            let line = [id, op, member, device, intent, place, at_ms, Arg::Bytes(&held.bytes)];
            self.direct().execute(HOLD, &line)?;
        }
        Ok(())
    }

    /// Writes a record and gives back the sequence number of its latest entry before; 0 for a new one.
    fn record(
        &mut self,
        workspace: Uuid,
        record: &Record,
        fields: &str,
        head_before: Version,
    ) -> Result<i64, StoreError> {
        let known = (workspace, record.key());
        let [id, kind, key] = at(workspace, record.key());
        let place = match self.known().places.get(&known).copied() {
            None => self.direct().query(PLACE, &[id, kind, key], place_in)?.pop(),
            place => place,
        };
        let among = Among { scope: record.scope, parent: record.parent(), deleted: record.deleted };
        let (fields, seq, scope) = (Arg::Text(fields), stored(record.seq), among.scope.to_string());
        let parent_kind = among.parent.map_or(Arg::Null, |parent| Arg::Text(parent.kind.spec().name));
        let parent = among.parent.map_or(Arg::Null, |parent| Arg::Id(parent.id.0));
        let (scope, deleted) = (Arg::Text(&scope), Arg::Int(i64::from(among.deleted)));
        let changed = match place {
            None => {
                let priority = Arg::Int(i64::from(record.kind.spec().priority));
                let row = [id, kind, key, scope, priority, parent_kind, parent, Arg::Int(seq), deleted, fields];
                self.direct().execute(INSERT, &row)?
            }
            Some(place) if place.among == among => {
                self.direct().execute(REWRITE, &[id, kind, key, Arg::Int(place.row), Arg::Int(seq), fields])?
            }
            Some(place) => {
                let row = [Arg::Int(place.row), Arg::Int(seq), fields, scope, parent_kind, parent, deleted];
                self.direct().execute(MOVE, &[[id, kind, key].as_slice(), &row].concat())?
            }
        };
        // A remembered place is wrong once somebody else has rearranged the file, as VACUUM does.
        if changed != 1 {
            return Err(StoreError::Overtaken);
        }
        if let Some(place) = place {
            self.known().places.insert(known, Place { seq, among, ..place });
        }
        if record.version(ASSIGNEES) > head_before {
            self.direct().execute(UNASSIGN, &[id, kind, key])?;
            for member in record.references(ASSIGNEES) {
                self.direct().execute(ASSIGN, &[id, kind, key, Arg::Id(member.0)])?;
            }
        }
        Ok(place.map_or(0, |place| place.seq))
    }
}

impl Write for SqliteWrite {
    async fn load(&mut self, workspace: WorkspaceId, needs: &[Need]) -> Result<Vec<Found>, StoreError> {
        let id = workspace.0;
        let (mut records, mut found) = (Vec::new(), Vec::with_capacity(needs.len()));
        for need in needs {
            match *need {
                Need::Record(key) => records.push(key),
                Need::Receipt(op) => found.push(Found::Receipt(op, self.receipt(id, op)?)),
                Need::Below(key) => found.push(Found::Below(key, self.direct().query(BELOW, &at(id, key), record_in)?)),
                Need::Buried(key) => {
                    found.push(Found::Buried(key, self.direct().query(BURIED, &at(id, key), record_in)?));
                }
                Need::All(kind) => {
                    let of_kind = [Arg::Id(id), Arg::Text(kind.spec().name)];
                    found.push(Found::All(kind, self.direct().query(OF_KIND, &of_kind, record_in)?));
                }
                Need::Wrote(seq) => found.push(Found::Wrote(seq, self.wrote(id, seq)?)),
            }
        }
        found.append(&mut self.lines(id, records)?);
        Ok(found)
    }

    async fn open(&mut self, workspace: WorkspaceId) -> Result<Option<(Workspace, Vec<ScopeState>)>, StoreError> {
        let id = Arg::Id(workspace.0);
        let workspace_in = |row: &Row<'_>| {
            Ok(Workspace {
                id: WorkspaceId(row.id(0)?),
                name: row.text(1)?.to_owned(),
                epoch: version(row.int(2))?,
                head: version(row.int(3))?,
                horizon: version(row.int(4))?,
                next_number: row.int(5),
                created_ms: row.int(6),
            })
        };
        let Some(opened) = self.direct().query(ONE_WORKSPACE, &[id], workspace_in)?.pop() else { return Ok(None) };
        let state_in = |row: &Row<'_>| {
            Ok(ScopeState {
                scope: row.text(0)?.parse().map_err(damaged)?,
                head: version(row.int(1))?,
                checksum: row.int(2).cast_unsigned(),
                count: version(row.int(3))?,
            })
        };
        Ok(Some((opened, self.direct().query(SUMS, &[id], state_in)?)))
    }

    async fn commit(mut self, changes: &BTreeMap<WorkspaceId, Changes<'_>>) -> Result<(), StoreError> {
        for (workspace, changes) in changes {
            self.write(workspace.0, changes)?;
        }
        self.end()
    }

    async fn compact(
        mut self,
        workspace: WorkspaceId,
        what: Compaction,
        announce: impl FnOnce(Version) + Send,
    ) -> Result<Version, StoreError> {
        let id = Arg::Id(workspace.0);
        let number = |row: &Row<'_>| Ok(row.int(0));
        // Entries land in the order of their sequence numbers, so the first that is young enough ends what may go, and so does the
        // first behind all that are old: where nothing but wrong times follow, nobody knows how young they are.
        let young = concat!(
            "SELECT place - ",
            base!(),
            " FROM log WHERE place > ",
            base!(),
            " AND place < ",
            base!(),
            " + (1 << 42) AND at_ms >= ?2 AND at_ms < ?3 ORDER BY place LIMIT 1"
        );
        let (before, wrong) = (Arg::Int(what.log_before_ms), Arg::Int(what.wrong_from_ms));
        let young = self.direct().query(young, &[id, before, wrong], number)?.pop();
        let old = concat!(
            "SELECT place - ",
            base!(),
            " FROM log WHERE place > ",
            base!(),
            " AND place < ",
            base!(),
            " + ?3 AND at_ms < ?2 ORDER BY place DESC LIMIT 1"
        );
        let until = Arg::Int(young.unwrap_or(1 << SEQ_BITS));
        let old = self.direct().query(old, &[id, before, until], number)?.pop();
        let kept = concat!(
            "SELECT place - ",
            base!(),
            " FROM log WHERE place > ",
            base!(),
            " + ?2 AND place < ",
            base!(),
            " + (1 << 42) ORDER BY place LIMIT 1"
        );
        let kept = self.direct().query(kept, &[id, Arg::Int(old.unwrap_or(0))], number)?.pop();
        // The last that may go at once. Numbers are passed over where a backup was restored, so entries are counted.
        let last = concat!(
            "SELECT place - ",
            base!(),
            " FROM log WHERE place > ",
            base!(),
            " + (SELECT horizon FROM workspace WHERE id = ?1) AND place < ",
            base!(),
            " + (1 << 42) ORDER BY place LIMIT 1 OFFSET ?2"
        );
        let skipped = Arg::Int(stored(what.entries_max.saturating_sub(1)));
        let last = self.direct().query(last, &[id, skipped], number)?.pop();
        let horizon = "UPDATE workspace SET horizon = max(horizon, min(coalesce(?2 - 1, head), coalesce(?3, head)))
            WHERE id = ?1 RETURNING horizon";
        let or_none = |number: Option<i64>| number.map_or(Arg::Null, Arg::Int);
        let horizon = self.direct().query(horizon, &[id, or_none(kept), or_none(last)], number)?.pop();
        let horizon = horizon.ok_or_else(|| damaged("a workspace that does not exist was to be compacted"))?;
        for old in [
            concat!("DELETE FROM log WHERE place > ", base!(), " AND place <= ", base!(), " + ?2"),
            "DELETE FROM assigned WHERE workspace = ?1 AND (kind, record) IN
                (SELECT kind, id FROM record WHERE workspace = ?1 AND deleted = 1 AND seq <= ?2)",
            // A deleted project says who sees what is left in its scope: conflicts that wait.
            "DELETE FROM record WHERE workspace = ?1 AND deleted = 1 AND seq <= ?2 AND NOT (kind = 'project' AND EXISTS
                (SELECT 1 FROM record AS left_over
                 WHERE left_over.workspace = ?1 AND left_over.scope = record.scope AND left_over.deleted = 0))",
        ] {
            self.direct().execute(old, &[id, Arg::Int(horizon)])?;
        }
        // Tombstones that were remembered may be gone.
        self.known().places.clear();
        // Receipts are looked through from end to end, so not before the last step. That of a held op stays as long as it is held.
        if last.is_none_or(|last| horizon < last) {
            let receipts = "DELETE FROM receipt WHERE workspace = ?1 AND at_ms < ?2
                AND op NOT IN (SELECT op FROM quarantine WHERE workspace = ?1)";
            self.direct().execute(receipts, &[id, Arg::Int(what.receipts_before_ms)])?;
        }
        let horizon = version(horizon)?;
        announce(horizon);
        self.end()?;
        Ok(horizon)
    }

    async fn new_epoch(mut self, workspace: WorkspaceId, at_least: u64) -> Result<u64, StoreError> {
        let query = "UPDATE workspace SET epoch = max(epoch + 1, ?2), head = max(head + 1, epoch + 1, ?2)
            WHERE id = ?1 RETURNING epoch, head";
        let least = [Arg::Id(workspace.0), Arg::Int(stored(at_least))];
        let now = self.direct().query(query, &least, |row| Ok((row.int(0), row.int(1))))?.pop();
        let (epoch, head) = now.ok_or_else(|| damaged("a workspace that does not exist was to have a new epoch"))?;
        if version(head)? >= SEQ_MAX {
            return Err(damaged(
                "the clock of this machine is far ahead: history would go on where no sequence number reaches",
            ));
        }
        self.end()?;
        version(epoch)
    }
}
