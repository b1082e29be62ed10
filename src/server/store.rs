//! Durable truth: what a store must do for the core, whatever database is behind it. `sqlite` is the embedded default;
//! `conformance` is what every implementation has to pass. A store decides nothing: it loads what settling needs and
//! writes what settling planned, all of it or nothing.

#[cfg(test)]
pub mod conformance;
pub mod sqlite;

use crate::model::id::{DeviceId, IntentId, MemberId, OpId, RecordId, WorkspaceId};
use crate::model::kinds::Kind;
use crate::model::record::{Key, Record, Version};
use crate::model::scope::Scope;
use crate::sync::op::{Before, Entry};
use crate::sync::settle::{Kept, Need, Working, Wrote};
use crate::sync::wire::ScopeState;
use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use uuid::Uuid;

/// Why a store could not do what was asked. Whatever was not acknowledged was not written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk, or the limit set on the database, is full.
    #[error("the disk is full")]
    Full,
    /// Somebody else wrote to the workspace since it was read.
    #[error("another process has written to this database")]
    Overtaken,
    /// Something stored cannot be read; the text is for logs.
    #[error("stored data cannot be read: {0}")]
    Damaged(String),
    /// The database failed; the text is for logs.
    #[error("the database failed: {0}")]
    Database(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl StoreError {
    /// The same for one more waiter.
    #[must_use]
    pub fn again(&self) -> Self {
        match self {
            Self::Full => Self::Full,
            Self::Overtaken => Self::Overtaken,
            Self::Damaged(what) => Self::Damaged(what.clone()),
            Self::Database(inner) => Self::Database(inner.to_string().into()),
        }
    }
}

/// A tenant as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workspace {
    /// Which.
    pub id: WorkspaceId,
    /// What people call it.
    pub name: String,
    /// Changes when its history was replaced.
    pub epoch: u64,
    /// Its newest sequence number.
    pub head: Version,
    /// The log up to here may have been compacted away.
    pub horizon: Version,
    /// The next human number.
    pub next_number: i64,
    /// When it was made, by the server's clock, Unix milliseconds.
    pub created_ms: i64,
}

/// Which held ops are asked for.
#[derive(Debug, Clone)]
pub enum SelectHeld {
    /// Those that follow one: since when it is held, its place, and its id.
    After(i64, u32, OpId),
    /// All of the intents that these belong to.
    WithIntentsOf(Vec<OpId>),
}

impl SelectHeld {
    /// Those that follow this one; from the oldest on without one.
    pub fn after(one: Option<&Quarantined>) -> Self {
        one.map_or(Self::After(i64::MIN, 0, OpId(Uuid::nil())), |one| Self::After(one.at_ms, one.place, one.op))
    }
}

/// An op held because its author may no longer write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// Which op.
    pub op: OpId,
    /// Whose.
    pub member: MemberId,
    /// On which device.
    pub device: DeviceId,
    /// With which others it succeeds or fails.
    pub intent: IntentId,
    /// Its place among the ops held at the same time.
    pub place: u32,
    /// Since when, by the server's clock, Unix milliseconds.
    pub at_ms: i64,
    /// Its frozen bytes.
    pub bytes: Vec<u8>,
}

/// An entry with the last sequence number of its intent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The change.
    pub entry: Entry,
    /// Where its intent ends.
    pub until: Version,
}

/// An entry with how its record stood before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Latest {
    /// The change.
    pub entry: Entry,
    /// How its record stood.
    pub before: Before,
}

/// Which records to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Select {
    /// Live records of a scope in the order of a snapshot, after this one. Those of several kinds with one id come in one page,
    /// however full it is.
    Scope {
        /// Which scope.
        scope: Scope,
        /// Priority and id of the last record that is known; `None` from the beginning.
        after: Option<(u8, RecordId)>,
    },
    /// Live records of a kind, in order of id.
    Kind(Kind),
    /// These, tombstones included, in any order.
    Keys(Vec<Key>),
    /// Live records directly under this one.
    Under(Key),
    /// Live records this member is assigned to.
    AssignedTo(MemberId),
}

/// How much to read at once, whichever limit comes first; one row is always read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Rows.
    pub count_max: usize,
    /// Bytes as stored.
    pub bytes_max: usize,
}

/// A page of what was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paged<T> {
    /// What it holds.
    pub rows: Vec<T>,
    /// Whether a limit ended it: there are more.
    pub more: bool,
}

/// What a load found for one need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Answers `Need::Receipt`.
    Receipt(OpId, Option<Kept>),
    /// Answers `Need::Record`; also comes unasked for the records it stands under.
    Record(Key, Option<Record>),
    /// Answers `Need::Below`.
    Below(Key, Vec<Record>),
    /// Answers `Need::Buried`.
    Buried(Key, Vec<Record>),
    /// Answers `Need::All`.
    All(Kind, Vec<Record>),
    /// Answers `Need::Wrote`.
    Wrote(Version, Option<Wrote>),
}

impl Found {
    /// The records in it.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        let (one, many): (Option<&Record>, &[Record]) = match self {
            Self::Record(_, record) => (record.as_ref(), &[]),
            Self::Below(_, records) | Self::Buried(_, records) | Self::All(_, records) => (None, records),
            Self::Receipt(..) | Self::Wrote(..) => (None, &[]),
        };
        one.into_iter().chain(many)
    }
    /// Hands it to what settles.
    pub fn supply(self, working: &mut Working) {
        match self {
            Self::Receipt(op, kept) => working.supply_receipt(op, kept),
            Self::Record(key, record) => working.supply_record(key, record),
            Self::Below(key, records) => working.supply_below(key, records),
            Self::Buried(key, records) => working.supply_buried(key, records),
            Self::All(kind, records) => working.supply_all(kind, records),
            Self::Wrote(seq, wrote) => working.supply_wrote(seq, wrote),
        }
    }
}

