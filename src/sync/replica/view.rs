//! What a person sees: `view = fold(base, outbox)`, kept record by record. Only records with pending ops differ from base
//! and are held twice; a local edit recomputes the records it touches and nothing else, however many there are.

use crate::model::catalog::{Guard, Kind};
use crate::model::choice::ConflictState;
use crate::model::id::{MemberId, RecordId};
use crate::model::kinds::Conflict;
use crate::model::record::{Key, Record};
use crate::model::value::{Name, Value};
use crate::sync::merge::{Rules, predict};
use crate::sync::op::{Action, Code, Op, Reason};
use crate::sync::replica::base::Base;
use crate::sync::replica::outbox::{Outbox, Place};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use uuid::Uuid;

/// How deep records stand under each other at most: project, phase, step, task, comment. A longer chain is a circle that
/// somebody made on purpose, and is not followed.
const DEPTH_MAX: usize = 8;

/// What is not yet on the server of one record.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Waiting {
    /// Everything shown is confirmed.
    #[default]
    Nothing,
    /// These fields wait.
    Fields(BTreeSet<Name>),
    /// The whole record waits: it was made here, or is being deleted.
    Whole,
}

impl Waiting {
    /// Whether this field waits.
    pub fn holds(&self, field: &str) -> bool {
        match self {
            Self::Nothing => false,
            Self::Fields(fields) => fields.contains(field),
            Self::Whole => true,
        }
    }
}

/// One record as a device shows it: base with the outbox folded over it, and what of it is not on the server yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Which record.
    pub key: Key,
    /// What it reads; `None` once it is deleted or no longer on the device.
    pub record: Option<Arc<Record>>,
    /// What of it waits.
    pub waiting: Waiting,
}

/// What pending ops make of one record.
#[derive(Debug, Clone)]
struct Overlay {
    record: Option<Arc<Record>>,
    waiting: Waiting,
}

/// The records that differ from base, and indexes over all that are seen.
#[derive(Debug, Clone, Default)]
pub struct View {
    overlays: BTreeMap<Key, Overlay>,
    below: BTreeMap<Key, BTreeSet<Key>>,
    stands_under: BTreeMap<Key, Key>,
    /// Records that a pending op deleted: whatever stands below them is not seen either.
    buried: BTreeSet<Key>,
    open_conflicts: BTreeSet<RecordId>,
    rules: Rules,
}

/// The first and last possible key of a kind.
fn span(kind: Kind) -> std::ops::RangeInclusive<Key> {
    Key::new(kind, RecordId(Uuid::nil()))..=Key::new(kind, RecordId(Uuid::max()))
}

impl View {
    /// The record as it reads now, whether or not something above it was deleted.
    fn raw<'a>(&'a self, base: &'a Base, key: Key) -> Option<&'a Arc<Record>> {
        match self.overlays.get(&key) {
            Some(overlay) => overlay.record.as_ref(),
            None => base.get(key),
        }
    }

    /// The record as it reads now.
    pub fn get(&self, base: &Base, key: Key) -> Option<Arc<Record>> {
        self.raw(base, key).filter(|_| !self.is_buried(key)).cloned()
    }

    /// Whether a record above this one was deleted by a pending op.
    fn is_buried(&self, key: Key) -> bool {
        if self.buried.is_empty() {
            return false;
        }
        let mut above = self.stands_under.get(&key);
        for _ in 0..DEPTH_MAX {
            let Some(parent) = above else { return false };
            if self.buried.contains(parent) {
                return true;
            }
            above = self.stands_under.get(parent);
        }
        false
    }

    /// What of the record is not on the server yet.
    pub fn waiting(&self, key: Key) -> Waiting {
        self.overlays.get(&key).map(|overlay| overlay.waiting.clone()).unwrap_or_default()
    }

