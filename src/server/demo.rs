//! The demo workspace: Northwind Grid, a small grid operator whose crews work where there is no signal. Everything in it is
//! made the way people make it, by accounts, invitations and ops, so that it is as consistent as any workspace. The story
//! itself stands in `story`; here it is played.

mod story;

use crate::api::ApiError;
use crate::model::choice::{Priority, Role, Status, WidgetSort};
use crate::model::id::{DeviceId, IntentId, MemberId, OpId, RecordId, WorkspaceId};
use crate::model::kinds::Kind;
use crate::model::rank::{between, spread};
use crate::model::record::{Key, Record};
use crate::model::value::{Name, Value};
use crate::server::accounts::{INVITATION_MS, Invitation, serve};
use crate::server::state::AppState;
use crate::server::store::Select;
use crate::sync::op::{Action, Change, Op, Outcome, SCHEMA};
use crate::sync::settle::{Author, Authority};
use crate::sync::wire::{PUSH_OPS_MAX, Push, WireError, encode};
use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_bytes::ByteBuf;
use std::collections::BTreeMap;
use story::{Person, ProjectStory, TaskStory};
use uuid::Uuid;

/// What every demo person signs in with. It is printed, and in the documentation, so the demo listens on this machine only.
pub const PASSWORD: &str = "northwind tide";

const HOUR_MS: i64 = 60 * 60 * 1000;
/// Tasks in each step of the large project.
const HOUSES_A_STREET: u32 = 100;

/// Why the demo workspace could not be made.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// Accounts or the store refused.
    #[error(transparent)]
    Refused(#[from] ApiError),
    /// The core failed.
    #[error(transparent)]
    Core(#[from] crate::server::core::CoreError),
    /// An op of the story is over a limit.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// An op of the story was not taken: the story is out of date with the catalog.
    #[error("the demo's own edit was not taken: {0}")]
    NotTaken(String),
}

/// Who can sign in: name, email, role.
pub fn sign_ins() -> impl Iterator<Item = (&'static str, &'static str, Role)> {
    story::PEOPLE.iter().map(|person| (person.name, person.email, person.role))
}

/// Plays the story into an empty database, and adds a project with `tasks` tasks unless that is none.
///
/// # Errors
/// See `DemoError`; the database is then of no use.
pub async fn play(state: &AppState, tasks: u32) -> Result<(), DemoError> {
    let (workspace, members) = people(state).await?;
    let mut cast: Vec<Hand> = members.iter().map(|member| Hand::new(state, workspace, *member)).collect();
    let Some(manager) = cast.first_mut() else { return Ok(()) };

    let tags = tags(manager);
    let mut told = Vec::new();
    for (story, rank) in story::PROJECTS.iter().zip(spread(story::PROJECTS.len())) {
        told.extend(project(manager, story, rank, &members, &tags));
    }
    notes(manager, &tags);
    manager.send().await?;
    large_project(manager, tasks).await?;
    days_work(&mut cast, &told).await?;
    dashboards(&mut cast).await?;
    disagreement(&mut cast, &told).await
}

/// The people, in one workspace: the first makes it, the others accept invitations.
async fn people(state: &AppState) -> Result<(WorkspaceId, Vec<MemberId>), DemoError> {
    let now_ms = state.core.now_ms();
    let mut members = Vec::new();
    let mut workspace = None;
    for Person { name, email, role } in story::PEOPLE {
        let account = state.accounts.create(name, email, PASSWORD.to_owned(), None, now_ms).await?.account;
        let member = match (workspace, members.first()) {
            (Some(workspace), Some(owner)) => {
                let expires_ms = now_ms + INVITATION_MS;
                let invitation = Invitation { workspace, by: *owner, role: *role, email_key: None, expires_ms };
                let token = state.accounts.invite(&invitation, now_ms).await?;
                serve::accept(state, &account, &token).await?
            }
            _ => serve::make_workspace(state, &account, story::WORKSPACE).await?,
        };
        if workspace.is_none() {
            workspace = state.accounts.membership(account.id, member).await?.map(|place| place.workspace);
        }
        members.push(member);
    }
    Ok((workspace.ok_or(ApiError::Failed)?, members))
}

/// One person's hand: freezes their ops in order and sends them as a device does.
struct Hand<'a> {
    state: &'a AppState,
    workspace: WorkspaceId,
    member: MemberId,
    device: DeviceId,
    counter: u64,
    waiting: Vec<Op>,
}

impl<'a> Hand<'a> {
    fn new(state: &'a AppState, workspace: WorkspaceId, member: MemberId) -> Self {
        Self { state, workspace, member, device: DeviceId(Uuid::now_v7()), counter: 0, waiting: Vec::new() }
    }

    fn act(&mut self, kind: Kind, record: RecordId, action: Action, hours_ago: i64) {
        self.counter += 1;
        self.waiting.push(Op {
            id: OpId(Uuid::now_v7()),
            device: self.device,
            incarnation: 1,
            counter: self.counter,
            intent: IntentId(Uuid::now_v7()),
            after: Vec::new(),
            schema: SCHEMA,
            kind,
            record,
            action,
            claimed_ms: self.state.core.now_ms() - hours_ago * HOUR_MS,
            offset_ms: 0,
        });
    }

