//! Lists keep their order and tell only those who watch.

use super::*;
use crate::model::choice::Role;
use crate::model::id::{RecordId, WorkspaceId};
use crate::model::record::Field;
use crate::model::value::Name;
use crate::model::value::Value;
use std::sync::atomic::{AtomicUsize, Ordering};
use uuid::Uuid;

fn id(number: u128) -> RecordId {
    RecordId(Uuid::from_u128(number))
}

fn project() -> Key {
    Key::new(Kind::Project, id(1))
}

fn record(kind: Kind, number: u128, fields: &[(&'static str, Value)]) -> Record {
    Record {
        kind,
        id: id(number),
        scope: Scope::Project(project().id),
        fields: fields
            .iter()
            .map(|(name, value)| (Name::new(name), Field { value: value.clone(), version: 1 }))
            .collect(),
        seq: 1,
        deleted: false,
    }
}

fn phase(number: u128, rank: &str) -> Record {
    record(Kind::Phase, number, &[("project", project().id.into()), ("title", "p".into()), ("rank", rank.into())])
}

fn task(number: u128, status: TaskStatus, due: &str) -> Record {
    let assignees = Value::List(vec![Value::from(me())]);
    record(Kind::Task, number, &[("status", status.into()), ("due", due.into()), ("assignees", assignees)])
}

fn me() -> MemberId {
    MemberId(Uuid::from_u128(99))
}

fn seed(records: Vec<Record>) -> Seed {
    let viewer = Viewer {
        workspace: WorkspaceId(Uuid::from_u128(50)),
        workspace_name: "North".to_owned(),
        member: me(),
        name: "Ana".to_owned(),
        email: "ana@example.com".to_owned(),
        workspaces: vec![],
    };
    Seed { viewer: Some(viewer), records, ..Seed::default() }
}

fn shown(record: Record) -> Shown {
    Shown { key: record.key(), record: Some(Arc::new(record)), waiting: Waiting::Nothing }
}

fn numbers(keys: &[Key]) -> Vec<u128> {
    keys.iter().map(|key| key.id.0.as_u128()).collect()
}

fn with_records(records: Vec<Record>, check: impl FnOnce(Records)) {
    let owner = Owner::new();
    owner.with(|| check(Records::new(seed(records))));
}

#[test]
fn children_stand_by_rank_and_then_by_id() {
    with_records(vec![phase(2, "b"), phase(4, "a"), phase(3, "a")], |records| {
        let children = records.children(project(), Kind::Phase);
        assert_eq!(numbers(&children.get_untracked()), [3, 4, 2]);
        records.apply(vec![shown(phase(2, "Z"))]);
        assert_eq!(numbers(&children.get_untracked()), [2, 3, 4]);
    });
}

#[test]
fn what_is_deleted_leaves_its_lists_and_its_signal() {
    with_records(vec![phase(2, "a")], |records| {
        let key = Key::new(Kind::Phase, id(2));
        let children = records.children(project(), Kind::Phase);
        let one = records.get(key);
        assert!(one.get_untracked().is_some());
        records.apply(vec![Shown { key, record: None, waiting: Waiting::Nothing }]);
        assert!(children.get_untracked().is_empty());
        assert_eq!(one.get_untracked(), None);
    });
}

#[test]
fn a_tombstone_is_not_shown() {
    with_records(vec![], |records| {
        records.apply(vec![shown(Record { deleted: true, ..phase(2, "a") })]);
        assert_eq!(records.peek(Key::new(Kind::Phase, id(2))), None);
    });
}

#[test]
fn my_tasks_are_the_open_ones_soonest_first() {
    let tasks = vec![
        task(5, TaskStatus::InProgress, "2026-12-01"),
        task(6, TaskStatus::NotStarted, "2026-11-30"),
        task(7, TaskStatus::Done, "2026-11-01"),
    ];
    with_records(tasks, |records| {
        let mine = records.my_tasks();
        assert_eq!(numbers(&mine.get_untracked()), [6, 5]);
        records.apply(vec![shown(task(6, TaskStatus::Done, "2026-11-30"))]);
        assert_eq!(numbers(&mine.get_untracked()), [5]);
    });
}

#[test]
fn a_change_of_one_record_tells_no_other() {
    with_records(vec![phase(2, "a"), phase(3, "b")], |records| {
        let told = Arc::new(AtomicUsize::new(0));
        let other = records.get(Key::new(Kind::Phase, id(3)));
        let counted = told.clone();
        let memo = Memo::new(move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
            other.get()
        });
        memo.get_untracked();
        records.apply(vec![shown(phase(2, "c"))]);
        memo.get_untracked();
        assert_eq!(told.load(Ordering::Relaxed), 1);
        records.apply(vec![shown(phase(3, "d"))]);
        memo.get_untracked();
        assert_eq!(told.load(Ordering::Relaxed), 2);
    });
}

#[test]
fn a_field_that_waits_says_so() {
    with_records(vec![phase(2, "a")], |records| {
        let key = Key::new(Kind::Phase, id(2));
        let title = records.field_state(key, "title");
        let rank = records.field_state(key, "rank");
        let waiting = Waiting::Fields(BTreeSet::from([Name::new("title")]));
        records.apply(vec![Shown { waiting, ..shown(phase(2, "a")) }]);
        assert_eq!(title.get_untracked(), FieldState::OnThisDevice);
        assert_eq!(rank.get_untracked(), FieldState::OnTheServer);
    });
}

#[test]
fn a_viewer_may_only_read() {
    let member = |role: Role| Record {
        scope: Scope::Workspace,
        ..record(Kind::Member, 99, &[("name", "Ana".into()), ("role", role.into()), ("active", true.into())])
    };
    with_records(vec![member(Role::Viewer), phase(2, "a")], |records| {
        let locked = records.locked(Key::new(Kind::Phase, id(2)));
        assert!(locked.get_untracked());
        records.apply(vec![shown(member(Role::Member))]);
        assert!(!locked.get_untracked());
    });
}

#[test]
fn what_is_done_before_the_device_opens_waits_for_it() {
    struct Counting(AtomicUsize);
    impl Device for Counting {
        fn act(&self, _: Vec<Draft>) -> Result<IntentId, Vec<Reason>> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Ok(IntentId(Uuid::nil()))
        }
        fn retry(&self, _: OpId) {}
        fn discard(&self, _: OpId) {}
        fn discard_unreadable(&self, _: u64) {}
        fn export(&self, _: Vec<OpId>) {}
        fn import(&self, _: String) {}
        fn open(&self, _: Scope) {}
        fn persist(&self) {}
        fn update(&self) {}
        fn look_back(&self, _: Box<dyn FnOnce(Result<Activity, ApiError>)>) {}
        fn look_around(&self, _: Box<dyn FnOnce(Result<Presence, ApiError>)>) {}
        fn sign_out(&self, _: Leaving) {}
    }
    with_records(vec![phase(2, "a")], |records| {
        let device = Arc::new(Counting(AtomicUsize::new(0)));
        assert_eq!(records.act(vec![Draft::Delete { key: Key::new(Kind::Phase, id(2)) }]), Ok(()));
        records.attach(device.clone(), None);
        assert_eq!(device.0.load(Ordering::Relaxed), 1);
    });
}

#[test]
fn the_newest_is_taken_back_first_and_nothing_twice() {
    with_records(vec![], |records| {
        let back = |number| vec![Draft::Restore { key: Key::new(Kind::Phase, id(number)) }];
        let said = || records.told().get_untracked().map(|told| told.says).unwrap_or_default();
        for number in 1..=3 {
            records.tell(number.to_string(), Some(back(number)));
        }
        records.tell("3, and more", Some(back(3)));
        records.take_back(&back(2));
        assert_eq!(said(), "Taken back: 2");
        assert!(records.take_back_newest());
        assert_eq!(said(), "Taken back: 3, and more");
        assert!(records.take_back_newest());
        assert_eq!(said(), "Taken back: 1");
        assert!(!records.take_back_newest());
    });
}
