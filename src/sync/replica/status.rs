//! The one quiet status a person reads, and why a copy is not up to date: the words of the design, in one place.

use std::fmt;

/// Where the conversation with the server stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Link {
    /// Being set up, or catching up.
    #[default]
    Joining,
    /// Frames arrive as they happen.
    Live,
    /// There is no connection; another try is coming.
    Offline,
    /// The server wants this person to sign in again. Pending edits are kept.
    SignedOut,
    /// This member no longer belongs to the workspace. What was pending is held for an owner.
    Revoked,
    /// This build is too old to understand what arrives: the copy stands still, edits are still sent where possible.
    UpdateNeeded,
}

/// Whether what a person does here outlives the tab.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Memory {
    /// Everything is stored.
    #[default]
    Stored,
    /// Storage failed: this copy ends with the tab, and a banner says so.
    MemoryOnly,
}

/// What keeps a copy from being up to date: tidemark = head, outbox empty, checksum equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Missing {
    /// The server has not been heard of, so nobody knows.
    Unheard,
    /// Scopes still arriving for the first time, or anew.
    Arriving {
        /// How many.
        scopes: u64,
    },
    /// The tidemark of at least one scope is below the head.
    Behind {
        /// By at most this many changes.
        changes: u64,
    },
    /// Ops wait to settle.
    Waiting {
        /// How many.
        ops: u64,
    },
    /// Copies whose checksum has not been compared since it last could be.
    Unchecked {
        /// How many scopes.
        scopes: u64,
    },
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unheard => f.write_str("The server has not answered yet."),
            Self::Arriving { scopes: 1 } => f.write_str("One part of the workspace is still arriving."),
            Self::Arriving { scopes } => write!(f, "{scopes} parts of the workspace are still arriving."),
            Self::Behind { changes: 1 } => f.write_str("One change has not arrived yet."),
            Self::Behind { changes } => write!(f, "Up to {changes} changes have not arrived yet."),
            Self::Waiting { ops: 1 } => f.write_str("One edit is not settled yet."),
            Self::Waiting { ops } => write!(f, "{ops} edits are not settled yet."),
            Self::Unchecked { scopes: 1 } => f.write_str("One part has not been compared with the server yet."),
            Self::Unchecked { scopes } => write!(f, "{scopes} parts have not been compared with the server yet."),
        }
    }
}

/// Everything the header and the sync centre say of this copy as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    /// Where the conversation with the server stands.
    pub link: Link,
    /// Ops in the outbox.
    pub waiting: u64,
    /// Open conflicts this member should settle, and ops in the tray.
    pub needs_you: u64,
    /// Why the copy is not up to date; empty when it is.
    pub missing: Vec<Missing>,
    /// Whether what a person does here outlives the tab.
    pub memory: Memory,
}

impl fmt::Display for Status {
    /// The words of the header.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let apart = match self.link {
            Link::Offline => Some("offline"),
            Link::SignedOut => Some("signed out"),
            Link::Revoked => Some("no longer a member"),
            Link::UpdateNeeded => Some("update needed"),
            Link::Joining | Link::Live => None,
        };
        match (apart, self.asks_for(), self.waiting) {
            (None, 0, 0) if self.link == Link::Live => f.write_str("live"),
            (None, 0, 0) => f.write_str("syncing"),
            (None, 0, waiting) => write!(f, "syncing {waiting}"),
            (None, needs, _) => write!(f, "needs you ({needs})"),
            (Some(words), _, 0) => f.write_str(words),
            (Some(words), _, waiting) => write!(f, "{words}, {waiting} waiting"),
        }
    }
}

impl Status {
    /// Whether tidemark = head, outbox empty and checksum equal.
    pub fn up_to_date(&self) -> bool {
        self.link == Link::Live && self.missing.is_empty()
    }
    /// What the header asks this person to look at. While something arrives for the first time, or anew, that is nothing: whatever
    /// waits for them is not all here, and a count that jumps helps nobody. The sync centre has what is known.
    pub fn asks_for(&self) -> u64 {
        let arriving = self.missing.iter().any(|missing| matches!(missing, Missing::Arriving { .. }));
        if arriving { 0 } else { self.needs_you }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_has_the_words_of_the_design() {
        for (link, needs_you, waiting, missing, words) in [
            (Link::Live, 0, 0, None, "live"),
            (Link::Live, 0, 3, None, "syncing 3"),
            (Link::Joining, 0, 0, Some(Missing::Unheard), "syncing"),
            (Link::Joining, 2, 0, Some(Missing::Unheard), "needs you (2)"),
            (Link::Live, 2, 3, Some(Missing::Waiting { ops: 3 }), "needs you (2)"),
            // What waits for the person is counted once all of it is here.
            (Link::Joining, 2, 0, Some(Missing::Arriving { scopes: 4 }), "syncing"),
            (Link::Joining, 2, 1, Some(Missing::Arriving { scopes: 1 }), "syncing 1"),
            (Link::Offline, 2, 0, Some(Missing::Arriving { scopes: 1 }), "offline"),
            (Link::Offline, 2, 5, None, "offline, 5 waiting"),
            (Link::SignedOut, 0, 1, None, "signed out, 1 waiting"),
        ] {
            let status =
                Status { link, needs_you, waiting, missing: missing.into_iter().collect(), ..Status::default() };
            assert_eq!(status.to_string(), words, "{status:?}");
        }
    }
}