    fn create(&mut self, kind: Kind, fields: Vec<(&'static str, Value)>) -> RecordId {
        let record = RecordId(Uuid::now_v7());
        let fields =
            fields.into_iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| (Name::new(name), value));
        self.act(kind, record, Action::Create { fields: fields.collect() }, 0);
        record
    }

    /// Changes one field of a record this person has seen.
    fn set(&mut self, seen: &Record, field: &'static str, now: impl Into<Value>, hours_ago: i64) {
        let change = Change { base: seen.version(field), was: seen.get(field).clone(), now: now.into() };
        self.act(seen.kind, seen.id, Action::Set { changes: BTreeMap::from([(Name::new(field), change)]) }, hours_ago);
    }

    async fn see(&self, key: Key) -> Result<Record, DemoError> {
        let found = self.state.core.records_of(self.workspace, self.member, &Select::Keys(vec![key]), 1).await?;
        found
            .into_iter()
            .next()
            .ok_or_else(|| DemoError::NotTaken(format!("{} {} is not there", key.kind.spec().label, key.id)))
    }

    /// Sends what waits, and insists that all of it was taken.
    async fn send(&mut self) -> Result<(), DemoError> {
        let author = Author { member: self.member, authority: Authority::Own };
        let waiting = std::mem::take(&mut self.waiting);
        for (batch, ops) in (1..).zip(waiting.chunks(PUSH_OPS_MAX)) {
            let frozen = ops.iter().map(|op| encode(op).map(ByteBuf::from)).collect::<Result<_, _>>()?;
            let pushed = self.state.core.push(self.workspace, &author, Push { batch, ops: frozen }).await?;
            let refused = pushed.receipts.iter().zip(ops).find(|(receipt, _)| receipt.outcome == Outcome::Rejected);
            if let Some((receipt, op)) = refused {
                let why = receipt.reason.as_ref().map_or("no reason", |reason| reason.says.as_str());
                return Err(DemoError::NotTaken(format!("{} {:?}: {why}", op.kind.spec().label, op.action)));
            }
        }
        Ok(())
    }
}

fn tags(manager: &mut Hand<'_>) -> Vec<RecordId> {
    let tag = |(title, hue): &(&str, i64)| {
        manager.create(Kind::Tag, vec![("title", (*title).into()), ("hue", (*hue).into())])
    };
    story::TAGS.iter().map(tag).collect()
}

/// One project with everything in it; returns its tasks.
fn project(
    hand: &mut Hand<'_>,
    story: &ProjectStory,
    rank: String,
    members: &[MemberId],
    tags: &[RecordId],
) -> Vec<Key> {
    let project = hand.create(
        Kind::Project,
        vec![
            ("title", story.title.into()),
            ("description", story.description.into()),
            ("state", "active".into()),
            ("lead", members.get(story.lead).copied().into()),
            ("start", day(story.start)),
            ("due", day(story.due)),
            ("budget", story.budget.into()),
            ("rank", rank.into()),
        ],
    );
    for (title, due) in story.milestones {
        hand.create(Kind::Milestone, vec![("project", project.into()), ("title", (*title).into()), ("due", day(*due))]);
    }
    let mut tasks = Vec::new();
    for (phase, rank) in story.phases.iter().zip(spread(story.phases.len())) {
        let fields = vec![("project", project.into()), ("title", phase.title.into()), ("rank", rank.into())];
        let of_phase = hand.create(Kind::Phase, fields);
        for (step, rank) in phase.steps.iter().zip(spread(phase.steps.len())) {
            let fields = vec![("phase", of_phase.into()), ("title", step.title.into()), ("rank", rank.into())];
            let of_step = hand.create(Kind::Step, fields);
            for (task, rank) in step.tasks.iter().zip(spread(step.tasks.len())) {
                tasks.push(Key::new(Kind::Task, one_task(hand, task, of_step, rank, members, tags)));
            }
        }
    }
    tasks
}

fn one_task(
    hand: &mut Hand<'_>,
    story: &TaskStory,
    step: RecordId,
    rank: String,
    members: &[MemberId],
    tags: &[RecordId],
) -> RecordId {
    let assignees: Vec<MemberId> = story.who.iter().filter_map(|who| members.get(*who).copied()).collect();
    let tags: Vec<RecordId> = story.tags.iter().filter_map(|tag| tags.get(*tag).copied()).collect();
    let progress = match story.status {
        Status::NotStarted => 0,
        Status::InProgress => 40,
        Status::Blocked => 20,
        Status::Done => 100,
    };
    hand.create(
        Kind::Task,
        vec![
            ("step", step.into()),
            ("title", story.title.into()),
            ("description", Some(story.about).filter(|about| !about.is_empty()).into()),
            ("status", story.status.into()),
            ("progress", progress.into()),
            ("priority", story.priority.into()),
            ("assignees", crate::model::catalog::as_set(assignees.into_iter().map(Value::from).collect())),
            ("tags", crate::model::catalog::as_set(tags.into_iter().map(Value::from).collect())),
            ("start", day(story.due - 5)),
            ("due", day(story.due)),
            ("estimate", story.minutes.into()),
            ("rank", rank.into()),
        ],
    )
}

