//! What people do: given what a tab shows and some dice, the drafts of one intent that a person could have made there.

use crate::model::choice::{ConflictClass, ConflictState, Priority, Resolution, Role, Status};
use crate::model::id::{MemberId, RecordId};
use crate::model::kinds::Kind;
use crate::model::record::{Key, Record};
use crate::model::value::{Name, Value};
use crate::sync::replica::Draft;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::collections::BTreeMap;
use uuid::Uuid;

/// Of each kind, people edit only this many records.
const SAME_RECORDS: usize = 2;

/// What a person did, for whoever reads a failure.
pub fn told(draft: &Draft) -> String {
    let key = draft.key();
    let id = key.id.to_string();
    let record = format!("{} {}", key.kind.spec().name, id.get(..8).unwrap_or(&id));
    let list = |values: &BTreeMap<Name, Value>| {
        let values = values.iter().map(|(name, value)| format!("{name} = {}", brief(value)));
        values.collect::<Vec<_>>().join(", ")
    };
    match draft {
        Draft::Create { fields, .. } => format!("makes {record}: {}", list(fields)),
        Draft::Set { values, .. } => format!("sets {} of {record}", list(values)),
        Draft::Edit { changes, .. } => {
            let values = changes.iter().map(|(name, change)| (name.clone(), change.now.clone())).collect();
            format!("sets {} of {record}, as somebody who saw something older", list(&values))
        }
        Draft::Delete { .. } => format!("deletes {record}"),
        Draft::Restore { .. } => format!("restores {record}"),
        Draft::Command { name, .. } => format!("does \"{name}\" to {record}"),
    }
}

/// A value in one short line; of an id its beginning.
fn brief(value: &Value) -> String {
    match value {
        Value::Text(text) if Uuid::try_parse(text).is_ok() => text.get(..8).unwrap_or(text).to_owned(),
        Value::Text(text) => format!("{text:?}"),
        Value::List(entries) => format!("[{}]", entries.iter().map(brief).collect::<Vec<_>>().join(", ")),
        Value::Map(parts) => {
            let parts = parts.iter().map(|(name, part)| format!("{name}: {}", brief(part)));
            format!("{{{}}}", parts.collect::<Vec<_>>().join(", "))
        }
        Value::Null => "nothing".to_owned(),
        Value::Bool(yes) => yes.to_string(),
        Value::Int(number) => number.to_string(),
    }
}

/// A person with dice in hand, in front of what they see.
pub struct Person<'a> {
    rng: ChaCha8Rng,
    sees: &'a [Record],
    members: &'a [MemberId],
}

