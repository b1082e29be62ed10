//! A random history, and the laws that hold after every intent of it.

use super::*;
use proptest::prelude::*;

/// The live records a device would hold after the whole log.
fn folded(log: &[Entry]) -> BTreeMap<Key, Record> {
    let mut records: BTreeMap<Key, Record> = BTreeMap::new();
    for entry in log {
        let Effect::Put(puts) = &entry.effect else {
            records.remove(&entry.key());
            continue;
        };
        let fields = BTreeMap::new();
        let empty = Record { kind: entry.kind, id: entry.record, scope: entry.scope, fields, seq: 0, deleted: false };
        let record = records.entry(entry.key()).or_insert(empty);
        record.seq = entry.seq;
        record.fields.extend(
            puts.iter().map(|(name, value)| (name.clone(), Field { value: value.clone(), version: entry.seq })),
        );
    }
    records
}

/// Everything that always holds.
fn laws(memory: &InMemory) {
    let live: BTreeMap<Key, Record> = memory
        .records
        .iter()
        .filter(|(_, record)| !record.deleted)
        .map(|(key, record)| (*key, record.clone()))
        .collect();
    assert_eq!(folded(&memory.log), live, "the log holds everything");
    let newest = memory.log.iter().rev().take(8);
    for entry in newest {
        let read = wire::encode(entry).and_then(|bytes| wire::decode::<Entry>(&bytes));
        assert!(read.is_ok_and(|read| read == *entry), "whoever gets it can read it: {entry:?}");
    }
    assert!(memory.log.iter().zip(1..).all(|(entry, seq)| entry.seq == seq), "one sequence without gaps");
    for record in live.values() {
        if let Some(parent) = record.parent() {
            assert!(live.contains_key(&parent), "an orphan: {record:?}");
        }
    }
    for scope in live.values().map(|record| record.scope).chain(memory.sums.keys().copied()) {
        let sum = live.values().filter(|record| record.scope == scope).map(Sum::of).sum::<Sum>();
        assert_eq!(memory.sums.get(&scope).copied().unwrap_or_default(), sum, "the checksum of {scope}");
    }
    for above in live.values().filter(|record| [Kind::Step, Kind::Phase, Kind::Project].contains(&record.kind)) {
        let shares = live.values().filter_map(rollup::share).filter(|(parent, _)| *parent == above.key());
        let counted = shares.fold(Totals::default(), |sum, (_, share)| sum.plus(share));
        assert_eq!(Totals::held_by(above), counted, "the totals of {above:?}");
        assert_eq!(above.int("progress"), Some(counted.progress()));
    }
}

/// What a device that has everything shows of an op before it is settled.
fn predicted(memory: &InMemory, who: u128, op: &Op) -> Option<Record> {
    let live = |key: Key| memory.records.get(&key).filter(|record| !record.deleted);
    let parent = parents_named(op).next().and_then(live);
    crate::sync::merge::predict(op, live(op.key()), parent, mid(who), &crate::sync::merge::Rules::default())
}
/// The values of a record that people enter.
fn entered(record: &Record) -> BTreeMap<&str, &Value> {
    let entered = record.kind.spec().fields.iter().filter(|field| !field.derived);
    entered.map(|field| (field.name, record.get(field.name))).collect()
}

/// What others wrote to records that were just deleted, after their deleter had last looked, waits in conflict records.
fn unseen_edits_are_kept(before: &BTreeMap<Key, Record>, house: &House, who: u128, seen: u64) {
    let gone = before.values().filter(|record| !record.deleted && house.memory.records[&record.key()].deleted);
    for record in gone {
        let fields = record.kind.spec().fields.iter().filter(|spec| !spec.derived);
        for version in fields.map(|spec| record.version(spec.name)).filter(|version| *version > seen) {
            let writer = house.memory.log[version as usize - 1].by.filter(|by| *by != mid(who));
            let kept = |conflict: &&Record| {
                conflict.reference("of") == Some(record.id) && conflict.reference("mine_by") == writer.map(Into::into)
            };
            assert!(writer.is_none() || house.live(Kind::Conflict).iter().any(kept), "{record:?}");
        }
    }
}

/// One thing somebody does in a random history: who, to which record, what, and how old their copy is.
#[derive(Debug, Clone)]
struct Random {
    who: usize,
    what: usize,
    which: usize,
    value: i64,
    age: usize,
}

fn random() -> impl Strategy<Value = Random> {
    let of = (0usize..4, 0usize..23, 0usize..12, 0i64..6, 0usize..4);
    of.prop_map(|(who, what, which, value, age)| Random { who, what, which, value, age })
}

