//! An intent while it is being settled: what it would write, on top of what is loaded. Either all of it goes into the
//! working state or none of it.

use super::working::{Held, Need, Working, Wrote};
use super::{Access, Author, Authority};
use crate::model::id::{MemberId, OpId, RecordId};
use crate::model::kinds::Kind;
use crate::model::permission::{self, Actor};
use crate::model::record::{Field, Key, Record, Version};
use crate::model::rollup::{self, Totals};
use crate::model::scope::Scope;
use crate::model::value::{Name, Value};
use crate::sync::checksum::Sum;
use crate::sync::merge::Rules;
use crate::sync::op::{Code, Effect, Entry, Op, Reason};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Why an intent goes no further.
#[derive(Debug)]
pub(super) enum Stop {
    /// Something has to be loaded first; as much of it at once as can be told.
    Lacks(Vec<Need>),
    /// It is refused, for this reason.
    Refuses(Reason),
    /// It is held for an owner: its author may no longer write here.
    Holds,
}

/// A step of settling that may stop the intent.
pub(super) type Step<T> = Result<T, Stop>;

/// Refuses in words.
pub(super) fn refuse<T>(code: Code, says: impl Into<String>) -> Step<T> {
    Err(Stop::Refuses(Reason { code, field: None, says: says.into() }))
}

/// By whose hand an entry is written.
#[derive(Clone, Copy)]
pub(super) enum Hand<'a> {
    /// The author's, by this op.
    Author(&'a Op),
    /// The server's own.
    Server,
}

pub(super) struct Draft<'a> {
    working: &'a Working,
    pub(super) author: Author,
    /// By whose role the author is judged; `None` where nothing is forbidden.
    pub(super) actor: Option<Actor>,
    pub(super) rules: Arc<Rules>,
    pub(super) now_ms: i64,
    changed: BTreeMap<Key, Arc<Record>>,
    /// What each record counted for when its differences were last carried up.
    unrolled: BTreeMap<Key, Option<(Key, Totals)>>,
    entries: Vec<Entry>,
    next_number: i64,
    pub(super) access: BTreeSet<Access>,
}

/// What a settled intent changes.
pub(super) struct Plan {
    projects: usize,
    changed: BTreeMap<Key, Arc<Record>>,
    pub(super) entries: Vec<Entry>,
    next_number: i64,
    pub(super) access: BTreeSet<Access>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(
        working: &'a Working,
        author: Author,
        actor: Option<Actor>,
        rules: Arc<Rules>,
        now_ms: i64,
    ) -> Self {
        Self {
            working,
            author,
            actor,
            rules,
            now_ms,
            changed: BTreeMap::new(),
            unrolled: BTreeMap::new(),
            entries: Vec::new(),
            next_number: working.next_number,
            access: BTreeSet::new(),
        }
    }

    /// The record as it is by now, live or tombstone; `None` if there is none.
    pub(super) fn record(&self, key: Key) -> Step<Option<Arc<Record>>> {
        if let Some(record) = self.changed.get(&key) {
            return Ok(Some(Arc::clone(record)));
        }
        let loaded = self.working.records.get(&key).ok_or_else(|| Stop::Lacks(vec![Need::Record(key)]))?;
        Ok(loaded.as_ref().map(|held| Arc::clone(&held.record)))
    }

    /// Makes sure of records and log entries before they are looked at one by one, so that they are loaded together.
    pub(super) fn load(&self, needs: impl IntoIterator<Item = Need>) -> Step<()> {
        let lacks = |need: &Need| match need {
            Need::Record(key) => !self.changed.contains_key(key) && !self.working.records.contains_key(key),
            Need::Wrote(seq) => *seq <= self.working.head && !self.working.wrote.contains_key(seq),
            _ => false,
        };
        let lacks: Vec<Need> = needs.into_iter().filter(lacks).collect();
        if lacks.is_empty() { Ok(()) } else { Err(Stop::Lacks(lacks)) }
    }
    /// The same for the records of members.
    pub(super) fn load_members(&self, members: impl IntoIterator<Item = RecordId>) -> Step<()> {
        self.load(members.into_iter().map(|member| Need::Record(Key::new(Kind::Member, member))))
    }

