//! The rules of the house that no single field can express: who decides about roles, that the last owner stays, that a
//! policy suits its field, that nobody locks themselves out.

use super::draft::{Draft, Step, Stop, refuse};
use crate::model::catalog::FieldType;
use crate::model::check::FieldError;
use crate::model::choice::{ConflictState, Resolution, Role};
use crate::model::id::RecordId;
use crate::model::kinds::Kind;
use crate::model::permission::{self, Actor, Belongs};
use crate::model::record::{Field, Key, Record};
use crate::model::value::{Name, Value};
use crate::sync::merge;
use crate::sync::op::{Change, Code, Op};
use std::collections::BTreeMap;

/// Looks at what is about to be written, and adds what the server fills in. `before` is `None` for a record about to be
/// made.
pub(super) fn before_write(
    draft: &Draft<'_>,
    op: &Op,
    before: Option<&Record>,
    puts: &mut BTreeMap<Name, Value>,
) -> Step<()> {
    match op.kind {
        Kind::Member => member(draft, before, puts),
        Kind::Policy => policy(&with(op, before, puts)),
        Kind::Project => project(draft, op, before, puts),
        Kind::Conflict => {
            settled_by(draft, puts);
            Ok(())
        }
        _ => Ok(()),
    }
}

/// The record as it is about to be.
fn with(op: &Op, before: Option<&Record>, puts: &BTreeMap<Name, Value>) -> Record {
    let scope = before.map_or(crate::model::scope::Scope::Workspace, |record| record.scope);
    let empty = || Record { kind: op.kind, id: op.record, scope, fields: BTreeMap::new(), seq: 0, deleted: false };
    let mut record = before.cloned().unwrap_or_else(empty);
    record.fields.extend(puts.iter().map(|(name, value)| (name.clone(), Field { value: value.clone(), version: 0 })));
    record
}

/// Admins decide between viewer and member, owners about everybody, and one owner stays.
fn member(draft: &Draft<'_>, before: Option<&Record>, puts: &BTreeMap<Name, Value>) -> Step<()> {
    let (Some(actor), Some(before)) = (draft.actor, before) else { return Ok(()) };
    let role = Role::from_name(before.text("role")).unwrap_or(Role::Viewer);
    let to_role = puts.get("role").and_then(Value::as_text).and_then(Role::from_name);
    let to_active =
        puts.get("active").map(|active| if active.as_bool() == Some(true) { Belongs::Yes } else { Belongs::No });
    if to_role.is_some_and(|to| !permission::may_set_role(&actor, role, to)) {
        return refuse(
            Code::Forbidden,
            "Admins choose between viewer and member; only an owner makes or unmakes admins and owners. Ask an owner.",
        );
    }
    if to_active.is_some_and(|to| !permission::may_set_active(&actor, before.id.into(), role, to)) {
        return refuse(Code::Forbidden, "Only an owner decides whether an admin or an owner belongs. Ask an owner.");
    }
    let steps_down = to_role.is_some_and(|to| to != Role::Owner) || to_active == Some(Belongs::No);
    if role == Role::Owner && before.yes("active") && steps_down {
        let is_owner = |record: &Record| Actor::of(record).is_some_and(|actor| actor.role == Role::Owner);
        if !draft.all(Kind::Member)?.iter().any(|record| record.id != before.id && is_owner(record)) {
            return refuse(Code::Forbidden, "A workspace needs an owner. Make somebody else an owner first.");
        }
    }
    Ok(())
}

/// A policy names a field that exists and a rule that suits it.
fn policy(policy: &Record) -> Step<()> {
    let invalid =
        |field: &'static str, says: &str| Err(FieldError { field: field.into(), says: says.to_owned() }.into());
    let Some(kind) = Kind::from_name(policy.text("of_kind")) else {
        return invalid("of_kind", "There is no such kind of record. Choose one.");
    };
    let Some(spec) = kind.spec().field(policy.text("of_field")) else {
        return invalid("of_field", "There is no such field. Choose one.");
    };
    if let Some(first) =
        spec.group.filter(|_| !merge::decides(kind, spec)).and_then(|group| kind.spec().group(group).next())
    {
        let says =
            format!("{} goes by the rule of {}, with which it changes. Choose that one's.", spec.label, first.label);
        return invalid("of_field", &says);
    }
    match crate::model::catalog::Rule::from_name(policy.text("rule")) {
        Some(rule) if merge::suits(rule, kind, spec) => Ok(()),
        _ => invalid("rule", "This rule does not suit the field. Choose another."),
    }
}

