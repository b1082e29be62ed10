//! The figures: what is done to a server, and what is read off it.

use super::client::{Device, Edited, Http};
use super::ground::Ground;
use super::{BenchError, Figure, Size, Verdict};
use crate::model::catalog::Rule;
use crate::model::id::RecordId;
use crate::model::kinds::Kind;
use crate::model::record::Record;
use crate::model::scope::Scope;
use crate::model::value::Value;
use crate::sync::merge::merge_field;
use crate::sync::op::Op;
use crate::sync::wire::{FromServer, SnapshotChunk, SnapshotWanted, decode, next_chunk};
use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::{Duration, Instant};
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use uuid::Uuid;

const PROJECT: RecordId = RecordId(Uuid::from_u128(10));
const STEP: RecordId = RecordId(Uuid::from_u128(12));
const SCOPE: Scope = Scope::Project(PROJECT);
/// Tasks made in one push.
const TASKS_A_PUSH: u32 = 250;
/// Tasks each writer goes round.
const TASKS_A_WRITER: u32 = 8;
/// How often somebody edits while propagation is measured: 50 times a second.
const EDIT_EVERY: Duration = Duration::from_millis(20);
/// How `FromServer::Frame` begins on the wire: a map of one entry, under `f`.
const FRAME_BEGINS: [u8; 3] = [0x81, 0xa1, b'f'];
/// Descriptors this process needs beside one for each idle connection.
const SPARE_FILES: usize = 200;

impl Size {
    fn of(self, full: u32) -> u32 {
        match self {
            Self::Full => full,
            Self::Quick => full / 10,
        }
    }
}

/// Merging without a server.
pub(super) fn merge() -> Vec<Figure> {
    const TIMES: u32 = 100_000;
    let [was, mine, theirs]: [Value; 3] =
        ["Pour the slab", "Pour the slab on Tuesday", "Pour the large slab"].map(Value::from);
    let fields = [(Rule::Latest, "title"), (Rule::Text, "description")];
    let figures = fields.into_iter().filter_map(|(rule, field)| {
        let spec = Kind::Task.spec().field(field)?;
        let started = Instant::now();
        for _ in 0..TIMES {
            black_box(merge_field(rule, spec, black_box(&was), black_box(&mine), black_box(&theirs)));
        }
        let took = started.elapsed().as_secs_f64() * 1e6 / f64::from(TIMES);
        Some(Figure {
            what: format!("merge of one field by `{}`", rule.name()),
            figure: format!("{took:.2} µs"),
            budget: "< 5 µs",
            verdict: Verdict::of(took < 5.0),
        })
    });
    figures.collect()
}

/// How many writers there are, how many edits they make, and what the design budgets for them a second.
const WRITERS: [(u32, u32, &str, f64); 2] =
    [(8, 40_000, "> 15,000/s", 15_000.0), (64, 100_000, "> 30,000/s", 30_000.0)];

/// Acknowledged durable writes by so many devices that each wait for every acknowledgement.
pub(super) async fn writes(ground: &Ground, size: Size) -> Result<Vec<Rate>, BenchError> {
    let tasks = size.of(10_000);
    fill(ground, 0, tasks).await?;
    let mut measured = Vec::new();
    for (writers, edits, ..) in WRITERS {
        measured.push(rate(ground, writers, size.of(edits), tasks).await?);
    }
    Ok(measured)
}

/// Writes as figures, and against those of a bare server.
pub(super) fn told_writes(ours: &[Rate], least: &[Rate]) -> Vec<Figure> {
    let mut figures = Vec::new();
    for ((writers, _, budget, at_least), (ours, least)) in WRITERS.into_iter().zip(ours.iter().zip(least)) {
        figures.push(Figure {
            what: format!("acknowledged durable writes, {writers} devices that wait for each"),
            figure: format!("{:.0}/s", ours.a_second),
            budget,
            verdict: Verdict::of(ours.a_second > at_least),
        });
        figures.push(Figure {
            what: format!("the server's processor time for 1,000 of them ({writers} devices)"),
            figure: format!("{:.3} s", ours.cpu_s),
            budget: "< 0.040 s",
            verdict: Verdict::of(ours.cpu_s < 0.040),
        });
        let (share, times) = (ours.a_second / least.a_second, ours.cpu_s / least.cpu_s);
        figures.push(Figure {
            what: format!("both against a bare server that stores and answers and no more ({writers} devices)"),
            figure: format!("{share:.2} of its {:.0}/s, {times:.2}x its {:.3} s", least.a_second, least.cpu_s),
            budget: "> 0.66, < 2x",
            verdict: Verdict::of(share > 0.66 && times < 2.0),
        });
    }
    figures
}

