//! The checksum by which a device and the server find out that their copies of a scope differ: a hash per live record,
//! added up, so that one changed record costs two hashes and never a scan. Not for security.

use crate::model::record::Record;
use crate::model::value::{Name, Value};
use serde::ser::{Serialize, SerializeSeq, Serializer};
use std::collections::BTreeMap;

/// How many live records a scope has and what their hashes add up to. Both numbers wrap, so a difference between two
/// states is held in the same form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sum {
    /// Live records.
    pub count: u64,
    /// Their hashes, added up.
    pub checksum: u64,
}

impl Sum {
    /// This record's share: nothing for a tombstone.
    pub fn of(record: &Record) -> Self {
        if record.deleted { Self::default() } else { Self { count: 1, checksum: of(record) } }
    }
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self { count: self.count.wrapping_add(other.count), checksum: self.checksum.wrapping_add(other.checksum) }
    }
    /// This without the other.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self { count: self.count.wrapping_sub(other.count), checksum: self.checksum.wrapping_sub(other.checksum) }
    }
}

impl std::iter::Sum for Sum {
    fn sum<I: Iterator<Item = Self>>(sums: I) -> Self {
        sums.fold(Self::default(), Self::plus)
    }
}

/// What most records stay below, so that room is made once.
const USUAL_BYTES: usize = 1024;

/// The hash of one record: xxh3 of the MessagePack of `(kind, id, [(field, version, value)...])`, fields in order of
/// their names. The record's `seq` is left out: it follows from the versions.
pub fn of(record: &Record) -> u64 {
    let stored = (record.kind, record.id, Fields(&record.fields));
    let mut bytes = Vec::with_capacity(USUAL_BYTES);
    // A record holds nothing that MessagePack cannot express; an empty hash would only cost a needless repair.
    rmp_serde::encode::write(&mut bytes, &stored).map_or(0, |()| xxhash_rust::xxh3::xxh3_64(&bytes))
}

/// A record's fields as a list of triples, borrowed.
struct Fields<'a>(&'a BTreeMap<Name, crate::model::record::Field>);

impl Serialize for Fields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut triples = serializer.serialize_seq(Some(self.0.len()))?;
        for (name, field) in self.0 {
            let triple: (&str, u64, &Value) = (name.as_str(), field.version, &field.value);
            triples.serialize_element(&triple)?;
        }
        triples.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::RecordId;
    use crate::model::kinds::Kind;
    use crate::model::record::Field;
    use crate::model::scope::Scope;
    use uuid::Uuid;

    fn tag(number: u128, title: &str, version: u64) -> Record {
        let fields = BTreeMap::from([("title".into(), Field { value: title.into(), version })]);
        Record {
            kind: Kind::Tag,
            id: RecordId(Uuid::from_u128(number)),
            scope: Scope::Workspace,
            fields,
            seq: version,
            deleted: false,
        }
    }

    #[test]
    fn every_part_of_a_record_counts_and_its_seq_does_not() {
        let first = of(&tag(1, "a", 5));
        for other in [tag(2, "a", 5), tag(1, "b", 5), tag(1, "a", 6)] {
            assert_ne!(of(&other), first, "{other:?}");
        }
        assert_eq!(of(&Record { seq: 9, ..tag(1, "a", 5) }), first);
        // Frozen: a device and a server of different builds compare these numbers.
        assert_eq!(first, 0x7478_4686_c541_ac81);
    }

    #[test]
    fn sums_add_up_in_any_order_and_tombstones_count_for_nothing() {
        let (a, b) = (Sum::of(&tag(1, "a", 5)), Sum::of(&tag(2, "b", 6)));
        assert_eq!(a.plus(b), b.plus(a));
        assert_eq!(a.plus(b).minus(a), b);
        assert_eq!(Sum::default().minus(a).plus(a), Sum::default());
        assert_eq!(Sum::of(&Record { deleted: true, ..tag(1, "a", 5) }), Sum::default());
    }
}
