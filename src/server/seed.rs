//! What a page is rendered from: the records its address needs, of the workspace its viewer is in, within limits. The
//! device fetches everything else after the page is shown.

use crate::api::ApiError;
use crate::api::review::Activity;
use crate::api::seed::{Listed, Seed};
use crate::model::choice::ConflictState;
use crate::model::id::{MemberId, RecordId, WorkspaceId};
use crate::model::kinds::{Conflict, Kind};
use crate::model::record::{Key, Record};
use crate::model::scope::Scope;
use crate::server::accounts::Session;
use crate::server::accounts::serve::who_is;
use crate::server::caller::{Caller, answer};
use crate::server::review::lately;
use crate::server::state::AppState;
use crate::server::store::Select;
use std::collections::BTreeMap;

/// Records of one page: several screens full, and still parsed in a moment.
pub const RECORDS_MAX: usize = 2_000;
/// Records of one kind on pages that list several kinds.
const KIND_MAX: usize = 300;
/// Notes in a list: each may be long.
const NOTES_MAX: usize = 100;

/// See `api::sync::page_seed`.
pub async fn page_seed(path: String) -> Result<Seed, ApiError> {
    answer(async {
        let caller = Caller::here()?;
        match caller.session().await {
            Ok(session) => seed(&caller.state, &session, &path).await,
            Err(ApiError::SignedOut) => Ok(Seed::default()),
            Err(error) => Err(error),
        }
    })
    .await
}

/// What the page at this path shows to the holder of this session.
///
/// # Errors
/// `Failed`.
pub async fn seed(state: &AppState, session: &Session, path: &str) -> Result<Seed, ApiError> {
    let Some(viewer) = who_is(state, session).await?.viewer else { return Ok(Seed::default()) };
    state.limits.read_turn(viewer.member).await;
    let mut gathered = Gathered {
        state,
        workspace: viewer.workspace,
        member: viewer.member,
        records: BTreeMap::new(),
        complete: vec![],
        listed: Listed::default(),
        activity: None,
    };
    gathered.gather(path).await?;
    let Gathered { records, complete, listed, activity, .. } = gathered;
    Ok(Seed { viewer: Some(viewer), records: records.into_values().collect(), complete, listed, activity })
}

/// Records found so far.
struct Gathered<'a> {
    state: &'a AppState,
    workspace: WorkspaceId,
    member: MemberId,
    records: BTreeMap<Key, Record>,
    complete: Vec<Scope>,
    listed: Listed,
    activity: Option<Activity>,
}

impl Gathered<'_> {
    async fn gather(&mut self, path: &str) -> Result<(), ApiError> {
        let parts: Vec<&str> =
            path.split(['?', '#']).next().unwrap_or_default().split('/').filter(|part| !part.is_empty()).collect();
        // The frame around every page: names of people, the viewer's own things, what needs somebody.
        self.kind(Kind::Member, KIND_MAX).await?;
        self.kind(Kind::Tag, KIND_MAX).await?;
        self.scope(Scope::Personal(self.member)).await?;
        self.conflicts().await?;
        match parts.as_slice() {
            [] => {
                self.kind(Kind::Project, KIND_MAX).await?;
                self.activity = Some(lately(self.state, self.workspace, self.member).await?);
                self.own_tasks().await
            }
            ["projects"] => self.kind(Kind::Project, KIND_MAX).await,
            ["project", id, ..] => self.project(id).await,
            ["notes"] => self.kind(Kind::Note, NOTES_MAX).await,
            ["note", id] => self.one(Kind::Note, id).await,
            ["conflicts"] => self.kind(Kind::Project, KIND_MAX).await,
            ["conflict", id] => self.conflict(id).await,
            ["members"] => self.kind(Kind::Team, KIND_MAX).await,
            _ => Ok(()),
        }
    }

    /// Adds what is found and returns whether that was all.
    async fn add(&mut self, select: Select, count_max: usize) -> Result<bool, ApiError> {
        let room = RECORDS_MAX.saturating_sub(self.records.len()).min(count_max);
        let found = self.state.core.records_of(self.workspace, self.member, &select, room).await?;
        let all = found.len() < room;
        self.records.extend(found.into_iter().filter(|record| !record.deleted).map(|record| (record.key(), record)));
        Ok(all)
    }

    /// Adds what is found of a kind.
    async fn list(&mut self, kind: Kind, select: Select, count_max: usize) -> Result<(), ApiError> {
        if self.add(select, count_max).await? {
            self.listed.insert(kind);
        }
        Ok(())
    }

    async fn kind(&mut self, kind: Kind, count_max: usize) -> Result<(), ApiError> {
        self.list(kind, Select::Kind(kind), count_max).await
    }

    async fn one(&mut self, kind: Kind, id: &str) -> Result<(), ApiError> {
        if let Ok(id) = id.parse::<RecordId>() {
            self.add(Select::Keys(vec![Key::new(kind, id)]), 1).await?;
        }
        Ok(())
    }

    async fn scope(&mut self, scope: Scope) -> Result<(), ApiError> {
        if self.add(Select::Scope { scope, after: None }, RECORDS_MAX).await? {
            self.complete.push(scope);
        }
        Ok(())
    }

    async fn project(&mut self, id: &str) -> Result<(), ApiError> {
        let Ok(id) = id.parse::<RecordId>() else { return Ok(()) };
        if self.state.core.scopes(self.workspace, self.member).await?.contains(&Scope::Project(id)) {
            self.scope(Scope::Project(id)).await?;
        }
        Ok(())
    }

    /// The viewer's tasks, with what they stand under, for the names beside them.
    async fn own_tasks(&mut self) -> Result<(), ApiError> {
        self.list(Kind::Task, Select::AssignedTo(self.member), KIND_MAX).await?;
        for _level in [Kind::Step, Kind::Phase] {
            let missing: Vec<Key> = self
                .records
                .values()
                .filter_map(Record::parent)
                .filter(|key| !self.records.contains_key(key))
                .collect();
            self.add(Select::Keys(missing), KIND_MAX).await?;
        }
        Ok(())
    }

    /// Conflicts that wait, with the records they speak of.
    async fn conflicts(&mut self) -> Result<(), ApiError> {
        self.kind(Kind::Conflict, KIND_MAX).await?;
        self.records.retain(|_, record| {
            record.kind != Kind::Conflict || Conflict(record).state() != Some(ConflictState::Settled)
        });
        Ok(())
    }

    async fn conflict(&mut self, id: &str) -> Result<(), ApiError> {
        self.one(Kind::Conflict, id).await?;
        let of = id.parse().ok().and_then(|id| self.records.get(&Key::new(Kind::Conflict, id)));
        let subject =
            of.map(Conflict).and_then(|of| Some(Key::new(Kind::from_name(of.of_kind())?, of.of().parse().ok()?)));
        self.add(Select::Keys(subject.into_iter().collect()), 1).await?;
        Ok(())
    }
}
