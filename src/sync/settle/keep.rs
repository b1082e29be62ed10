//! Conflict records: whatever does not stand is kept, in the same transaction, where both authors find it. One that a
//! rule decided waits for nobody; one that a person must decide, or that a deletion took, is open.
//!
//! In a conflict record `mine` is always the edit that lost or waits, and `theirs` what the server holds, whoever of the
//! two came later.

use super::draft::{Draft, Hand, Step, derived_id};
use super::tell;
use super::working::{Need, Wrote};
use crate::model::catalog::{FieldSpec, FieldType, KindSpec, Rule};
use crate::model::check::size_bytes;
use crate::model::choice::{ConflictClass, ConflictState};
use crate::model::id::{DeviceId, MemberId, OpId, RecordId};
use crate::model::kinds::Kind;
use crate::model::record::{Key, Record, Version};
use crate::model::scope::Scope;
use crate::model::value::{Name, Value};
use crate::sync::merge::{Fate, Part};
use crate::sync::mutant::{Mutant, planted};
use crate::sync::op::{Change, Op};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// One field of an edit as a conflict record shows it.
struct Shown {
    spec: &'static FieldSpec,
    base: Value,
    mine: Value,
    /// `None` where the record was deleted.
    theirs: Option<Value>,
}

impl Shown {
    /// A value that a deletion took, and that its tombstone gives back. Where the rule adds differences up, what the edit adds to that
    /// is nothing.
    fn buried(draft: &Draft<'_>, kind: Kind, spec: &'static FieldSpec, value: Value) -> Self {
        let adds = draft.rules.rule(kind, spec) == Rule::Counter;
        Self { spec, base: if adds { value.clone() } else { Value::Null }, mine: value, theirs: None }
    }
}

/// These fields, each with the rest of its group: what wins or loses together is written together.
fn with_groups<'f>(
    spec: &'static KindSpec,
    fields: impl Iterator<Item = &'f FieldSpec>,
) -> impl Iterator<Item = &'static FieldSpec> {
    let (mut names, mut groups) = (BTreeSet::new(), BTreeSet::new());
    for field in fields {
        names.insert(field.name);
        groups.extend(field.group);
    }
    let wanted =
        move |field: &&FieldSpec| names.contains(field.name) || field.group.is_some_and(|group| groups.contains(group));
    spec.fields.iter().filter(wanted)
}

/// A whole edit, as it is kept when its record was deleted.
pub(super) struct Edit(Vec<Shown>);

impl Edit {
    /// The fields of a create, which is there as a tombstone and comes back with them.
    pub(super) fn of_create(draft: &Draft<'_>, spec: &'static KindSpec, fields: &BTreeMap<Name, Value>) -> Self {
        let entered = fields.keys().filter_map(|name| spec.field(name.as_str())).filter(|field| !field.derived);
        let value = |field: &FieldSpec| fields.get(field.name).cloned().unwrap_or_default();
        Self(with_groups(spec, entered).map(|field| Shown::buried(draft, spec.kind, field, value(field))).collect())
    }
    /// The fields that a command sets.
    pub(super) fn of_command(spec: &'static KindSpec, fields: &BTreeMap<Name, Value>) -> Self {
        let set = fields.iter().filter_map(|(name, value)| Some((spec.field(name.as_str())?, value)));
        Self(set.map(|(spec, value)| Shown { spec, base: Value::Null, mine: value.clone(), theirs: None }).collect())
    }
    /// The fields of an edit.
    pub(super) fn of_set(spec: &'static KindSpec, changes: &BTreeMap<Name, Change>) -> Self {
        let entered = changes.iter().filter_map(|(name, change)| Some((spec.field(name.as_str())?, change)));
        Self(
            entered
                .map(|(spec, change)| Shown { spec, base: change.was.clone(), mine: change.now.clone(), theirs: None })
                .collect(),
        )
    }
}

/// Who stands on one side of a conflict.
#[derive(Clone, Copy, Default)]
struct Side {
    by: Option<MemberId>,
    device: Option<DeviceId>,
    at_ms: Option<i64>,
}

impl Side {
    fn of(wrote: Option<Wrote>) -> Self {
        wrote.map_or_else(Self::default, |wrote| Self { by: wrote.by, device: wrote.device, at_ms: Some(wrote.at_ms) })
    }
    fn of_op(draft: &Draft<'_>, op: &Op) -> Self {
        Self { by: Some(draft.author.member), device: Some(op.device), at_ms: Some(draft.acted_ms(op)) }
    }
}

