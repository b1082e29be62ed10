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
use crate::model::scope::Scope;
use crate::model::value::{Name, Value};
use crate::server::accounts::{INVITATION_MS, Invitation, serve};
use crate::server::core::{Clock, SystemClock};
use crate::server::seed::RECORDS_MAX;
use crate::server::state::AppState;
use crate::server::store::Select;
use crate::sync::op::{Action, Change, Op, Outcome, SCHEMA};
use crate::sync::settle::{Author, Authority};
use crate::sync::wire::{PUSH_OPS_MAX, Push, WireError, encode};
use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_bytes::ByteBuf;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use story::{BEGAN_HOURS_AGO, Person, ProjectStory, TaskStory};
use uuid::Uuid;

/// What every demo person signs in with. It is printed, and in the documentation, so the demo listens on this machine only.
pub const PASSWORD: &str = "northwind tide";

const MINUTE_MS: i64 = 60 * 1000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
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

/// What the story is told by: a clock that is behind by as much as the story is set back, so that the workspace has a past.
#[derive(Debug, Clone, Default)]
pub struct StoryClock(Arc<AtomicI64>);

impl Clock for StoryClock {
    fn now_ms(&self) -> i64 {
        SystemClock.now_ms() - self.0.load(Ordering::Relaxed)
    }
}

impl StoryClock {
    fn go_to(&self, ms_ago: i64) {
        self.0.store(ms_ago, Ordering::Relaxed);
    }
}

/// Plays the story into an empty database that goes by this clock, and adds a project with `tasks` tasks unless that is none.
///
/// # Errors
/// See `DemoError`; the database is then of no use.
pub async fn play(state: &AppState, clock: &StoryClock, tasks: u32) -> Result<(), DemoError> {
    clock.go_to(BEGAN_HOURS_AGO * HOUR_MS);
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
    dashboards(&mut cast).await?;
    days_work(&mut cast, clock, &told).await
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

    /// Without a signal for so many hours.
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

/// One project with everything in it, before anybody began; returns its tasks.
fn project(
    hand: &mut Hand<'_>,
    story: &'static ProjectStory,
    rank: String,
    members: &[MemberId],
    tags: &[RecordId],
) -> Vec<Told> {
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
                let key = Key::new(Kind::Task, one_task(hand, task, of_step, rank, members, tags));
                tasks.push(Told { key, story: task });
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
    hand.create(
        Kind::Task,
        vec![
            ("step", step.into()),
            ("title", story.title.into()),
            ("description", Some(story.about).filter(|about| !about.is_empty()).into()),
            ("status", Status::NotStarted.into()),
            ("progress", 0_i64.into()),
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

/// A task that stands in the workspace, and what the story says of it.
#[derive(Clone, Copy)]
struct Told {
    key: Key,
    story: &'static TaskStory,
}

/// Something that happened in the course of the work.
struct Event {
    /// Whose hand it was, and which task: by their places.
    who: usize,
    task: usize,
    hours_ago: i64,
    deed: Deed,
}

/// What it was.
enum Deed {
    /// They said how far it is.
    Moved,
    /// A comment.
    Said(&'static str),
    /// Time spent: days ago, minutes, on what.
    Spent(i64, i64, &'static str),
    /// An estimate by somebody who had last seen the task as it was at first: minutes, and for how many hours there was no signal.
    Estimated(i64, i64),
}

/// Everything that happened since, in order of time.
fn events(tasks: &[Told]) -> Vec<Event> {
    let moved = tasks.iter().enumerate().filter_map(|(task, told)| {
        let who = told.story.who.first().copied().unwrap_or_default();
        Some(Event { who, task, hours_ago: story::moved_hours_ago(told.story)?, deed: Deed::Moved })
    });
    let said = story::COMMENTS.iter().map(|&(who, task, hours_ago, text)| {
        let deed = Deed::Said(text);
        Event { who, task, hours_ago, deed }
    });
    let spent = story::TIME.iter().map(|&(who, task, days_ago, minutes, note)| {
        let deed = Deed::Spent(days_ago, minutes, note);
        Event { who, task, hours_ago: days_ago * 24 - 6, deed }
    });
    let (task, by) = story::DISAGREEMENT;
    let estimated = by.into_iter().map(|(who, minutes, hours_ago, arrived)| {
        let deed = Deed::Estimated(minutes, hours_ago - arrived);
        Event { who, task, hours_ago: arrived, deed }
    });
    let mut all: Vec<_> = moved.chain(said).chain(spent).chain(estimated).collect();
    all.sort_by_key(|event| Reverse(event.hours_ago));
    all
}

/// The work of the days since, each by the person who was there. Two of them estimate one task apart, so that there is a conflict
/// to settle: a number that nobody should guess.
async fn days_work(cast: &mut [Hand<'_>], clock: &StoryClock, tasks: &[Told]) -> Result<(), DemoError> {
    let (disputed, _) = story::DISAGREEMENT;
    let (Some(first), Some(told)) = (cast.first(), tasks.get(disputed)) else { return Ok(()) };
    let at_first = first.see(told.key).await?;
    let (mut hour, mut nth) = (0, 0);
    for Event { who, task, hours_ago, deed } in events(tasks) {
        nth = if hour == hours_ago { nth + 1 } else { 0 };
        hour = hours_ago;
        clock.go_to(hours_ago * HOUR_MS - (nth * story::MINUTES_APART).min(59) * MINUTE_MS);
        let (Some(hand), Some(told)) = (cast.get_mut(who), tasks.get(task)) else { continue };
        match deed {
            Deed::Moved => {
                let seen = hand.see(told.key).await?;
                hand.set(&seen, "status", told.story.status, 0);
                // What is done counts as all of it.
                match told.story.status {
                    Status::NotStarted | Status::Done => {}
                    Status::InProgress => hand.set(&seen, "progress", 40_i64, 0),
                    Status::Blocked => hand.set(&seen, "progress", 20_i64, 0),
                }
            }
            Deed::Said(text) => {
                hand.create(Kind::Comment, vec![("task", told.key.id.into()), ("text", text.into())]);
            }
            Deed::Spent(days_ago, minutes, note) => {
                let task = ("task", told.key.id.into());
                let spent = vec![task, ("day", day(-days_ago)), ("minutes", minutes.into()), ("note", note.into())];
                hand.create(Kind::TimeLog, spent);
            }
            Deed::Estimated(minutes, hours_without) => {
                hand.set(&at_first, "estimate", minutes, hours_without);
            }
        }
        hand.send().await?;
    }
    Ok(())
}

/// Each person's own dashboard; and what they were told so far, they have read.
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
        let own = Select::Scope { scope: Scope::Personal(hand.member), after: None };
        let own = hand.state.core.records_of(hand.workspace, hand.member, &own, RECORDS_MAX).await?;
        for told in own.iter().filter(|record| record.kind == Kind::Notification) {
            hand.set(told, "read", true, 0);
        }
        hand.send().await?;
    }
    Ok(())
}

/// A date so many days from today.
fn day(days: i64) -> Value {
    let today: Date = jiff::Timestamp::now().to_zoned(TimeZone::UTC).date();
    today.checked_add(days.days()).ok().map(|date| date.to_string()).into()
}
