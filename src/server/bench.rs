//! Measures the core on a real file, in this process: what a server costs before anything is said about networks. The
//! command line prints the figures; nothing is asserted, because a busy machine is not a wrong program.

use crate::model::choice::Role;
use crate::model::id::{DeviceId, IntentId, MemberId, OpId, RecordId, WorkspaceId};
use crate::model::kinds::Kind;
use crate::model::record::{Key, Version};
use crate::model::scope::Scope;
use crate::model::value::{Name, Value};
use crate::server::core::{Core, CoreError, NewWorkspace, SystemChange, SystemClock};
use crate::server::hub::{Subscriber, Subscription};
use crate::server::store::sqlite::Sqlite;
use crate::server::store::{Select, StoreError};
use crate::sync::op::{Action, Change, Op, Outcome, SCHEMA};
use crate::sync::settle::{Author, Authority};
use crate::sync::wire::{Push, SnapshotWanted, WireError, encode};
use serde_bytes::ByteBuf;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// One line of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figure {
    /// What was measured.
    pub what: String,
    /// What came out, with its unit.
    pub value: String,
    /// What it should be.
    pub budget: &'static str,
}

/// Why measuring stopped.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The core refused.
    #[error("the core refused: {0}")]
    Core(#[from] CoreError),
    /// The store failed.
    #[error("the store failed: {0}")]
    Store(#[from] StoreError),
    /// A message could not be encoded.
    #[error("a message could not be encoded: {0}")]
    Wire(#[from] WireError),
    /// An edit was not applied, so the figure would mean nothing.
    #[error("an edit came out as {0:?}")]
    Outcome(Outcome),
    /// A measuring task ended early.
    #[error("a measuring task ended early: {0}")]
    Task(#[from] tokio::task::JoinError),
}

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Tasks in the workspace while edits are measured.
    pub tasks: u32,
    /// Edits for each figure.
    pub edits: u32,
}

const WORKSPACE: WorkspaceId = WorkspaceId(Uuid::from_u128(1));
const MEMBER: MemberId = MemberId(Uuid::from_u128(2));
const AUTHOR: Author = Author { member: MEMBER, authority: Authority::Own };
const PROJECT: RecordId = RecordId(Uuid::from_u128(10));
const STEP: RecordId = RecordId(Uuid::from_u128(12));
const SCOPE: Scope = Scope::Project(PROJECT);
/// Tasks made in one push.
const TASKS_A_PUSH: u32 = 250;

/// Measures the core on a new database in this folder.
///
/// # Errors
/// Whatever stops it; the figures are only worth something together.
pub async fn core_figures(folder: &Path, size: Size) -> Result<Vec<Figure>, BenchError> {
    let store = Sqlite::open(&folder.join("bench.db")).await?;
    let bench = Bench { core: Core::start(store, SystemClock) };
    let mut figures = Vec::new();
    bench.fill(size.tasks).await?;
    for writers in [1, 8, 64] {
        figures.extend(bench.writes(writers, size).await?);
    }
    figures.push(bench.snapshot(size.tasks).await?);
    for subscribers in [10, 200] {
        figures.push(bench.propagation(subscribers, size).await?);
    }
    bench.core.stop().await;
    bench.core.store().close().await;
    Ok(figures)
}

struct Bench {
    core: Core,
}

impl Bench {
    /// Makes a workspace with one project and this many tasks.
    async fn fill(&self, tasks: u32) -> Result<(), BenchError> {
        let new = NewWorkspace { id: WORKSPACE, name: "Bench".into(), owner: MEMBER, owner_name: "Bench".into() };
        self.core.create_workspace(new).await?;
        let join =
            SystemChange::Join { member: MemberId(Uuid::from_u128(3)), name: "Other".into(), role: Role::Member };
        self.core.system(WORKSPACE, vec![join]).await?;
        let phase = RecordId(Uuid::from_u128(11));
        let tree: [Op; 3] = [
            create(Kind::Project, PROJECT, &[("title", "Bench".into())]),
            create(Kind::Phase, phase, &[("title", "Phase".into()), ("project", PROJECT.into())]),
            create(Kind::Step, STEP, &[("title", "Step".into()), ("phase", phase.into())]),
        ];
        self.push(&tree).await?;
        for from in (0..tasks).step_by(TASKS_A_PUSH as usize) {
            let made = (from..tasks.min(from + TASKS_A_PUSH)).map(|n| {
                let title = format!("Task {n}, long enough to be one that somebody wrote");
                let description = "What there is to know about it, in a sentence or two. ".repeat(3);
                let fields = [
                    ("title", title.into()),
                    ("description", description.into()),
                    ("step", STEP.into()),
                    ("status", "not_started".into()),
                    ("priority", "normal".into()),
                    ("due", "2027-03-31".into()),
                    ("start", "2027-03-01".into()),
                    ("rank", "a0".into()),
                ];
                create(Kind::Task, task(n), &fields)
            });
            self.push(&made.collect::<Vec<_>>()).await?;
        }
        Ok(())
    }

    /// Pushes, and gives back the head after the last op.
    async fn push(&self, ops: &[Op]) -> Result<Version, BenchError> {
        let ops = ops.iter().map(|op| encode(op).map(ByteBuf::from)).collect::<Result<_, _>>()?;
        let pushed = self.core.push(WORKSPACE, &AUTHOR, Push { batch: 0, ops }).await?;
        for receipt in &pushed.receipts {
            if receipt.outcome != Outcome::Applied {
                return Err(BenchError::Outcome(receipt.outcome));
            }
        }
        Ok(pushed.receipts.iter().map(|receipt| receipt.seq).max().unwrap_or(0))
    }

    /// Retitles a task that reads as given, and gives back its version afterwards.
    async fn edit(&self, edited: &mut Edited) -> Result<(), BenchError> {
        // Never the title it has already: that would be no edit, and nobody would be told.
        let now = Value::from(format!("Retitled by {}", Uuid::now_v7()));
        let change = Change { base: edited.base, was: edited.title.clone(), now: now.clone() };
        let changes = BTreeMap::from([(Name::new("title"), change)]);
        let op = op(Kind::Task, edited.task, Action::Set { changes });
        edited.base = self.push(&[op]).await?;
        edited.title = now;
        Ok(())
    }

    /// So many of the tasks, as they are.
    async fn edited(&self, count: u32, of: u32) -> Result<Vec<Edited>, BenchError> {
        let stride = (of / count).max(1);
        let keys = (0..count).map(|n| Key::new(Kind::Task, task(n * stride % of))).collect();
        let tasks = self.core.records_of(WORKSPACE, MEMBER, &Select::Keys(keys), count as usize).await?;
        let edited = |task: &crate::model::record::Record| Edited {
            task: task.id,
            title: task.get("title").clone(),
            base: task.version("title"),
        };
        Ok(tasks.iter().map(edited).collect())
    }

    /// Acknowledged edits a second, by writers that each wait for every acknowledgement.
    async fn writes(&self, writers: u32, size: Size) -> Result<Vec<Figure>, BenchError> {
        let mut tasks = self.edited(writers * 8, size.tasks).await?;
        let each = (size.edits / writers).max(1);
        let (started, cpu) = (Instant::now(), cpu_ms());
        let mut working = tokio::task::JoinSet::new();
        while !tasks.is_empty() {
            let mut mine = tasks.split_off(tasks.len().saturating_sub(8));
            let bench = Self { core: self.core.clone() };
            working.spawn(async move {
                for n in 0..each as usize {
                    let place = n % mine.len();
                    if let Some(edited) = mine.get_mut(place) {
                        bench.edit(edited).await?;
                    }
                }
                Ok::<(), BenchError>(())
            });
        }
        while let Some(ended) = working.join_next().await {
            ended??;
        }
        let (took, edits) = (started.elapsed(), u64::from(each) * u64::from(writers));
        let spent_ms = cpu_ms().zip(cpu).map(|(after, before)| after.saturating_sub(before));
        let budget = match writers {
            8 => "> 15,000/s",
            64 => "> 30,000/s",
            _ => "",
        };
        let rate = u128::from(edits) * 1_000_000 / took.as_micros().max(1);
        let per_thousand = spent_ms.map_or_else(|| "?".to_owned(), |ms| format!("{} ms", ms * 1000 / edits.max(1)));
        Ok(vec![
            Figure {
                what: format!("acknowledged durable writes, {writers} waiting writers, {} tasks", size.tasks),
                value: format!("{rate}/s"),
                budget,
            },
            Figure {
                what: format!("processor time for 1,000 of them, writers included ({writers})"),
                value: per_thousand,
                budget: "< 40 ms",
            },
        ])
    }

    /// How long a scope's whole snapshot takes to read and encode.
    async fn snapshot(&self, tasks: u32) -> Result<Figure, BenchError> {
        let started = Instant::now();
        let mut wanted = SnapshotWanted { scope: SCOPE, at: None, after: None };
        let mut bytes = 0;
        loop {
            let chunk = self.core.snapshot(WORKSPACE, MEMBER, &wanted).await?;
            bytes += encode(&chunk)?.len();
            wanted = SnapshotWanted { scope: SCOPE, at: Some(chunk.at), after: chunk.next };
            if chunk.next.is_none() {
                break;
            }
        }
        let took = started.elapsed();
        Ok(Figure {
            what: format!("snapshot of {tasks} records, read and encoded, {} KiB", bytes / 1024),
            value: format!("{} ms", took.as_millis()),
            budget: if tasks <= 10_000 { "< 80 ms" } else { "" },
        })
    }

    /// From an edit to the queue of the last of so many connections, durable before anybody sees it.
    async fn propagation(&self, subscribers: u32, size: Size) -> Result<Figure, BenchError> {
        let mut seats = Vec::new();
        for n in 0..subscribers {
            let device = DeviceId(Uuid::from_u128(u128::from(n)));
            let who = Subscriber { workspace: WORKSPACE, member: MEMBER, device, session: [0; 32] };
            seats.push(self.core.subscribe(who, &BTreeSet::from([SCOPE])).await?);
        }
        let mut tasks = self.edited(64, size.tasks).await?;
        let mut took = Vec::new();
        for n in 0..(size.edits / 100).clamp(20, 500) as usize {
            let place = n % tasks.len().max(1);
            let Some(edited) = tasks.get_mut(place) else { break };
            let started = Instant::now();
            let (edit, last) = tokio::join!(self.edit(edited), taken(&mut seats));
            edit?;
            took.push(last.duration_since(started));
        }
        took.sort_unstable();
        Ok(Figure {
            what: format!("an edit in the queues of {subscribers} connections, p50 / p99"),
            value: format!("{} / {} µs", quantile(&took, 50).as_micros(), quantile(&took, 99).as_micros()),
            budget: "< 1,600 / 4,000 µs over loopback",
        })
    }
}

/// A task being edited by one writer.
struct Edited {
    task: RecordId,
    title: Value,
    base: Version,
}

/// When the last of the connections had taken its frame.
async fn taken(seats: &mut [Subscription]) -> Instant {
    for seat in seats {
        seat.next().await;
    }
    Instant::now()
}

fn quantile(sorted: &[Duration], percent: usize) -> Duration {
    let place = sorted.len() * percent / 100;
    sorted.get(place.min(sorted.len().saturating_sub(1))).copied().unwrap_or_default()
}

/// Processor time of this process so far, milliseconds, where the system tells it.
fn cpu_ms() -> Option<u64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // After the name, which ends with the last parenthesis; user and system time are the 12th and 13th field from there, in
    // hundredths of a second.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    Some((ticks()? + ticks()?) * 10)
}

fn task(n: u32) -> RecordId {
    RecordId(Uuid::from_u128(1 << 32 | u128::from(n)))
}

fn create(kind: Kind, record: RecordId, fields: &[(&'static str, Value)]) -> Op {
    let fields = fields.iter().map(|(name, value)| (Name::new(name), value.clone())).collect();
    op(kind, record, Action::Create { fields })
}

fn op(kind: Kind, record: RecordId, action: Action) -> Op {
    let id = Uuid::now_v7();
    Op {
        id: OpId(id),
        device: DeviceId(Uuid::from_u128(5)),
        incarnation: 1,
        counter: 1,
        intent: IntentId(id),
        after: Vec::new(),
        schema: SCHEMA,
        kind,
        record,
        action,
        claimed_ms: 0,
        offset_ms: 0,
    }
}
