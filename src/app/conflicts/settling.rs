//! Settling a conflict as ordinary edits: which drafts each decision is, and which would take it back. Nothing here is
//! drawn, so the decisions can be tested without a page.

use crate::app::records::{Draft, Records};
use crate::model::catalog::{FieldSpec, Kind};
use crate::model::choice::{ConflictClass, ConflictState, Resolution};
use crate::model::id::RecordId;
use crate::model::kinds::Conflict;
use crate::model::record::{Key, Record};
use crate::model::value::{Name, Value};
use crate::sync::op::Change;
use std::collections::BTreeMap;

/// One field of a conflict, with what both saw and what each left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// As stored.
    pub name: String,
    /// As shown.
    pub label: String,
    /// What both saw; `None` where it is redacted.
    pub base: Option<Value>,
    /// What the waiting edit left; `None` where it is redacted.
    pub mine: Option<Value>,
    /// What the server holds; `None` where it is redacted, or the record is deleted.
    pub theirs: Option<Value>,
}

/// The fields of a conflict record, in the order they were written.
pub fn parts_of(record: &Record) -> Vec<Part> {
    let readable = |entry: &BTreeMap<String, Value>, name: &str| match entry.get(name) {
        Some(Value::Map(parts)) if parts.get("redacted").and_then(Value::as_bool) == Some(true) => None,
        value => value.cloned(),
    };
    Conflict(record)
        .parts()
        .as_list()
        .iter()
        .filter_map(Value::as_map)
        .filter_map(|entry| {
            let name = entry.get("name").and_then(Value::as_text)?.to_owned();
            let label = entry.get("label").and_then(Value::as_text).unwrap_or(&name).to_owned();
            Some(Part {
                base: Some(readable(entry, "base").unwrap_or_default()),
                mine: readable(entry, "mine").or_else(|| (!entry.contains_key("mine")).then(Value::default)),
                theirs: readable(entry, "theirs"),
                name,
                label,
            })
        })
        .collect()
}

/// Which record a conflict speaks of; `None` if it is of a kind this version does not know.
pub fn target_of(record: &Record) -> Option<Key> {
    let conflict = Conflict(record);
    let id: RecordId = conflict.of().parse().ok()?;
    Some(Key::new(Kind::from_name(conflict.of_kind())?, id))
}

/// What a conflict is about, for deciding it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settling {
    /// The conflict record.
    pub conflict: Key,
    /// The record it speaks of.
    pub target: Key,
    /// Why it exists.
    pub class: ConflictClass,
    /// Its fields.
    pub parts: Vec<Part>,
}

impl Settling {
    /// Reads a conflict; `None` if it is not here or speaks of a kind this version does not know.
    pub fn of(records: Records, conflict: Key) -> Option<Self> {
        let record = records.peek(conflict)?;
        Self::read(&record)
    }

    /// Reads a conflict record.
    pub fn read(record: &Record) -> Option<Self> {
        Some(Self {
            conflict: record.key(),
            target: target_of(record)?,
            class: Conflict(record).class().unwrap_or(ConflictClass::Conflict),
            parts: parts_of(record),
        })
    }

