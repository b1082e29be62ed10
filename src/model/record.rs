//! A record as it is stored: kind, id, scope, and its fields with the version at which each was last written.

use crate::model::catalog::Kind;
use crate::model::id::RecordId;
use crate::model::scope::Scope;
use crate::model::value::{Name, Value};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A workspace sequence number. 0 is before everything: a field of version 0 was never confirmed by the server.
pub type Version = u64;

/// Names one record of a workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    /// What it is.
    #[serde(rename = "k")]
    pub kind: Kind,
    /// Which one.
    #[serde(rename = "i")]
    pub id: RecordId,
}

impl Key {
    /// The key of the record of this kind with this id.
    pub const fn new(kind: Kind, id: RecordId) -> Self {
        Self { kind, id }
    }
}

/// A field's value and the sequence number at which it was last written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// What it holds; `Null` once it has been cleared.
    #[serde(rename = "v")]
    pub value: Value,
    /// When it was last written, in server order.
    #[serde(rename = "s")]
    pub version: Version,
}

/// One record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// What it is.
    #[serde(rename = "k")]
    pub kind: Kind,
    /// Which one.
    #[serde(rename = "i")]
    pub id: RecordId,
    /// Which devices it reaches.
    #[serde(rename = "p")]
    pub scope: Scope,
    /// Its fields, by name. A field never written is absent.
    #[serde(rename = "f")]
    pub fields: BTreeMap<Name, Field>,
    /// When any of it last changed, in server order; never below any field's version.
    #[serde(rename = "s")]
    pub seq: Version,
    /// Whether it is a tombstone. The server keeps a tombstone's fields so that it can be restored; a device does not.
    #[serde(rename = "d", default, skip_serializing_if = "std::ops::Not::not")]
    pub deleted: bool,
}

/// What an absent field reads as.
static NOTHING: Value = Value::Null;

impl Record {
    /// Its key.
    pub fn key(&self) -> Key {
        Key::new(self.kind, self.id)
    }
    /// What the field holds; `Null` if it was never written.
    pub fn get(&self, name: &str) -> &Value {
        self.fields.get(name).map_or(&NOTHING, |field| &field.value)
    }
    /// When the field was last written; 0 if it never was.
    pub fn version(&self, name: &str) -> Version {
        self.fields.get(name).map_or(0, |field| field.version)
    }
    /// The field as text; empty if it holds none.
    pub fn text(&self, name: &str) -> &str {
        self.get(name).as_text().unwrap_or("")
    }
    /// The field as a number.
    pub fn int(&self, name: &str) -> Option<i64> {
        self.get(name).as_int()
    }
    /// The field as yes or no; no if it was never written.
    pub fn yes(&self, name: &str) -> bool {
        self.get(name).as_bool() == Some(true)
    }
    /// The field as the id of another record.
    pub fn reference(&self, name: &str) -> Option<RecordId> {
        self.get(name).as_text()?.parse().ok()
    }
    /// The field as a set of ids of other records, in order; entries that are not ids are passed over.
    pub fn references(&self, name: &str) -> Vec<RecordId> {
        self.get(name).as_list().iter().filter_map(|entry| entry.as_text()?.parse().ok()).collect()
    }
    /// The record it belongs under: the first declared parent whose field is filled.
    pub fn parent(&self) -> Option<Key> {
        self.kind
            .spec()
            .parents
            .iter()
            .find_map(|parent| self.reference(parent.field).map(|id| Key::new(parent.kind, id)))
    }
}