/// Everything one transaction writes to one workspace.
#[derive(Debug, Clone, Default)]
pub struct Changes<'a> {
    /// The workspace itself, if this transaction makes it.
    pub made: Option<&'a Workspace>,
    /// Its head when this was planned; the commit fails if it has moved.
    pub head_before: Version,
    /// Its head afterwards.
    pub head: Version,
    /// The next human number afterwards.
    pub next_number: i64,
    /// Lines of the change log, each with the last sequence number of its intent.
    pub entries: Vec<(&'a Entry, Version)>,
    /// Rows as they are afterwards.
    pub records: Vec<&'a Record>,
    /// Receipts, in place of any stored under the same op.
    pub receipts: Vec<&'a Kept>,
    /// What each changed scope adds up to afterwards.
    pub sums: Vec<&'a ScopeState>,
    /// Ops to hold.
    pub held: Vec<&'a Quarantined>,
    /// Ops held no longer.
    pub freed: Vec<OpId>,
}

/// What compaction may drop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compaction {
    /// Log entries dropped at once, so that nobody waits long to write.
    pub entries_max: u64,
    /// Log entries and tombstones that landed before this go.
    pub log_before_ms: i64,
    /// Receipts given before this go.
    pub receipts_before_ms: i64,
    /// Log entries dated from here on were written while the clock was wrong: they go and stay with those around them.
    pub wrong_from_ms: i64,
}

/// A database that holds workspaces.
pub trait Store: Send + Sync + 'static {
    /// The right to write; there is one at a time.
    type Write: Write;

    /// Waits for the right to write.
    fn begin(&self) -> impl Future<Output = Result<Self::Write, StoreError>> + Send;
    /// One workspace, if it exists.
    fn workspace(&self, id: WorkspaceId) -> impl Future<Output = Result<Option<Workspace>, StoreError>> + Send;
    /// Every workspace, oldest first.
    fn workspaces(&self) -> impl Future<Output = Result<Vec<Workspace>, StoreError>> + Send;
    /// Records, a page of them.
    fn records(
        &self,
        workspace: WorkspaceId,
        select: &Select,
        page: Page,
    ) -> impl Future<Output = Result<Paged<Record>, StoreError>> + Send;
    /// Entries above each scope's tidemark and up to `to`, in order of their sequence numbers, a page of them.
    fn log(
        &self,
        workspace: WorkspaceId,
        above: &BTreeMap<Scope, Version>,
        to: Version,
        page: Page,
    ) -> impl Future<Output = Result<Paged<Line>, StoreError>> + Send;
    /// What happened to one record, newest first, as far back as the log goes.
    fn history(
        &self,
        workspace: WorkspaceId,
        record: Key,
        count_max: usize,
    ) -> impl Future<Output = Result<Vec<Entry>, StoreError>> + Send;
    /// The newest entries of these scopes together, newest first. Reads up to `count_max` places in each scope.
    fn latest(
        &self,
        workspace: WorkspaceId,
        scopes: &[Scope],
        count_max: usize,
    ) -> impl Future<Output = Result<Vec<Latest>, StoreError>> + Send;
    /// How many ops are held.
    fn held_count(&self, workspace: WorkspaceId) -> impl Future<Output = Result<u64, StoreError>> + Send;
    /// Ops that are held, oldest first, at most `count_max`.
    fn quarantined(
        &self,
        workspace: WorkspaceId,
        which: &SelectHeld,
        count_max: usize,
    ) -> impl Future<Output = Result<Vec<Quarantined>, StoreError>> + Send;
}

/// The right to write. Dropped without a commit, it has changed nothing.
pub trait Write: Send {
    /// Loads what settling lacks, in as few queries as there are sorts of need.
    fn load(
        &mut self,
        workspace: WorkspaceId,
        needs: &[Need],
    ) -> impl Future<Output = Result<Vec<Found>, StoreError>> + Send;
    /// The workspace and what its scopes add up to, for opening it.
    fn open(
        &mut self,
        workspace: WorkspaceId,
    ) -> impl Future<Output = Result<Option<(Workspace, Vec<ScopeState>)>, StoreError>> + Send;
    /// Writes it all, or nothing. When this returns, it is on disk.
    fn commit(
        self,
        changes: &BTreeMap<WorkspaceId, Changes<'_>>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
    /// Drops what is old, and returns the new horizon. Says it to `announce` before anybody can find anything gone.
    fn compact(
        self,
        workspace: WorkspaceId,
        what: Compaction,
        announce: impl FnOnce(Version) + Send,
    ) -> impl Future<Output = Result<Version, StoreError>> + Send;
    /// Gives the workspace a new epoch, above its old one and at least `at_least`, and lets its sequence numbers go on from
    /// there: with the time for `at_least`, none that the lost history gave is ever given again, so that an op made in that
    /// history claims to have seen nothing of this one.
    fn new_epoch(self, workspace: WorkspaceId, at_least: u64) -> impl Future<Output = Result<u64, StoreError>> + Send;
}
