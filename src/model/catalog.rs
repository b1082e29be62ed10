//! How a kind is described: its fields, their types, limits and merge rules, who may write it and whom it reaches. The
//! descriptions themselves stand in `kinds`; everything that is the same for every kind is driven by them.

use crate::model::choice::Choice;
pub use crate::model::kinds::Kind;
use crate::model::value::Value;

/// How two people's edits of one field, made apart, become one value. Declared per field, overridden per workspace by a
/// `policy` record. Each is defined and tested in `sync::merge`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// Later in server order wins; the loser is recorded as superseded.
    Latest,
    /// Further along the declared order of choices wins.
    Furthest,
    /// The larger number wins.
    Highest,
    /// The smaller number wins.
    Lowest,
    /// What is on the server stays.
    Server,
    /// The arriving edit wins.
    Device,
    /// A set: adds and removes combine; an add wins over a concurrent remove.
    Union,
    /// A list of entries with ids: entries are added, never overwritten; an entry both changed is flagged.
    Append,
    /// Deltas add up.
    Counter,
    /// Manual order: a fractional index; ties are broken by id.
    Rank,
    /// Three-way merge by line and word; overlapping edits ask.
    Text,
    /// A CRDT in which concurrent typing interleaves. Its place in the protocol is reserved; no kind uses it yet, and an op
    /// on such a field is rejected with a reason.
    Document,
    /// Both versions are kept and a person decides.
    Ask,
}

impl Rule {
    /// Every rule with the name a `policy` record stores and the words a person reads.
    pub const ALL: &'static [(Self, &'static str, &'static str)] = &[
        (Self::Latest, "latest", "The later edit wins; the other is kept to restore"),
        (Self::Furthest, "furthest", "Whichever is further along wins"),
        (Self::Highest, "highest", "The larger number wins"),
        (Self::Lowest, "lowest", "The smaller number wins"),
        (Self::Server, "server", "What is on the server stays"),
        (Self::Device, "device", "The arriving edit wins"),
        (Self::Union, "union", "Both people's additions are kept"),
        (Self::Append, "append", "Entries are added, never overwritten"),
        (Self::Counter, "counter", "Changes add up"),
        (Self::Rank, "rank", "Manual order"),
        (Self::Text, "text", "Text is merged by line and word; overlaps ask"),
        (Self::Document, "document", "Typing interleaves"),
        (Self::Ask, "ask", "A person decides"),
    ];
    /// As a `policy` record stores it.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(rule, ..)| *rule == self).map_or("", |(_, name, _)| name)
    }
    /// In the words a person reads.
    pub fn says(self) -> &'static str {
        Self::ALL.iter().find(|(rule, ..)| *rule == self).map_or("", |(.., says)| says)
    }
    /// The rule stored under this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known, _)| *known == name).map(|(rule, ..)| *rule)
    }
}

/// What a field may hold, with its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldType {
    /// One line of text.
    Text {
        /// How long it may be, characters.
        chars_max: u32,
    },
    /// Many lines of text.
    LongText {
        /// How long it may be, characters.
        chars_max: u32,
    },
    /// Yes or no.
    Bool,
    /// A whole number, both ends included.
    Int {
        /// The least it may be.
        min: i64,
        /// The most it may be.
        max: i64,
    },
    /// A calendar date, `YYYY-MM-DD`, years 1900 to 2999.
    Date,
    /// An instant, Unix milliseconds.
    Instant,
    /// One of a closed list.
    Choice {
        /// What there is to choose from, in its order.
        of: &'static [Choice],
    },
    /// Another record.
    Reference {
        /// What it is.
        to: Kind,
    },
    /// A set of other records, stored sorted and without repeats.
    References {
        /// What they are.
        to: Kind,
        /// How many there may be.
        count_max: u32,
    },
    /// An ordered list of entries `{id, text, done}`.
    Checklist {
        /// How many entries there may be.
        count_max: u32,
        /// How long the text of one may be, characters.
        chars_max: u32,
    },
    /// A position among siblings; see `model::rank`.
    Rank,
    /// A human number such as the 142 of `TASK-142`, assigned by the server on acceptance.
    Number,
    /// Structured detail that no rule looks into, such as a widget's settings.
    Data {
        /// How much it may be on the wire, bytes.
        bytes_max: u32,
    },
}

/// Which scope a record of a kind belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Home {
    /// The workspace.
    Workspace,
    /// The member who creates it.
    Personal,
    /// A scope of its own: projects.
    OwnProject,
    /// That of its parent.
    Parent,
    /// Wherever what it speaks of is; the server decides.
    Subject,
}

/// Who may do something to records of a kind. Roles are the floor; a viewer never writes anything shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// Any role but viewer.
    Members,
    /// Whoever created it, and admins and owners.
    Author,
    /// Admins and owners.
    Admins,
    /// Admins and owners, and the member the record stands for.
    AdminsOrSelf,
    /// The member whose personal scope it is in, whatever the role.
    Own,
    /// Only the server itself.
    Server,
}