    /// The children of one kind, by rank and then id.
    pub fn children(&self, base: &Base, parent: Key, kind: Kind) -> Vec<Key> {
        let Some(below) = self.below.get(&parent) else { return Vec::new() };
        let mut ranked: Vec<(&str, Key)> = below
            .range(span(kind))
            .filter(|key| !self.is_buried(**key))
            .filter_map(|key| self.raw(base, *key).map(|record| (record.text("rank"), *key)))
            .collect();
        ranked.sort();
        ranked.into_iter().map(|(_, key)| key).collect()
    }

    /// Every record of a kind, by id.
    pub fn of_kind(&self, base: &Base, kind: Kind) -> Vec<Key> {
        let mut keys: BTreeSet<Key> = base.keys().filter(|key| key.kind == kind).collect();
        for (key, overlay) in self.overlays.range(span(kind)) {
            if overlay.record.is_some() {
                keys.insert(*key)
            } else {
                keys.remove(key)
            };
        }
        keys.retain(|key| !self.is_buried(*key));
        keys.into_iter().collect()
    }

    /// Every record that is seen.
    pub fn keys(&self, base: &Base) -> BTreeSet<Key> {
        let mut keys: BTreeSet<Key> = base.keys().collect();
        keys.extend(self.overlays.keys());
        keys.retain(|key| self.raw(base, *key).is_some() && !self.is_buried(*key));
        keys
    }

    /// Conflicts that nobody settled yet.
    pub fn open_conflicts(&self) -> impl Iterator<Item = Key> + '_ {
        self.open_conflicts.iter().map(|id| Key::new(Kind::Conflict, *id))
    }

    /// Every key below this one, at any depth.
    pub fn all_below(&self, key: Key) -> BTreeSet<Key> {
        let mut found = BTreeSet::new();
        let mut open = vec![key];
        while let Some(parent) = open.pop() {
            for child in self.below.get(&parent).into_iter().flatten() {
                if found.insert(*child) {
                    open.push(*child);
                }
            }
        }
        found
    }

    /// The workspace's merge rules, as far as they are known here.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Reads the merge rules again, after a policy changed.
    pub fn reread_rules(&mut self, base: &Base) {
        self.rules = Rules::of(base.records.range(span(Kind::Policy)).map(|(_, record)| &**record));
    }

    /// Computes the record anew from base and its pending ops and puts it in its place in the indexes. Adds whatever reads
    /// otherwise now to `changed`: the record, and all below it when a pending deletion came or went.
    pub fn refresh(
        &mut self,
        base: &Base,
        outbox: &mut Outbox,
        author: MemberId,
        key: Key,
        changed: &mut BTreeSet<Key>,
    ) {
        let places = outbox.unlanded(key);
        if places.is_empty() {
            self.overlays.remove(&key);
        } else {
            let overlay = self.fold(base, outbox, author, key, &places);
            self.overlays.insert(key, overlay);
        }
        let now = self.raw(base, key).cloned();
        self.place(key, now.as_deref());
        let pending_delete = now.is_none() && base.get(key).is_some();
        let moved = if pending_delete { self.buried.insert(key) } else { self.buried.remove(&key) };
        changed.insert(key);
        if moved {
            changed.extend(self.all_below(key));
        }
    }

    fn fold(&self, base: &Base, outbox: &mut Outbox, author: MemberId, key: Key, places: &[Place]) -> Overlay {
        let mut record = base.get(key).map(|record| (**record).clone());
        let mut waiting = Waiting::Nothing;
        // A device keeps no tombstones; what a pending op deleted it can still bring back by itself.
        let mut deleted_here = None;
        for place in places {
            let Some(op) = outbox.get(*place).map(|pending| Arc::clone(&pending.op)) else { continue };
            let doubt = doubt(&op, record.as_ref());
            let parent = parent_of(&op, record.as_ref()).and_then(|parent| self.raw(base, parent));
            record = match (&op.action, &record) {
                (Action::Restore, None) => deleted_here.take(),
                (Action::Delete { .. }, Some(_)) => {
                    deleted_here = record.take();
                    None
                }
                _ => predict(&op, record.as_ref(), parent.map(|parent| &**parent), author, &self.rules),
            };
            waiting = waits_also(waiting, &op);
            outbox.set_doubt(*place, doubt);
        }
        Overlay { record: record.filter(|record| !record.deleted).map(Arc::new), waiting }
    }

    fn place(&mut self, key: Key, record: Option<&Record>) {
        let parent = record.and_then(Record::parent);
        let old = match parent {
            Some(parent) => self.stands_under.insert(key, parent),
            None => self.stands_under.remove(&key),
        };
        if old != parent {
            if let Some(old) = old
                && let Some(siblings) = self.below.get_mut(&old)
            {
                siblings.remove(&key);
                if siblings.is_empty() {
                    self.below.remove(&old);
                }
            }
            if let Some(parent) = parent {
                self.below.entry(parent).or_default().insert(key);
            }
        }
        if key.kind == Kind::Conflict {
            let open = record.is_some_and(|record| Conflict(record).state() != Some(ConflictState::Settled));
            if open {
                self.open_conflicts.insert(key.id)
            } else {
                self.open_conflicts.remove(&key.id)
            };
        }
    }
}

