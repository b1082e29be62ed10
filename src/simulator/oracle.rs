//! The naive judge. It knows nothing of merging: it holds the log, the records, the receipts and the conflict records the
//! server ended with against the ops people made, and asks of each op where it went. Slow, plain and separate from the
//! code it judges, on purpose.

use crate::model::catalog::{Kind, Rule};
use crate::model::id::{DeviceId, OpId};
use crate::model::record::{Field, Key, Record, Version};
use crate::model::value::{Name, Value};
use crate::sync::op::{Action, Effect, Entry, Op, Outcome, Receipt};
use std::collections::{BTreeMap, BTreeSet};

/// What must always hold. The name of each is what a failure prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Invariant {
    /// After everything healed, every copy equals what the server holds in the scopes it may see.
    Convergence,
    /// Every op is in exactly one place: outbox, applied, merged, superseded with a record, in a tray, or quarantined.
    Conservation,
    /// No value of a person vanishes silently: it stands, was replaced by somebody who had seen it, or is kept in a conflict
    /// record.
    Shown,
    /// The ops of one device land in the order in which they were made, but for those that were never answered, or put aside.
    CausalOrder,
    /// A tidemark never goes back within an epoch, unless its scope is fetched anew.
    Tidemark,
    /// What was acknowledged stays.
    Acknowledged,
    /// After a scope was left, nothing of it is stored or shown.
    ScopeLeave,
    /// After everything healed, every outbox empties.
    Progress,
    /// The records are the fold of the log, without gaps in the sequence.
    Fold,
    /// No record stands under a parent that is not there.
    Orphans,
    /// Something the world itself did not expect, such as a message neither side can read.
    World,
}

/// A broken invariant, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Which.
    pub invariant: Invariant,
    /// How.
    pub says: String,
}

/// Shorthand for a broken invariant.
pub fn broken<T>(invariant: Invariant, says: impl Into<String>) -> Result<T, Broken> {
    Err(Broken { invariant, says: says.into() })
}

/// What the server holds.
#[derive(Debug, Clone, Default)]
pub struct Truth {
    /// The workspace's newest sequence number.
    pub head: Version,
    /// The oldest sequence number the log still holds.
    pub horizon: Version,
    /// Sequence numbers that were never given, because a backup was restored: from the head it had to the one it got.
    pub passed_over: BTreeSet<(Version, Version)>,
    /// The log, in order.
    pub entries: Vec<Entry>,
    /// Every record, tombstones included.
    pub records: BTreeMap<Key, Record>,
    /// Every receipt.
    pub receipts: BTreeMap<OpId, Receipt>,
    /// Ops held for an owner.
    pub quarantined: BTreeSet<OpId>,
}

/// Where the devices say an op is.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// In an outbox.
    pub outbox: BTreeSet<OpId>,
    /// In a tray.
    pub tray: BTreeSet<OpId>,
    /// In a tray that its author sees and that talks with the server.
    pub shown_refused: BTreeSet<OpId>,
    /// Given up by their authors, or tried again as others.
    pub given_up: BTreeSet<OpId>,
    /// Sent again and again and never answered, or put aside, so that others which do not need it may land before it.
    pub overtaken: BTreeSet<OpId>,
}

/// Judges the server's state against every op that was stored on a device.
///
/// # Errors
/// The first invariant found broken.
pub fn judge(truth: &Truth, made: &BTreeMap<OpId, Op>, places: &Places) -> Result<(), Broken> {
    sequence(truth)?;
    fold(truth)?;
    orphans(truth)?;
    causal_order(truth, made, &places.overtaken)?;
    for op in made.values() {
        conserved(truth, op, places)?;
        shown(truth, made, op)?;
    }
    Ok(())
}

/// The log has every number from the horizon to the head that was given, once.
fn sequence(truth: &Truth) -> Result<(), Broken> {
    let mut at = truth.horizon;
    let lasts = truth.entries.iter().map(|entry| entry.seq.saturating_sub(1)).chain([truth.head]);
    let whole = lasts.zip(truth.entries.iter().map(|entry| entry.seq).chain([truth.head])).all(|(before, seq)| {
        let follows = meets(&truth.passed_over, at, before);
        at = seq;
        follows
    });
    if !whole {
        let found: Vec<Version> = truth.entries.iter().map(|entry| entry.seq).collect();
        let (horizon, head) = (truth.horizon, truth.head);
        return broken(Invariant::Fold, format!("the log holds {found:?}, not everything in ({horizon}, {head}]"));
    }
    Ok(())
}