/// Nobody makes a project private in such a way that they lose sight of it.
fn project(draft: &Draft<'_>, op: &Op, before: Option<&Record>, puts: &BTreeMap<Name, Value>) -> Step<()> {
    let Some(actor) = draft.actor.filter(|_| puts.get("private") == Some(&Value::Bool(true))) else { return Ok(()) };
    if permission::may_see(&actor, &with(op, before, puts)) {
        return Ok(());
    }
    let says = "You would no longer see this project. Add yourself to its members first.".to_owned();
    Err(FieldError { field: "private".into(), says }.into())
}

/// Who settled a conflict, and when, is the server's to say.
fn settled_by(draft: &Draft<'_>, puts: &mut BTreeMap<Name, Value>) {
    let state = puts.get("state").and_then(Value::as_text).and_then(ConflictState::from_name);
    // One that a rule decided is settled from the start, and may be decided otherwise.
    let settles = match (state, puts.get("resolution")) {
        (Some(state), _) => state == ConflictState::Settled,
        (None, Some(resolution)) => !resolution.is_null(),
        (None, None) => return,
    };
    let (by, at) = if settles { (draft.author.member.into(), draft.now_ms.into()) } else { (Value::Null, Value::Null) };
    puts.insert("settled_by".into(), by);
    puts.insert("settled_at".into(), at);
}

/// Two people who settle the same conflict apart agree, or the second is told: no rule can say which of two decisions stands, and
/// a record that names one while the other's value stands would be wrong. Their whole intent is refused, so it is in their tray.
pub(super) fn settled_alike(draft: &Draft<'_>, before: &Record, changes: &BTreeMap<Name, Change>) -> Step<()> {
    let settled = Value::from(ConflictState::Settled);
    let unseen = |change: &Change| change.now == settled && change.was != settled;
    let how = changes.get("resolution").map(|change| &change.now);
    if before.kind != Kind::Conflict
        || !changes.get("state").is_some_and(unseen)
        || *before.get("state") != settled
        || how.is_none_or(|how| how == before.get("resolution"))
    {
        return Ok(());
    }
    let by = before.reference("settled_by");
    draft.load_members(by)?;
    let who = by.map_or_else(|| "Somebody".to_owned(), |by| draft.name_of(by.into()));
    let chose = Resolution::from_name(before.text("resolution")).map_or("another way", Resolution::label);
    let says = format!(
        "{who} settled this conflict meanwhile with “{chose}”, so yours was not applied. Open the conflict to choose again; \
         this edit stays in your tray."
    );
    refuse(Code::Guard, says)
}

/// Whoever is named as a member is one. Other references may go stale; a reader passes over what is not there.
pub(super) fn members_exist(draft: &Draft<'_>, kind: Kind, puts: &BTreeMap<Name, Value>) -> Step<()> {
    let of_members = |ty: FieldType| {
        matches!(ty, FieldType::Reference { to: Kind::Member } | FieldType::References { to: Kind::Member, .. })
    };
    let specs = kind.spec().fields.iter().filter(|spec| !spec.derived && of_members(spec.ty));
    for (spec, value) in specs.filter_map(|spec| Some((spec, puts.get(spec.name)?))) {
        let ids = value.as_text().into_iter().chain(value.as_list().iter().filter_map(Value::as_text));
        let ids: Vec<RecordId> = ids.filter_map(|id| id.parse().ok()).collect();
        draft.load_members(ids.iter().copied())?;
        for id in ids {
            if draft.record(Key::new(Kind::Member, id))?.is_none() {
                let says = format!("{} names somebody who is not in this workspace. Choose another.", spec.label);
                return Err(Stop::from(FieldError { field: spec.name.into(), says }));
            }
        }
    }
    Ok(())
}

/// Some records stay: people keep their work, conflicts keep what lost.
pub(super) fn may_be_deleted(draft: &Draft<'_>, record: &Record) -> Step<()> {
    match record.kind {
        _ if draft.is_server() => Ok(()),
        Kind::Member => refuse(
            Code::Forbidden,
            "Members are not deleted, so that their work keeps its author. Let them leave instead.",
        ),
        Kind::Conflict => refuse(
            Code::Forbidden,
            "A conflict is not deleted, because it keeps what somebody wrote. Settle it instead.",
        ),
        _ => Ok(()),
    }
}
