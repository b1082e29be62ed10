//! What each sort of op does: authorise, validate, merge, write. A person's edit of something deleted is kept in a
//! conflict record; anything that cannot land is refused in words.

use super::draft::{Draft, Hand, Step, Stop, refuse};
use super::house;
use super::keep::{self, Edit};
use super::tell;
use crate::model::catalog::{KindSpec, Rule};
use crate::model::check::{self, FieldError, Filler};
use crate::model::id::RecordId;
use crate::model::kinds::Kind;
use crate::model::permission;
use crate::model::record::{Key, Record, Version};
use crate::model::rollup::{self, Totals};
use crate::model::scope::Scope;
use crate::model::value::{Name, Value};
use crate::sync::merge::{self, Fate, Part};
use crate::sync::mutant::{Mutant, planted};
use crate::sync::op::{Action, Change, Class, Code, Op, Outcome, Reason};
use crate::sync::wire::PROJECTS_MAX;
use std::collections::BTreeMap;
use std::sync::Arc;

/// How an op ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Done {
    pub(super) outcome: Outcome,
    pub(super) class: Class,
    /// The conflict record that keeps what it did not achieve.
    pub(super) conflict: Option<RecordId>,
}

impl Done {
    const PLAIN: Self = Self { outcome: Outcome::Applied, class: Class::Plain, conflict: None };
    const NOISE: Self = Self { class: Class::Noise, ..Self::PLAIN };
    /// The record was deleted: the edit waits in a conflict record.
    fn delete_won(conflict: RecordId) -> Self {
        Self { outcome: Outcome::Superseded, class: Class::DeleteWins, conflict: Some(conflict) }
    }
}

/// Settles one op, in this build's form, on top of the draft.
pub(super) fn act(draft: &mut Draft<'_>, op: &Op) -> Step<Done> {
    match &op.action {
        Action::Create { fields } => create(draft, op, fields),
        Action::Set { changes } => set(draft, op, changes),
        Action::Delete { seen } => delete(draft, op, *seen),
        Action::Restore => restore(draft, op),
        Action::Command { name, seen } => command(draft, op, name, *seen),
    }
}

impl From<FieldError> for Stop {
    fn from(error: FieldError) -> Self {
        Self::Refuses(Reason { code: Code::Invalid, field: Some(error.field), says: error.says })
    }
}

fn create(draft: &mut Draft<'_>, op: &Op, fields: &BTreeMap<Name, Value>) -> Step<Done> {
    let spec = op.kind.spec();
    let fields = check::first_fields(spec, fields, filler(draft))?;
    refuse_documents(spec, fields.keys())?;
    if draft.record(op.key())?.is_some() {
        return refuse(
            Code::Exists,
            format!("This {} exists already. Nothing was changed.", spec.label.to_ascii_lowercase()),
        );
    }
    if op.kind == Kind::Project && draft.projects() >= PROJECTS_MAX {
        let says = format!(
            "This workspace has had {PROJECTS_MAX} projects, as many as one can. Make this one in another workspace, or as a phase."
        );
        return refuse(Code::Invalid, says);
    }
    let parent = match parent_of(spec, &fields) {
        Some(key) => Some(draft.record(key)?.map_or_else(|| no_parent(key), Ok)?),
        None => None,
    };
    let Some(scope) = merge::first_scope(spec, op.record, parent.as_deref(), draft.author.member) else {
        return forbidden(spec);
    };
    if parent.as_ref().is_some_and(|parent| parent.scope != scope) {
        return refuse(Code::Parent, "What it was put under belongs to somebody else. Nothing was changed.");
    }
    if draft.actor.is_some_and(|actor| !permission::may_create(&actor, spec, scope)) {
        return forbidden(spec);
    }
    if scope != Scope::Project(op.record) {
        seen_or_held(draft, scope)?;
    }
    house::members_exist(draft, op.kind, &fields)?;
    let mut fields = merge::with_first_values(spec, fields, draft.author.member, draft.acted_ms(op));
    house::before_write(draft, op, None, &mut fields)?;
    if op.kind == Kind::Task {
        fields.insert("number".into(), draft.take_number().into());
    }
    if let Some(parent) = parent.filter(|parent| parent.deleted) {
        draft.make_buried(op.key(), scope, fields.clone(), Hand::Author(op));
        let edit = Edit::of_create(draft, spec, &fields);
        return keep::delete_won(draft, op, scope, &keep::title_of_fields(&fields), parent.seq, edit)
            .map(Done::delete_won);
    }
    draft.make(op.key(), scope, fields, Hand::Author(op));
    tell::after_write(draft, op, None)?;
    Ok(Done::PLAIN)
}