/// What so many writers achieved.
pub(super) struct Rate {
    a_second: f64,
    /// The server's processor time for 1,000, seconds.
    cpu_s: f64,
}

async fn rate(ground: &Ground, writers: u32, edits: u32, tasks: u32) -> Result<Rate, BenchError> {
    let each = (edits / writers).max(1);
    let sessions = ground.sessions(writers as usize).await?;
    let ready = std::sync::Arc::new(Barrier::new(writers as usize + 1));
    let mut working = JoinSet::new();
    for (writer, session) in (0..writers).zip(&sessions) {
        let mut device = Device::connect(ground, session, BTreeMap::new()).await?;
        let stride = (tasks / (writers * TASKS_A_WRITER)).max(1);
        let mut mine: Vec<Edited> =
            (0..TASKS_A_WRITER).map(|n| unedited((writer * TASKS_A_WRITER + n) * stride % tasks)).collect();
        let ready = std::sync::Arc::clone(&ready);
        working.spawn(async move {
            // Once round before it counts: the server remembers these tasks afterwards, as it does in a working day.
            for task in &mut mine {
                settled(device.edit(task).await?);
            }
            ready.wait().await;
            for (_, task) in (0..each).zip((0..mine.len()).cycle()) {
                if let Some(task) = mine.get_mut(task) {
                    settled(device.edit(task).await?);
                }
            }
            Ok::<(), BenchError>(())
        });
    }
    ready.wait().await;
    let (started, cpu_before) = (Instant::now(), ground.cpu_ms()?);
    while let Some(ended) = working.join_next().await {
        ended??;
    }
    let (took_s, edits) = (started.elapsed().as_secs_f64(), f64::from(each * writers));
    let cpu_ms = ground.cpu_ms()?.saturating_sub(cpu_before) as f64;
    Ok(Rate { a_second: edits / took_s, cpu_s: cpu_ms / edits })
}

/// What an edit is called matters only where it is looked for.
fn settled(_: crate::model::id::OpId) {}

/// To how many other devices an edit goes.
const SUBSCRIBERS: [u32; 2] = [10, 200];

/// From one device's edit to so many others, at 50 edits a second: p50 and p99, milliseconds.
pub(super) async fn propagation(ground: &Ground, size: Size) -> Result<Vec<[f64; 2]>, BenchError> {
    let tasks = size.of(10_000);
    fill(ground, 0, tasks).await?;
    let mut measured = Vec::new();
    for subscribers in SUBSCRIBERS {
        let mut took = delays(ground, subscribers, size.of(1_000), tasks).await?;
        took.sort_unstable();
        measured.push([50, 99].map(|percent| quantile(&took, percent).as_secs_f64() * 1e3));
    }
    Ok(measured)
}

/// Propagation as figures, and against that of a bare server.
pub(super) fn told_propagation(ours: &[[f64; 2]], least: &[[f64; 2]]) -> Vec<Figure> {
    let mut figures = Vec::new();
    for (subscribers, ([p50, p99], [least_p50, least_p99])) in SUBSCRIBERS.into_iter().zip(ours.iter().zip(least)) {
        figures.push(Figure {
            what: format!("edit to {subscribers} other devices, durable first, 50 a second, p50 / p99"),
            figure: format!("{p50:.2} / {p99:.2} ms"),
            budget: "< 1.6 / 4 ms",
            verdict: Verdict::of(*p50 < 1.6 && *p99 < 4.0),
        });
        figures.push(Figure {
            what: format!("both against a bare server ({subscribers} devices)"),
            figure: format!(
                "{:.2}x its {least_p50:.2}, {:.2}x its {least_p99:.2} ms",
                p50 / least_p50,
                p99 / least_p99
            ),
            budget: "< 1.5x, < 1.5x",
            verdict: Verdict::of(*p50 < 1.5 * least_p50 && *p99 < 1.5 * least_p99),
        });
    }
    figures
}