/// The parent an op's record stands under, or is put under.
pub fn parent_of(op: &Op, record: Option<&Record>) -> Option<Key> {
    let named = |value: &Value| value.as_text()?.parse::<RecordId>().ok();
    let given = op.kind.spec().parents.iter().find_map(|parent| {
        let id = match &op.action {
            Action::Create { fields } => fields.get(parent.field).and_then(named),
            Action::Set { changes } => changes.get(parent.field).and_then(|change| named(&change.now)),
            Action::Delete { .. } | Action::Restore | Action::Command { .. } => None,
        };
        id.map(|id| Key::new(parent.kind, id))
    });
    given.or_else(|| record.and_then(Record::parent))
}

/// Whether a guard holds for a record.
pub fn guard_holds(guard: &Guard, record: &Record) -> bool {
    match *guard {
        Guard::Is { field, choice } => record.text(field) == choice,
        Guard::IsNot { field, choice } => record.text(field) != choice,
        Guard::Equal { left, right } => record.int(left).unwrap_or(0) == record.int(right).unwrap_or(0),
    }
}

/// Why the server will refuse the op, or keep it aside, as things stand now.
pub fn doubt(op: &Op, record: Option<&Record>) -> Option<Reason> {
    match (&op.action, record) {
        (Action::Create { .. } | Action::Restore | Action::Delete { .. }, _) => None,
        (_, None) => Some(Reason {
            code: Code::Missing,
            field: None,
            says: format!(
                "This {} is gone, so the edit cannot be shown here. It is kept, and can be restored once it has been sent.",
                op.kind.spec().label.to_ascii_lowercase()
            ),
        }),
        (Action::Set { .. }, Some(_)) => None,
        (Action::Command { name, .. }, Some(record)) => {
            let command = op.kind.spec().command(name.as_str())?;
            let refused = command.when.iter().any(|guard| !guard_holds(guard, record));
            refused.then(|| Reason { code: Code::Guard, field: None, says: command.refusal.to_owned() })
        }
    }
}

fn waits_also(before: Waiting, op: &Op) -> Waiting {
    let fields: BTreeSet<Name> = match &op.action {
        Action::Create { .. } | Action::Delete { .. } | Action::Restore => return Waiting::Whole,
        Action::Set { changes } => changes.keys().cloned().collect(),
        Action::Command { name, .. } => op
            .kind
            .spec()
            .command(name.as_str())
            .map(|command| command.sets.iter().map(|(field, _)| Name::new(field)).collect())
            .unwrap_or_default(),
    };
    match before {
        Waiting::Whole => Waiting::Whole,
        Waiting::Nothing => Waiting::Fields(fields),
        Waiting::Fields(mut more) => {
            more.extend(fields);
            Waiting::Fields(more)
        }
    }
}