/// Whether nothing was given between these two numbers.
fn meets(passed_over: &BTreeSet<(Version, Version)>, from: Version, to: Version) -> bool {
    let next = || passed_over.range((from, 0)..=(from, to)).filter(|(from, to)| from < to);
    from == to || next().any(|(_, next)| meets(passed_over, *next, to))
}

/// Replays the log from nothing and compares. A compacted log no longer says everything, so only an uncompacted one is.
fn fold(truth: &Truth) -> Result<(), Broken> {
    if truth.horizon > 0 {
        return Ok(());
    }
    let mut folded: BTreeMap<Key, (BTreeMap<Name, Field>, bool)> = BTreeMap::new();
    for entry in &truth.entries {
        let (fields, deleted) = folded.entry(entry.key()).or_default();
        match &entry.effect {
            Effect::Delete => {
                fields.clear();
                *deleted = true;
            }
            Effect::Put(values) => {
                *deleted = false;
                for (name, value) in values {
                    fields.insert(name.clone(), Field { value: value.clone(), version: entry.seq });
                }
            }
        }
    }
    for (key, record) in &truth.records {
        let Some((fields, deleted)) = folded.remove(key) else {
            return broken(Invariant::Fold, format!("{key:?} is stored but not in the log"));
        };
        if deleted != record.deleted || (!deleted && fields != record.fields) {
            let says = format!("{key:?}: the log folds to {fields:?} (deleted {deleted}), stored is {record:?}");
            return broken(Invariant::Fold, says);
        }
    }
    match folded.into_keys().next() {
        Some(key) => broken(Invariant::Fold, format!("{key:?} is in the log but not stored")),
        None => Ok(()),
    }
}

/// Every live record with a declared parent stands under a live one.
fn orphans(truth: &Truth) -> Result<(), Broken> {
    for record in truth.records.values().filter(|record| !record.deleted && !record.kind.spec().parents.is_empty()) {
        let parent = record.parent().and_then(|key| truth.records.get(&key));
        if parent.is_none_or(|parent| parent.deleted || parent.scope != record.scope) {
            return broken(Invariant::Orphans, format!("{:?} stands under {:?}", record.key(), record.parent()));
        }
    }
    Ok(())
}

/// In log order, the counters of one life of a device only rise.
fn causal_order(truth: &Truth, made: &BTreeMap<OpId, Op>, overtaken: &BTreeSet<OpId>) -> Result<(), Broken> {
    let mut newest: BTreeMap<(DeviceId, u32), u64> = BTreeMap::new();
    let in_line = |op: &&Op| !overtaken.contains(&op.id);
    for op in truth.entries.iter().filter_map(|entry| made.get(&entry.op?)).filter(in_line) {
        let newest = newest.entry((op.device, op.incarnation)).or_insert(0);
        if op.counter < *newest {
            let says = format!("op {} of {} landed after {newest} of the same device", op.counter, op.device);
            return broken(Invariant::CausalOrder, says);
        }
        *newest = op.counter;
    }
    Ok(())
}

/// The op is in exactly one of the places the promise names.
fn conserved(truth: &Truth, op: &Op, places: &Places) -> Result<(), Broken> {
    let lost = |says: &str| broken(Invariant::Conservation, format!("op {} {says}: {op:?}", op.id));
    if places.given_up.contains(&op.id) {
        return Ok(());
    }
    let Some(receipt) = truth.receipts.get(&op.id) else {
        return if places.outbox.contains(&op.id) || places.tray.contains(&op.id) {
            Ok(())
        } else {
            lost("is nowhere: not in an outbox, not in a tray, and the server has no receipt")
        };
    };
    match receipt.outcome {
        Outcome::Applied | Outcome::Merged | Outcome::Superseded if places.shown_refused.contains(&op.id) => {
            lost("took effect and is still in a tray")
        }
        Outcome::Applied | Outcome::Merged => Ok(()),
        Outcome::Superseded => {
            let kept = receipt.conflict.and_then(|id| truth.records.get(&Key::new(Kind::Conflict, id)));
            if kept.is_some() { Ok(()) } else { lost("was superseded without a record that keeps it") }
        }
        Outcome::Rejected if places.tray.contains(&op.id) || places.outbox.contains(&op.id) => Ok(()),
        Outcome::Rejected => lost("was rejected and is in no tray"),
        Outcome::Quarantined if truth.quarantined.contains(&op.id) => Ok(()),
        Outcome::Quarantined => lost("was quarantined and is not held for an owner"),
    }
}

