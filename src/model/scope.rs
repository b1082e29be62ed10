//! The unit of partial sync and of permission. A device holds whole scopes, never parts of one.

use crate::model::id::{MemberId, RecordId};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

/// Which devices a record reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Every member: people, tags, policies, notes.
    Workspace,
    /// One member's own: dashboard, preferences, notifications.
    Personal(MemberId),
    /// A project and everything in it: whoever may see that project.
    Project(RecordId),
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Workspace => f.write_str("workspace"),
            Self::Personal(member) => write!(f, "personal/{member}"),
            Self::Project(project) => write!(f, "project/{project}"),
        }
    }
}

/// The text given for a scope is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is not a scope: expected workspace, personal/<id> or project/<id>")]
pub struct NotAScope;

impl FromStr for Scope {
    type Err = NotAScope;
    fn from_str(text: &str) -> Result<Self, NotAScope> {
        if text == "workspace" {
            return Ok(Self::Workspace);
        }
        let (sort, id) = text.split_once('/').ok_or(NotAScope)?;
        match sort {
            "personal" => id.parse().map(Self::Personal).map_err(|_| NotAScope),
            "project" => id.parse().map(Self::Project).map_err(|_| NotAScope),
            _ => Err(NotAScope),
        }
    }
}

/// The packed form's first byte, before the 16 of the id.
const PACKED_WORKSPACE: u8 = b'w';
const PACKED_PERSONAL: u8 = b'm';
const PACKED_PROJECT: u8 = b'p';

impl Serialize for Scope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return serializer.collect_str(self);
        }
        let (sort, id) = match self {
            Self::Workspace => return serializer.serialize_bytes(&[PACKED_WORKSPACE]),
            Self::Personal(member) => (PACKED_PERSONAL, member.0),
            Self::Project(project) => (PACKED_PROJECT, project.0),
        };
        let mut packed = [sort; 17];
        packed[1..].copy_from_slice(id.as_bytes());
        serializer.serialize_bytes(&packed)
    }
}
impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyScope;
        impl Visitor<'_> for AnyScope {
            type Value = Scope;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a scope")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Scope, E> {
                text.parse().map_err(E::custom)
            }
            fn visit_bytes<E: Error>(self, packed: &[u8]) -> Result<Scope, E> {
                let (sort, id) = packed.split_first().ok_or_else(|| E::custom(NotAScope))?;
                if (*sort, id.len()) == (PACKED_WORKSPACE, 0) {
                    return Ok(Scope::Workspace);
                }
                let id = Uuid::from_slice(id).map_err(|_| E::custom(NotAScope))?;
                match *sort {
                    PACKED_PERSONAL => Ok(Scope::Personal(MemberId(id))),
                    PACKED_PROJECT => Ok(Scope::Project(RecordId(id))),
                    _ => Err(E::custom(NotAScope)),
                }
            }
        }
        deserializer.deserialize_any(AnyScope)
    }
}
