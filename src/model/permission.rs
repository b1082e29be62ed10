//! Who may see and do what. The server asks before it accepts an op; screens ask before they offer a button.

use crate::model::catalog::{KindSpec, Who};
use crate::model::choice::Role;
use crate::model::id::MemberId;
use crate::model::record::Record;
use crate::model::scope::Scope;

/// Whoever wants to do something: a member with their role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Actor {
    /// Who.
    pub member: MemberId,
    /// What they may do in general.
    pub role: Role,
}

impl Actor {
    /// The actor a `member` record stands for; `None` while they do not belong to the workspace.
    pub fn of(member: &Record) -> Option<Self> {
        let belongs = !member.deleted && member.yes("active");
        let role = Role::from_name(member.text("role"));
        role.filter(|_| belongs).map(|role| Self { member: member.id.into(), role })
    }
    /// Whether they are an admin or an owner.
    pub fn governs(&self) -> bool {
        self.role >= Role::Admin
    }
}

/// Whether the project and everything in it reach this actor's devices. A private project is seen by its members, its
/// lead, admins and owners; any other by everybody. That the project was deleted changes nothing: its conflicts and its
/// restoring still concern the same people.
pub fn may_see(actor: &Actor, project: &Record) -> bool {
    let me = actor.member.into();
    !project.yes("private")
        || actor.governs()
        || project.reference("lead") == Some(me)
        || project.references("members").contains(&me)
}

/// Whether the actor may create a record of this kind in this scope. Where the scope is a project, ask `may_see` too.
pub fn may_create(actor: &Actor, spec: &KindSpec, scope: Scope) -> bool {
    passes(actor, spec.create, scope, None)
}

/// Whether the actor may change, delete or restore this record. Where its scope is a project, ask `may_see` too; single
/// fields of a `member` record follow `may_set_role` and `may_set_active`.
pub fn may_write(actor: &Actor, record: &Record) -> bool {
    passes(actor, record.kind.spec().write, record.scope, Some(record))
}

/// The floor of the catalog: `who` against an actor, for a record that exists or is about to.
fn passes(actor: &Actor, who: Who, scope: Scope, record: Option<&Record>) -> bool {
    let own = scope == Scope::Personal(actor.member);
    if matches!(scope, Scope::Personal(_)) && !own {
        return false;
    }
    let wrote_it = || record.is_none_or(|record| record.reference("author") == Some(actor.member.into()));
    match who {
        Who::Members => own || actor.role >= Role::Member,
        Who::Author => actor.governs() || (actor.role >= Role::Member && wrote_it()),
        Who::Admins => actor.governs(),
        Who::AdminsOrSelf => actor.governs() || record.is_some_and(|record| record.id == actor.member.into()),
        Who::Own => own,
        Who::Server => false,
    }
}

/// Whether the actor may give this member that role: admins decide between viewer and member, and only owners make or
/// unmake admins and owners. That the last owner stays is checked where all owners are known.
pub fn may_set_role(actor: &Actor, from: Role, to: Role) -> bool {
    actor.role == Role::Owner || (actor.role == Role::Admin && from < Role::Admin && to < Role::Admin)
}

/// Whether the actor may make this member leave or come back. Anybody may leave by themselves; nobody comes back by
/// themselves.
pub fn may_set_active(actor: &Actor, subject: MemberId, role: Role, to: Belongs) -> bool {
    (subject == actor.member && to == Belongs::No) || may_set_role(actor, role, role)
}

/// Whether a member belongs to the workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Belongs {
    /// They sign in and take part.
    Yes,
    /// They left; their work keeps its author.
    No,
}