    /// Who made the log entry with this sequence number; `None` once it is past the horizon.
    pub(super) fn wrote(&self, seq: Version) -> Step<Option<Wrote>> {
        let mine =
            seq.checked_sub(self.working.head + 1).and_then(|place| self.entries.get(usize::try_from(place).ok()?));
        if let Some(entry) = mine {
            return Ok(Some(Wrote::of(entry)));
        }
        self.working.wrote.get(&seq).copied().ok_or_else(|| Stop::Lacks(vec![Need::Wrote(seq)]))
    }

    /// Whether the author may see what is in this scope.
    pub(super) fn sees(&self, scope: Scope) -> Step<bool> {
        self.actor.map_or(Ok(true), |actor| self.shown_to(&actor, scope))
    }
    /// Whether this actor may see what is in this scope.
    pub(super) fn shown_to(&self, actor: &Actor, scope: Scope) -> Step<bool> {
        Ok(match scope {
            Scope::Workspace => true,
            Scope::Personal(member) => member == actor.member,
            Scope::Project(project) => self
                .record(Key::new(Kind::Project, project))?
                .is_some_and(|project| permission::may_see(actor, &project)),
        })
    }

    /// Every live record of a kind.
    pub(super) fn all(&self, kind: Kind) -> Step<Vec<&Record>> {
        if !self.working.all.contains(&kind) {
            return Err(Stop::Lacks(vec![Need::All(kind)]));
        }
        let untouched = self.working.loaded(kind).filter(|record| !self.changed.contains_key(&record.key()));
        let touched = self.changed.values().map(Arc::as_ref).filter(|record| record.kind == kind);
        Ok(untouched.chain(touched).filter(|record| !record.deleted).collect())
    }

    /// Every live record below this one, parents before children.
    pub(super) fn below(&self, root: Key) -> Step<Vec<Key>> {
        self.walk(root, |record| !record.deleted, |working, key| working.below.contains(&key), Need::Below)
    }
    /// Every tombstone that the deletion of this one took, parents before children.
    pub(super) fn taken_with(&self, root: &Record) -> Step<Vec<Key>> {
        let seq = root.seq;
        self.walk(
            root.key(),
            |record| record.deleted && record.seq > seq,
            |working, key| working.buried.contains(&key),
            Need::Buried,
        )
    }
    /// The records below a root that pass, level by level. `known` says whether a record's children are loaded, `need`
    /// asks for them.
    fn walk(
        &self,
        root: Key,
        passes: impl Fn(&Record) -> bool,
        known: fn(&Working, Key) -> bool,
        need: fn(Key) -> Need,
    ) -> Step<Vec<Key>> {
        let mut moved: BTreeMap<Key, BTreeSet<Key>> = BTreeMap::new();
        for (key, record) in &self.changed {
            moved.entry(record.parent().unwrap_or(*key)).or_default().insert(*key);
        }
        let mut found = vec![root];
        let mut lacks = Vec::new();
        let mut next = 0;
        while let Some(parent) = found.get(next).copied() {
            next += 1;
            let is_new = matches!(self.working.records.get(&parent), Some(None));
            if !has_children(parent.kind) {
                continue;
            }
            if !is_new && !known(self.working, parent) {
                lacks.push(need(parent));
                continue;
            }
            let loaded = self.working.children.get(&parent).into_iter().flatten();
            let children: BTreeSet<Key> = loaded.chain(moved.get(&parent).into_iter().flatten()).copied().collect();
            for child in children {
                if self.record(child)?.is_some_and(|record| record.parent() == Some(parent) && passes(&record)) {
                    found.push(child);
                }
            }
        }
        found.remove(0);
        if lacks.is_empty() { Ok(found) } else { Err(Stop::Lacks(lacks)) }
    }

