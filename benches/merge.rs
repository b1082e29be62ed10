//! What pure code costs: merging one edit by each rule, settling one intent that everything is loaded for, the checksum of a
//! record, and a frame in and out of its wire form. `make bench` prints the figures.

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use std::collections::BTreeMap;
use std::hint::black_box;
use tidemark::model::catalog::Rule;
use tidemark::model::id::{DeviceId, IntentId, MemberId, OpId, RecordId};
use tidemark::model::kinds::Kind;
use tidemark::model::record::Key;
use tidemark::model::scope::Scope;
use tidemark::model::value::{Name, Value};
use tidemark::sync::checksum;
use tidemark::sync::merge::merge_field;
use tidemark::sync::op::{Action, Change, Op, SCHEMA};
use tidemark::sync::settle::memory::InMemory;
use tidemark::sync::settle::{Author, Authority, FrozenOp, Working, settle};
use tidemark::sync::wire::{Frame, FromServer, decode, encode};
use uuid::Uuid;

fn id(number: u128) -> RecordId {
    RecordId(Uuid::from_u128(number))
}

fn frozen(number: u128, kind: Kind, record: u128, action: Action) -> FrozenOp {
    let op = Op {
        id: OpId(Uuid::from_u128((1 << 100) + number)),
        device: DeviceId(Uuid::from_u128(1)),
        incarnation: 1,
        counter: 1,
        intent: IntentId(Uuid::from_u128(number)),
        after: Vec::new(),
        schema: SCHEMA,
        kind,
        record: id(record),
        action,
        claimed_ms: 1_000,
        offset_ms: 0,
    };
    FrozenOp { op, digest: number as u64 }
}

fn create(number: u128, kind: Kind, fields: &[(&'static str, Value)]) -> FrozenOp {
    let fields = fields.iter().map(|(name, value)| (Name::new(name), value.clone())).collect();
    frozen(number, kind, number, Action::Create { fields })
}

/// A workspace with an owner (1), and project (2) > phase (3) > step (4) > task (5).
fn workspace() -> (InMemory, Author) {
    let mut memory = InMemory::default();
    let by = |authority| Author { member: MemberId(Uuid::from_u128(1)), authority };
    let title = ("title", Value::from("Dig the trench"));
    let owner = [("name", "Olga".into()), ("role", "owner".into()), ("active", true.into())];
    memory.settle(&by(Authority::Server), &[create(1, Kind::Member, &owner)], 1_000);
    for (number, kind, parent) in [
        (2, Kind::Project, None),
        (3, Kind::Phase, Some("project")),
        (4, Kind::Step, Some("phase")),
        (5, Kind::Task, Some("step")),
    ] {
        let fields: Vec<_> =
            parent.map(|parent| (parent, id(number - 1).into())).into_iter().chain([title.clone()]).collect();
        memory.settle(&by(Authority::Own), &[create(number, kind, &fields)], 1_000);
    }
    (memory, by(Authority::Own))
}

/// A working state in which everything this intent needs is loaded.
fn loaded(memory: &InMemory, author: &Author, intent: &[FrozenOp]) -> Working {
    let mut working = memory.working();
    while let Err(needs) = settle(&mut working.clone(), author, intent, 2_000) {
        needs.into_iter().for_each(|need| memory.supply(&mut working, need));
    }
    working
}

fn set(field: &'static str, base: u64, was: Value, now: Value) -> FrozenOp {
    let changes = BTreeMap::from([(Name::new(field), Change { base, was, now })]);
    frozen(100, Kind::Task, 5, Action::Set { changes })
}

fn rules(criterion: &mut Criterion) {
    let lines = |last: &str| {
        Value::from((0..20).map(|line| format!("Line {line}.\n")).chain([last.to_owned()]).collect::<String>())
    };
    let people = |numbers: &[u128]| Value::from(numbers.iter().map(|number| id(*number)).collect::<Vec<_>>());
    let mut group = criterion.benchmark_group("merge one field");
    for (rule, field, [was, mine, theirs]) in [
        (Rule::Latest, "title", ["a".into(), "b".into(), "c".into()]),
        (Rule::Furthest, "status", ["not_started".into(), "done".into(), "blocked".into()]),
        (Rule::Counter, "progress", [1.into(), 2.into(), 3.into()]),
        (Rule::Union, "assignees", [people(&[1, 2]), people(&[1, 3]), people(&[1, 2, 4])]),
        (
            Rule::Text,
            "description",
            [
                lines("Fill it."),
                format!("Mine.\n{}", lines("Fill it.").as_text().unwrap_or("")).into(),
                lines("Fill it again."),
            ],
        ),
    ] {
        let Some(spec) = Kind::Task.spec().field(field) else { continue };
        group.bench_function(rule.name(), |bencher| {
            bencher.iter(|| merge_field(rule, spec, black_box(&was), black_box(&mine), black_box(&theirs)))
        });
    }
    group.finish();
}

fn intents(criterion: &mut Criterion) {
    let (mut memory, author) = workspace();
    memory.settle(&author, &[frozen(50, Kind::Task, 5, set("estimate", 0, Value::Null, 60.into()).op.action)], 1_500);
    let mut group = criterion.benchmark_group("settle one intent");
    for (name, op) in [
        ("plain edit", set("title", u64::MAX, "Dig the trench".into(), "Dig".into())),
        ("edit that rolls up", set("status", u64::MAX, "not_started".into(), "done".into())),
        ("edit that conflicts", set("estimate", 0, Value::Null, 90.into())),
        ("create", create(6, Kind::Task, &[("step", id(4).into()), ("title", "Fill".into())])),
    ] {
        let intent = [op];
        let working = loaded(&memory, &author, &intent);
        group.bench_function(name, |bencher| {
            bencher.iter_batched_ref(
                || working.clone(),
                |working| settle(working, &author, &intent, 2_000),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
    if let Some(task) = memory.records.get(&Key::new(Kind::Task, id(5))) {
        criterion.bench_function("checksum of a record", |bencher| bencher.iter(|| checksum::of(black_box(task))));
    }
}

fn frames(criterion: &mut Criterion) {
    let (memory, _) = workspace();
    let scope = Scope::Project(id(2));
    let mut group = criterion.benchmark_group("frame");
    for count in [1, 50] {
        let entries = memory.log.iter().filter(|entry| entry.scope == scope).cycle().take(count).cloned().collect();
        let message = FromServer::Frame(Frame { scope, from: 0, to: 1, entries });
        let Ok(bytes) = encode(&message) else { continue };
        group.bench_function(format!("encode {count} entries"), |bencher| bencher.iter(|| encode(black_box(&message))));
        group.bench_function(format!("decode {count} entries"), |bencher| {
            bencher.iter(|| decode::<FromServer>(black_box(&bytes)));
        });
    }
    group.finish();
}

criterion_group!(benches, rules, intents, frames);
criterion_main!(benches);