    /// The declaration of one of its fields.
    pub fn spec(&self, part: &Part) -> Option<&'static FieldSpec> {
        self.target.kind.spec().field(&part.name)
    }

    fn settled(&self, how: Resolution) -> Draft {
        Draft::set(self.conflict, "state", ConflictState::Settled).with("resolution", how)
    }

    fn target_set(&self, values: BTreeMap<Name, Value>) -> Option<Draft> {
        (!values.is_empty()).then_some(Draft::Set { key: self.target, values })
    }

    /// The waiting edit as its author made it: a deleted record is not on the device, so nothing else says what they saw.
    fn target_edit(&self) -> Option<Draft> {
        let was = |name: &Name| {
            self.parts
                .iter()
                .find(|part| part.name == name.as_str())
                .and_then(|part| part.base.clone())
                .unwrap_or_default()
        };
        let mine = self.mine();
        // Of a group that is here in part, the rest is not known; what a deletion took comes back with the record.
        let whole = |name: &Name| {
            let kind = self.target.kind.spec();
            let group = kind.field(name.as_str()).and_then(|field| field.group);
            group.is_none_or(|group| kind.group(group).all(|field| mine.contains_key(field.name)))
        };
        let changes: BTreeMap<Name, Change> = mine
            .iter()
            .filter(|(name, _)| whole(name))
            .map(|(name, now)| (name.clone(), Change { base: 0, was: was(name), now: now.clone() }))
            .collect();
        (!changes.is_empty()).then_some(Draft::Edit { key: self.target, changes })
    }

    /// The waiting edit's values, by field of the catalog. Redacted ones cannot be read here, and what nobody can change once the
    /// record was made comes back with it; both are left alone.
    fn mine(&self) -> BTreeMap<Name, Value> {
        let changeable = |part: &Part| Some((self.spec(part).filter(|spec| !spec.fixed)?.name, part.mine.clone()?));
        self.parts.iter().filter_map(changeable).map(|(name, value)| (Name::new(name), value)).collect()
    }

    /// What the server holds stays.
    pub fn keep_theirs(&self) -> Vec<Draft> {
        vec![self.settled(Resolution::KeepTheirs)]
    }

    /// The waiting edit replaces it; a deleted record comes back with it.
    pub fn use_mine(&self) -> Vec<Draft> {
        let how = if self.class == ConflictClass::DeleteWins { Resolution::Restore } else { Resolution::UseMine };
        let mut drafts = Vec::with_capacity(3);
        if self.class == ConflictClass::DeleteWins {
            drafts.push(Draft::Restore { key: self.target });
            drafts.extend(self.target_edit());
        } else {
            drafts.extend(self.target_set(self.mine()));
        }
        drafts.push(self.settled(how));
        drafts
    }

    /// These values, chosen or written by a person field by field.
    pub fn combine(&self, values: BTreeMap<Name, Value>) -> Vec<Draft> {
        self.target_set(values).into_iter().chain([self.settled(Resolution::Combine)]).collect()
    }

    /// What takes a decision back: the values that stand now, and the conflict open again.
    pub fn undo_of(&self, records: Records, drafts: &[Draft]) -> Vec<Draft> {
        let now = records.peek(self.target);
        let mut undo = Vec::with_capacity(drafts.len());
        for draft in drafts {
            match draft {
                Draft::Restore { key } => undo.push(Draft::Delete { key: *key }),
                Draft::Set { key, values } if *key == self.target && self.class != ConflictClass::DeleteWins => {
                    let before = values
                        .keys()
                        .map(|name| {
                            let value =
                                now.as_ref().map(|record| record.get(name.as_str()).clone()).unwrap_or_default();
                            (name.clone(), value)
                        })
                        .collect();
                    undo.push(Draft::Set { key: *key, values: before });
                }
                _ => {}
            }
        }
        undo.push(Draft::set(self.conflict, "state", ConflictState::Open).with("resolution", Value::Null));
        undo
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::record::Field;
    use crate::model::scope::Scope;
    use uuid::Uuid;

    fn id(number: u128) -> RecordId {
        RecordId(Uuid::from_u128(number))
    }

    fn text(words: &str) -> Value {
        Value::from(words)
    }

    fn conflict(class: ConflictClass, parts: &[(&str, Value, Value, Option<Value>)]) -> Record {
        let parts = parts
            .iter()
            .map(|(name, base, mine, theirs)| {
                let mut entry = BTreeMap::from([
                    ("name".to_owned(), text(name)),
                    ("label".to_owned(), text(name)),
                    ("base".to_owned(), base.clone()),
                    ("mine".to_owned(), mine.clone()),
                ]);
                if let Some(theirs) = theirs {
                    entry.insert("theirs".to_owned(), theirs.clone());
                }
                Value::Map(entry)
            })
            .collect();
        let fields = [
            ("class", Value::from(class)),
            ("of_kind", text("task")),
            ("of", Value::from(id(7))),
            ("parts", Value::List(parts)),
        ];
        Record {
            kind: Kind::Conflict,
            id: id(9),
            scope: Scope::Workspace,
            fields: fields.map(|(name, value)| (Name::new(name), Field { value, version: 1 })).into(),
            seq: 1,
            deleted: false,
        }
    }

    fn target() -> Key {
        Key::new(Kind::Task, id(7))
    }

    #[test]
    fn keeping_theirs_touches_the_conflict_alone() {
        let record = conflict(ConflictClass::Conflict, &[("estimate", 60.into(), 90.into(), Some(120.into()))]);
        let drafts = Settling::read(&record).map(|settling| settling.keep_theirs()).unwrap_or_default();
        assert_eq!(drafts.iter().map(Draft::key).collect::<Vec<_>>(), [record.key()]);
    }

    #[test]
    fn using_mine_writes_the_waiting_values() {
        let record = conflict(ConflictClass::Conflict, &[("estimate", 60.into(), 90.into(), Some(120.into()))]);
        let drafts = Settling::read(&record).map(|settling| settling.use_mine()).unwrap_or_default();
        assert_eq!(drafts[0], Draft::set(target(), "estimate", 90_i64));
        assert_eq!(drafts.len(), 2);
    }

    #[test]
    fn a_deleted_record_comes_back_before_it_is_written() {
        let record = conflict(ConflictClass::DeleteWins, &[("title", text("a"), text("b"), None)]);
        let drafts = Settling::read(&record).map(|settling| settling.use_mine()).unwrap_or_default();
        assert_eq!(drafts[0], Draft::Restore { key: target() });
        let change = Change { base: 0, was: text("a"), now: text("b") };
        let changes = BTreeMap::from([(Name::new("title"), change)]);
        assert_eq!(drafts[1], Draft::Edit { key: target(), changes });
    }

    #[test]
    fn a_redacted_value_is_left_alone() {
        let hidden = Value::Map(BTreeMap::from([("redacted".to_owned(), Value::Bool(true))]));
        let record = conflict(ConflictClass::Conflict, &[("title", text("a"), hidden.clone(), Some(hidden))]);
        let drafts = Settling::read(&record).map(|settling| settling.use_mine()).unwrap_or_default();
        assert_eq!(drafts.len(), 1);
    }

    #[test]
    fn a_conflict_about_an_unknown_kind_is_not_settled_here() {
        let mut record = conflict(ConflictClass::Conflict, &[]);
        record.fields.insert(Name::new("of_kind"), Field { value: text("rocket"), version: 1 });
        assert_eq!(Settling::read(&record), None);
    }
}