    /// How many projects the workspace has or had, with those that this intent has made so far.
    pub(super) fn projects(&self) -> usize {
        self.working.projects + self.new_projects()
    }
    fn new_projects(&self) -> usize {
        let made = |key: &&Key| key.kind == Kind::Project && self.working.held(**key).is_none();
        self.changed.keys().filter(made).count()
    }

    /// The next human number.
    pub(super) fn take_number(&mut self) -> i64 {
        let number = self.next_number;
        self.next_number += 1;
        number
    }

    /// Whether this intent made or changed the record.
    pub(super) fn made(&self, key: Key) -> bool {
        self.changed.contains_key(&key)
    }
    /// Makes a record.
    pub(super) fn make(&mut self, key: Key, scope: Scope, fields: BTreeMap<Name, Value>, hand: Hand<'_>) {
        let record = Record { kind: key.kind, id: key.id, scope, fields: BTreeMap::new(), seq: 0, deleted: false };
        self.write(Arc::new(record), fields, hand);
    }
    /// Makes a record that is deleted from the start: what it goes under was deleted, and comes back with it.
    pub(super) fn make_buried(&mut self, key: Key, scope: Scope, fields: BTreeMap<Name, Value>, hand: Hand<'_>) {
        let seq = self.log(key, scope, Effect::Delete, hand);
        let fields = fields.into_iter().map(|(name, value)| (name, Field { value, version: seq })).collect();
        self.hold(Arc::new(Record { kind: key.kind, id: key.id, scope, fields, seq, deleted: true }));
    }
    /// Writes fields of a record, which is live afterwards.
    pub(super) fn write(&mut self, record: Arc<Record>, puts: BTreeMap<Name, Value>, hand: Hand<'_>) {
        self.count_before(&record);
        let seq = self.log(record.key(), record.scope, Effect::Put(puts.clone()), hand);
        self.changed.remove(&record.key());
        let mut record = record;
        let held = Arc::make_mut(&mut record);
        if held.deleted {
            // A device forgot the tombstone, so what comes back is exactly what this entry says.
            held.fields.clear();
        }
        held.fields.extend(puts.into_iter().map(|(name, value)| (name, Field { value, version: seq })));
        held.seq = seq;
        held.deleted = false;
        self.hold(record);
    }
    /// Turns a record into a tombstone.
    pub(super) fn bury(&mut self, record: Arc<Record>, hand: Hand<'_>) {
        self.count_before(&record);
        let seq = self.log(record.key(), record.scope, Effect::Delete, hand);
        self.changed.remove(&record.key());
        let mut record = record;
        let held = Arc::make_mut(&mut record);
        held.seq = seq;
        held.deleted = true;
        self.hold(record);
    }

    fn hold(&mut self, record: Arc<Record>) {
        self.changed.insert(record.key(), record);
    }
    /// Remembers what a record counts for before it changes. One that is made counts for nothing before.
    fn count_before(&mut self, record: &Record) {
        if rollup::LEVELS.contains(&record.kind) {
            let before = if record.seq == 0 { None } else { rollup::share(record) };
            self.unrolled.entry(record.key()).or_insert(before);
        }
    }
    /// Appends a line to the change log.
    fn log(&mut self, key: Key, scope: Scope, effect: Effect, hand: Hand<'_>) -> Version {
        let seq = self.working.head + self.entries.len() as u64 + 1;
        let op = match hand {
            Hand::Author(op) => Some(op),
            Hand::Server => None,
        };
        self.entries.push(Entry {
            seq,
            scope,
            kind: key.kind,
            record: key.id,
            effect,
            by: op.map(|_| self.author.member),
            device: op.map(|op| op.device),
            op: op.map(|op| op.id),
            at_ms: self.now_ms,
        });
        seq
    }