/// What the op wrote stands, was replaced by somebody who had seen it, or is kept.
fn shown(truth: &Truth, made: &BTreeMap<OpId, Op>, op: &Op) -> Result<(), Broken> {
    let settled = truth.receipts.get(&op.id);
    let Some(receipt) = settled.filter(|receipt| !matches!(receipt.outcome, Outcome::Rejected | Outcome::Quarantined))
    else {
        return Ok(());
    };
    match &op.action {
        Action::Set { changes } => {
            for (name, change) in changes {
                let unchanged = change.was == change.now;
                let rule = op.kind.spec().field(name.as_str()).map(|spec| spec.rule);
                if unchanged || kept(truth, op.key(), name, &change.now) {
                    continue;
                }
                if !stood(truth, made, op, name, &change.was, &change.now, rule) {
                    let says = format!("{:?} {name}: {:?} of op {} vanished silently", op.key(), change.now, op.id);
                    return broken(Invariant::Shown, says);
                }
            }
            Ok(())
        }
        Action::Create { .. } if receipt.outcome == Outcome::Applied && !truth.records.contains_key(&op.key()) => {
            // A tombstone may have been compacted away; it was deleted by somebody then.
            if truth.horizon > 0 {
                return Ok(());
            }
            broken(Invariant::Shown, format!("{:?} was made by op {} and is not there", op.key(), op.id))
        }
        _ => Ok(()),
    }
}

/// Whether a conflict record keeps this value of this field, on either side, or a notification does for its author alone.
fn kept(truth: &Truth, key: Key, name: &Name, value: &Value) -> bool {
    let about = key.id.to_string();
    truth.records.values().filter(|record| record.text("of") == about).any(|record| {
        let (parts, sides) = match record.kind {
            Kind::Conflict => ("parts", &["mine", "theirs"][..]),
            Kind::Notification => ("kept", &["mine"][..]),
            _ => return false,
        };
        record.get(parts).as_list().iter().filter_map(Value::as_map).any(|part| {
            part.get("name").and_then(Value::as_text) == Some(name.as_str())
                && sides.iter().any(|side| part.get(*side).unwrap_or(&Value::Null) == value)
        })
    })
}

/// Whether the log shows the value written and, if it was replaced, replaced by somebody who had seen it.
fn stood(
    truth: &Truth,
    made: &BTreeMap<OpId, Op>,
    op: &Op,
    name: &Name,
    was: &Value,
    now: &Value,
    rule: Option<Rule>,
) -> bool {
    let mut writes = truth.entries.iter().filter(|entry| entry.key() == op.key()).filter_map(|entry| {
        let Effect::Put(values) = &entry.effect else { return None };
        values.get(name).map(|value| (entry, value))
    });
    // Part of the log is gone with compaction, and what it would show with it.
    if truth.horizon > 0 {
        return true;
    }
    let Some((mine, value)) = writes.by_ref().find(|(entry, _)| entry.op == Some(op.id)) else {
        // Nothing was written: right only if the server already held what the op wanted when it landed.
        return held_already(truth, op, name, was, now, rule);
    };
    if !contains(value, was, now, rule) {
        return false;
    }
    match writes.next().and_then(|(entry, _)| made.get(&entry.op?)) {
        Some(later) => match &later.action {
            Action::Set { changes } => changes.get(name).is_none_or(|change| {
                change.base >= mine.seq
                    || change.was == *value
                    || (later.device == op.device && later.counter > op.counter)
                    || combines(rule)
            }),
            _ => true,
        },
        None => true,
    }
}

/// Whether some earlier state of the field already held what the op wanted.
fn held_already(truth: &Truth, op: &Op, name: &Name, was: &Value, now: &Value, rule: Option<Rule>) -> bool {
    truth.entries.iter().filter(|entry| entry.key() == op.key()).any(|entry| match &entry.effect {
        Effect::Put(values) => values.get(name).is_some_and(|value| contains(value, was, now, rule)),
        Effect::Delete => false,
    }) || now.is_null()
}

/// Rules whose result holds both sides.
fn combines(rule: Option<Rule>) -> bool {
    matches!(rule, Some(Rule::Union | Rule::Append | Rule::Counter | Rule::Text | Rule::Rank))
}

/// Whether a written value holds what the author added.
fn contains(value: &Value, was: &Value, now: &Value, rule: Option<Rule>) -> bool {
    match rule {
        Some(Rule::Union) => now
            .as_list()
            .iter()
            .filter(|entry| !was.as_list().contains(entry))
            .all(|entry| value.as_list().contains(entry)),
        Some(Rule::Append | Rule::Counter | Rule::Text | Rule::Rank) => true,
        _ => value == now,
    }
}