/// Under which record a record stands, and in which field that is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parent {
    /// The field that holds the parent's id. Required on create.
    pub field: &'static str,
    /// What the parent is.
    pub kind: Kind,
}

/// One field of a kind.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FieldSpec {
    /// As stored.
    pub name: &'static str,
    /// As shown.
    pub label: &'static str,
    /// What it may hold.
    pub ty: FieldType,
    /// How edits made apart become one.
    pub rule: Rule,
    /// Fields of one group win or lose together, by the rule of the group's first field; an op carries all of a group or none.
    pub group: Option<&'static str>,
    /// Redacted in conflict records shown to others, and in logs.
    pub sensitive: bool,
    /// May not be empty.
    pub required: bool,
    /// Written by the server alone; an op that names it is rejected.
    pub derived: bool,
    /// May be given on create and never changed afterwards.
    pub fixed: bool,
}

impl FieldSpec {
    /// A field that is optional, open and ungrouped.
    pub const fn new(name: &'static str, label: &'static str, ty: FieldType, rule: Rule) -> Self {
        Self { name, label, ty, rule, group: None, sensitive: false, required: false, derived: false, fixed: false }
    }
    /// The same in a group.
    pub const fn group(self, group: &'static str) -> Self {
        Self { group: Some(group), ..self }
    }
    /// The same, redacted for others.
    pub const fn sensitive(self) -> Self {
        Self { sensitive: true, ..self }
    }
    /// The same, never empty.
    pub const fn required(self) -> Self {
        Self { required: true, ..self }
    }
    /// The same, written by the server alone.
    pub const fn derived(self) -> Self {
        Self { derived: true, ..self }
    }
    /// The same, never changed after create.
    pub const fn fixed(self) -> Self {
        Self { fixed: true, ..self }
    }
}

/// A precondition of a guarded command, checked where the person acts and again when the command lands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Guard {
    /// The field holds this choice.
    Is {
        /// Which field.
        field: &'static str,
        /// Which choice.
        choice: &'static str,
    },
    /// The field holds anything but this choice.
    IsNot {
        /// Which field.
        field: &'static str,
        /// Which choice.
        choice: &'static str,
    },
    /// The two numbers are equal: all tasks are done.
    Equal {
        /// The field of one number.
        left: &'static str,
        /// The field of the other.
        right: &'static str,
    },
}

/// A command: an edit that is only right while its precondition holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CommandSpec {
    /// As stored.
    pub name: &'static str,
    /// As shown on its button.
    pub label: &'static str,
    /// All must hold.
    pub when: &'static [Guard],
    /// What it sets: field and choice.
    pub sets: &'static [(&'static str, &'static str)],
    /// What a person reads when the precondition no longer holds.
    pub refusal: &'static str,
}

/// One kind of record.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KindSpec {
    /// Which kind this describes.
    pub kind: Kind,
    /// As stored.
    pub name: &'static str,
    /// As shown, for one.
    pub label: &'static str,
    /// As shown, for many.
    pub plural: &'static str,
    /// Which scope its records belong to.
    pub home: Home,
    /// Under what they stand; the first whose field is filled.
    pub parents: &'static [Parent],
    /// Which arrive first when a device fills up; 1 is first.
    pub priority: u8,
    /// How long a device keeps them after last use.
    pub cache_days: u16,
    /// Who may create one.
    pub create: Who,
    /// Who may change, delete and restore one.
    pub write: Who,
    /// Its guarded commands.
    pub commands: &'static [CommandSpec],
    /// Its fields, in the order screens show them.
    pub fields: &'static [FieldSpec],
}

impl KindSpec {
    /// The field of this name; `None` for one this version does not know.
    pub fn field(&self, name: &str) -> Option<&'static FieldSpec> {
        self.fields.iter().find(|field| field.name == name)
    }
    /// The fields of the group, in declared order.
    pub fn group(&self, group: &'static str) -> impl Iterator<Item = &'static FieldSpec> {
        self.fields.iter().filter(move |field| field.group == Some(group))
    }
    /// The command of this name.
    pub fn command(&self, name: &str) -> Option<&'static CommandSpec> {
        self.commands.iter().find(|command| command.name == name)
    }
}

/// The catalog's own copy of a field name, so that a decoded name costs no memory.
pub fn known_name(name: &str) -> Option<&'static str> {
    Kind::ALL.iter().find_map(|kind| kind.spec().field(name).map(|field| field.name))
}

/// A set as it is stored: sorted, without repeats.
pub fn as_set(mut entries: Vec<Value>) -> Value {
    entries.sort();
    entries.dedup();
    Value::List(entries)
}