/// A meter roll-out, street by street: what a project of that size looks like, not a story.
async fn large_project(hand: &mut Hand<'_>, tasks: u32) -> Result<(), DemoError> {
    if tasks == 0 {
        return Ok(());
    }
    let streets = spread(tasks.div_ceil(HOUSES_A_STREET) as usize);
    let houses = spread(HOUSES_A_STREET as usize);
    let fields =
        vec![("title", "Meter roll-out".into()), ("state", "active".into()), ("rank", between(None, None).into())];
    let project = hand.create(Kind::Project, fields);
    let fields = vec![
        ("project", project.into()),
        ("title", "Exchange the meters".into()),
        ("rank", between(None, None).into()),
    ];
    let phase = hand.create(Kind::Phase, fields);
    for (street, rank) in (0_u32..).zip(streets) {
        let title = format!("Street {}", street + 1);
        let step =
            hand.create(Kind::Step, vec![("phase", phase.into()), ("title", title.into()), ("rank", rank.into())]);
        let from = street * HOUSES_A_STREET;
        for (house, rank) in (from..tasks.min(from + HOUSES_A_STREET)).zip(&houses) {
            let number = house - from + 1;
            let fields = vec![
                ("step", step.into()),
                ("title", format!("Exchange the meter at number {number}").into()),
                (
                    "description",
                    format!("Street {}, house {number}. The old meter goes back to the depot.", street + 1).into(),
                ),
                ("status", Status::NotStarted.into()),
                ("priority", Priority::Normal.into()),
                ("estimate", 25_i64.into()),
                ("rank", rank.clone().into()),
            ];
            hand.create(Kind::Task, fields);
        }
        hand.send().await?;
    }
    Ok(())
}

fn notes(manager: &mut Hand<'_>, tags: &[RecordId]) {
    for (title, body, tag) in story::NOTES {
        let tags: Vec<Value> = tags.get(*tag).copied().map(Value::from).into_iter().collect();
        manager.create(
            Kind::Note,
            vec![("title", (*title).into()), ("body", (*body).into()), ("tags", Value::List(tags))],
        );
    }
}

/// Comments and time, each by the person who was there.
async fn days_work(cast: &mut [Hand<'_>], tasks: &[Key]) -> Result<(), DemoError> {
    for (who, task, text) in story::COMMENTS {
        if let (Some(hand), Some(task)) = (cast.get_mut(*who), tasks.get(*task)) {
            hand.create(Kind::Comment, vec![("task", task.id.into()), ("text", (*text).into())]);
        }
    }
    for (who, task, days_ago, minutes, note) in story::TIME {
        if let (Some(hand), Some(task)) = (cast.get_mut(*who), tasks.get(*task)) {
            let fields = vec![
                ("task", task.id.into()),
                ("day", day(-days_ago)),
                ("minutes", (*minutes).into()),
                ("note", (*note).into()),
            ];
            hand.create(Kind::TimeLog, fields);
        }
    }
    for hand in cast {
        hand.send().await?;
    }
    Ok(())
}

/// Each person's own dashboard.
async fn dashboards(cast: &mut [Hand<'_>]) -> Result<(), DemoError> {
    for hand in cast {
        let dashboard = hand.create(Kind::Dashboard, vec![("title", "Today".into())]);
        for (sort, rank) in WidgetSort::ALL.iter().zip(spread(WidgetSort::ALL.len())) {
            let width: i64 = if matches!(sort, WidgetSort::SyncState | WidgetSort::Conflicts) { 1 } else { 2 };
            let fields = vec![
                ("dashboard", dashboard.into()),
                ("sort", (*sort).into()),
                ("width", width.into()),
                ("rank", rank.into()),
            ];
            hand.create(Kind::Widget, fields);
        }
        hand.send().await?;
    }
    Ok(())
}

/// Two people estimate one task apart, so that there is a conflict to settle: a number that nobody should guess.
async fn disagreement(cast: &mut [Hand<'_>], tasks: &[Key]) -> Result<(), DemoError> {
    let (task, by) = story::DISAGREEMENT;
    let Some(key) = tasks.get(task) else { return Ok(()) };
    let Some(seen) = cast.first().map(|hand| hand.see(*key)) else { return Ok(()) };
    let seen = seen.await?;
    for (who, minutes, hours_ago) in by {
        if let Some(hand) = cast.get_mut(who) {
            hand.set(&seen, "estimate", minutes, hours_ago);
            hand.send().await?;
        }
    }
    Ok(())
}

/// A date so many days from today.
fn day(days: i64) -> Value {
    let today: Date = jiff::Timestamp::now().to_zoned(TimeZone::UTC).date();
    today.checked_add(days.days()).ok().map(|date| date.to_string()).into()
}