/// The intent, as somebody with an older copy of everything would make it.
fn deeds(random: &Random, number: u128, old: &BTreeMap<Key, Record>) -> Vec<Deed> {
    let Random { which, value, .. } = *random;
    let pick = |kind: Kind| {
        let of: Vec<u128> =
            old.values().filter(|record| record.kind == kind).map(|record| record.id.0.as_u128()).collect();
        of.get(which % of.len().max(1)).copied().unwrap_or(0x99)
    };
    let change = |of: (Kind, u128), field: &'static str, now: Value| {
        let record = old.get(&key(of.0, of.1));
        let base = record.map_or(0, |record| record.version(field));
        (field, base, record.map(|record| record.get(field).clone()).unwrap_or_default(), now)
    };
    let edit = |of: (Kind, u128), field: &'static str, now: Value| vec![set(of, &[change(of, field, now)])];
    let (a_task, a_step, a_phase) =
        ((Kind::Task, pick(Kind::Task)), (Kind::Step, pick(Kind::Step)), (Kind::Phase, pick(Kind::Phase)));
    let under = |of: (Kind, u128)| -> Value { rid(of.1).into() };
    let number = 0x1000 + number * 2;
    let title = ("title", Value::from(format!("T{value}")));
    let seen = old.values().map(|record| record.seq).max().unwrap_or(0);
    let remove = |of| vec![(of, Action::Delete { seen })];
    let day = |day: i64| Value::from(format!("2026-05-0{}", day + 1));
    match random.what {
        0 => vec![create((Kind::Phase, number), &[("project", under(project())), title])],
        1 => vec![create((Kind::Step, number), &[("phase", under(a_phase)), title])],
        2 => vec![create((Kind::Task, number), &[("step", under(a_step)), title])],
        3 => vec![
            create((Kind::Step, number), &[("phase", under(a_phase)), title.clone()]),
            create((Kind::Task, number + 1), &[("step", rid(number).into()), title, ("status", text("done"))]),
        ],
        4 => edit(a_task, "title", format!("T{value}").into()),
        5 => edit(a_task, "status", Status::ALL[value as usize % 4].into()),
        6 => edit(a_task, "progress", (value * 20).into()),
        7 => edit(a_task, "estimate", value.into()),
        8 => edit(a_task, "step", under(a_step)),
        9 => edit(a_step, "phase", under(a_phase)),
        10 => edit(a_task, "description", format!("line {value}\nline {which}").into()),
        11 => edit(a_task, "assignees", ids(&[OWNER, ADMIN, BEN, CLEO][..value as usize % 5])),
        12 => vec![set(a_task, &[change(a_task, "start", day(value)), change(a_task, "due", day(value + 1))])],
        13 => vec![create((Kind::Comment, number), &[("task", under(a_task)), ("text", text("Deep."))])],
        14 => edit((Kind::Comment, pick(Kind::Comment)), "text", format!("Deep {value}.").into()),
        15 => [edit(a_task, "status", text("done")), vec![command(a_phase, "close")]].concat(),
        16 => edit((Kind::Member, CLEO), "role", text(if value > 1 { "member" } else { "viewer" })),
        17 => edit((Kind::Member, BEN), "active", (value > 1).into()),
        18 => vec![set(
            project(),
            &[change(project(), "private", (value < 2).into()), change(project(), "lead", rid(BEN).into())],
        )],
        19 => remove(if value == 0 { a_phase } else { a_task }),
        20 => remove(if value < 2 { a_step } else { (Kind::Comment, pick(Kind::Comment)) }),
        21 => edit(project(), "budget", value.into()),
        _ => vec![restore(match value {
            0 | 1 => a_task,
            2 => a_step,
            3 => a_phase,
            _ => (Kind::Comment, pick(Kind::Comment)),
        })],
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// After any history, of any staleness, in batches or one by one: the laws hold, resends are no-ops, and every value
    /// that an edit brought stands, is equal to what stands, or is kept in a conflict record.
    #[test]
    fn the_laws_hold_after_every_intent(history in prop::collection::vec(random(), 1..60)) {
        let mut house = House::new();
        let mut copies = vec![house.memory.records.clone()];
        let mut batch = house.memory.clone();
        let mut working = batch.working();
        for (number, random) in history.iter().enumerate() {
            let old = &copies[copies.len().saturating_sub(1 + random.age)];
            let deeds = deeds(random, number as u128, old);
            let who = [OWNER, ADMIN, BEN, CLEO][random.who];
            let intent = house.intent(&deeds);
            let predicted = predicted(&house.memory, who, &intent[0].op);
            let settled = house.settle(by(who), &intent);
            laws(&house.memory);

            let batched = batch.settle_in(&mut working, &by(who), &intent, house.now_ms);
            prop_assert_eq!(&batched, &settled, "a batch settles as one by one does");
            let resent = house.settle(by(who), &intent);
            prop_assert_eq!((&resent.receipts, resent.entries.len()), (&settled.receipts, 0));

            for ((of, action), receipt) in deeds.iter().zip(&settled.receipts) {
                let refused = matches!(receipt.outcome, Outcome::Rejected | Outcome::Quarantined);
                prop_assert_eq!(refused, receipt.reason.is_some());
                prop_assert!(!refused || settled.entries.is_empty(), "an intent is refused as a whole");
                if receipt.outcome == Outcome::Superseded {
                    let kept = receipt.conflict.and_then(|id| house.memory.records.get(&Key::new(Kind::Conflict, id)));
                    prop_assert!(kept.is_some_and(|kept| !kept.get("parts").as_list().is_empty()));
                    if let Action::Set { changes } = action && let Some(change) = changes.get("budget") {
                        prop_assert!(house.told_alone(who, &change.now), "{:?} is shown to nobody", change);
                    }
                } else if let (Action::Set { changes }, Outcome::Applied) = (action, receipt.outcome) {
                    for (name, change) in changes {
                        let stands = house.get(*of, name.as_str());
                        prop_assert!(stands == change.now || change.now == change.was, "{:?} {:?}", change, stands);
                    }
                }
            }
            if let (_, Action::Delete { seen }) = deeds[0] {
                unseen_edits_are_kept(&copies[copies.len() - 1], &house, who, seen);
            }
            let landed = house.memory.records.get(&intent[0].op.key()).filter(|record| !record.deleted);
            if let (Some(predicted), Some(landed), None, 1) = (predicted, landed, &settled.receipts[0].reason, deeds.len()) {
                prop_assert_eq!(entered(&predicted), entered(landed), "what was predicted is what landed");
            }
            copies.push(house.memory.records.clone());
        }
        prop_assert_eq!(&batch.records, &house.memory.records);
        prop_assert_eq!(&batch.sums, &house.memory.sums);
    }
}