/// What a conflict record says.
struct Conflict<'a> {
    id: RecordId,
    class: ConflictClass,
    state: ConflictState,
    of: Key,
    scope: Scope,
    title: &'a str,
    op: Option<OpId>,
    shown: Vec<Shown>,
    mine: Side,
    theirs: Side,
}

/// Keeps an edit of something that was deleted by the log entry `deleted`. Returns the conflict record.
pub(super) fn delete_won(
    draft: &mut Draft<'_>,
    op: &Op,
    scope: Scope,
    title: &str,
    deleted: Version,
    edit: Edit,
) -> Step<RecordId> {
    let conflict = Conflict {
        id: derived_id(op.id, "mine", &[]),
        class: ConflictClass::DeleteWins,
        state: ConflictState::Open,
        of: op.key(),
        scope,
        title,
        op: Some(op.id),
        shown: edit.0,
        mine: Side::of_op(draft, op),
        theirs: Side::of(draft.wrote(deleted)?),
    };
    write(draft, op, conflict)
}

/// Keeps every value that does not stand after a merge. Returns the conflict record of what the op itself lost.
pub(super) fn parts(draft: &mut Draft<'_>, op: &Op, before: &Record, parts: &[Part]) -> Step<Option<RecordId>> {
    if planted(Mutant::DropLoser) {
        return Ok(None);
    }
    draft.load(parts.iter().map(|part| Need::Wrote(part.version)))?;
    let mine: Vec<&Part> = parts.iter().filter(|part| part.fate != Fate::TheirsLost).collect();
    let mut theirs: BTreeMap<Version, Vec<&Part>> = BTreeMap::new();
    for part in parts.iter().filter(|part| part.fate == Fate::TheirsLost) {
        theirs.entry(part.version).or_default().push(part);
    }
    for (version, parts) in theirs {
        keep_theirs(draft, op, before, version, &parts)?;
    }
    if mine.is_empty() { Ok(None) } else { keep_mine(draft, op, before, &mine).map(Some) }
}

/// The arriving values lost, or wait for a person.
fn keep_mine(draft: &mut Draft<'_>, op: &Op, before: &Record, parts: &[&Part]) -> Step<RecordId> {
    let waits = parts.iter().any(|part| part.fate == Fate::Waits);
    let holds = draft.record(before.key())?;
    let held =
        |part: &Part| holds.as_ref().map_or_else(|| part.theirs.clone(), |record| record.get(part.spec.name).clone());
    let newest = parts.iter().map(|part| part.version).max().unwrap_or(0);
    let shown = parts.iter().map(|part| Shown {
        spec: part.spec,
        base: part.was.clone(),
        mine: part.mine.clone(),
        theirs: Some(held(part)),
    });
    let conflict = Conflict {
        id: derived_id(op.id, "mine", &[]),
        class: if waits { ConflictClass::Conflict } else { ConflictClass::Superseded },
        state: if waits { ConflictState::Open } else { ConflictState::Settled },
        of: before.key(),
        scope: before.scope,
        title: &title_of(before),
        op: Some(op.id),
        shown: shown.collect(),
        mine: Side::of_op(draft, op),
        theirs: Side::of(draft.wrote(newest)?),
    };
    write(draft, op, conflict)
}

/// The values of one earlier edit lost to the arriving one. Its author is told where the rule was `latest`.
fn keep_theirs(draft: &mut Draft<'_>, op: &Op, before: &Record, version: Version, parts: &[&Part]) -> Step<()> {
    let loser = draft.wrote(version)?;
    let shown = parts.iter().map(|part| Shown {
        spec: part.spec,
        base: part.was.clone(),
        mine: part.theirs.clone(),
        theirs: Some(part.mine.clone()),
    });
    let conflict = Conflict {
        id: derived_id(op.id, "theirs", &version.to_be_bytes()),
        class: ConflictClass::Superseded,
        state: ConflictState::Settled,
        of: before.key(),
        scope: before.scope,
        title: &title_of(before),
        op: loser.and_then(|wrote| wrote.op),
        shown: shown.collect(),
        mine: Side::of(loser),
        theirs: Side::of_op(draft, op),
    };
    write(draft, op, conflict)?;
    let author = loser.and_then(|wrote| wrote.by).filter(|by| *by != draft.author.member);
    if let Some(author) = author.filter(|_| parts.iter().any(|part| part.rule == Rule::Latest)) {
        tell::superseded(draft, op, author, before)?;
    }
    Ok(())
}