/// How long each edit took to each subscriber.
async fn delays(ground: &Ground, subscribers: u32, edits: u32, tasks: u32) -> Result<Vec<Duration>, BenchError> {
    let sessions = ground.sessions(subscribers as usize + 1).await?;
    let mut listening = JoinSet::new();
    for session in sessions.iter().skip(1) {
        let mut device = Device::connect(ground, session, BTreeMap::from([(SCOPE, 0)])).await?;
        listening.spawn(async move {
            // Only noted while the clock runs, and read afterwards: reading is not on the way to the device.
            let mut came = Vec::with_capacity(edits as usize);
            while came.len() < edits as usize {
                let message = device.next().await?;
                // A beat is not counted.
                if message.starts_with(&FRAME_BEGINS) {
                    came.push((Instant::now(), message));
                }
            }
            Ok::<_, BenchError>(came)
        });
    }
    let Some(session) = sessions.first() else { return Ok(Vec::new()) };
    let mut editor = Device::connect(ground, session, BTreeMap::new()).await?;
    let mut edited: Vec<Edited> = (0..64).map(|n| unedited(n * (tasks / 64).max(1) % tasks)).collect();
    let mut tick = interval(EDIT_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut sent = BTreeMap::new();
    for place in (0..edited.len()).cycle().take(edits as usize) {
        tick.tick().await;
        if let Some(task) = edited.get_mut(place) {
            let at = Instant::now();
            sent.insert(editor.edit(task).await?, at);
        }
    }
    let mut took = Vec::new();
    while let Some(ended) = listening.join_next().await {
        for (at, message) in ended?? {
            let FromServer::Frame(frame) = decode(&message)? else { continue };
            let sent = frame.entries.iter().filter_map(|entry| sent.get(&entry.op?));
            took.extend(sent.map(|sent| at.duration_since(*sent)));
        }
    }
    if took.len() < (edits * subscribers) as usize {
        return Err(BenchError::Server(format!("told of {} of {} edits", took.len(), edits * subscribers)));
    }
    Ok(took)
}

/// A new device's first copy of a project. As the browser does, it asks for the next chunk before it reads the one that came.
pub(super) async fn bootstrap(ground: &Ground, size: Size) -> Result<Vec<Figure>, BenchError> {
    let mut figures = Vec::new();
    let mut before = 0;
    for (records, budget, at_most) in [(10_000, "< 80 ms", 80.0), (100_000, "", f64::INFINITY)] {
        let records = size.of(records);
        fill(ground, before, records).await?;
        before = records;
        let mut best: Option<Copy> = None;
        for _ in 0..3 {
            let copy = first_copy(ground).await?;
            best = Some(best.filter(|best| best.took < copy.took).unwrap_or(copy));
        }
        let Some(copy) = best else { continue };
        let took = copy.took.as_secs_f64() * 1e3;
        figures.push(Figure {
            what: format!("first copy of {} records by a native device, best of 3", copy.records.len()),
            figure: format!("{took:.0} ms"),
            budget,
            verdict: if budget.is_empty() { Verdict::Unbudgeted } else { Verdict::of(took < at_most) },
        });
        let plain = plain_json_bytes(&copy.records);
        let share = copy.bytes as f64 / plain as f64;
        figures.push(Figure {
            what: format!("bytes of it, of {} KiB as plain JSON", plain / 1024),
            figure: format!("{} KiB, {:.0} %", copy.bytes / 1024, share * 100.0),
            budget: "< 33 %",
            verdict: Verdict::of(share < 0.334),
        });
    }
    Ok(figures)
}

struct Copy {
    took: Duration,
    bytes: usize,
    records: Vec<Record>,
}

async fn first_copy(ground: &Ground) -> Result<Copy, BenchError> {
    let sessions = ground.sessions(1).await?;
    let Some(session) = sessions.first() else { return Err(BenchError::Server("gave no session".to_owned())) };
    let mut browser = Http::connect(ground.address, session.from, Some(session.cookie.clone())).await?;
    let started = Instant::now();
    let (mut bytes, mut records) = (0, Vec::new());
    let mut wanted = Some(SnapshotWanted { scope: SCOPE, at: None, after: None });
    const SNAPSHOT: &str = "sync/snapshot";
    browser.ask(SNAPSHOT, ground.member, &wanted).await?;
    while wanted.is_some() {
        let (chunk, size) = browser.answered(SNAPSHOT).await?;
        bytes += size;
        wanted = next_chunk(&chunk);
        if wanted.is_some() {
            browser.ask(SNAPSHOT, ground.member, &wanted).await?;
        }
        let mut chunk: SnapshotChunk = decode(&chunk)?;
        if chunk.next.is_some() != wanted.is_some() {
            return Err(BenchError::Server("sent a chunk that does not say what follows it".to_owned()));
        }
        records.append(&mut chunk.records);
    }
    Ok(Copy { took: started.elapsed(), bytes, records })
}

/// The same records as another program would send them: values by name, without the versions that merging needs.
fn plain_json_bytes(records: &[Record]) -> usize {
    let plain = records.iter().map(|record| {
        let fields = record.fields.iter().map(|(name, field)| (name.as_str(), &field.value));
        let fields: BTreeMap<&str, &Value> = fields.collect();
        let (kind, id) = (record.kind.spec().name, record.id.to_string());
        let plain = serde_json::json!({ "kind": kind, "id": id, "scope": record.scope.to_string(), "seq": record.seq, "fields": fields });
        plain.to_string().len() + 1
    });
    plain.sum()
}

/// Memory of connections that follow a project and say nothing.
pub(super) async fn idle(ground: &Ground, size: Size) -> Result<Vec<Figure>, BenchError> {
    fill(ground, 0, 100).await?;
    let wanted = size.of(2_000) as usize;
    let count = wanted.min(files_max()?.saturating_sub(SPARE_FILES));
    let sessions = ground.sessions(count).await?;
    // A few first, so that what the first connection of all needs is not counted as theirs.
    let (few, many) = sessions.split_at(count.min(20));
    let tidemarks = BTreeMap::from([(SCOPE, 0), (Scope::Workspace, 0), (Scope::Personal(ground.member), 0)]);
    let mut devices = Vec::with_capacity(count);
    for session in few {
        devices.push(Device::connect(ground, session, tidemarks.clone()).await?);
    }
    let before = ground.memory_bytes()?;
    for session in many {
        devices.push(Device::connect(ground, session, tidemarks.clone()).await?);
    }
    let each = ground.memory_bytes()?.saturating_sub(before) as f64 / many.len().max(1) as f64 / 1024.0;
    drop(devices);
    Ok(vec![Figure {
        what: format!("the server's memory for an idle connection, over {} of them", many.len()),
        figure: format!("{each:.1} KiB"),
        budget: "< 8 KiB",
        verdict: Verdict::of(each < 8.0),
    }])
}

/// What a write and a read cost in a workspace of 1,000,000 records, against one of 10,000.
pub(super) async fn scale(ground: &Ground, size: Size) -> Result<Vec<Figure>, BenchError> {
    let [small, large] = [size.of(10_000), size.of(1_000_000)];
    fill(ground, 0, small).await?;
    let at_small = costs(ground, size, small).await?;
    fill(ground, small, large).await?;
    let at_large = costs(ground, size, large).await?;
    let figure = |what: &str, small_us: f64, large_us: f64| {
        let ratio = large_us / small_us;
        Figure {
            what: format!("{what}, {large} records against {small}"),
            figure: format!("{large_us:.0} µs against {small_us:.0}: {ratio:.2}x"),
            budget: "< 1.2x",
            verdict: Verdict::of(ratio < 1.2),
        }
    };
    Ok(vec![
        figure("a write (64 devices, anywhere)", at_small.write_us, at_large.write_us),
        figure("a chunk of 500 records of a first copy, best of 3", at_small.read_us, at_large.read_us),
    ])
}

struct Costs {
    write_us: f64,
    read_us: f64,
}

async fn costs(ground: &Ground, size: Size, tasks: u32) -> Result<Costs, BenchError> {
    const CHUNKS: u32 = 20;
    let write = rate(ground, 64, size.of(50_000), tasks).await?;
    let sessions = ground.sessions(1).await?;
    let Some(session) = sessions.first() else { return Err(BenchError::Server("gave no session".to_owned())) };
    let mut browser = Http::connect(ground.address, session.from, Some(session.cookie.clone())).await?;
    // Best of three rounds, as first copies are measured: in the first, some of a large file comes from the disk.
    let mut read_us = f64::INFINITY;
    for _ in 0..3 {
        let (mut read, mut took) = (0_usize, Duration::ZERO);
        for n in 0..CHUNKS {
            let after = Some((Kind::Task.spec().priority, task(n * (tasks / CHUNKS / 2))));
            let wanted = SnapshotWanted { scope: SCOPE, at: None, after };
            let started = Instant::now();
            let (chunk, _): (SnapshotChunk, usize) = browser.exchange("sync/snapshot", ground.member, &wanted).await?;
            took += started.elapsed();
            read += chunk.records.len();
        }
        read_us = read_us.min(took.as_secs_f64() * 1e6 * 500.0 / read.max(1) as f64);
    }
    Ok(Costs { write_us: 1e6 / write.a_second, read_us })
}

/// Makes the project, if it is not there, and its tasks from this one up to that one.
async fn fill(ground: &Ground, from: u32, to: u32) -> Result<(), BenchError> {
    let sessions = ground.sessions(1).await?;
    let Some(session) = sessions.first() else { return Ok(()) };
    let mut device = Device::connect(ground, session, BTreeMap::new()).await?;
    if from == 0 {
        let phase = RecordId(Uuid::from_u128(11));
        let tree = [
            device.create(Kind::Project, PROJECT, &[("title", "Bench".into())]),
            device.create(Kind::Phase, phase, &[("title", "Phase".into()), ("project", PROJECT.into())]),
            device.create(Kind::Step, STEP, &[("title", "Step".into()), ("phase", phase.into())]),
        ];
        device.push(&tree).await?;
    }
    for first in (from..to).step_by(TASKS_A_PUSH as usize) {
        let made: Vec<Op> = (first..to.min(first + TASKS_A_PUSH))
            .map(|n| {
                let description = "What there is to know about it, in a sentence or two. ".repeat(3);
                let fields = [
                    ("title", title(n)),
                    ("description", description.into()),
                    ("step", STEP.into()),
                    ("status", "not_started".into()),
                    ("priority", "normal".into()),
                    ("due", "2027-03-31".into()),
                    ("start", "2027-03-01".into()),
                    ("rank", "a0".into()),
                ];
                device.create(Kind::Task, task(n), &fields)
            })
            .collect();
        device.push(&made).await?;
    }
    Ok(())
}

fn task(n: u32) -> RecordId {
    RecordId(Uuid::from_u128(1 << 32 | u128::from(n)))
}
fn title(n: u32) -> Value {
    format!("Task {n}, long enough to be one that somebody wrote").into()
}
/// A task as it was filled in. Whoever edits it again later sees what it reads by then, which is no conflict either way.
fn unedited(n: u32) -> Edited {
    Edited { task: task(n), title: title(n), base: u64::MAX >> 1 }
}

fn quantile(sorted: &[Duration], percent: usize) -> Duration {
    let place = sorted.len() * percent / 100;
    sorted.get(place.min(sorted.len().saturating_sub(1))).copied().unwrap_or_default()
}

/// How many files, and so connections, this process may have open.
fn files_max() -> Result<usize, BenchError> {
    let limits = std::fs::read_to_string("/proc/self/limits")?;
    let soft = limits.lines().find_map(|line| line.strip_prefix("Max open files")?.split_whitespace().next());
    Ok(soft.and_then(|soft| soft.parse().ok()).unwrap_or(1024))
}
