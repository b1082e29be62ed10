//! Every kind of record, declared once. Sync, storage, validation, merge, conflict screens and typed views follow from
//! these declarations; a new kind needs no code anywhere else, only its screens.

use crate::model::catalog::{CommandSpec, FieldSpec, FieldType, Guard, Home, KindSpec, Parent, Rule, Who};
use crate::model::choice::*;
use crate::model::id::RecordId;
use crate::model::record::Record;
use crate::model::value::Value;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;

/// The type of a field, by the word its declaration uses.
macro_rules! field_type {
    (text($max:expr)) => {
        FieldType::Text { chars_max: $max }
    };
    (long_text($max:expr)) => {
        FieldType::LongText { chars_max: $max }
    };
    (bool()) => {
        FieldType::Bool
    };
    (int($min:expr, $max:expr)) => {
        FieldType::Int { min: $min, max: $max }
    };
    (date()) => {
        FieldType::Date
    };
    (instant()) => {
        FieldType::Instant
    };
    (choice($list:ident)) => {
        FieldType::Choice { of: $list::CHOICES }
    };
    (reference($kind:ident)) => {
        FieldType::Reference { to: Kind::$kind }
    };
    (references($kind:ident, $max:expr)) => {
        FieldType::References { to: Kind::$kind, count_max: $max }
    };
    (checklist($count:expr, $chars:expr)) => {
        FieldType::Checklist { count_max: $count, chars_max: $chars }
    };
    (rank()) => {
        FieldType::Rank
    };
    (number()) => {
        FieldType::Number
    };
    (data($max:expr)) => {
        FieldType::Data { bytes_max: $max }
    };
}

