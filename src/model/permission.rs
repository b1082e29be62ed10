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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::RecordId;
    use crate::model::kinds::Kind;
    use crate::model::record::Field;
    use crate::model::value::Value;
    use uuid::Uuid;

    fn actor(role: Role) -> Actor {
        Actor { member: MemberId(Uuid::from_u128(1)), role }
    }
    fn record(kind: Kind, scope: Scope, fields: &[(&'static str, Value)]) -> Record {
        let fields = fields.iter().map(|(name, value)| ((*name).into(), Field { value: value.clone(), version: 1 }));
        Record { kind, id: RecordId(Uuid::from_u128(9)), scope, fields: fields.collect(), seq: 1, deleted: false }
    }

    #[test]
    fn only_those_who_belong_act() {
        let fields = |active: bool, role: &str| [("active", active.into()), ("role", role.into())];
        let member = |active, role| record(Kind::Member, Scope::Workspace, &fields(active, role));
        assert_eq!(Actor::of(&member(true, "admin")).map(|actor| actor.role), Some(Role::Admin));
        assert_eq!(Actor::of(&member(false, "owner")), None);
        assert_eq!(Actor::of(&member(true, "emperor")), None);
        assert_eq!(Actor::of(&Record { deleted: true, ..member(true, "owner") }), None);
    }

    #[test]
    fn a_private_project_is_seen_by_those_it_names_and_by_those_who_govern() {
        let me: Value = actor(Role::Viewer).member.into();
        let project = |fields: &[(&'static str, Value)]| record(Kind::Project, Scope::Workspace, fields);
        let private = ("private", true.into());
        for (fields, role, sees) in [
            (vec![], Role::Viewer, true),
            (vec![private.clone()], Role::Viewer, false),
            (vec![private.clone()], Role::Member, false),
            (vec![private.clone()], Role::Admin, true),
            (vec![private.clone()], Role::Owner, true),
            (vec![private.clone(), ("lead", me.clone())], Role::Viewer, true),
            (vec![private, ("members", vec![me].into())], Role::Viewer, true),
        ] {
            assert_eq!(may_see(&actor(role), &project(&fields)), sees, "{role:?} {fields:?}");
        }
    }

    #[test]
    fn the_catalogs_floor_holds_for_every_role() {
        let me = actor(Role::Viewer).member;
        let (own, other) = (Scope::Personal(me), Scope::Personal(MemberId(Uuid::from_u128(2))));
        let mine: &[(&'static str, Value)] = &[("author", me.into())];
        // Which roles may write, from the least.
        for (kind, scope, fields, from) in [
            (Kind::Task, Scope::Workspace, mine, Some(Role::Member)),
            (Kind::Comment, Scope::Workspace, mine, Some(Role::Member)),
            (Kind::Comment, Scope::Workspace, &[], Some(Role::Admin)),
            (Kind::Team, Scope::Workspace, mine, Some(Role::Admin)),
            (Kind::Member, Scope::Workspace, mine, Some(Role::Admin)),
            (Kind::AuditEntry, Scope::Workspace, mine, None),
            (Kind::Dashboard, own, &[], Some(Role::Viewer)),
            (Kind::Conflict, own, &[], Some(Role::Viewer)),
            (Kind::Dashboard, other, mine, None),
            (Kind::Conflict, other, mine, None),
        ] {
            for role in Role::ALL {
                let may = may_write(&actor(*role), &record(kind, scope, fields));
                assert_eq!(may, from.is_some_and(|from| *role >= from), "{kind:?} {scope:?} {role:?}");
            }
        }
        let myself = Record { id: me.into(), ..record(Kind::Member, Scope::Workspace, &[]) };
        assert!(may_write(&actor(Role::Viewer), &myself));
    }

    #[test]
    fn owners_are_made_by_owners() {
        use Role::{Admin, Member, Owner, Viewer};
        for (by, from, to, may) in [
            (Viewer, Viewer, Member, false),
            (Member, Viewer, Member, false),
            (Admin, Viewer, Member, true),
            (Admin, Member, Admin, false),
            (Admin, Admin, Member, false),
            (Admin, Owner, Owner, false),
            (Owner, Member, Owner, true),
            (Owner, Owner, Viewer, true),
        ] {
            assert_eq!(may_set_role(&actor(by), from, to), may, "{by:?}: {from:?} to {to:?}");
        }
        let me = actor(Member).member;
        assert!(may_set_active(&actor(Member), me, Member, Belongs::No));
        assert!(!may_set_active(&actor(Member), me, Member, Belongs::Yes));
    }
}
