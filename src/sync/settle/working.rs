//! What settling works on: the part of a workspace that has been loaded so far, with the effects of everything settled
//! since. It stays true as long as everything settled in it is written, in this order, and nobody else writes: a store
//! forgets it when a commit fails and when it drops old tombstones, receipts or log entries.

use crate::model::id::{DeviceId, MemberId, OpId};
use crate::model::kinds::Kind;
use crate::model::record::{Key, Record, Version};
use crate::sync::checksum::Sum;
use crate::sync::merge::Rules;
use crate::sync::op::Receipt;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Something settling lacks. The store loads it and supplies it; what does not exist is supplied as not existing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Need {
    /// The stored receipt of this op: `supply_receipt`.
    Receipt(OpId),
    /// This record, live or tombstone: `supply_record`. Supplying the records it stands under as well saves rounds.
    Record(Key),
    /// Every live record below this one, at any depth: `supply_below`.
    Below(Key),
    /// Every tombstone below this tombstone, at any depth, that has a higher `seq`: `supply_buried`. These are the
    /// records its deletion took.
    Buried(Key),
    /// Every live record of this kind: `supply_all`.
    All(Kind),
    /// Who made the log entry with this sequence number: `supply_wrote`; `None` once it is past the horizon.
    Wrote(Version),
}

/// A receipt as it is stored, with the digest of the bytes it answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The answer.
    pub receipt: Receipt,
    /// `FrozenOp::digest` of the op.
    pub digest: u64,
}

/// Who made a log entry, with what, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wrote {
    /// `None` for the server's own.
    pub by: Option<MemberId>,
    /// On which device.
    pub device: Option<DeviceId>,
    /// By which op.
    pub op: Option<OpId>,
    /// When it landed, by the server's clock, Unix milliseconds.
    pub at_ms: i64,
}

/// A loaded record, with what every edit of it, or of what stands under it, asks for.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) record: Arc<Record>,
    pub(super) parent: Option<Key>,
    /// What it adds to its scope, once that was worked out.
    pub(super) sum: Option<Sum>,
}

impl Held {
    fn new(record: Record) -> Self {
        Self { parent: record.parent(), record: Arc::new(record), sum: None }
    }
}

/// The loaded part of one workspace.
#[derive(Debug, Clone)]
pub struct Working {
    pub(super) head: Version,
    pub(super) next_number: i64,
    /// Projects that were ever made, deleted ones included.
    pub(super) projects: usize,
    pub(super) records: BTreeMap<Key, Option<Held>>,
    pub(super) receipts: BTreeMap<OpId, Option<Kept>>,
    pub(super) wrote: BTreeMap<Version, Option<Wrote>>,
    pub(super) rules: Option<Arc<Rules>>,
    /// By parent: every loaded record under it, live or not.
    pub(super) children: BTreeMap<Key, BTreeSet<Key>>,
    /// Records whose live children are all loaded.
    pub(super) below: BTreeSet<Key>,
    /// Tombstones whose buried children are all loaded.
    pub(super) buried: BTreeSet<Key>,
    /// Kinds whose live records are all loaded.
    pub(super) all: BTreeSet<Kind>,
}

impl Working {
    /// Nothing loaded yet. `head` is the workspace's newest sequence number, `next_number` the next human number.
    pub fn new(head: Version, next_number: i64) -> Self {
        Self {
            head,
            next_number,
            projects: 0,
            records: BTreeMap::new(),
            receipts: BTreeMap::new(),
            wrote: BTreeMap::new(),
            rules: None,
            children: BTreeMap::new(),
            below: BTreeSet::new(),
            buried: BTreeSet::new(),
            all: BTreeSet::new(),
        }
    }
    /// With so many projects in the workspace, those included whose scope is all that is left.
    #[must_use]
    pub fn with_projects(self, projects: usize) -> Self {
        Self { projects, ..self }
    }
    /// The newest sequence number, everything settled so far included.
    pub fn head(&self) -> Version {
        self.head
    }
    /// The next human number, everything settled so far included.
    pub fn next_number(&self) -> i64 {
        self.next_number
    }
    /// The record as it is now, live or tombstone; `None` if there is none or it was never loaded.
    pub fn record(&self, key: Key) -> Option<&Record> {
        self.held(key).map(|held| held.record.as_ref())
    }

    /// How many records it holds, those included that are known not to exist.
    pub fn records_held(&self) -> usize {
        self.records.len()
    }
    /// Forgets receipts and authors of entries, once there are more than this. All of them must be stored.
    pub fn forget_answers_above(&mut self, answers_max: usize) {
        if self.receipts.len().max(self.wrote.len()) > answers_max {
            self.receipts.clear();
            self.wrote.clear();
        }
    }

    /// Supplies a record, or that there is none. What is known already is newer and stays.
    pub fn supply_record(&mut self, key: Key, record: Option<Record>) {
        if self.records.contains_key(&key) {
            return;
        }
        self.put(key, record.map(Held::new));
    }
    /// Supplies an op's stored receipt, or that there is none.
    pub fn supply_receipt(&mut self, op: OpId, kept: Option<Kept>) {
        self.receipts.entry(op).or_insert(kept);
    }
    /// Supplies every live record below this one.
    pub fn supply_below(&mut self, key: Key, records: Vec<Record>) {
        self.below.insert(key);
        for record in records {
            self.below.insert(record.key());
            self.supply_record(record.key(), Some(record));
        }
    }
    /// Supplies every tombstone below this one that its deletion took.
    pub fn supply_buried(&mut self, key: Key, records: Vec<Record>) {
        self.buried.insert(key);
        for record in records {
            self.buried.insert(record.key());
            self.supply_record(record.key(), Some(record));
        }
    }
    /// Supplies every live record of a kind.
    pub fn supply_all(&mut self, kind: Kind, records: Vec<Record>) {
        self.all.insert(kind);
        for record in records {
            self.supply_record(record.key(), Some(record));
        }
        if kind == Kind::Policy {
            self.read_policies();
        }
    }
    /// Supplies who made a log entry; `None` if the log no longer holds it.
    pub fn supply_wrote(&mut self, seq: Version, wrote: Option<Wrote>) {
        self.wrote.entry(seq).or_insert(wrote);
    }

    /// The record as it is held.
    pub(super) fn held(&self, key: Key) -> Option<&Held> {
        self.records.get(&key)?.as_ref()
    }
    /// Holds this state of a record from now on.
    pub(super) fn put(&mut self, key: Key, record: Option<Held>) {
        let parent = record.as_ref().and_then(|held| held.parent);
        let before = self.records.insert(key, record).flatten().and_then(|held| held.parent);
        if before == parent {
            return;
        }
        if let Some(siblings) = before.and_then(|before| self.children.get_mut(&before)) {
            siblings.remove(&key);
        }
        if let Some(parent) = parent {
            self.children.entry(parent).or_default().insert(key);
        }
    }
    /// The live or dead records of a kind that are loaded.
    pub(super) fn loaded(&self, kind: Kind) -> impl Iterator<Item = &Record> {
        let nil = crate::model::id::RecordId(uuid::Uuid::nil());
        let max = crate::model::id::RecordId(uuid::Uuid::max());
        self.records
            .range(Key::new(kind, nil)..=Key::new(kind, max))
            .filter_map(|(_, held)| Some(held.as_ref()?.record.as_ref()))
    }
    /// Reads the workspace's merge rules out of its loaded policies.
    pub(super) fn read_policies(&mut self) {
        self.rules = Some(Arc::new(Rules::of(self.loaded(Kind::Policy))));
    }
}