fn set(draft: &mut Draft<'_>, op: &Op, changes: &BTreeMap<Name, Change>) -> Step<Done> {
    let spec = op.kind.spec();
    let before = writable(draft, op)?;
    let changes = merge::checked(spec, changes, filler(draft))?;
    refuse_documents(spec, changes.keys())?;
    fixed_stay(draft, spec, &changes)?;
    whole_groups(spec, &changes)?;
    check::in_order(spec, &changes.iter().map(|(name, change)| (name.clone(), change.now.clone())).collect())?;
    if before.deleted {
        return keep_edit(draft, op, &before, Edit::of_set(spec, &changes));
    }
    house::settled_alike(draft, &before, &changes)?;
    let mut merged = merge::merge_changes(&before, &changes, &Arc::clone(&draft.rules));
    house::members_exist(draft, op.kind, &merged.puts)?;
    same_place(draft, &before, &merged.puts)?;
    house::before_write(draft, op, Some(&before), &mut merged.puts)?;
    if !merged.puts.is_empty() {
        draft.write(Arc::clone(&before), merged.puts, Hand::Author(op));
        tell::after_write(draft, op, Some(&before))?;
    }
    let conflict = keep::parts(draft, op, &before, &merged.parts)?;
    Ok(Done { outcome: merged.outcome, class: merged.class, conflict })
}

fn delete(draft: &mut Draft<'_>, op: &Op, seen: u64) -> Step<Done> {
    let before = writable(draft, op)?;
    if before.deleted {
        return Ok(Done::NOISE);
    }
    house::may_be_deleted(draft, &before)?;
    let mut taken = vec![Arc::clone(&before)];
    let below = if planted(Mutant::LeaveOrphans) { Vec::new() } else { draft.below(op.key())? };
    for key in below {
        taken.extend(draft.record(key)?);
    }
    for record in &taken {
        draft.bury(Arc::clone(record), Hand::Author(op));
    }
    tell::after_write(draft, op, Some(&before))?;
    keep::unseen(draft, op, &taken, seen)?;
    Ok(Done::PLAIN)
}

/// Brings back the record with what its deletion took, and whatever it stands under that was deleted, with what that
/// deletion took: a task never comes back without its step.
fn restore(draft: &mut Draft<'_>, op: &Op) -> Step<Done> {
    let before = writable(draft, op)?;
    if !before.deleted {
        return Ok(Done::NOISE);
    }
    let mut line = vec![Arc::clone(&before)];
    while let Some(above) = line.last().and_then(|record| record.parent()) {
        match draft.record(above)? {
            Some(record) if record.deleted => line.push(record),
            Some(_) => break,
            None => return no_parent(above),
        }
    }
    let mut back: Vec<Key> = Vec::new();
    for root in line.iter().rev() {
        if !back.contains(&root.key()) {
            back.push(root.key());
            back.extend(draft.taken_with(root)?);
        }
    }
    for key in back {
        if let Some(record) = draft.record(key)? {
            let fields = fields_to_restore(&record);
            draft.write(record, fields, Hand::Author(op));
        }
    }
    tell::after_write(draft, op, Some(&before))?;
    Ok(Done::PLAIN)
}

