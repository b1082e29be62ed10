//! The unit of partial sync and of permission. A device holds whole scopes, never parts of one.

use crate::model::id::{MemberId, RecordId};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

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

impl Serialize for Scope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