/// Keeps what others wrote to deleted records after their deleter had last looked: their edits went with them, and they
/// may want them back.
pub(super) fn unseen(draft: &mut Draft<'_>, op: &Op, deleted: &[Arc<Record>], seen: Version) -> Step<()> {
    let late = |record: &Record| {
        let fields = record.kind.spec().fields.iter().filter(|spec| !spec.derived);
        fields.map(|spec| record.version(spec.name)).filter(|version| *version > seen).collect::<BTreeSet<_>>()
    };
    let late: BTreeSet<Version> = deleted.iter().flat_map(|record| late(record)).collect();
    draft.load(late.iter().copied().map(Need::Wrote))?;
    let mut writers = BTreeSet::new();
    for version in late {
        writers.extend(draft.wrote(version)?.and_then(|wrote| wrote.by).map(RecordId::from));
    }
    draft.load_members(writers)?;
    deleted.iter().try_for_each(|record| unseen_of_one(draft, op, record, seen))
}

/// What somebody wrote at this device they have seen, and nobody wants back what the server filled in.
pub(super) fn was_seen(draft: &Draft<'_>, op: &Op, wrote: Wrote) -> bool {
    wrote.by.is_none() || (wrote.by == Some(draft.author.member) && wrote.device == Some(op.device))
}