impl<'a> Person<'a> {
    /// A person who sees these live records.
    pub fn new(dice: u64, sees: &'a [Record], members: &'a [MemberId]) -> Self {
        Self { rng: ChaCha8Rng::seed_from_u64(dice), sees, members }
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.rng.next_u64() % bound.max(1) as u64) as usize
    }
    fn id(&mut self) -> RecordId {
        RecordId(Uuid::from_u64_pair(self.rng.next_u64(), self.rng.next_u64()))
    }
    fn one(&mut self, kind: Kind) -> Option<&'a Record> {
        let sees = self.sees;
        // Few records, so that people meet on them.
        let of_kind: Vec<&Record> = sees.iter().filter(|record| record.kind == kind).take(SAME_RECORDS).collect();
        let pick = self.below(of_kind.len());
        of_kind.get(pick).copied()
    }
    fn word(&mut self) -> String {
        const WORDS: &[&str] =
            &["trench", "cable", "gate", "meter", "duct", "bracket", "survey", "permit", "earth", "fuse"];
        let (first, second) = (self.below(WORDS.len()), self.below(WORDS.len()));
        format!("{} {}", WORDS[first], WORDS[second])
    }

    /// One intent, or none where there is nothing to edit.
    pub fn edit(&mut self) -> Vec<Draft> {
        // Without a task there is little to disagree about.
        if self.one(Kind::Task).is_none() && self.below(2) == 0 {
            return self.make_project();
        }
        match self.below(30) {
            0 => self.make_project(),
            1 => self.make_under(Kind::Project, Kind::Phase, "project", "title"),
            2 => self.make_under(Kind::Phase, Kind::Step, "phase", "title"),
            3 | 4 => self.make_under(Kind::Step, Kind::Task, "step", "title"),
            5 => self.make_under(Kind::Task, Kind::Comment, "task", "text"),
            6 => vec![Draft::create(Kind::Note, self.id()).with("title", self.word()).with("body", self.lines())],
            7 => self.delete(),
            8 => self.move_task(),
            9 => self.close(),
            10 | 11 => self.settle(),
            12 => self.change_note(),
            _ => self.change_task(),
        }
    }

    /// A whole branch at once, as a template would make it: later drafts stand under earlier ones.
    fn make_project(&mut self) -> Vec<Draft> {
        let (project, phase, step) = (self.id(), self.id(), self.id());
        let mut drafts = vec![
            Draft::create(Kind::Project, project).with("title", self.word()),
            Draft::create(Kind::Phase, phase).with("title", self.word()).with("project", project),
            Draft::create(Kind::Step, step).with("title", self.word()).with("phase", phase),
        ];
        for _ in 0..self.below(3) {
            drafts.push(Draft::create(Kind::Task, self.id()).with("title", self.word()).with("step", step));
        }
        drafts
    }
    fn make_under(&mut self, above: Kind, kind: Kind, parent: &'static str, text: &'static str) -> Vec<Draft> {
        let Some(above) = self.one(above) else { return Vec::new() };
        vec![Draft::create(kind, self.id()).with(parent, above.id).with(text, self.word())]
    }
    fn delete(&mut self) -> Vec<Draft> {
        let kind = [Kind::Task, Kind::Step, Kind::Phase, Kind::Project, Kind::Note, Kind::Task][self.below(6)];
        self.one(kind).map(|record| Draft::Delete { key: record.key() }).into_iter().collect()
    }
    fn move_task(&mut self) -> Vec<Draft> {
        let (Some(task), Some(step)) = (self.one(Kind::Task), self.one(Kind::Step)) else { return Vec::new() };
        vec![Draft::set(task.key(), "step", step.id)]
    }
    fn close(&mut self) -> Vec<Draft> {
        let kind = [Kind::Project, Kind::Phase, Kind::Step][self.below(3)];
        self.one(kind)
            .map(|record| Draft::Command { key: record.key(), name: Name::new("close") })
            .into_iter()
            .collect()
    }
    fn lines(&mut self) -> String {
        (0..1 + self.below(4)).map(|_| self.word()).collect::<Vec<_>>().join("\n")
    }
    fn change_note(&mut self) -> Vec<Draft> {
        let Some(note) = self.one(Kind::Note) else { return Vec::new() };
        let mut lines: Vec<String> = note.text("body").lines().map(str::to_owned).collect();
        let place = self.below(lines.len() + 1);
        lines.insert(place, self.word());
        vec![Draft::set(note.key(), "body", lines.join("\n"))]
    }

    /// One or two fields of a task, of every merge rule.
    fn change_task(&mut self) -> Vec<Draft> {
        let Some(task) = self.one(Kind::Task) else { return Vec::new() };
        let key = task.key();
        let draft = match self.below(9) {
            0 => Draft::set(key, "title", self.word()),
            1 => Draft::set(key, "status", Status::ALL[self.below(4)]),
            2 => Draft::set(key, "progress", self.below(101) as i64),
            3 => Draft::set(key, "estimate", self.below(600) as i64),
            4 => Draft::set(key, "assignees", self.toggled(task)),
            5 => Draft::set(key, "checklist", self.ticked(task)),
            6 => Draft::set(key, "due", format!("2026-12-{:02}", 1 + self.below(28))),
            7 => Draft::set(key, "description", self.lines()),
            _ => Draft::set(key, "priority", Priority::ALL[self.below(4)]).with("title", self.word()),
        };
        vec![draft]
    }
    /// The assignees with one more, or one fewer.
    fn toggled(&mut self, task: &Record) -> Value {
        let member = Value::from(self.members[self.below(self.members.len())]);
        let mut assignees = task.get("assignees").as_list().to_vec();
        match assignees.iter().position(|entry| *entry == member) {
            Some(place) => drop(assignees.remove(place)),
            None => assignees.push(member),
        }
        crate::model::catalog::as_set(assignees)
    }
    /// The checklist with one more entry, or one ticked.
    fn ticked(&mut self, task: &Record) -> Value {
        let mut entries = task.get("checklist").as_list().to_vec();
        let pick = self.below(entries.len() + 1);
        match entries.get_mut(pick) {
            Some(Value::Map(parts)) => {
                parts.insert("done".to_owned(), Value::Bool(true));
            }
            _ => entries.push(Value::Map(BTreeMap::from([
                ("id".to_owned(), Value::from(self.id())),
                ("text".to_owned(), Value::from(self.word())),
                ("done".to_owned(), Value::Bool(false)),
            ]))),
        }
        Value::List(entries)
    }

    /// Settles an open conflict the way its screen does.
    fn settle(&mut self) -> Vec<Draft> {
        let sees = self.sees;
        let open: Vec<&Record> = sees
            .iter()
            .filter(|record| record.kind == Kind::Conflict && record.text("state") == ConflictState::Open.name())
            .collect();
        let pick = self.below(open.len());
        let Some(conflict) = open.get(pick) else { return Vec::new() };
        let settled = |resolution: Resolution| {
            Draft::set(conflict.key(), "state", ConflictState::Settled).with("resolution", resolution)
        };
        let Some(of) = Kind::from_name(conflict.text("of_kind")).zip(conflict.reference("of")) else {
            return Vec::new();
        };
        let key = Key::new(of.0, of.1);
        if conflict.text("class") == ConflictClass::DeleteWins.name() {
            return match self.below(2) {
                0 => vec![Draft::Restore { key }, settled(Resolution::Restore)],
                _ => vec![settled(Resolution::KeepTheirs)],
            };
        }
        let mine = conflict.get("parts").as_list().first().and_then(Value::as_map).and_then(|part| {
            let name = part.get("name").and_then(Value::as_text)?;
            Some((of.0.spec().field(name)?.name, part.get("mine")?.clone()))
        });
        match mine.filter(|_| self.below(2) == 0 && self.sees.iter().any(|record| record.key() == key)) {
            Some((name, value)) => {
                vec![Draft::set(key, name, value), settled(Resolution::UseMine)]
            }
            None => vec![settled(Resolution::KeepTheirs)],
        }
    }

    /// What an owner does about people and privacy.
    pub fn administer(&mut self) -> Vec<Draft> {
        let member = self.members[1 + self.below(self.members.len() - 1)];
        let role = [Role::Viewer, Role::Member, Role::Admin, Role::Member][self.below(4)];
        match self.below(3) {
            0 => self
                .one(Kind::Project)
                .map(|project| Draft::set(project.key(), "private", !project.yes("private")))
                .into_iter()
                .collect(),
            1 => self
                .one(Kind::Project)
                .map(|project| {
                    let members = if self.below(2) == 0 { Value::from(vec![member]) } else { Value::List(Vec::new()) };
                    Draft::set(project.key(), "members", members)
                })
                .into_iter()
                .collect(),
            _ => vec![Draft::set(Key::new(Kind::Member, member.into()), "role", role)],
        }
    }
}
