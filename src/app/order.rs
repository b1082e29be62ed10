//! Manual order: putting something beside another, by button, key or dragging, is one op that one op takes back. Only where
//! hundreds were put into the same gap do those around it get new ranks in the same intent.

use crate::app::records::{Draft, Records};
use crate::model::rank;
use crate::model::record::Key;

/// Beside what something goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beside {
    /// Just before this sibling.
    Before(Key),
    /// Just after this sibling.
    After(Key),
    /// After all siblings.
    Last,
}

/// A move as it is asked for, and what takes it back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    /// The op, first, and those that make room for it.
    pub there: Vec<Draft>,
    /// Those that undo them.
    pub back: Vec<Draft>,
}

/// How many on either side get new ranks where there is no room: an intent stays well below what one may hold.
const AROUND_MAX: usize = 100;

/// What puts a record beside another under this parent; `None` where it stands there already, or one of them has gone.
pub fn put(records: Records, key: Key, parent: Key, beside: Beside) -> Option<Move> {
    let record = records.peek(key)?;
    let now = record.parent()?;
    let siblings = records.peek_children(parent, key.kind);
    let others: Vec<Key> = siblings.iter().copied().filter(|sibling| *sibling != key).collect();
    let place = |of: Key| others.iter().position(|sibling| *sibling == of);
    let at = match beside {
        Beside::Before(sibling) => place(sibling)?,
        Beside::After(sibling) => place(sibling)? + 1,
        Beside::Last => others.len(),
    };
    if siblings.get(at) == Some(&key) {
        return None;
    }
    let rank_at = |place: Option<usize>| Some(records.peek(*others.get(place?)?)?.text("rank").to_owned());
    let rank = rank::between(rank_at(at.checked_sub(1)).as_deref(), rank_at(Some(at)).as_deref());
    let crowded = rank.len() > rank::CROWDED_CHARS;
    let mut there = Draft::set(key, "rank", rank);
    let mut back = Draft::set(key, "rank", record.text("rank"));
    let (mut room, mut room_back) = (Vec::new(), Vec::new());
    if crowded {
        let (from, to) = (at.saturating_sub(AROUND_MAX), others.len().min(at + AROUND_MAX));
        let (low, high) = (rank_at(from.checked_sub(1)), rank_at(Some(to)));
        let mut ranks = rank::between_many(low.as_deref(), high.as_deref(), to - from + 1);
        if at - from < ranks.len() {
            there = Draft::set(key, "rank", ranks.remove(at - from));
        }
        for (place, rank) in (from..).zip(ranks) {
            let sibling = *others.get(place)?;
            room.push(Draft::set(sibling, "rank", rank));
            room_back.push(Draft::set(sibling, "rank", rank_at(Some(place))?));
        }
    }
    if now != parent {
        let field =
            |of: Key| key.kind.spec().parents.iter().find(|above| above.kind == of.kind).map(|above| above.field);
        there = there.with(field(parent)?, parent.id);
        back = back.with(field(now)?, now.id);
    }
    room.insert(0, there);
    room_back.insert(0, back);
    Some(Move { there: room, back: room_back })
}

/// Puts it one place before or after where it stands among its siblings.
pub fn shift(records: Records, key: Key, way: Way) -> Option<Move> {
    let parent = records.peek(key)?.parent()?;
    let siblings = records.peek_children(parent, key.kind);
    let at = siblings.iter().position(|sibling| *sibling == key)?;
    let beside = match way {
        Way::Back => Beside::Before(*siblings.get(at.checked_sub(1)?)?),
        Way::On => Beside::After(*siblings.get(at + 1)?),
    };
    put(records, key, parent, beside)
}

