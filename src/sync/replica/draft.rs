//! What a screen asks for: the wish of a person, before the replica freezes it into an op with what that person saw.

use crate::model::catalog::Kind;
use crate::model::id::RecordId;
use crate::model::record::{Key, Record};
use crate::model::value::{Name, Value};
use crate::sync::op::Change;
use std::collections::BTreeMap;

/// What a person wants done to one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Draft {
    /// Make it. The caller mints the id (UUIDv7).
    Create {
        /// The record to be.
        key: Key,
        /// Its first fields.
        fields: BTreeMap<Name, Value>,
    },
    /// Change these fields to these values. The rest of a field's group is filled in by the replica.
    Set {
        /// Which record.
        key: Key,
        /// By field.
        values: BTreeMap<Name, Value>,
    },
    /// Change fields of which the author saw something older than what is shown now: they began to type, and a remote change
    /// arrived before they had finished. `base` and `was` come from the screen, or that change would be overwritten silently.
    Edit {
        /// Which record.
        key: Key,
        /// By field.
        changes: BTreeMap<Name, Change>,
    },
    /// Delete it and everything under it.
    Delete {
        /// Which record.
        key: Key,
    },
    /// Bring it back, with everything that was deleted with it.
    Restore {
        /// Which record.
        key: Key,
    },
    /// A guarded command of the catalog.
    Command {
        /// Which record.
        key: Key,
        /// Its stored name.
        name: Name,
    },
}

impl Draft {
    /// A new record without fields yet; add them with `with`.
    pub fn create(kind: Kind, id: RecordId) -> Self {
        Self::Create { key: Key::new(kind, id), fields: BTreeMap::new() }
    }
    /// One field of one record.
    pub fn set(key: Key, field: &'static str, value: impl Into<Value>) -> Self {
        Self::Set { key, values: BTreeMap::from([(Name::new(field), value.into())]) }
    }
    /// One field of one record, as an edit of what its author saw.
    pub fn set_seen(key: Key, field: &'static str, value: impl Into<Value>, seen: Option<&Record>) -> Self {
        let base = seen.map_or(0, |record| record.version(field));
        let was = seen.map(|record| record.get(field).clone()).unwrap_or_default();
        Self::Edit { key, changes: BTreeMap::from([(Name::new(field), Change { base, was, now: value.into() })]) }
    }
    /// The same with one more field. An edit, delete, restore or command has none and stays as it is.
    #[must_use]
    pub fn with(mut self, field: &'static str, value: impl Into<Value>) -> Self {
        if let Self::Create { fields: values, .. } | Self::Set { values, .. } = &mut self {
            values.insert(Name::new(field), value.into());
        }
        self
    }
    /// The record it is about.
    pub fn key(&self) -> Key {
        match self {
            Self::Create { key, .. }
            | Self::Set { key, .. }
            | Self::Edit { key, .. }
            | Self::Delete { key }
            | Self::Restore { key }
            | Self::Command { key, .. } => *key,
        }
    }
}