    /// Carries what changed since the last time up to steps, phases and projects: one entry per ancestor.
    pub(super) fn roll_up(&mut self) -> Step<()> {
        for level in rollup::LEVELS {
            let mut differences = BTreeMap::new();
            for (key, before) in self.unrolled.iter().filter(|(key, _)| key.kind == level) {
                let after = self.record(*key)?.and_then(|record| rollup::share(&record));
                rollup::carry(&mut differences, *before, after);
            }
            for (parent, difference) in differences {
                let Some(parent) = self.record(parent)?.filter(|parent| !parent.deleted) else { continue };
                let puts = rollup::derived(&parent, difference);
                if !puts.is_empty() {
                    self.write(parent, puts, Hand::Server);
                }
            }
        }
        self.unrolled.clear();
        Ok(())
    }

    /// What the intent changes, once nothing has stopped it.
    pub(super) fn plan(mut self) -> Step<Plan> {
        self.roll_up()?;
        let projects = self.projects();
        Ok(Plan {
            projects,
            changed: self.changed,
            entries: self.entries,
            next_number: self.next_number,
            access: self.access,
        })
    }

    /// Whether the server itself acts.
    pub(super) fn is_server(&self) -> bool {
        self.author.authority == Authority::Server
    }
    /// What people call a member.
    pub(super) fn name_of(&self, member: MemberId) -> String {
        let record = self.record(Key::new(Kind::Member, member.into())).ok().flatten();
        record
            .map(|record| record.text("name").to_owned())
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| "Somebody".to_owned())
    }
    /// When the author acted: by their device's clock and its measured offset, never later than now.
    pub(super) fn acted_ms(&self, op: &Op) -> i64 {
        op.claimed_ms.saturating_add(op.offset_ms).clamp(0, self.now_ms.max(0))
    }
}

impl Plan {
    /// Puts the effects into the working state. Returns the records touched and what to add to each scope's sum.
    pub(super) fn absorb(&mut self, working: &mut Working) -> (BTreeSet<Key>, BTreeMap<Scope, Sum>) {
        let mut sums: BTreeMap<Scope, Sum> = BTreeMap::new();
        let touched: BTreeSet<Key> = self.changed.keys().copied().collect();
        for (key, record) in std::mem::take(&mut self.changed) {
            let before = working.held(key);
            let sum = Sum::of(&record);
            let was = before.map(|held| held.sum.unwrap_or_else(|| Sum::of(&held.record))).unwrap_or_default();
            let slot = sums.entry(record.scope).or_default();
            *slot = slot.plus(sum.minus(was));
            // What was just made, deleted with everything below, or brought back with everything taken, has no
            // children that are not loaded.
            let was_live = before.map(|held| !held.record.deleted);
            if was_live != Some(true) {
                working.below.insert(key);
            }
            if was_live != Some(false) {
                working.buried.insert(key);
            }
            working.put(key, Some(Held { parent: record.parent(), record, sum: Some(sum) }));
        }
        working.head += self.entries.len() as u64;
        working.next_number = self.next_number;
        working.projects = self.projects;
        working.wrote.extend(self.entries.iter().map(|entry| (entry.seq, Some(Wrote::of(entry)))));
        if touched.iter().any(|key| key.kind == Kind::Policy) {
            working.read_policies();
        }
        (touched, sums)
    }
}

impl Wrote {
    pub(super) fn of(entry: &Entry) -> Self {
        Self { by: entry.by, device: entry.device, op: entry.op, at_ms: entry.at_ms }
    }
}

/// Whether anything can stand under a record of this kind.
fn has_children(kind: Kind) -> bool {
    Kind::ALL.iter().any(|child| child.spec().parents.iter().any(|parent| parent.kind == kind))
}

/// The id of a record that the server makes because of an op: the same whenever the op is settled, and near the op's in
/// order of time.
pub(super) fn derived_id(op: OpId, why: &str, which: &[u8]) -> RecordId {
    let seed: Vec<u8> = [op.0.as_bytes().as_slice(), why.as_bytes(), which].concat();
    let mut bytes = xxhash_rust::xxh3::xxh3_128(&seed).to_be_bytes();
    bytes[..6].copy_from_slice(&op.0.as_bytes()[..6]);
    RecordId(uuid::Builder::from_custom_bytes(bytes).into_uuid())
}