/// Towards the beginning of a list or its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Up, or to the left.
    Back,
    /// Down, or to the right.
    On,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::seed::Seed;
    use crate::model::catalog::Kind;
    use crate::model::id::RecordId;
    use crate::model::record::{Field, Record};
    use crate::model::scope::Scope;
    use crate::model::value::{Name, Value};
    use leptos::prelude::Owner;
    use uuid::Uuid;

    fn key(kind: Kind, number: u128) -> Key {
        Key::new(kind, RecordId(Uuid::from_u128(number)))
    }

    fn task(number: u128, step: u128, rank: &str) -> Record {
        let step: Value = RecordId(Uuid::from_u128(step)).into();
        let fields = [("step", step), ("title", "t".into()), ("rank", rank.into())];
        let fields = fields.map(|(name, value)| (Name::new(name), Field { value, version: 1 }));
        let Key { kind, id } = key(Kind::Task, number);
        Record { kind, id, scope: Scope::Workspace, fields: fields.into(), seq: 1, deleted: false }
    }

    /// Three tasks under the first step, one under the second.
    fn with_tasks(check: impl FnOnce(Records)) {
        let records = vec![task(11, 1, "a"), task(12, 1, "b"), task(13, 1, "c"), task(21, 2, "b")];
        Owner::new().with(|| check(Records::new(Seed { records, ..Seed::default() })));
    }

    fn ranks(records: Records, moved: &Move) -> (String, String) {
        let rank = |draft: &Draft| match draft {
            Draft::Set { key: of, values } => {
                assert_eq!(records.peek(*of).map(|record| record.key()), Some(*of));
                values.get("rank").and_then(Value::as_text).unwrap_or_default().to_owned()
            }
            other => panic!("{other:?}"),
        };
        assert_eq!((moved.there.len(), moved.back.len()), (1, 1));
        (rank(&moved.there[0]), rank(&moved.back[0]))
    }

    #[test]
    fn something_goes_between_its_new_neighbours_and_back_to_where_it_was() {
        with_tasks(|records| {
            let (first, third, step) = (key(Kind::Task, 11), key(Kind::Task, 13), key(Kind::Step, 1));
            let moved = put(records, third, step, Beside::After(first)).expect("it moves");
            let (there, back) = ranks(records, &moved);
            assert!("a" < &*there && &*there < "b", "{there}");
            assert_eq!(back, "c");
            let last = put(records, first, step, Beside::Last).expect("it moves");
            assert!(ranks(records, &last).0.as_str() > "c");
        });
    }

    #[test]
    fn where_it_stands_already_it_is_not_put() {
        with_tasks(|records| {
            let (first, second, third) = (key(Kind::Task, 11), key(Kind::Task, 12), key(Kind::Task, 13));
            let step = key(Kind::Step, 1);
            for beside in [Beside::After(first), Beside::Before(third), Beside::Before(second)] {
                assert_eq!(put(records, second, step, beside), None, "{beside:?}");
            }
            assert_eq!(put(records, third, step, Beside::Last), None);
            assert_eq!(shift(records, first, Way::Back), None);
            assert_eq!(shift(records, third, Way::On), None);
        });
    }

    #[test]
    fn where_there_is_no_room_those_around_make_some() {
        // Each goes between the first and whatever was put there last, until that gap is full.
        let mut ranks = vec!["a".to_owned(), "b".to_owned()];
        while ranks[1].len() <= rank::CROWDED_CHARS {
            ranks.insert(1, rank::between(Some(&ranks[0]), Some(&ranks[1])));
        }
        let records: Vec<Record> = (11..).zip(&ranks).map(|(number, rank)| task(number, 1, rank)).collect();
        let count = records.len();
        Owner::new().with(|| {
            let records = Records::new(Seed { records, ..Seed::default() });
            let step = key(Kind::Step, 1);
            let order = records.peek_children(step, Kind::Task);
            let moved = put(records, order[count - 1], step, Beside::After(order[0])).expect("it moves");
            assert!(moved.there.len() > 100 && moved.there.len() == moved.back.len());
            let mut after: Vec<(String, Key)> = order
                .iter()
                .map(|key| {
                    let new = moved.there.iter().find_map(|draft| match draft {
                        Draft::Set { key: of, values } if of == key => values.get("rank").and_then(Value::as_text),
                        _ => None,
                    });
                    let old = records.peek(*key).map(|record| record.text("rank").to_owned()).unwrap_or_default();
                    (new.map_or(old, str::to_owned), *key)
                })
                .collect();
            after.sort();
            let wanted = [&order[..1], &order[count - 1..], &order[1..count - 1]].concat();
            assert_eq!(after.iter().map(|(_, key)| *key).collect::<Vec<_>>(), wanted);
            let new = moved.there.iter().filter_map(|draft| match draft {
                Draft::Set { values, .. } => values.get("rank").and_then(Value::as_text),
                _ => None,
            });
            assert!(new.clone().all(|rank| rank.len() <= rank::CROWDED_CHARS), "{:?}", new.collect::<Vec<_>>());
        });
    }

    #[test]
    fn under_another_parent_it_takes_that_with_it_in_the_same_op() {
        with_tasks(|records| {
            let (second, there, other) = (key(Kind::Task, 12), key(Kind::Step, 2), key(Kind::Task, 21));
            let moved = put(records, second, there, Beside::Before(other)).expect("it moves");
            assert!(ranks(records, &moved).0.as_str() < "b");
            let parent = |draft: &Draft| match draft {
                Draft::Set { values, .. } => values.get("step").cloned(),
                _ => None,
            };
            assert_eq!(parent(&moved.there[0]), Some(there.id.into()));
            assert_eq!(parent(&moved.back[0]), Some(key(Kind::Step, 1).id.into()));
            assert_eq!(put(records, second, key(Kind::Step, 3), Beside::After(other)), None);
        });
    }
}
