//! Closed lists a field may choose from, each declared once: its name on the wire, its label on screens and, by the order
//! of the declaration, how far along it is (for the `furthest` rule).

/// One entry of a closed list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// As stored.
    pub name: &'static str,
    /// As shown.
    pub label: &'static str,
}

macro_rules! choices {
    ($($(#[$doc:meta])* $list:ident { $($(#[$entry_doc:meta])* $entry:ident = $name:literal $label:literal;)+ })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $list { $($(#[$entry_doc])* $entry),+ }

        impl $list {
            /// Every entry, least far along first.
            pub const ALL: &'static [Self] = &[$(Self::$entry),+];
            /// Every entry as the catalog holds it, in the same order.
            pub const CHOICES: &'static [Choice] = &[$(Choice { name: $name, label: $label }),+];
            /// As stored.
            pub const fn name(self) -> &'static str { Self::CHOICES[self as usize].name }
            /// As shown.
            pub const fn label(self) -> &'static str { Self::CHOICES[self as usize].label }
            /// The entry stored under this name.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|entry| entry.name() == name)
            }
        }
        impl serde::Serialize for $list {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.name())
            }
        }
        impl<'de> serde::Deserialize<'de> for $list {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let name = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                Self::from_name(&name).ok_or_else(|| serde::de::Error::custom("a choice this version does not know"))
            }
        }
        impl From<$list> for crate::model::value::Value {
            fn from(entry: $list) -> Self { Self::from(entry.name()) }
        }
    )*};
}

choices! {
    /// How far a task, step or phase is.
    Status {
        /// Nobody has begun.
        NotStarted = "not_started" "Not started";
        /// Somebody is on it.
        InProgress = "in_progress" "In progress";
        /// It cannot go on until something else happens.
        Blocked = "blocked" "Blocked";
        /// Finished.
        Done = "done" "Done";
    }
    /// How urgent a task is.
    Priority {
        /// When there is time.
        Low = "low" "Low";
        /// In its turn.
        Normal = "normal" "Normal";
        /// Before its turn.
        High = "high" "High";
        /// Now.
        Urgent = "urgent" "Urgent";
    }
    /// Where a project stands in its life.
    ProjectState {
        /// Being worked on.
        Active = "active" "Active";
        /// Paused.
        OnHold = "on_hold" "On hold";
        /// Finished, kept to read.
        Closed = "closed" "Closed";
    }
    /// What a member may do, least first.
    Role {
        /// Reads.
        Viewer = "viewer" "Viewer";
        /// Reads and writes records.
        Member = "member" "Member";
        /// Also invites people and sets policies.
        Admin = "admin" "Admin";
        /// Also reviews quarantined edits and decides who is an admin or an owner.
        Owner = "owner" "Owner";
    }
    /// Whether a conflict still waits for a person.
    ConflictState {
        /// It waits.
        Open = "open" "Open";
        /// Somebody decided.
        Settled = "settled" "Settled";
    }
    /// Why a conflict record exists.
    ConflictClass {
        /// Two people changed the same field apart, and its rule does not decide silently.
        Conflict = "conflict" "Both changed it";
        /// Somebody edited what somebody else had deleted.
        DeleteWins = "delete_wins" "Edited after it was deleted";
        /// A rule decided, and the losing value is kept here so that it can be restored.
        Superseded = "superseded" "Replaced by a later edit";
    }
    /// How a conflict was settled.
    Resolution {
        /// What the server holds stays.
        KeepTheirs = "keep_theirs" "Kept theirs";
        /// The edit that waited replaces it.
        UseMine = "use_mine" "Used mine";
        /// A person wrote a third version out of both.
        Combine = "combine" "Combined";
        /// A deleted record came back with the edits made to it.
        Restore = "restore" "Restored";
    }
    /// What a dashboard widget shows.
    WidgetSort {
        /// Tasks assigned to whoever looks.
        MyTasks = "my_tasks" "My tasks";
        /// Progress of every active project.
        ProjectProgress = "project_progress" "Project progress";
        /// The latest changes.
        RecentActivity = "recent_activity" "Recent activity";
        /// How far each device has seen.
        SyncState = "sync_state" "Workspace sync";
        /// What needs a person.
        Conflicts = "conflicts" "Needs you";
    }
    /// Why somebody is told of something.
    NotificationSort {
        /// A task became theirs.
        Assigned = "assigned" "Assigned to you";
        /// Their value was replaced by a later edit.
        Superseded = "superseded" "Your edit was replaced";
        /// A conflict waits for them.
        Conflict = "conflict" "A conflict needs you";
        /// Somebody wrote under something of theirs.
        Commented = "commented" "New comment";
    }
}
