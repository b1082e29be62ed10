//! Tests of settling: tables of what is refused, held, merged and kept.

use super::memory::InMemory;
use super::*;
use crate::model::choice::Status;
use crate::model::id::{DeviceId, IntentId};
use crate::model::record::{Field, Record};
use crate::model::rollup::{self, Totals};
use crate::model::value::{Name, Value};
use crate::sync::op::{Change, Effect, SCHEMA};
use crate::sync::wire;
use uuid::Uuid;

mod laws;
mod unseen;

const OWNER: u128 = 0xA1;
const ADMIN: u128 = 0xA2;
const BEN: u128 = 0xA3;
const CLEO: u128 = 0xA4;
const VIEWER: u128 = 0xA5;
const GONE: u128 = 0xA6;
const STRANGER: u128 = 0xA7;

fn rid(number: u128) -> RecordId {
    RecordId(Uuid::from_u128(number))
}
fn mid(number: u128) -> MemberId {
    MemberId(Uuid::from_u128(number))
}
fn key(kind: Kind, number: u128) -> Key {
    Key::new(kind, rid(number))
}
const fn project() -> (Kind, u128) {
    (Kind::Project, 0x10)
}
const fn phase() -> (Kind, u128) {
    (Kind::Phase, 0x20)
}
const fn step() -> (Kind, u128) {
    (Kind::Step, 0x30)
}
const fn task() -> (Kind, u128) {
    (Kind::Task, 0x40)
}
fn text(value: &str) -> Value {
    value.into()
}
fn ids(numbers: &[u128]) -> Value {
    if numbers.is_empty() { Value::Null } else { numbers.iter().map(|number| rid(*number)).collect::<Vec<_>>().into() }
}
fn named(fields: &[(&'static str, Value)]) -> BTreeMap<Name, Value> {
    fields.iter().map(|(name, value)| ((*name).into(), value.clone())).collect()
}

/// What an op does, before it has an id.
type Deed = ((Kind, u128), Action);

fn create(of: (Kind, u128), fields: &[(&'static str, Value)]) -> Deed {
    (of, Action::Create { fields: named(fields) })
}
/// An edit by somebody who saw `was` at version `base`.
fn set(of: (Kind, u128), changes: &[(&'static str, u64, Value, Value)]) -> Deed {
    let changes = changes
        .iter()
        .map(|(name, base, was, now)| ((*name).into(), Change { base: *base, was: was.clone(), now: now.clone() }));
    (of, Action::Set { changes: changes.collect() })
}
fn delete(of: (Kind, u128)) -> Deed {
    (of, Action::Delete { seen: u64::MAX })
}
fn restore(of: (Kind, u128)) -> Deed {
    (of, Action::Restore)
}
fn command(of: (Kind, u128), name: &'static str) -> Deed {
    (of, Action::Command { name: name.into(), seen: None })
}

/// A workspace with a member of every role, and project > phase > step > task.
struct House {
    memory: InMemory,
    now_ms: i64,
    minted: u128,
}

impl House {
    fn new() -> Self {
        let mut house = Self { memory: InMemory::default(), now_ms: 1_000_000, minted: 0 };
        for (member, name, role) in [
            (OWNER, "Olga", "owner"),
            (ADMIN, "Adam", "admin"),
            (BEN, "Ben", "member"),
            (CLEO, "Cleo", "member"),
            (VIEWER, "Vic", "viewer"),
            (GONE, "Gus", "member"),
        ] {
            let fields = [("name", text(name)), ("role", text(role)), ("active", (member != GONE).into())];
            house.by_server(&[create((Kind::Member, member), &fields)]);
        }
        house.does(
            OWNER,
            &[
                create(project(), &[("title", text("Canal"))]),
                create(phase(), &[("project", rid(0x10).into()), ("title", text("Digging"))]),
                create(step(), &[("phase", rid(0x20).into()), ("title", text("North"))]),
                create(task(), &[("step", rid(0x30).into()), ("title", text("Dig"))]),
            ],
        );
        house
    }

    fn freeze(&mut self, intent: IntentId, after: Vec<OpId>, deed: &Deed) -> FrozenOp {
        self.minted += 1;
        let ((kind, record), action) = deed;
        let op = Op {
            id: OpId(Uuid::from_u128((1 << 100) + self.minted)),
            device: DeviceId(Uuid::from_u128(0xD)),
            incarnation: 1,
            counter: 1,
            intent,
            after,
            schema: SCHEMA,
            kind: *kind,
            record: rid(*record),
            action: action.clone(),
            claimed_ms: self.now_ms - 500,
            offset_ms: 100,
        };
        FrozenOp::read(&wire::encode(&op).expect("an op encodes")).expect("an op decodes")
    }
    fn intent(&mut self, deeds: &[Deed]) -> Vec<FrozenOp> {
        let intent = IntentId(Uuid::from_u128(0x1_0000 + self.minted));
        deeds.iter().map(|deed| self.freeze(intent, Vec::new(), deed)).collect()
    }
    fn settle(&mut self, author: Author, intent: &[FrozenOp]) -> Settled {
        self.now_ms += 1_000;
        let settled = self.memory.settle(&author, intent, self.now_ms);
        assert_eq!(settled.receipts.len(), intent.len(), "an answer per op");
        settled
    }
    fn does(&mut self, member: u128, deeds: &[Deed]) -> Settled {
        let intent = self.intent(deeds);
        self.settle(by(member), &intent)
    }
    fn by_server(&mut self, deeds: &[Deed]) -> Settled {
        let intent = self.intent(deeds);
        self.settle(Author { member: mid(OWNER), authority: Authority::Server }, &intent)
    }
    /// An edit by somebody who has seen everything.
    fn edits(&mut self, member: u128, of: (Kind, u128), field: &'static str, now: Value) -> Settled {
        let record = self.record(of);
        let (base, was) = (record.version(field), record.get(field).clone());
        self.does(member, &[set(of, &[(field, base, was, now)])])
    }
    fn record(&self, of: (Kind, u128)) -> Record {
        self.memory.records.get(&key(of.0, of.1)).cloned().expect("the record is there")
    }
    fn get(&self, of: (Kind, u128), field: &str) -> Value {
        self.record(of).get(field).clone()
    }
    fn live(&self, kind: Kind) -> Vec<&Record> {
        self.memory.records.values().filter(|record| record.kind == kind && !record.deleted).collect()
    }
    /// The only conflict record there is.
    fn conflict(&self) -> &Record {
        match self.live(Kind::Conflict)[..] {
            [conflict] => conflict,
            ref conflicts => panic!("one conflict expected, not {conflicts:#?}"),
        }
    }
    /// Notifications as (to whom, sort).
    fn told(&self) -> Vec<(Scope, String)> {
        let mut told: Vec<_> =
            self.live(Kind::Notification).iter().map(|told| (told.scope, told.text("sort").to_owned())).collect();
        told.sort();
        told
    }
    /// Whether a notification keeps this value for this member alone.
    fn told_alone(&self, who: u128, value: &Value) -> bool {
        let is = |part: &Value| part.as_map().and_then(|part| part.get("mine")) == Some(value);
        let told = self.live(Kind::Notification).into_iter().filter(|told| told.scope == Scope::Personal(mid(who)));
        told.flat_map(|told| told.get("kept").as_list().to_vec()).any(|part| is(&part))
    }
}

fn by(member: u128) -> Author {
    Author { member: mid(member), authority: Authority::Own }
}
fn to(member: u128, sort: &str) -> (Scope, String) {
    (Scope::Personal(mid(member)), sort.to_owned())
}
/// The one part of a conflict record, as (name, base, mine, theirs).
fn part(conflict: &Record) -> (Value, Value, Value, Value) {
    let parts = conflict.get("parts").as_list();
    assert_eq!(parts.len(), 1, "{parts:?}");
    let get = |name: &str| parts[0].as_map().and_then(|part| part.get(name)).cloned().unwrap_or_default();
    (get("name"), get("base"), get("mine"), get("theirs"))
}
fn outcome(settled: &Settled) -> (Outcome, Class) {
    (settled.receipts[0].outcome, settled.receipts[0].class)
}
fn code(settled: &Settled) -> Option<Code> {
    settled.receipts[0].reason.as_ref().map(|reason| reason.code)
}

#[test]
fn what_cannot_land_is_refused_in_words_and_changes_nothing() {
    let other_project = (Kind::Project, 0x11);
    let other_phase = (Kind::Phase, 0x21);
    let gone_step = (Kind::Step, 0x32);
    let comment = (Kind::Comment, 0x50);
    let mut house = House::new();
    house.does(OWNER, &[create(other_project, &[("title", text("Road"))])]);
    house.does(OWNER, &[create(other_phase, &[("project", rid(0x11).into()), ("title", text("Other"))])]);
    house.does(OWNER, &[create(gone_step, &[("phase", rid(0x20).into()), ("title", text("Gone"))])]);
    house.does(OWNER, &[delete(gone_step)]);
    house.does(BEN, &[create(comment, &[("task", rid(0x40).into()), ("text", text("Deep."))])]);
    let member = (Kind::Member, BEN);
    let role = |who, from: &str, to: &str| set((Kind::Member, who), &[("role", 0, text(from), text(to))]);
    let new = |number, fields: &[(&'static str, Value)]| create((Kind::Task, number), fields);
    let in_step: Value = rid(0x30).into();
    for (who, deed, expected) in [
        (VIEWER, set(task(), &[("title", 0, text("Dig"), text("X"))]), Code::Forbidden),
        (VIEWER, delete(project()), Code::Forbidden),
        (VIEWER, new(0x41, &[("step", in_step.clone()), ("title", text("X"))]), Code::Forbidden),
        (CLEO, set(comment, &[("text", 0, text("Deep."), text("Shallow."))]), Code::Forbidden),
        (CLEO, delete(comment), Code::Forbidden),
        (BEN, create((Kind::Team, 0x60), &[("title", text("Diggers"))]), Code::Forbidden),
        (BEN, create((Kind::Member, 0x61), &[("name", text("New")), ("role", text("owner"))]), Code::Forbidden),
        (BEN, create((Kind::Conflict, 0x62), &[]), Code::Forbidden),
        (BEN, role(BEN, "member", "admin"), Code::Forbidden),
        (BEN, role(CLEO, "member", "viewer"), Code::Forbidden),
        (ADMIN, role(BEN, "member", "admin"), Code::Forbidden),
        (ADMIN, role(OWNER, "owner", "viewer"), Code::Forbidden),
        (OWNER, role(OWNER, "owner", "viewer"), Code::Forbidden),
        (OWNER, set((Kind::Member, OWNER), &[("active", 0, true.into(), false.into())]), Code::Forbidden),
        (OWNER, delete(member), Code::Forbidden),
        (BEN, set(task(), &[("title", 0, text("Dig"), text(" "))]), Code::Invalid),
        (BEN, set(task(), &[("number", 0, 1.into(), 7.into())]), Code::Invalid),
        (BEN, set(task(), &[("colour", 0, Value::Null, text("red"))]), Code::Invalid),
        (BEN, set(task(), &[("due", 0, Value::Null, text("2026-05-01"))]), Code::Invalid),
        (BEN, set(phase(), &[("project", 0, rid(0x10).into(), rid(0x11).into())]), Code::Invalid),
        (BEN, set(task(), &[("assignees", 0, Value::Null, ids(&[STRANGER]))]), Code::Invalid),
        (BEN, set(project(), &[("private", 0, Value::Null, true.into())]), Code::Invalid),
        (
            BEN,
            set(task(), &[("start", 0, Value::Null, text("2026-05-02")), ("due", 0, Value::Null, text("2026-05-01"))]),
            Code::Invalid,
        ),
        (BEN, command(phase(), "explode"), Code::Invalid),
        (
            OWNER,
            create(
                (Kind::Policy, 0x63),
                &[("of_kind", text("task")), ("of_field", text("title")), ("rule", text("counter"))],
            ),
            Code::Invalid,
        ),
        (
            OWNER,
            create(
                (Kind::Policy, 0x63),
                &[("of_kind", text("task")), ("of_field", text("number")), ("rule", text("latest"))],
            ),
            Code::Invalid,
        ),
        (
            OWNER,
            create(
                (Kind::Policy, 0x63),
                &[("of_kind", text("note")), ("of_field", text("body")), ("rule", text("document"))],
            ),
            Code::Invalid,
        ),
        (BEN, set((Kind::Task, 0x99), &[("title", 0, text(""), text("X"))]), Code::Missing),
        (BEN, delete((Kind::Task, 0x99)), Code::Missing),
        (BEN, restore((Kind::Task, 0x99)), Code::Missing),
        (BEN, new(0x40, &[("step", in_step.clone()), ("title", text("X"))]), Code::Exists),
        (BEN, create(gone_step, &[("phase", rid(0x20).into()), ("title", text("X"))]), Code::Exists),
        (BEN, new(0x41, &[("step", rid(0x99).into()), ("title", text("X"))]), Code::Parent),
        (BEN, set(task(), &[("step", 0, in_step.clone(), rid(0x99).into())]), Code::Parent),
        (BEN, set(task(), &[("step", 0, in_step, rid(0x32).into())]), Code::Parent),
        (BEN, set(step(), &[("phase", 0, rid(0x20).into(), rid(0x21).into())]), Code::Parent),
        (BEN, command(phase(), "close"), Code::Guard),
    ] {
        let before = house.memory.clone();
        let settled = house.does(who, std::slice::from_ref(&deed));
        assert_eq!(
            (outcome(&settled), code(&settled)),
            ((Outcome::Rejected, Class::Rejected), Some(expected)),
            "{deed:?}"
        );
        assert!(settled.receipts[0].reason.as_ref().is_some_and(|reason| reason.says.ends_with('.')), "{settled:?}");
        assert_eq!((settled.entries.len(), settled.touched.len(), settled.sums.len()), (0, 0, 0));
        assert_eq!((&before.records, before.head), (&house.memory.records, house.memory.head), "{deed:?}");
    }
}

#[test]
fn another_persons_own_things_are_out_of_reach() {
    let dashboard = (Kind::Dashboard, 0x70);
    let mut house = House::new();
    assert_eq!(outcome(&house.does(VIEWER, &[create(dashboard, &[("title", text("Mine"))])])).0, Outcome::Applied);
    assert_eq!(house.record(dashboard).scope, Scope::Personal(mid(VIEWER)));
    let widget = [("dashboard", rid(0x70).into()), ("sort", text("my_tasks"))];
    assert_eq!(outcome(&house.does(VIEWER, &[create((Kind::Widget, 0x71), &widget)])).0, Outcome::Applied);
    assert_eq!(code(&house.does(OWNER, &[create((Kind::Widget, 0x72), &widget)])), Some(Code::Parent));
    let settled = house.edits(OWNER, dashboard, "title", text("Hers"));
    assert_eq!(settled.quarantined.len(), 1);
    assert_eq!(house.get(dashboard, "title"), text("Mine"));
}

#[test]
fn a_resend_gets_the_same_answer_and_changes_nothing() {
    let mut house = House::new();
    let intent = house.intent(&[set(task(), &[("title", 0, text("Dig"), text("Dig deep"))])]);
    let first = house.settle(by(BEN), &intent);
    let before = house.memory.clone();
    let again = house.settle(by(BEN), &intent);
    assert_eq!(again.receipts, first.receipts);
    assert_eq!(Settled { receipts: first.receipts, ..Settled::default() }, again);
    assert_eq!(
        (before.records, before.head, before.receipts),
        (house.memory.records, house.memory.head, house.memory.receipts)
    );
}

#[test]
fn the_same_id_with_other_bytes_is_refused_and_the_first_answer_stays() {
    let mut house = House::new();
    let mut intent = house.intent(&[set(task(), &[("title", 0, text("Dig"), text("Dig deep"))])]);
    let first = house.settle(by(BEN), &intent);
    intent[0].digest ^= 1;
    let settled = house.settle(by(BEN), &intent);
    assert_eq!((code(&settled), settled.kept.len()), (Some(Code::Reused), 0));
    intent[0].digest ^= 1;
    assert_eq!(house.settle(by(BEN), &intent).receipts, first.receipts);
}

#[test]
fn ops_of_an_intent_fail_together() {
    let mut house = House::new();
    let head = house.memory.head;
    let fine = set(task(), &[("title", 0, text("Dig"), text("Dig deep"))]);
    let settled = house.does(BEN, &[fine.clone(), delete((Kind::Task, 0x99)), fine]);
    let codes: Vec<_> =
        settled.receipts.iter().map(|receipt| receipt.reason.as_ref().map(|reason| reason.code)).collect();
    assert_eq!(codes, [Some(Code::Intent), Some(Code::Missing), Some(Code::Intent)]);
    assert_eq!((house.memory.head, house.get(task(), "title")), (head, text("Dig")));
    assert_eq!(settled.kept.len(), 3);
}

#[test]
fn an_op_is_refused_with_what_it_needs() {
    let mut house = House::new();
    let refused = house.intent(&[create((Kind::Step, 0x33), &[("phase", rid(0x99).into()), ("title", text("X"))])]);
    house.settle(by(BEN), &refused);
    let needs = house.freeze(
        IntentId(Uuid::nil()),
        vec![refused[0].op.id],
        &create((Kind::Task, 0x41), &[("step", rid(0x33).into()), ("title", text("X"))]),
    );
    assert_eq!(code(&house.settle(by(BEN), &[needs])), Some(Code::Dependency));
}

#[test]
fn who_no_longer_belongs_is_held_until_an_owner_decides() {
    let mut house = House::new();
    let made = house.intent(&[create((Kind::Task, 0x41), &[("step", rid(0x30).into()), ("title", text("Late"))])]);
    let needs = house.freeze(IntentId(Uuid::nil()), vec![made[0].op.id], &delete((Kind::Task, 0x41)));
    for intent in [&made, &vec![needs.clone()]] {
        let settled = house.settle(by(GONE), intent);
        assert_eq!((outcome(&settled).0, code(&settled)), (Outcome::Quarantined, Some(Code::Forbidden)));
    }
    assert_eq!(house.memory.quarantine.len(), 2);
    // Back again, but what the second needs is still held.
    house.edits(OWNER, (Kind::Member, GONE), "active", true.into());
    let third = house.freeze(IntentId(Uuid::from_u128(1)), vec![made[0].op.id], &restore((Kind::Task, 0x41)));
    assert_eq!(outcome(&house.settle(by(GONE), &[third])).0, Outcome::Quarantined);
    let released = |by| Author { member: mid(GONE), authority: Authority::Released(mid(by)) };
    let settled = house.settle(released(ADMIN), &made);
    assert_eq!((outcome(&settled).0, settled.kept.len()), (Outcome::Quarantined, 0), "only an owner releases");
    let settled = house.settle(released(OWNER), &made);
    assert_eq!(outcome(&settled), (Outcome::Applied, Class::Plain));
    assert_eq!(settled.entries[0].by, Some(mid(GONE)));
    assert_eq!(house.get((Kind::Task, 0x41), "title"), text("Late"));
    assert!(!house.memory.quarantine.contains(&made[0].op.id));
    assert_eq!(house.settle(by(GONE), &made).receipts, settled.receipts);
}

#[test]
fn a_project_out_of_sight_holds_what_was_written_before() {
    let mut house = House::new();
    let record = house.record(project());
    let both = set(
        project(),
        &[("private", 0, Value::Null, true.into()), ("members", record.version("members"), Value::Null, ids(&[CLEO]))],
    );
    let settled = house.does(OWNER, &[both]);
    assert_eq!(settled.access_changed, [Access::Project(rid(0x10))]);
    assert_eq!(outcome(&house.edits(BEN, task(), "title", text("Unseen"))).0, Outcome::Quarantined);
    for seer in [CLEO, ADMIN, OWNER] {
        assert_eq!(outcome(&house.edits(seer, task(), "title", seer.to_string().into())).0, Outcome::Applied);
    }
}

#[test]
fn a_create_gets_its_first_values() {
    let mut house = House::new();
    let first = house.record(task());
    for (field, value) in
        [("status", text("not_started")), ("priority", text("normal")), ("progress", 0.into()), ("number", 1.into())]
    {
        assert_eq!(first.get(field), &value, "{field}");
    }
    assert_eq!(first.scope, Scope::Project(rid(0x10)));
    house.does(BEN, &[create((Kind::Comment, 0x50), &[("task", rid(0x40).into()), ("text", text("Deep."))])]);
    let comment = house.record((Kind::Comment, 0x50));
    assert_eq!((comment.get("author"), comment.int("written")), (&mid(BEN).into(), Some(house.now_ms - 1_400)));
    house.does(BEN, &[create((Kind::Task, 0x41), &[("step", rid(0x30).into()), ("title", text("Next"))])]);
    assert_eq!(house.get((Kind::Task, 0x41), "number"), 2.into());
}

#[test]
fn a_clock_ahead_of_the_servers_is_not_believed() {
    let mut house = House::new();
    let mut ahead =
        house.intent(&[create((Kind::Comment, 0x50), &[("task", rid(0x40).into()), ("text", text("Deep."))])]);
    ahead[0].op.claimed_ms = i64::MAX;
    house.settle(by(BEN), &ahead);
    assert_eq!(house.record((Kind::Comment, 0x50)).int("written"), Some(house.now_ms));
}

#[test]
fn every_rule_decides_and_keeps_the_loser() {
    let (conflict, superseded) = ("conflict", "superseded");
    // (field, was, theirs, mine) -> (stands, outcome, class, kept value and the class of the record that keeps it)
    for (field, was, theirs, mine, stands, expected, kept) in [
        (
            "title",
            text("Dig"),
            text("Dig here"),
            text("Dig deep"),
            text("Dig deep"),
            (Outcome::Applied, Class::Merged),
            Some((text("Dig here"), superseded)),
        ),
        (
            "status",
            text("not_started"),
            text("done"),
            text("in_progress"),
            text("done"),
            (Outcome::Superseded, Class::Merged),
            Some((text("in_progress"), superseded)),
        ),
        (
            "status",
            text("not_started"),
            text("in_progress"),
            text("done"),
            text("done"),
            (Outcome::Applied, Class::Merged),
            Some((text("in_progress"), superseded)),
        ),
        (
            "progress",
            0.into(),
            50.into(),
            40.into(),
            50.into(),
            (Outcome::Superseded, Class::Merged),
            Some((40.into(), superseded)),
        ),
        (
            "estimate",
            Value::Null,
            60.into(),
            90.into(),
            60.into(),
            (Outcome::Superseded, Class::Conflict),
            Some((90.into(), conflict)),
        ),
        (
            "assignees",
            Value::Null,
            ids(&[BEN]),
            ids(&[CLEO]),
            ids(&[BEN, CLEO]),
            (Outcome::Merged, Class::Merged),
            None,
        ),
        (
            "description",
            Value::Null,
            text("Wide"),
            text("Deep"),
            text("Wide"),
            (Outcome::Superseded, Class::Conflict),
            Some((text("Deep"), conflict)),
        ),
        (
            "rank",
            Value::Null,
            text("V"),
            text("b"),
            text("b"),
            (Outcome::Applied, Class::Merged),
            Some((text("V"), superseded)),
        ),
        ("title", text("Dig"), text("Same"), text("Same"), text("Same"), (Outcome::Applied, Class::Noise), None),
    ] {
        let mut house = House::new();
        let base = house.record(task()).version(field);
        house.edits(CLEO, task(), field, theirs);
        let settled = house.does(BEN, &[set(task(), &[(field, base, was, mine)])]);
        assert_eq!((house.get(task(), field), outcome(&settled)), (stands.clone(), expected), "{field}");
        match kept {
            None => assert!(house.live(Kind::Conflict).is_empty(), "{field}"),
            Some((loser, class)) => {
                let record = house.conflict();
                let (name, _, mine, theirs) = part(record);
                assert_eq!((name, mine, theirs), (text(field), loser, stands), "{field}");
                assert_eq!(
                    (record.text("class"), record.text("state")),
                    (class, if class == conflict { "open" } else { "settled" })
                );
                let lost = settled.receipts[0].outcome == Outcome::Superseded;
                assert_eq!(settled.receipts[0].conflict, lost.then_some(record.id));
                let (loses, wins) = if lost { (BEN, CLEO) } else { (CLEO, BEN) };
                assert_eq!(
                    (record.get("mine_by"), record.get("theirs_by")),
                    (&mid(loses).into(), &mid(wins).into()),
                    "{field}"
                );
                assert_eq!((record.scope, record.reference("of")), (Scope::Project(rid(0x10)), Some(rid(0x40))));
            }
        }
    }
}

#[test]
fn the_author_of_a_replaced_edit_is_told_and_one_alone_is_not() {
    let mut house = House::new();
    let base = house.record(task()).version("title");
    house.edits(CLEO, task(), "title", text("Dig here"));
    house.does(BEN, &[set(task(), &[("title", base, text("Dig"), text("Dig deep"))])]);
    assert_eq!(house.told(), [to(CLEO, "superseded")]);
    house.does(BEN, &[set(task(), &[("title", base, text("Dig"), text("Dig deeper"))])]);
    assert_eq!(house.told(), [to(CLEO, "superseded")]);
}

#[test]
fn a_conflict_calls_both_authors_and_is_settled_by_ordinary_ops() {
    let mut house = House::new();
    house.edits(CLEO, task(), "estimate", 60.into());
    house.does(BEN, &[set(task(), &[("estimate", 0, Value::Null, 90.into())])]);
    assert_eq!(house.told(), [to(BEN, "conflict"), to(CLEO, "conflict")]);
    let conflict = (Kind::Conflict, house.conflict().id.0.as_u128());
    let settle =
        set(conflict, &[("state", 0, text("open"), text("settled")), ("resolution", 0, Value::Null, text("use_mine"))]);
    let base = house.record(task()).version("estimate");
    let settled = house.does(CLEO, &[set(task(), &[("estimate", base, 60.into(), 90.into())]), settle]);
    assert_eq!(
        settled.receipts.iter().map(|receipt| receipt.outcome).collect::<Vec<_>>(),
        [Outcome::Applied, Outcome::Applied]
    );
    assert_eq!(house.get(task(), "estimate"), 90.into());
    let record = house.record(conflict);
    assert_eq!(
        (record.text("state"), record.get("settled_by"), record.int("settled_at")),
        ("settled", &mid(CLEO).into(), Some(house.now_ms))
    );
    assert_eq!(code(&house.does(OWNER, &[delete(conflict)])), Some(Code::Forbidden));
}

#[test]
fn of_two_who_settle_a_conflict_apart_the_second_is_told() {
    let mut house = House::new();
    house.edits(CLEO, task(), "estimate", 60.into());
    house.does(BEN, &[set(task(), &[("estimate", 0, Value::Null, 90.into())])]);
    let conflict = (Kind::Conflict, house.conflict().id.0.as_u128());
    let (seen, base) = (house.record(conflict).version("state"), house.record(task()).version("estimate"));
    let settle = |seen: u64, was: &str, how: &str| {
        set(conflict, &[("state", seen, text(was), text("settled")), ("resolution", seen, Value::Null, text(how))])
    };
    let mine = set(task(), &[("estimate", base, 60.into(), 90.into())]);
    house.does(CLEO, &[settle(seen, "open", "keep_theirs")]);
    // The same again is no news.
    assert_eq!(outcome(&house.does(OWNER, &[settle(seen, "open", "keep_theirs")])), (Outcome::Applied, Class::Noise));
    // Something else is refused with everything that goes with it.
    let settled = house.does(BEN, &[mine.clone(), settle(seen, "open", "use_mine")]);
    assert_eq!(settled.receipts.iter().map(|receipt| receipt.outcome).collect::<Vec<_>>(), [Outcome::Rejected; 2]);
    let says = settled.receipts.iter().filter_map(|receipt| Some(receipt.reason.as_ref()?.says.as_str()));
    assert!(says.clone().any(|says| says.contains("settled this conflict meanwhile")), "{:?}", settled.receipts);
    assert_eq!(house.get(task(), "estimate"), 60.into());
    // Whoever has seen how it was settled may settle it otherwise.
    let seen = house.record(conflict).version("state");
    house.does(BEN, &[mine, settle(seen, "settled", "use_mine")]);
    assert_eq!((house.get(task(), "estimate"), house.get(conflict, "resolution")), (90.into(), text("use_mine")));
}

#[test]
fn dates_win_or_lose_together() {
    let dates = |base, was: (&str, &str), now: (&str, &str)| {
        let value = |text: &str| if text.is_empty() { Value::Null } else { text.into() };
        set(task(), &[("start", base, value(was.0), value(now.0)), ("due", base, value(was.1), value(now.1))])
    };
    let mut house = House::new();
    house.does(CLEO, &[dates(0, ("", ""), ("2026-05-01", "2026-05-09"))]);
    let settled = house.does(BEN, &[dates(0, ("", ""), ("", "2026-04-01"))]);
    assert_eq!(outcome(&settled), (Outcome::Applied, Class::Merged));
    assert_eq!((house.get(task(), "start"), house.get(task(), "due")), (Value::Null, text("2026-04-01")));
    assert_eq!(house.conflict().get("parts").as_list().len(), 2);
}

#[test]
fn a_policy_changes_the_rule_from_the_next_intent_on() {
    let mut house = House::new();
    let policy = (Kind::Policy, 0x63);
    house.does(
        ADMIN,
        &[create(policy, &[("of_kind", text("task")), ("of_field", text("title")), ("rule", text("ask"))])],
    );
    let base = house.record(task()).version("title");
    house.edits(CLEO, task(), "title", text("Dig here"));
    let settled = house.does(BEN, &[set(task(), &[("title", base, text("Dig"), text("Dig deep"))])]);
    assert_eq!(outcome(&settled), (Outcome::Superseded, Class::Conflict));
    assert_eq!(house.live(Kind::AuditEntry).iter().filter(|entry| entry.text("says").contains("now ask")).count(), 1);
    house.does(ADMIN, &[delete(policy)]);
    let settled = house.does(BEN, &[set(task(), &[("title", base, text("Dig"), text("Dig deep"))])]);
    assert_eq!(outcome(&settled), (Outcome::Applied, Class::Merged));
}

#[test]
fn sensitive_values_are_shown_to_their_author_alone() {
    let mut house = House::new();
    house.edits(CLEO, project(), "budget", 100.into());
    let settled = house.does(BEN, &[set(project(), &[("budget", 0, Value::Null, 900.into())])]);
    assert_eq!(outcome(&settled), (Outcome::Superseded, Class::Merged));
    let redacted = Value::Map([("redacted".to_owned(), true.into())].into());
    assert_eq!(part(house.conflict()), (text("budget"), redacted.clone(), redacted.clone(), redacted.clone()));
    let told = |house: &House, value: i64| [BEN, CLEO, OWNER].map(|who| house.told_alone(who, &value.into()));
    assert_eq!((told(&house, 900), told(&house, 100)), ([true, false, false], [false; 3]));
    // The one that stood goes under a rule by which the later wins: now its author is the one who has to be shown it.
    let policy = [("of_kind", text("project")), ("of_field", text("budget")), ("rule", text("latest"))];
    house.does(ADMIN, &[create((Kind::Policy, 0x63), &policy)]);
    house.does(BEN, &[set(project(), &[("budget", 0, Value::Null, 700.into())])]);
    assert_eq!(house.get(project(), "budget"), 700.into());
    assert_eq!((told(&house, 700), told(&house, 100)), ([false; 3], [false, true, false]));
}

#[test]
fn a_chain_of_pending_edits_lands_as_written() {
    let mut house = House::new();
    let base = house.record(task()).version("title");
    let chain =
        [("Dig", "A"), ("A", "B"), ("B", "C")].map(|(was, now)| set(task(), &[("title", base, text(was), text(now))]));
    for deed in chain {
        assert_eq!(outcome(&house.does(BEN, &[deed])), (Outcome::Applied, Class::Plain));
    }
    assert_eq!(house.get(task(), "title"), text("C"));
    assert!(house.live(Kind::Conflict).is_empty());
}

#[test]
fn deleting_takes_everything_below_and_restoring_brings_it_back() {
    let mut house = House::new();
    let comment = (Kind::Comment, 0x50);
    let earlier = (Kind::Task, 0x41);
    house.does(BEN, &[create(comment, &[("task", rid(0x40).into()), ("text", text("Deep."))])]);
    house.does(BEN, &[create(earlier, &[("step", rid(0x30).into()), ("title", text("Earlier"))])]);
    house.does(BEN, &[delete(earlier)]);
    house.edits(BEN, task(), "status", text("done"));
    let before: Vec<_> = [phase(), step(), task(), comment].map(|of| house.record(of)).into();
    let totals = Totals::held_by(&house.record(project()));

    let settled = house.does(BEN, &[delete(phase())]);
    assert_eq!(settled.entries.iter().filter(|entry| entry.effect == Effect::Delete).count(), 4);
    assert!([phase(), step(), task(), comment].iter().all(|of| house.record(*of).deleted));
    assert_eq!(Totals::held_by(&house.record(project())), Totals::default());

    assert_eq!(outcome(&house.does(BEN, &[delete(phase())])), (Outcome::Applied, Class::Noise));
    house.does(CLEO, &[restore(task())]);
    for before in before {
        let after = house.memory.records.get(&before.key()).cloned().expect("the record is there");
        assert!(!after.deleted);
        let values = |record: &Record| {
            record.fields.iter().map(|(name, field)| (name.clone(), field.value.clone())).collect::<BTreeMap<_, _>>()
        };
        assert_eq!(values(&after), values(&before));
    }
    assert_eq!(Totals::held_by(&house.record(project())), totals);
    assert!(house.record(earlier).deleted, "it was deleted by itself before");
    assert_eq!(outcome(&house.does(BEN, &[restore(task())])), (Outcome::Applied, Class::Noise));
}

#[test]
fn an_edit_of_something_deleted_waits_and_can_be_restored() {
    let mut house = House::new();
    let was = house.record(task());
    house.does(CLEO, &[delete(step())]);
    let edit = set(task(), &[("title", was.version("title"), text("Dig"), text("Dig deep"))]);
    let settled = house.does(BEN, &[edit]);
    assert_eq!(outcome(&settled), (Outcome::Superseded, Class::DeleteWins));
    let record = house.conflict();
    assert_eq!((record.text("class"), record.text("state"), record.text("title")), ("delete_wins", "open", "Dig"));
    assert_eq!((record.get("mine_by"), record.get("theirs_by")), (&mid(BEN).into(), &mid(CLEO).into()));
    assert_eq!(part(record), (text("title"), text("Dig"), text("Dig deep"), Value::Null));
    assert_eq!(house.told(), [to(BEN, "conflict"), to(CLEO, "conflict")]);
    let settled = house.does(BEN, &[restore(task()), set(task(), &[("title", 0, text("Dig"), text("Dig deep"))])]);
    assert!(settled.receipts.iter().all(|receipt| receipt.outcome == Outcome::Applied));
    assert_eq!((house.get(task(), "title"), house.record(step()).deleted), (text("Dig deep"), false));
}

#[test]
fn what_is_made_under_something_deleted_comes_back_with_it() {
    let mut house = House::new();
    house.does(CLEO, &[delete(phase())]);
    let made = [
        create((Kind::Task, 0x41), &[("step", rid(0x30).into()), ("title", text("Offline"))]),
        create((Kind::Comment, 0x51), &[("task", rid(0x41).into()), ("text", text("Under it."))]),
    ];
    let settled = house.does(BEN, &made);
    assert!(
        settled
            .receipts
            .iter()
            .all(|receipt| (receipt.outcome, receipt.class) == (Outcome::Superseded, Class::DeleteWins))
    );
    assert_eq!(house.live(Kind::Conflict).len(), 2);
    house.does(BEN, &[restore((Kind::Comment, 0x51))]);
    assert_eq!(house.get((Kind::Task, 0x41), "title"), text("Offline"));
    assert!([(Kind::Task, 0x41), (Kind::Comment, 0x51), step(), task()].iter().all(|of| !house.record(*of).deleted));
    assert_eq!(house.get(project(), "tasks_total"), 2.into());
}

#[test]
fn a_deletion_keeps_what_others_wrote_after_its_author_last_looked() {
    let mut house = House::new();
    house.edits(CLEO, step(), "title", text("Seen"));
    let seen = house.memory.head;
    house.edits(CLEO, step(), "title", text("South"));
    house.edits(CLEO, task(), "title", text("Dig here"));
    house.edits(BEN, task(), "priority", text("high"));
    let settled = house.does(BEN, &[(step(), Action::Delete { seen })]);
    assert_eq!((outcome(&settled), settled.receipts[0].conflict), ((Outcome::Applied, Class::Plain), None));
    let kept: Vec<_> =
        house.live(Kind::Conflict).into_iter().map(|record| (record.reference("of"), part(record).2)).collect();
    assert_eq!(kept.len(), 2);
    assert!(
        kept.contains(&(Some(rid(0x30)), text("South"))) && kept.contains(&(Some(rid(0x40)), text("Dig here"))),
        "{kept:?}"
    );
    for record in house.live(Kind::Conflict) {
        assert_eq!((record.text("class"), record.text("state")), ("delete_wins", "open"));
        assert_eq!((record.get("mine_by"), record.get("theirs_by")), (&mid(CLEO).into(), &mid(BEN).into()));
    }
    assert_eq!(house.told(), [to(BEN, "conflict"), to(CLEO, "conflict")]);
}

#[test]
fn however_much_is_needed_it_is_asked_for_in_few_rounds() {
    let mut house = House::new();
    for number in 0..200u128 {
        let fields = [("name", text("N")), ("role", text("member")), ("active", true.into())];
        house.by_server(&[create((Kind::Member, 0x1000 + number), &fields)]);
        let fields = [("step", rid(0x30).into()), ("title", text("T"))];
        house.does(0x1000 + number, &[create((Kind::Task, 0x2000 + number), &fields)]);
    }
    let many: Vec<u128> = (0..50).map(|number| 0x1000 + number).collect();
    for deed in [set(task(), &[("assignees", 0, Value::Null, ids(&many))]), (phase(), Action::Delete { seen: 0 })] {
        let intent = house.intent(&[deed]);
        let mut working = house.memory.working();
        let mut rounds = 0;
        while let Err(needs) = settle(&mut working, &by(OWNER), &intent, house.now_ms) {
            rounds += 1;
            assert!(rounds < 12, "{needs:?}");
            needs.into_iter().for_each(|need| house.memory.supply(&mut working, need));
        }
    }
}

#[test]
fn closing_counts_what_the_same_intent_finished() {
    let mut house = House::new();
    assert_eq!(code(&house.does(BEN, &[command(phase(), "close")])), Some(Code::Guard));
    let done = set(task(), &[("status", 0, text("not_started"), text("done"))]);
    let settled = house.does(BEN, &[done, command(phase(), "close")]);
    assert!(settled.receipts.iter().all(|receipt| receipt.outcome == Outcome::Applied), "{settled:#?}");
    assert_eq!((house.get(step(), "status"), house.get(phase(), "status")), (text("done"), text("done")));
    assert_eq!((house.get(project(), "progress"), house.get(project(), "tasks_done")), (100.into(), 1.into()));
    house.edits(BEN, task(), "status", text("in_progress"));
    assert_eq!(house.get(step(), "status"), text("in_progress"));
}

#[test]
fn people_are_told_once_of_what_concerns_them() {
    let mut house = House::new();
    house.edits(BEN, task(), "assignees", ids(&[BEN, CLEO, GONE]));
    assert_eq!(house.told(), [to(CLEO, "assigned")]);
    house.does(CLEO, &[create((Kind::Comment, 0x50), &[("task", rid(0x40).into()), ("text", text("Deep."))])]);
    assert_eq!(house.told(), [to(BEN, "commented"), to(CLEO, "assigned")]);
    let both = set(project(), &[("private", 0, Value::Null, true.into()), ("lead", 0, Value::Null, rid(OWNER).into())]);
    house.does(OWNER, &[both]);
    house.edits(OWNER, task(), "assignees", ids(&[BEN, CLEO, GONE, VIEWER]));
    assert_eq!(house.told().len(), 2, "the viewer cannot see the project");
}

#[test]
fn roles_change_within_what_each_role_may() {
    let mut house = House::new();
    for (who, whom, field, now, expected) in [
        (ADMIN, BEN, "role", text("viewer"), Outcome::Applied),
        (ADMIN, BEN, "role", text("member"), Outcome::Applied),
        (ADMIN, CLEO, "active", false.into(), Outcome::Applied),
        (OWNER, ADMIN, "role", text("owner"), Outcome::Applied),
        (OWNER, OWNER, "role", text("member"), Outcome::Applied),
        (ADMIN, ADMIN, "role", text("member"), Outcome::Rejected),
        (BEN, BEN, "active", false.into(), Outcome::Applied),
        (BEN, BEN, "active", true.into(), Outcome::Quarantined),
        (VIEWER, VIEWER, "name", text("Vicky"), Outcome::Applied),
    ] {
        let settled = house.edits(who, (Kind::Member, whom), field, now.clone());
        assert_eq!(outcome(&settled).0, expected, "{who:x} {whom:x} {field} {now:?}");
        let access: &[Access] =
            if expected == Outcome::Applied && field != "name" { &[Access::Member(mid(whom))] } else { &[] };
        assert_eq!(settled.access_changed, access);
    }
    assert!(house.live(Kind::AuditEntry).iter().any(|entry| entry.text("says") == "Ben left the workspace."));
}

#[test]
fn no_kind_stands_under_itself() {
    fn above(kind: Kind, found: &mut BTreeSet<Kind>) {
        for parent in kind.spec().parents {
            if found.insert(parent.kind) {
                above(parent.kind, found);
            }
        }
    }
    for kind in Kind::ALL {
        let mut found = BTreeSet::new();
        above(*kind, &mut found);
        assert!(!found.contains(kind), "{kind:?}");
    }
}