fn unseen_of_one(draft: &mut Draft<'_>, op: &Op, before: &Record, seen: Version) -> Step<()> {
    let spec = before.kind.spec();
    // By author; nobody is known any more for what is past the horizon.
    let mut lost: BTreeMap<Option<MemberId>, (Option<Wrote>, Vec<&'static FieldSpec>)> = BTreeMap::new();
    for field in spec.fields.iter().filter(|field| !field.derived && before.version(field.name) > seen) {
        let wrote = draft.wrote(before.version(field.name))?;
        if wrote.is_some_and(|wrote| was_seen(draft, op, wrote)) {
            continue;
        }
        let slot = lost.entry(wrote.and_then(|wrote| wrote.by)).or_insert_with(|| (wrote, Vec::new()));
        if wrote.map(|wrote| wrote.at_ms) >= slot.0.map(|wrote| wrote.at_ms) {
            slot.0 = wrote;
        }
        slot.1.push(field);
    }
    for (by, (wrote, fields)) in lost {
        let fields = with_groups(spec, fields.into_iter());
        let shown = fields.map(|field| Shown::buried(draft, before.kind, field, before.get(field.name).clone()));
        let by = by.map_or_else(Vec::new, |by| by.0.as_bytes().to_vec());
        let conflict = Conflict {
            id: derived_id(op.id, "unseen", &[by.as_slice(), before.id.0.as_bytes()].concat()),
            class: ConflictClass::DeleteWins,
            state: ConflictState::Open,
            of: before.key(),
            scope: before.scope,
            title: &title_of(before),
            op: wrote.and_then(|wrote| wrote.op),
            shown: shown.collect(),
            mine: Side::of(wrote),
            theirs: Side::of_op(draft, op),
        };
        write(draft, op, conflict)?;
    }
    Ok(())
}

/// Writes a conflict record; tells both authors if a person is needed.
fn write(draft: &mut Draft<'_>, op: &Op, conflict: Conflict<'_>) -> Step<RecordId> {
    let key = Key::new(Kind::Conflict, conflict.id);
    let device = |side: Side| side.device.map(|device| device.to_string());
    let fields: [(&'static str, Value); 13] = [
        ("class", conflict.class.into()),
        ("of_kind", conflict.of.kind.spec().name.into()),
        ("of", conflict.of.id.into()),
        ("title", conflict.title.into()),
        ("op", conflict.op.map(|op| op.to_string()).into()),
        ("parts", laid_out(&conflict.shown)),
        ("mine_by", conflict.mine.by.into()),
        ("mine_device", device(conflict.mine).into()),
        ("mine_at", conflict.mine.at_ms.into()),
        ("theirs_by", conflict.theirs.by.into()),
        ("theirs_device", device(conflict.theirs).into()),
        ("theirs_at", conflict.theirs.at_ms.into()),
        ("state", conflict.state.into()),
    ];
    let fields = fields.into_iter().filter(|(_, value)| !value.is_null());
    draft.make(key, conflict.scope, fields.map(|(name, value)| (name.into(), value)).collect(), Hand::Server);
    // Where nobody knows any more who entered it, whoever replaced it has it: they saw it.
    if let Some(keeper) = conflict.mine.by.or(conflict.theirs.by) {
        let sees = tell::sees(draft, keeper, conflict.scope)?;
        if let Some(values) = withheld(&conflict.shown, sees) {
            let title = sees.then_some(conflict.title);
            tell::kept(draft, op, keeper, tell::Lost { of: conflict.of, title, conflict: key, values });
        }
    }
    if conflict.state == ConflictState::Open {
        let mut told: Vec<MemberId> = conflict.mine.by.into_iter().chain(conflict.theirs.by).collect();
        told.dedup();
        for member in told {
            tell::conflict(draft, op, member, key, conflict.scope, conflict.title)?;
        }
    }
    Ok(conflict.id)
}

/// The fields as a conflict record stores them. Where they are too large together, what can be found elsewhere goes: first
/// what the author saw, then what the server holds. What lost is always kept.
fn laid_out(shown: &[Shown]) -> Value {
    let all = with_sides(shown, &["base", "mine", "theirs"]);
    if size_bytes(&all) <= parts_bytes_max() {
        return all;
    }
    let both = with_sides(shown, &["mine", "theirs"]);
    if size_bytes(&both) <= parts_bytes_max() { both } else { with_sides(shown, &["mine"]) }
}

/// What its author would not find in the conflict record: sensitive values, and all of them if they do not see the record.
fn withheld(shown: &[Shown], sees: bool) -> Option<Value> {
    let entry = |shown: &Shown| {
        let parts =
            [("name", shown.spec.name.into()), ("label", shown.spec.label.into()), ("mine", shown.mine.clone())];
        Value::Map(parts.map(|(name, value)| (name.to_owned(), value)).into())
    };
    let entries: Vec<Value> = shown.iter().filter(|shown| !sees || shown.spec.sensitive).map(entry).collect();
    if entries.is_empty() { None } else { Some(Value::List(entries)) }
}

/// The catalog's limit on the parts of a conflict record.
fn parts_bytes_max() -> usize {
    match Kind::Conflict.spec().field("parts").map(|spec| spec.ty) {
        Some(FieldType::Data { bytes_max }) => bytes_max as usize,
        _ => 0,
    }
}

fn with_sides(shown: &[Shown], sides: &[&str]) -> Value {
    let entry = |shown: &Shown| {
        let values = [("base", Some(&shown.base)), ("mine", Some(&shown.mine)), ("theirs", shown.theirs.as_ref())];
        let values = values.into_iter().filter(|(side, _)| sides.contains(side));
        let mut parts: BTreeMap<String, Value> = values
            .filter_map(|(side, value)| {
                Some((side.to_owned(), if shown.spec.sensitive { redacted() } else { value?.clone() }))
            })
            .collect();
        parts.insert("name".to_owned(), shown.spec.name.into());
        parts.insert("label".to_owned(), shown.spec.label.into());
        Value::Map(parts)
    };
    Value::List(shown.iter().map(entry).collect())
}

/// Stands where a sensitive value is not shown.
fn redacted() -> Value {
    Value::Map([("redacted".to_owned(), true.into())].into())
}

/// What a record is called: its title, its name, or how its text begins.
pub(super) fn title_of(record: &Record) -> String {
    called(|name| record.text(name))
}
/// What a record with these fields is called.
pub(super) fn title_of_fields(fields: &BTreeMap<Name, Value>) -> String {
    called(|name| fields.get(name).and_then(Value::as_text).unwrap_or(""))
}
fn called<'a>(text: impl Fn(&str) -> &'a str) -> String {
    let named = ["title", "name", "text", "note"].into_iter().map(text).find(|text| !text.is_empty()).unwrap_or("");
    named.lines().next().unwrap_or("").chars().take(TITLE_CHARS_MAX).collect()
}

/// As much of a title as a conflict or a notification shows: what its field holds.
const TITLE_CHARS_MAX: usize = 200;
