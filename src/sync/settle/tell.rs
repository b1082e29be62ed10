//! What follows from a change for people: notifications, the audit log, and who may see what. All of it is written by the
//! server, under ids that follow from the op, so that settling the same op gives the same records.

use super::Access;
use super::draft::{Draft, Hand, Step, derived_id};
use super::keep::title_of;
use crate::model::choice::NotificationSort;
use crate::model::id::{MemberId, RecordId};
use crate::model::kinds::{Kind, Task};
use crate::model::permission::Actor;
use crate::model::record::{Key, Record};
use crate::model::scope::Scope;
use crate::model::value::{Name, Value};
use crate::sync::op::Op;
use std::collections::{BTreeMap, BTreeSet};

/// Looks at what an op made of its record. `before` is the record as it was, `None` if it was made.
pub(super) fn after_write(draft: &mut Draft<'_>, op: &Op, before: Option<&Record>) -> Step<()> {
    let Some(after) = draft.record(op.key())? else { return Ok(()) };
    match op.kind {
        Kind::Task => assigned(draft, op, before, &after),
        Kind::Comment if before.is_none() => commented(draft, op, &after),
        Kind::Project if differs(before, &after, &["private", "members", "lead"]) => {
            draft.access.insert(Access::Project(after.id));
            Ok(())
        }
        Kind::Member if differs(before, &after, &["role", "active"]) => {
            draft.access.insert(Access::Member(after.id.into()));
            audit(draft, op, member_says(before, &after));
            Ok(())
        }
        Kind::Policy => {
            audit(draft, op, policy_says(&after));
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Whether one of these fields reads otherwise than before; a record that was made differs.
fn differs(before: Option<&Record>, after: &Record, fields: &[&str]) -> bool {
    before.is_none_or(|before| fields.iter().any(|field| before.get(field) != after.get(field)))
}

/// Tells those to whom a task was given, except whoever gave it.
fn assigned(draft: &mut Draft<'_>, op: &Op, before: Option<&Record>, task: &Record) -> Step<()> {
    if task.deleted {
        return Ok(());
    }
    let held: BTreeSet<RecordId> = before.map(|task| Task(task).assignees()).unwrap_or_default().into_iter().collect();
    let gained: Vec<RecordId> = Task(task).assignees().into_iter().filter(|member| !held.contains(member)).collect();
    draft.load_members(gained.iter().copied())?;
    for member in gained {
        let says = format!("{} assigned “{}” to you.", draft.name_of(draft.author.member), title_of(task));
        other(draft, op, member.into(), NotificationSort::Assigned, task, says)?;
    }
    Ok(())
}

/// Tells whoever works on a task that somebody wrote under it.
fn commented(draft: &mut Draft<'_>, op: &Op, comment: &Record) -> Step<()> {
    let task = match comment.parent() {
        Some(task) => draft.record(task)?,
        None => None,
    };
    let Some(task) = task else { return Ok(()) };
    draft.load_members(Task(&task).assignees())?;
    for member in Task(&task).assignees() {
        let says = format!("{} commented on “{}”.", draft.name_of(draft.author.member), title_of(&task));
        other(draft, op, member.into(), NotificationSort::Commented, &task, says)?;
    }
    Ok(())
}

/// Tells a member that the author's later edit replaced theirs.
pub(super) fn superseded(draft: &mut Draft<'_>, op: &Op, member: MemberId, record: &Record) -> Step<()> {
    let says =
        format!("{} replaced your edit of “{}”. Yours is kept.", draft.name_of(draft.author.member), title_of(record));
    other(draft, op, member, NotificationSort::Superseded, record, says)
}

/// Tells a member that a conflict waits for them; its author too, who may sit at another device by now.
pub(super) fn conflict(
    draft: &mut Draft<'_>,
    op: &Op,
    member: MemberId,
    conflict: Key,
    scope: Scope,
    title: &str,
) -> Step<()> {
    tell(draft, op, member, NotificationSort::Conflict, conflict, scope, format!("“{title}” needs a decision."))
}

/// Tells somebody other than the author.
fn other(
    draft: &mut Draft<'_>,
    op: &Op,
    member: MemberId,
    sort: NotificationSort,
    of: &Record,
    says: String,
) -> Step<()> {
    if member == draft.author.member {
        return Ok(());
    }
    tell(draft, op, member, sort, of.key(), of.scope, says)
}

/// Writes a notification, once per op, member and sort, to somebody who belongs and may see what it speaks of.
fn tell(
    draft: &mut Draft<'_>,
    op: &Op,
    to: MemberId,
    sort: NotificationSort,
    of: Key,
    scope: Scope,
    says: String,
) -> Step<()> {
    if !sees(draft, to, scope)? {
        return Ok(());
    }
    let key = Key::new(Kind::Notification, derived_id(op.id, sort.name(), to.0.as_bytes()));
    if !draft.made(key) {
        let fields = notification(draft, sort, of, says);
        draft.make(key, Scope::Personal(to), fields, Hand::Server);
    }
    Ok(())
}

fn notification(draft: &Draft<'_>, sort: NotificationSort, of: Key, says: String) -> BTreeMap<Name, Value> {
    named([
        ("sort", sort.into()),
        ("of_kind", of.kind.spec().name.into()),
        ("of", of.id.into()),
        ("says", says.into()),
        ("by", draft.author.member.into()),
        ("at", draft.now_ms.into()),
        ("read", false.into()),
    ])
}

/// Whether a member belongs and may see what is in this scope.
pub(super) fn sees(draft: &Draft<'_>, member: MemberId, scope: Scope) -> Step<bool> {
    let member = draft.record(Key::new(Kind::Member, member.into()))?;
    member.and_then(|member| Actor::of(&member)).map_or(Ok(false), |actor| draft.shown_to(&actor, scope))
}

/// An edit that lost or waits.
pub(super) struct Lost<'a> {
    pub(super) of: Key,
    /// What its record is called by now, if its author may see that.
    pub(super) title: Option<&'a str>,
    pub(super) conflict: Key,
    pub(super) values: Value,
}

/// Gives the author of an edit that lost or waits what they would not find in its conflict record, so that nothing is lost to
/// whoever entered it. It is their own, so they get it whatever they may see by now.
pub(super) fn kept(draft: &mut Draft<'_>, op: &Op, author: MemberId, lost: Lost<'_>) {
    let Lost { of, title, conflict, values } = lost;
    let what = match title {
        Some(title) => format!("“{title}”"),
        None => format!("a {} that you do not see any more", of.kind.spec().label.to_lowercase()),
    };
    let says = format!("What was entered in {what} does not stand. It is kept here, for you alone.");
    let mut fields = notification(draft, NotificationSort::Superseded, of, says);
    fields.insert("kept".into(), values);
    let key = Key::new(Kind::Notification, derived_id(op.id, "kept", conflict.id.0.as_bytes()));
    draft.make(key, Scope::Personal(author), fields, Hand::Server);
}

/// Writes a line of the audit log.
fn audit(draft: &mut Draft<'_>, op: &Op, says: String) {
    let key = Key::new(Kind::AuditEntry, derived_id(op.id, "audit", &[]));
    let fields = [("by", draft.author.member.into()), ("at", draft.now_ms.into()), ("says", says.into())];
    draft.make(key, Scope::Workspace, named(fields), Hand::Server);
}

fn named<const N: usize>(fields: [(&'static str, Value); N]) -> BTreeMap<Name, Value> {
    fields.into_iter().map(|(name, value)| (name.into(), value)).collect()
}

fn member_says(before: Option<&Record>, after: &Record) -> String {
    let name = after.text("name");
    match before {
        None => format!("{name} joined as {}.", after.text("role")),
        Some(before) if before.yes("active") && !after.yes("active") => format!("{name} left the workspace."),
        Some(before) if !before.yes("active") && after.yes("active") => format!("{name} came back."),
        Some(before) => format!("{name} was {} and is now {}.", before.text("role"), after.text("role")),
    }
}

fn policy_says(policy: &Record) -> String {
    let field = format!("{} of {}", policy.text("of_field"), policy.text("of_kind"));
    if policy.deleted {
        return format!("The rule for {field} is the usual one again.");
    }
    format!("The rule for {field} is now {}.", policy.text("rule"))
}