/// The typed accessor of a field, by the same word.
macro_rules! accessor {
    ($(#[$doc:meta])* $name:ident text $($rest:tt)*) => { $(#[$doc])* pub fn $name(&self) -> &'a str { self.0.text(stringify!($name)) } };
    ($(#[$doc:meta])* $name:ident long_text $($rest:tt)*) => { $(#[$doc])* pub fn $name(&self) -> &'a str { self.0.text(stringify!($name)) } };
    ($(#[$doc:meta])* $name:ident date $($rest:tt)*) => { $(#[$doc])* pub fn $name(&self) -> &'a str { self.0.text(stringify!($name)) } };
    ($(#[$doc:meta])* $name:ident rank $($rest:tt)*) => { $(#[$doc])* pub fn $name(&self) -> &'a str { self.0.text(stringify!($name)) } };
    ($(#[$doc:meta])* $name:ident bool $($rest:tt)*) => { $(#[$doc])* pub fn $name(&self) -> bool { self.0.yes(stringify!($name)) } };
    ($(#[$doc:meta])* $name:ident int $($rest:tt)*) => { $(#[$doc])* pub fn $name(&self) -> Option<i64> { self.0.int(stringify!($name)) } };
    ($(#[$doc:meta])* $name:ident instant $($rest:tt)*) => { $(#[$doc])* pub fn $name(&self) -> Option<i64> { self.0.int(stringify!($name)) } };
    ($(#[$doc:meta])* $name:ident number $($rest:tt)*) => { $(#[$doc])* pub fn $name(&self) -> Option<i64> { self.0.int(stringify!($name)) } };
    ($(#[$doc:meta])* $name:ident choice ($list:ident)) => { $(#[$doc])* pub fn $name(&self) -> Option<$list> { $list::from_name(self.0.text(stringify!($name))) } };
    ($(#[$doc:meta])* $name:ident reference $($rest:tt)*) => { $(#[$doc])* pub fn $name(&self) -> Option<RecordId> { self.0.reference(stringify!($name)) } };
    ($(#[$doc:meta])* $name:ident references $($rest:tt)*) => { $(#[$doc])* pub fn $name(&self) -> Vec<RecordId> { self.0.references(stringify!($name)) } };
    ($(#[$doc:meta])* $name:ident checklist $($rest:tt)*) => { $(#[$doc])* pub fn $name(&self) -> &'a [Value] { self.0.get(stringify!($name)).as_list() } };
    ($(#[$doc:meta])* $name:ident data $($rest:tt)*) => { $(#[$doc])* pub fn $name(&self) -> &'a Value { self.0.get(stringify!($name)) } };
}

macro_rules! kinds {
    ($(
        $(#[$doc:meta])*
        $kind:ident = $stored:literal $label:literal $plural:literal {
            home: $home:ident, parents: [$($parent_field:ident: $parent_kind:ident),*], priority: $priority:literal,
            cache_days: $days:literal, create: $create:ident, write: $write:ident, commands: $commands:expr,
            fields {
                $($(#[$field_doc:meta])* $field:ident: $ty:ident $args:tt => $rule:ident, $field_label:literal $(, $flag:ident $flag_args:tt)*;)*
            }
        }
    )*) => {
        /// What a record is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind { $($(#[$doc])* $kind),* }

        impl Kind {
            /// Every kind, in the order of their declarations.
            pub const ALL: &'static [Self] = &[$(Self::$kind),*];
            /// Its declaration.
            pub const fn spec(self) -> &'static KindSpec { &SPECS[self as usize] }
        }

        static SPECS: &[KindSpec] = &[$(KindSpec {
            kind: Kind::$kind, name: $stored, label: $label, plural: $plural, home: Home::$home,
            parents: &[$(Parent { field: stringify!($parent_field), kind: Kind::$parent_kind }),*],
            priority: $priority, cache_days: $days, create: Who::$create, write: Who::$write, commands: $commands,
            fields: &[$(FieldSpec::new(stringify!($field), $field_label, field_type!($ty $args), Rule::$rule)$(.$flag $flag_args)*),*],
        }),*];

        $(
            $(#[$doc])* ///
            /// (A typed view over its record.)
            #[derive(Debug, Clone, Copy)]
            pub struct $kind<'a>(pub &'a Record);
            impl<'a> $kind<'a> {
                $(accessor! { $(#[$field_doc])* $field $ty $args })*
            }
        )*
    };
}

impl Kind {
    /// The kind stored under this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.spec().name == name)
    }
}
impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.spec().name)
    }
}
impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = Cow::<'de, str>::deserialize(deserializer)?;
        Self::from_name(&name).ok_or_else(|| serde::de::Error::custom("a kind this version does not know"))
    }
}

/// "Close" on a phase: only while every task in it is done.
const CLOSE: CommandSpec = CommandSpec {
    name: "close",
    label: "Close",
    when: &[
        Guard::IsNot { field: "status", choice: "done" },
        Guard::Equal { left: "tasks_done", right: "tasks_total" },
    ],
    sets: &[("status", "done")],
    refusal: "It still has unfinished tasks, so it was not closed. Nothing else changed.",
};
/// "Close" on a project.
const CLOSE_PROJECT: CommandSpec = CommandSpec {
    name: "close",
    label: "Close project",
    when: &[
        Guard::IsNot { field: "state", choice: "closed" },
        Guard::Equal { left: "tasks_done", right: "tasks_total" },
    ],
    sets: &[("state", "closed")],
    refusal: "It still has unfinished tasks, so it was not closed. Nothing else changed.",
};

kinds! {
    /// Work with an end, and everything in it. Its own scope.
    Project = "project" "Project" "Projects" {
        home: OwnProject, parents: [], priority: 1, cache_days: 7, create: Members, write: Members, commands: &[CLOSE_PROJECT],
        fields {
            /// What people call it.
            title: text(200) => Latest, "Title", required();
            /// What it is for.
            description: long_text(20_000) => Text, "Description";
            /// Where it stands in its life.
            state: choice(ProjectState) => Furthest, "State";
            /// Who answers for it; conflicts in it reach them.
            lead: reference(Member) => Latest, "Lead";
            /// Whether only `members`, admins and owners may see it.
            private: bool() => Latest, "Private";
            /// Who may see it while it is private.
            members: references(Member, 500) => Union, "Members";
            /// First day.
            start: date() => Latest, "Start", group("dates");
            /// Last day.
            due: date() => Latest, "Due", group("dates");
            /// Agreed cost, in cents.
            budget: int(0, 100_000_000_000_000) => Server, "Budget", sensitive();
            /// Order among projects.
            rank: rank() => Rank, "Order";
            /// Mean progress of its tasks, percent.
            progress: int(0, 100) => Server, "Progress", derived();
            /// Tasks in it.
            tasks_total: int(0, 10_000_000) => Server, "Tasks", derived();
            /// Tasks in it that are done.
            tasks_done: int(0, 10_000_000) => Server, "Tasks done", derived();
            /// Sum of its tasks' progress, percent points; what `progress` is computed from.
            progress_sum: int(0, 1_000_000_000) => Server, "Progress sum", derived();
        }
    }
    /// A stretch of a project.
    Phase = "phase" "Phase" "Phases" {
        home: Parent, parents: [project: Project], priority: 2, cache_days: 7, create: Members, write: Members, commands: &[CLOSE],
        fields {
            /// The project it is part of.
            project: reference(Project) => Server, "Project", required(), fixed();
            /// What people call it.
            title: text(200) => Latest, "Title", required();
            /// How far it is.
            status: choice(Status) => Furthest, "Status";
            /// First day.
            start: date() => Latest, "Start", group("dates");
            /// Last day.
            due: date() => Latest, "Due", group("dates");
            /// Order in its project.
            rank: rank() => Rank, "Order";
            /// Mean progress of its tasks, percent.
            progress: int(0, 100) => Server, "Progress", derived();
            /// Tasks in it.
            tasks_total: int(0, 10_000_000) => Server, "Tasks", derived();
            /// Tasks in it that are done.
            tasks_done: int(0, 10_000_000) => Server, "Tasks done", derived();
            /// Sum of its tasks' progress, percent points.
            progress_sum: int(0, 1_000_000_000) => Server, "Progress sum", derived();
        }
    }
    /// A part of a phase that ends in something to show.
    Step = "step" "Step" "Steps" {
        home: Parent, parents: [phase: Phase], priority: 2, cache_days: 7, create: Members, write: Members, commands: &[CLOSE],
        fields {
            /// The phase it is part of.
            phase: reference(Phase) => Latest, "Phase", required();
            /// What people call it.
            title: text(200) => Latest, "Title", required();
            /// How far it is.
            status: choice(Status) => Furthest, "Status";
            /// Order in its phase.
            rank: rank() => Rank, "Order";
            /// Mean progress of its tasks, percent.
            progress: int(0, 100) => Server, "Progress", derived();
            /// Tasks in it.
            tasks_total: int(0, 10_000_000) => Server, "Tasks", derived();
            /// Tasks in it that are done.
            tasks_done: int(0, 10_000_000) => Server, "Tasks done", derived();
            /// Sum of its tasks' progress, percent points.
            progress_sum: int(0, 1_000_000_000) => Server, "Progress sum", derived();
        }
    }
    /// One piece of work that somebody can finish.
    Task = "task" "Task" "Tasks" {
        home: Parent, parents: [step: Step], priority: 2, cache_days: 7, create: Members, write: Members, commands: &[],
        fields {
            /// The step it is part of.
            step: reference(Step) => Latest, "Step", required();
            /// The 142 of TASK-142.
            number: number() => Server, "Number", derived();
            /// What people call it.
            title: text(200) => Latest, "Title", required();
            /// What there is to know.
            description: long_text(20_000) => Text, "Description";
            /// How far it is.
            status: choice(Status) => Furthest, "Status";
            /// How far it is, percent.
            progress: int(0, 100) => Highest, "Progress";
            /// How urgent it is.
            priority: choice(Priority) => Latest, "Priority";
            /// Who does it.
            assignees: references(Member, 50) => Union, "Assignees";
            /// What it is filed under.
            tags: references(Tag, 50) => Union, "Tags";
            /// First day.
            start: date() => Latest, "Start", group("dates");
            /// Last day.
            due: date() => Latest, "Due", group("dates");
            /// Expected work, minutes.
            estimate: int(0, 6_000_000) => Ask, "Estimate";
            /// Small things to tick off.
            checklist: checklist(200, 500) => Append, "Checklist";
            /// Order in its step.
            rank: rank() => Rank, "Order";
        }
    }
    /// A date by which something has to be true.
    Milestone = "milestone" "Milestone" "Milestones" {
        home: Parent, parents: [project: Project], priority: 3, cache_days: 7, create: Members, write: Members, commands: &[],
        fields {
            /// The project it is part of.
            project: reference(Project) => Server, "Project", required(), fixed();
            /// What people call it.
            title: text(200) => Latest, "Title", required();
            /// The day.
            due: date() => Latest, "Due";
            /// Whether it was reached.
            reached: bool() => Device, "Reached";
        }
    }
    /// What somebody said about a task.
    Comment = "comment" "Comment" "Comments" {
        home: Parent, parents: [task: Task], priority: 4, cache_days: 7, create: Members, write: Author, commands: &[],
        fields {
            /// The task it speaks of.
            task: reference(Task) => Server, "Task", required(), fixed();
            /// Who wrote it.
            author: reference(Member) => Server, "Author", derived();
            /// What they wrote.
            text: long_text(10_000) => Text, "Comment", required();
            /// When it was written, by the author's clock, bounded by the server's.
            written: instant() => Server, "Written", derived();
        }
    }
    /// Time somebody spent on a task. Entries are never overwritten.
    TimeLog = "time_log" "Time entry" "Time log" {
        home: Parent, parents: [task: Task], priority: 4, cache_days: 7, create: Members, write: Author, commands: &[],
        fields {
            /// The task it was spent on.
            task: reference(Task) => Server, "Task", required(), fixed();
            /// Whose time.
            author: reference(Member) => Server, "Member", derived();
            /// The day.
            day: date() => Latest, "Day", required();
            /// How long, minutes.
            minutes: int(1, 1_440) => Ask, "Minutes", required();
            /// On what.
            note: text(500) => Latest, "Note";
        }
    }
    /// Something written down.
    Note = "note" "Note" "Notes" {
        home: Workspace, parents: [], priority: 3, cache_days: 7, create: Members, write: Members, commands: &[],
        fields {
            /// What people call it.
            title: text(200) => Latest, "Title", required();
            /// What it says.
            body: long_text(100_000) => Text, "Text";
            /// What it is filed under.
            tags: references(Tag, 50) => Union, "Tags";
        }
    }
    /// A word things are filed under.
    Tag = "tag" "Tag" "Tags" {
        home: Workspace, parents: [], priority: 1, cache_days: 30, create: Members, write: Members, commands: &[],
        fields {
            /// The word.
            title: text(50) => Latest, "Tag", required();
            /// Its hue, degrees.
            hue: int(0, 359) => Latest, "Colour";
        }
    }
    /// A person in the workspace. Made when an invitation is accepted.
    Member = "member" "Member" "Members" {
        home: Workspace, parents: [], priority: 1, cache_days: 30, create: Server, write: AdminsOrSelf, commands: &[],
        fields {
            /// What people call them.
            name: text(100) => Ask, "Name", required();
            /// What they may do.
            role: choice(Role) => Server, "Role", required();
            /// Whether they still belong; a member who leaves is kept so that their work keeps its author.
            active: bool() => Server, "Active";
        }
    }
    /// People who work together.
    Team = "team" "Team" "Teams" {
        home: Workspace, parents: [], priority: 1, cache_days: 30, create: Admins, write: Admins, commands: &[],
        fields {
            /// What people call it.
            title: text(100) => Latest, "Name", required();
            /// Who is in it.
            members: references(Member, 500) => Union, "Members";
        }
    }
    /// A workspace's own merge rule for a field.
    Policy = "policy" "Policy" "Policies" {
        home: Workspace, parents: [], priority: 1, cache_days: 30, create: Admins, write: Admins, commands: &[],
        fields {
            /// The stored name of the kind.
            of_kind: text(50) => Server, "Kind", required(), fixed();
            /// The stored name of the field.
            of_field: text(50) => Server, "Field", required(), fixed();
            /// The stored name of the rule.
            rule: text(20) => Latest, "Rule", required();
        }
    }
    /// A grid of widgets.
    Dashboard = "dashboard" "Dashboard" "Dashboards" {
        home: Personal, parents: [], priority: 1, cache_days: 30, create: Own, write: Own, commands: &[],
        fields {
            /// What its owner calls it.
            title: text(100) => Latest, "Title", required();
        }
    }
    /// One panel of a dashboard.
    Widget = "widget" "Widget" "Widgets" {
        home: Personal, parents: [dashboard: Dashboard], priority: 1, cache_days: 30, create: Own, write: Own, commands: &[],
        fields {
            /// The dashboard it is on.
            dashboard: reference(Dashboard) => Server, "Dashboard", required(), fixed();
            /// What it shows.
            sort: choice(WidgetSort) => Server, "Shows", required(), fixed();
            /// How many of the grid's columns it covers.
            width: int(1, 4) => Latest, "Width";
            /// Order on its dashboard.
            rank: rank() => Rank, "Order";
            /// Its settings.
            settings: data(4_096) => Latest, "Settings";
        }
    }
    /// One choice of one member, such as the theme.
    Preference = "preference" "Preference" "Preferences" {
        home: Personal, parents: [], priority: 1, cache_days: 30, create: Own, write: Own, commands: &[],
        fields {
            /// What is chosen.
            name: text(50) => Server, "Name", required(), fixed();
            /// The choice.
            value: data(4_096) => Latest, "Value";
        }
    }
    /// Something a member should know.
    Notification = "notification" "Notification" "Notifications" {
        home: Personal, parents: [], priority: 3, cache_days: 30, create: Server, write: Own, commands: &[],
        fields {
            /// Why.
            sort: choice(NotificationSort) => Server, "Sort", derived();
            /// The stored kind of what it speaks of.
            of_kind: text(50) => Server, "Kind", derived();
            /// Which record it speaks of.
            of: text(36) => Server, "Record", derived();
            /// In words.
            says: text(500) => Server, "Text", derived();
            /// What the member entered that does not stand and that its conflict record withholds from others: one entry a field,
            /// `{name, label, mine}`.
            kept: data(262_144) => Server, "Kept for you", derived();
            /// Who caused it.
            by: reference(Member) => Server, "By", derived();
            /// When, by the server's clock.
            at: instant() => Server, "At", derived();
            /// Whether it was read.
            read: bool() => Furthest, "Read";
        }
    }
    /// A field two people changed apart, or an edit of something deleted, waiting for a person, or kept so that the losing value
    /// can be restored. Written in the same transaction as the merge.
    Conflict = "conflict" "Conflict" "Conflicts" {
        home: Subject, parents: [], priority: 1, cache_days: 30, create: Server, write: Members, commands: &[],
        fields {
            /// Why it exists.
            class: choice(ConflictClass) => Server, "Class", derived();
            /// The stored kind of the record it speaks of.
            of_kind: text(50) => Server, "Kind", derived();
            /// Which record it speaks of.
            of: text(36) => Server, "Record", derived();
            /// What that record was called when this was written.
            title: text(200) => Server, "Title", derived();
            /// Which op lost or waits.
            op: text(36) => Server, "Operation", derived();
            /// One entry a field: `{name, label, base, mine, theirs}`; for an edit of something deleted `theirs` is absent. Sensitive
            /// values are replaced by `{redacted: true}`; whoever entered one finds it in a notification.
            parts: data(262_144) => Server, "Fields", derived();
            /// The author of the edit that lost or waits.
            mine_by: reference(Member) => Server, "Mine by", derived();
            /// On which device.
            mine_device: text(36) => Server, "Mine on", derived();
            /// When they made it, by their clock, bounded by the server's.
            mine_at: instant() => Server, "Mine at", derived();
            /// The author of what the server holds.
            theirs_by: reference(Member) => Server, "Theirs by", derived();
            /// On which device.
            theirs_device: text(36) => Server, "Theirs on", derived();
            /// When it landed, by the server's clock.
            theirs_at: instant() => Server, "Theirs at", derived();
            /// Whether it still waits.
            state: choice(ConflictState) => Furthest, "State";
            /// How it was settled.
            resolution: choice(Resolution) => Server, "Resolution";
            /// Who settled it.
            settled_by: reference(Member) => Server, "Settled by", derived();
            /// When, by the server's clock.
            settled_at: instant() => Server, "Settled at", derived();
        }
    }
    /// Who did what to the workspace itself: roles, policies, invitations, quarantine.
    AuditEntry = "audit_entry" "Audit entry" "Audit log" {
        home: Workspace, parents: [], priority: 5, cache_days: 30, create: Server, write: Server, commands: &[],
        fields {
            /// Who.
            by: reference(Member) => Server, "By", derived();
            /// When, by the server's clock.
            at: instant() => Server, "At", derived();
            /// What, in words.
            says: text(500) => Server, "What", derived();
        }
    }
    /// One installed copy or browser profile, as its member knows it.
    Device = "device" "Device" "Devices" {
        home: Workspace, parents: [], priority: 1, cache_days: 30, create: Server, write: Server, commands: &[],
        fields {
            /// Whose it is.
            member: reference(Member) => Server, "Member", derived(), fixed();
            /// What people call it: a conflict says on which device each side was written.
            name: text(100) => Latest, "Name";
            /// What it is: browser and system, as it said itself.
            agent: text(200) => Server, "Browser", derived();
            /// When it was last heard of, by the server's clock; refreshed at most once an hour.
            seen: instant() => Server, "Last seen", derived();
        }
    }
}
