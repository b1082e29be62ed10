//! How far work is: every task counts into its step, every step into its phase, every phase into its project. Worked out
//! from differences, so that one change touches its ancestors and nothing else. Roll-ups are the server's; nobody ever
//! has to merge one.
//!
//! What is derived, and only this:
//! * `tasks_total`, `tasks_done`, `progress_sum` and `progress` of steps, phases and projects. A task that is done counts
//!   as 100 percent whatever its `progress` says.
//! * a step becomes done at the moment its last unfinished task does, and in progress at the moment one of its finished
//!   tasks is reopened or an unfinished one joins. What a person sets in between stands.
//!
//! A phase or a project is closed by a person, with a guarded command.

use crate::model::choice::Status;
use crate::model::kinds::{Kind, Task};
use crate::model::record::{Key, Record};
use crate::model::value::{Name, Value};
use std::collections::BTreeMap;

/// What lies under a record, or the difference between two states of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Tasks.
    pub tasks: i64,
    /// Tasks that are done.
    pub done: i64,
    /// Their progress, added up, percent points.
    pub progress_sum: i64,
}

impl Totals {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            tasks: self.tasks + other.tasks,
            done: self.done + other.done,
            progress_sum: self.progress_sum + other.progress_sum,
        }
    }
    /// The same the other way round.
    #[must_use]
    pub fn negated(self) -> Self {
        Self { tasks: -self.tasks, done: -self.done, progress_sum: -self.progress_sum }
    }
    /// Mean progress, percent, rounded down; 0 without tasks.
    pub fn progress(self) -> i64 {
        self.progress_sum.checked_div(self.tasks).unwrap_or(0)
    }
    /// Whether there are tasks and all of them are done.
    pub fn complete(self) -> bool {
        self.tasks > 0 && self.done == self.tasks
    }
    /// What a step, phase or project holds.
    pub fn held_by(record: &Record) -> Self {
        let number = |name| record.int(name).unwrap_or(0);
        Self { tasks: number("tasks_total"), done: number("tasks_done"), progress_sum: number("progress_sum") }
    }
}

/// Kinds that count into something above them, lowest first: the order in which differences are carried up.
pub const LEVELS: [Kind; 3] = [Kind::Task, Kind::Step, Kind::Phase];

/// What this record counts for, and into which record; `None` if it counts for nothing.
pub fn share(record: &Record) -> Option<(Key, Totals)> {
    let counts = !record.deleted && LEVELS.contains(&record.kind);
    let parent = record.parent().filter(|_| counts)?;
    let totals = if record.kind == Kind::Task { of_task(&Task(record)) } else { Totals::held_by(record) };
    Some((parent, totals))
}

/// One task.
fn of_task(task: &Task<'_>) -> Totals {
    let done = task.status() == Some(Status::Done);
    let progress = if done { 100 } else { task.progress().unwrap_or(0) };
    Totals { tasks: 1, done: i64::from(done), progress_sum: progress }
}

/// Adds up, by parent, what changed from one state of a share to the next.
pub fn carry(into: &mut BTreeMap<Key, Totals>, before: Option<(Key, Totals)>, after: Option<(Key, Totals)>) {
    if before == after {
        return;
    }
    for (parent, totals) in before.map(|(parent, totals)| (parent, totals.negated())).into_iter().chain(after) {
        let slot = into.entry(parent).or_default();
        *slot = slot.plus(totals);
    }
}

/// The derived fields of a step, phase or project that change by this difference.
pub fn derived(record: &Record, difference: Totals) -> BTreeMap<Name, Value> {
    let (was, is) = (Totals::held_by(record), Totals::held_by(record).plus(difference));
    let mut fields = totals(is);
    if record.kind == Kind::Step {
        match (was.complete(), is.complete()) {
            (false, true) => drop(fields.insert("status".into(), Status::Done.into())),
            (true, false) if record.text("status") == Status::Done.name() && is.tasks > 0 => {
                fields.insert("status".into(), Status::InProgress.into());
            }
            _ => {}
        }
    }
    fields.retain(|name, value| record.get(name.as_str()) != value);
    fields
}