/// What a tombstone held. Its totals start over: its tasks count again as they come back.
fn fields_to_restore(record: &Record) -> BTreeMap<Name, Value> {
    let held = record.fields.iter().filter(|(_, field)| !field.value.is_null());
    let mut fields: BTreeMap<Name, Value> = held.map(|(name, field)| (name.clone(), field.value.clone())).collect();
    if fields.contains_key("tasks_total") {
        fields.extend(rollup::totals(Totals::default()));
    }
    fields
}

fn command(draft: &mut Draft<'_>, op: &Op, name: &Name, seen: Option<Version>) -> Step<Done> {
    let spec = op.kind.spec();
    let Some(command) = spec.command(name.as_str()) else {
        return refuse(
            Code::Invalid,
            format!("A {} has no such command. Update this device and try again.", spec.label.to_ascii_lowercase()),
        );
    };
    if writable(draft, op)?.deleted {
        let before = writable(draft, op)?;
        return keep_edit(draft, op, &before, Edit::of_command(spec, &merge::command_puts(command)));
    }
    // What earlier ops of this intent finished counts for the precondition.
    draft.roll_up()?;
    let before = writable(draft, op)?;
    if !merge::holds(command, &before) {
        return refuse(Code::Guard, command.refusal);
    }
    let puts = merge::command_puts(command);
    let unseen = unseen_by(draft, op, &before, &puts, seen)?;
    draft.write(Arc::clone(&before), puts, Hand::Author(op));
    tell::after_write(draft, op, Some(&before))?;
    if unseen.is_empty() {
        return Ok(Done::PLAIN);
    }
    keep::parts(draft, op, &before, &unseen)?;
    Ok(Done { class: Class::Merged, ..Done::PLAIN })
}

/// What others wrote to the fields that a command sets, after its author had last looked. The command stands, because its
/// precondition does, and what it replaces is kept.
fn unseen_by(
    draft: &Draft<'_>,
    op: &Op,
    before: &Record,
    puts: &BTreeMap<Name, Value>,
    seen: Option<Version>,
) -> Step<Vec<Part>> {
    let Some(seen) = seen else { return Ok(Vec::new()) };
    let mut unseen = Vec::new();
    for (name, value) in puts {
        let Some(spec) = before.kind.spec().field(name.as_str()) else { continue };
        let (version, theirs) = (before.version(spec.name), before.get(spec.name));
        if version <= seen || theirs == value {
            continue;
        }
        if draft.wrote(version)?.is_some_and(|wrote| keep::was_seen(draft, op, wrote)) {
            continue;
        }
        unseen.push(Part {
            spec,
            rule: Rule::Latest,
            was: Value::Null,
            mine: value.clone(),
            theirs: theirs.clone(),
            version,
            fate: Fate::TheirsLost,
        });
    }
    Ok(unseen)
}

/// The record of an op that is not a create, once its author may write it.
fn writable(draft: &Draft<'_>, op: &Op) -> Step<Arc<Record>> {
    let spec = op.kind.spec();
    let Some(record) = draft.record(op.key())? else {
        return refuse(
            Code::Missing,
            format!("This {} does not exist here. Nothing was changed.", spec.label.to_ascii_lowercase()),
        );
    };
    seen_or_held(draft, record.scope)?;
    if draft.actor.is_some_and(|actor| !permission::may_write(&actor, &record)) {
        return forbidden(spec);
    }
    Ok(record)
}

/// An edit of something its author may no longer see is held for an owner; what they wrote before they knew is not lost.
fn seen_or_held(draft: &Draft<'_>, scope: Scope) -> Step<()> {
    if draft.sees(scope)? { Ok(()) } else { Err(Stop::Holds) }
}

/// Keeps an edit of a deleted record.
fn keep_edit(draft: &mut Draft<'_>, op: &Op, tombstone: &Record, edit: Edit) -> Step<Done> {
    if planted(Mutant::DropEditOfDeleted) {
        return Ok(Done::NOISE);
    }
    keep::delete_won(draft, op, tombstone.scope, &keep::title_of(tombstone), tombstone.seq, edit).map(Done::delete_won)
}

