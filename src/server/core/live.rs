//! What is known of a workspace without reading: where each scope stands and who may see it. The writer changes it after
//! each commit, and only then, so a reader never sees what is not on disk.

use super::CoreError;
use crate::model::id::{MemberId, RecordId, WorkspaceId};
use crate::model::kinds::Kind;
use crate::model::permission::{Actor, may_see};
use crate::model::record::{Record, Version};
use crate::model::scope::Scope;
use crate::sync::wire::ScopeState;
use std::collections::HashMap;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// One workspace, shared by the writer and everybody who reads.
pub(super) struct Live(RwLock<Standing>);

/// The workspaces that are open. Cheap to clone; all clones are one.
#[derive(Clone, Default)]
pub(super) struct Lives(Arc<Mutex<HashMap<WorkspaceId, Arc<Live>>>>);

impl Lives {
    pub fn get(&self, workspace: WorkspaceId) -> Option<Arc<Live>> {
        self.all().get(&workspace).cloned()
    }
    pub fn insert(&self, workspace: WorkspaceId, live: Arc<Live>) {
        self.all().insert(workspace, live);
    }
    pub fn clear(&self) {
        self.all().clear();
    }
    fn all(&self) -> MutexGuard<'_, HashMap<WorkspaceId, Arc<Live>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a workspace stands.
#[derive(Debug, Default)]
pub(super) struct Standing {
    pub epoch: u64,
    pub head: Version,
    pub horizon: Version,
    pub scopes: BTreeMap<Scope, ScopeState>,
    members: BTreeMap<MemberId, Record>,
    projects: BTreeMap<RecordId, Record>,
}

impl Live {
    pub fn new(standing: Standing) -> Self {
        Self(RwLock::new(standing))
    }
    /// Never held while waiting for anything.
    pub fn read(&self) -> RwLockReadGuard<'_, Standing> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
    pub fn write(&self) -> RwLockWriteGuard<'_, Standing> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The fields that decide who may see what: all that is kept of members and projects here.
const DECIDING: &[&str] = &["role", "active", "private", "lead", "members"];

impl Standing {
    /// A workspace of which nothing else is known yet.
    pub fn at(epoch: u64, head: Version, horizon: Version) -> Self {
        Self { epoch, head, horizon, ..Self::default() }
    }
    /// Remembers of a record what decides who may see what; of most kinds that is nothing.
    pub fn learn(&mut self, record: &Record) {
        let deciding = || {
            let fields = record.fields.iter().filter(|(name, _)| DECIDING.contains(&name.as_str()));
            let fields = fields.map(|(name, field)| (name.clone(), field.clone())).collect();
            Record { fields, ..bare(record) }
        };
        match record.kind {
            Kind::Member => drop(self.members.insert(record.id.into(), deciding())),
            Kind::Project => drop(self.projects.insert(record.id, deciding())),
            _ => {}
        }
    }
    /// The member as somebody who may do things; `None` if they do not belong.
    pub fn actor(&self, member: MemberId) -> Option<Actor> {
        self.members.get(&member).and_then(Actor::of)
    }
    /// The same where only members are answered.
    pub fn member(&self, member: MemberId) -> Result<Actor, CoreError> {
        self.actor(member).ok_or(CoreError::NotAMember)
    }
    /// Whether the actor may see the scope.
    pub fn sees(&self, actor: &Actor, scope: Scope) -> bool {
        match scope {
            Scope::Workspace => true,
            Scope::Personal(member) => member == actor.member,
            Scope::Project(project) => self.projects.get(&project).is_some_and(|project| may_see(actor, project)),
        }
    }
    /// Every scope the actor may see.
    pub fn scopes_of(&self, actor: &Actor) -> BTreeSet<Scope> {
        let projects = self.projects.iter().filter(|(_, project)| may_see(actor, project));
        let projects = projects.map(|(project, _)| Scope::Project(*project));
        [Scope::Workspace, Scope::Personal(actor.member)].into_iter().chain(projects).collect()
    }
    /// Where a scope stands; at the beginning, if nothing was ever written to it.
    pub fn state(&self, scope: Scope) -> ScopeState {
        self.scopes.get(&scope).cloned().unwrap_or(ScopeState { scope, head: 0, checksum: 0, count: 0 })
    }
}

/// The record without its fields.
fn bare(record: &Record) -> Record {
    Record {
        kind: record.kind,
        id: record.id,
        scope: record.scope,
        fields: BTreeMap::new(),
        seq: record.seq,
        deleted: record.deleted,
    }
}