/// Totals as the fields that hold them.
pub fn totals(of: Totals) -> BTreeMap<Name, Value> {
    BTreeMap::from([
        ("tasks_total".into(), of.tasks.into()),
        ("tasks_done".into(), of.done.into()),
        ("progress_sum".into(), of.progress_sum.into()),
        ("progress".into(), of.progress().into()),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::RecordId;
    use crate::model::record::Field;
    use crate::model::scope::Scope;

    fn id(number: u128) -> RecordId {
        RecordId(uuid::Uuid::from_u128(number))
    }

    fn record(kind: Kind, number: u128, fields: &[(&'static str, Value)]) -> Record {
        let field = |value: &Value| Field { value: value.clone(), version: 1 };
        let fields = fields.iter().map(|(name, value)| ((*name).into(), field(value))).collect();
        Record { kind, id: id(number), scope: Scope::Project(id(1)), fields, seq: 1, deleted: false }
    }

    fn task(step: u128, status: Status, progress: i64) -> Record {
        record(Kind::Task, 9, &[("step", id(step).into()), ("status", status.into()), ("progress", progress.into())])
    }

    fn step(tasks: i64, done: i64, status: Status) -> Record {
        let mut step = record(Kind::Step, 3, &[("phase", id(2).into()), ("status", status.into())]);
        for (name, value) in totals(Totals { tasks, done, progress_sum: done * 100 }) {
            step.fields.insert(name, Field { value, version: 1 });
        }
        step
    }

    #[test]
    fn a_share_follows_state_and_place() {
        let parent = Key::new(Kind::Step, id(3));
        let totals = |tasks, done, progress_sum| Totals { tasks, done, progress_sum };
        let mut gone = task(3, Status::Done, 10);
        gone.deleted = true;
        for (record, expected) in [
            (gone, None),
            (record(Kind::Task, 9, &[]), None),
            (record(Kind::Milestone, 9, &[("project", id(1).into())]), None),
            (task(3, Status::NotStarted, 0), Some((parent, totals(1, 0, 0)))),
            (task(3, Status::Blocked, 40), Some((parent, totals(1, 0, 40)))),
            (task(3, Status::Done, 40), Some((parent, totals(1, 1, 100)))),
            (step(4, 3, Status::InProgress), Some((Key::new(Kind::Phase, id(2)), totals(4, 3, 300)))),
        ] {
            assert_eq!(share(&record), expected, "{record:?}");
        }
    }

    #[test]
    fn moving_takes_from_one_and_gives_to_the_other() {
        let mut into = BTreeMap::new();
        carry(&mut into, share(&task(3, Status::Done, 0)), share(&task(4, Status::InProgress, 50)));
        carry(&mut into, share(&task(5, Status::Done, 0)), share(&task(5, Status::Done, 50)));
        let moved = |tasks, done, progress_sum| Totals { tasks, done, progress_sum };
        let expected =
            [(Key::new(Kind::Step, id(3)), moved(-1, -1, -100)), (Key::new(Kind::Step, id(4)), moved(1, 0, 50))];
        assert_eq!(into, BTreeMap::from(expected));
    }

    #[test]
    fn a_step_follows_its_tasks_only_at_the_turning_points() {
        let difference = |tasks, done| Totals { tasks, done, progress_sum: done * 100 };
        for (before, change, status) in [
            (step(2, 1, Status::InProgress), difference(0, 1), Some("done")),
            (step(2, 1, Status::Blocked), difference(-1, 0), Some("done")),
            (step(2, 2, Status::Done), difference(0, -1), Some("in_progress")),
            (step(2, 2, Status::Done), difference(1, 0), Some("in_progress")),
            (step(2, 2, Status::Blocked), difference(0, -1), None),
            (step(2, 0, Status::Done), difference(0, 1), None),
            (step(1, 1, Status::Done), difference(-1, -1), None),
            (step(1, 0, Status::NotStarted), difference(1, 0), None),
        ] {
            let fields = derived(&before, change);
            assert_eq!(fields.get("status").and_then(Value::as_text), status, "{before:?} {change:?}");
        }
    }

    #[test]
    fn progress_is_a_mean_rounded_down() {
        for (tasks, progress_sum, progress) in [(0, 0, 0), (3, 200, 66), (3, 300, 100), (7, 1, 0)] {
            assert_eq!(Totals { tasks, done: 0, progress_sum }.progress(), progress);
        }
    }
}