fn filler(draft: &Draft<'_>) -> Filler {
    if draft.is_server() { Filler::Server } else { Filler::Person }
}

fn forbidden<T>(spec: &KindSpec) -> Step<T> {
    refuse(
        Code::Forbidden,
        format!(
            "Your role does not allow this for {}. Ask an admin; the edit stays in your tray.",
            spec.plural.to_ascii_lowercase()
        ),
    )
}

fn no_parent<T>(parent: Key) -> Step<T> {
    refuse(
        Code::Parent,
        format!(
            "The {} it belongs under does not exist. Nothing was changed.",
            parent.kind.spec().label.to_ascii_lowercase()
        ),
    )
}

/// The record that a new one goes under: the first declared parent whose field is filled.
fn parent_of(spec: &KindSpec, fields: &BTreeMap<Name, Value>) -> Option<Key> {
    let id = |field: &str| fields.get(field)?.as_text()?.parse().ok();
    spec.parents.iter().find_map(|parent| id(parent.field).map(|id| Key::new(parent.kind, id)))
}

/// Live typing together needs another protocol; until it is there, such a field cannot be written.
fn refuse_documents<'n>(spec: &'static KindSpec, names: impl Iterator<Item = &'n Name>) -> Step<()> {
    let document = names.filter_map(|name| spec.field(name.as_str())).find(|field| field.rule == Rule::Document);
    let Some(field) = document else { return Ok(()) };
    let says = format!("{} is written together, and this server cannot do that yet. Update it.", field.label);
    Err(Stop::Refuses(Reason { code: Code::Invalid, field: Some(field.name.into()), says }))
}

/// Fields that are given once keep what they were given.
fn fixed_stay(draft: &Draft<'_>, spec: &'static KindSpec, changes: &BTreeMap<Name, Change>) -> Step<()> {
    let fixed = changes.keys().filter_map(|name| spec.field(name.as_str())).find(|field| field.fixed);
    match fixed.filter(|_| !draft.is_server()) {
        Some(field) => {
            Err(FieldError { field: field.name.into(), says: format!("{} cannot be changed later.", field.label) }
                .into())
        }
        None => Ok(()),
    }
}

/// Fields of a group win or lose together, so an edit brings all of them.
fn whole_groups(spec: &'static KindSpec, changes: &BTreeMap<Name, Change>) -> Step<()> {
    let groups = changes.keys().filter_map(|name| spec.field(name.as_str())?.group);
    let missing = groups.flat_map(|group| spec.group(group)).find(|field| !changes.contains_key(field.name));
    match missing {
        Some(field) => {
            let says = format!(
                "{} is missing: it changes together with others. Update this device and try again.",
                field.label
            );
            Err(FieldError { field: field.name.into(), says }.into())
        }
        None => Ok(()),
    }
}

/// Something moved goes under a live record of the same project. No kind stands under itself, so no circle can close.
fn same_place(draft: &Draft<'_>, before: &Record, puts: &BTreeMap<Name, Value>) -> Step<()> {
    let spec = before.kind.spec();
    if !spec.parents.iter().any(|parent| puts.contains_key(parent.field)) {
        return Ok(());
    }
    let Some(key) = parent_of(spec, puts) else { return Ok(()) };
    let Some(parent) = draft.record(key)? else { return no_parent(key) };
    let label = key.kind.spec().label.to_ascii_lowercase();
    if parent.deleted {
        return refuse(
            Code::Parent,
            format!("The {label} it was moved to has been deleted, so it stays where it was."),
        );
    }
    if parent.scope != before.scope {
        return refuse(
            Code::Parent,
            format!("The {label} it was moved to is in another project, so it stays where it was."),
        );
    }
    Ok(())
}
