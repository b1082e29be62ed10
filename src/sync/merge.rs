//! How edits made apart become one: the rules of the catalog, applied to what an author saw, what they left, and what
//! the server holds by now. The device predicts with this code and the server decides with it, so they cannot disagree.
//!
//! A field is **contested** when somebody else wrote it after the author saw it (`base < version`) and it does not read
//! as the author saw it (`value != was`). What is not contested is simply written. What is contested follows its rule;
//! by example, for a field that was 2:
//!
//! | rule | mine | theirs | stands | the other |
//! | --- | --- | --- | --- | --- |
//! | `latest`, `device`, `rank` | 3 | 5 | 3, which lands later | kept to restore |
//! | `server` | 3 | 5 | 5 | kept to restore |
//! | `highest`, `furthest` | 3 | 5 | 5 | kept to restore |
//! | `lowest` | 3 | 5 | 3 | kept to restore |
//! | `counter` | 3 | 5 | 6: two differences, +1 and +3, on 2 | nothing is lost |
//! | `ask` | 3 | 5 | 5 until a person decides | waits |
//!
//! and for sets, lists and text that were `{a, b}`, `[x, y]` and `"dig here"`:
//!
//! | rule | mine | theirs | stands |
//! | --- | --- | --- | --- |
//! | `union` | `{a, c}` | `{a, b, d}` | `{a, c, d}`: what anybody added, without what anybody removed |
//! | `union` | `{a, b, c}` | `{b}` | `{b, c}`: an add that another had taken out again is an add |
//! | `append` | `[x, y, m]` | `[x, y', t]` | `[x, y', m, t]`: new entries in order of their ids |
//! | `append` | `[y, x]` | `[x, y']` | `[y', x]`: the order of who changed it; the server's where both did |
//! | `append` | `[x, y"]` | `[x, y']` | `[x, y']`, and a person decides about `y` |
//! | `text` | `"dig deep here"` | `"dig here now"` | `"dig deep here now"`; overlapping words ask |
//!
//! Fields of a group win or lose together, by the rule of the group's first field.

use crate::model::catalog::{CommandSpec, FieldSpec, FieldType, Guard, Home, KindSpec, Rule, as_set};
use crate::model::check::{self, Filler};
use crate::model::choice::{Priority, ProjectState, Status};
use crate::model::id::{MemberId, RecordId};
use crate::model::kinds::Kind;
use crate::model::record::{Field, Record, Version};
use crate::model::scope::Scope;
use crate::model::value::{ENTERED_DEPTH_MAX, Name, Value};
use crate::sync::mutant::{Mutant, planted};
use crate::sync::op::{Action, Change, Class, Op, Outcome};
use crate::sync::text;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

/// What a rule makes of a field two people changed apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Both left the same value.
    Same,
    /// The arriving edit stands; what the server held is the loser.
    Mine,
    /// What the server holds stands; the arriving edit is the loser.
    Theirs,
    /// Nothing is lost: this value holds both.
    Both(Value),
    /// A person decides. Until then this value stands.
    Ask(Value),
}

/// The catalog's merge rules with a workspace's own choices over them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rules {
    own: BTreeMap<(Kind, &'static str), Rule>,
}

impl Rules {
    /// The rules of a workspace with these `policy` records. One that names no field, or a rule that does not suit the
    /// field, changes nothing; of two for one field the later in server order holds.
    pub fn of<'a>(policies: impl IntoIterator<Item = &'a Record>) -> Self {
        let mut newest: BTreeMap<(Kind, &'static str), (u64, Rule)> = BTreeMap::new();
        for policy in policies {
            let Some((kind, field, rule)) = read_policy(policy) else { continue };
            let slot = newest.entry((kind, field)).or_insert((policy.seq, rule));
            if policy.seq >= slot.0 {
                *slot = (policy.seq, rule);
            }
        }
        Self { own: newest.into_iter().map(|(field, (_, rule))| (field, rule)).collect() }
    }
    /// The rule by which this field merges.
    pub fn rule(&self, kind: Kind, spec: &FieldSpec) -> Rule {
        self.own.get(&(kind, spec.name)).copied().unwrap_or(spec.rule)
    }
}

/// The field and the rule a live `policy` record names, if they exist and suit each other.
fn read_policy(policy: &Record) -> Option<(Kind, &'static str, Rule)> {
    let kind = Kind::from_name(policy.text("of_kind")).filter(|_| !policy.deleted)?;
    let spec = kind.spec().field(policy.text("of_field"))?;
    let rule = Rule::from_name(policy.text("rule")).filter(|rule| suits(*rule, kind, spec))?;
    Some((kind, spec.name, rule))
}

/// Whether this field's rule is its own: fields that win or lose together have the rule of the first of them.
pub fn decides(kind: Kind, spec: &FieldSpec) -> bool {
    spec.group.is_none_or(|group| kind.spec().group(group).next().is_some_and(|first| first.name == spec.name))
}

/// Whether a workspace may choose this rule for this field of this kind.
pub fn suits(rule: Rule, kind: Kind, spec: &FieldSpec) -> bool {
    let ty = &spec.ty;
    !spec.derived
        && decides(kind, spec)
        && match rule {
            Rule::Latest | Rule::Server | Rule::Device | Rule::Ask => true,
            Rule::Furthest => matches!(ty, FieldType::Choice { .. } | FieldType::Bool),
            Rule::Highest | Rule::Lowest => matches!(ty, FieldType::Int { .. } | FieldType::Date | FieldType::Instant),
            Rule::Counter => matches!(ty, FieldType::Int { .. }),
            Rule::Union => matches!(ty, FieldType::References { .. }),
            Rule::Append => matches!(ty, FieldType::Checklist { .. }),
            Rule::Rank => matches!(ty, FieldType::Rank),
            Rule::Text => matches!(ty, FieldType::Text { .. } | FieldType::LongText { .. }),
            Rule::Document => false,
        }
}

/// What a rule makes of a field that two people changed apart. `was` is what the author saw, `mine` what they left,
/// `theirs` what the server holds.
pub fn merge_field(rule: Rule, spec: &'static FieldSpec, was: &Value, mine: &Value, theirs: &Value) -> Verdict {
    let combined = match rule {
        Rule::Counter => return in_limits(spec, counter(was, mine, theirs), theirs),
        _ if mine == theirs => return Verdict::Same,
        Rule::Union => union(was, mine, theirs),
        Rule::Append => return append(was, mine, theirs),
        Rule::Text => match text::merge(words(was), words(mine), words(theirs)) {
            Some(merged) => Value::from(merged),
            None => return Verdict::Ask(theirs.clone()),
        },
        Rule::Latest | Rule::Device | Rule::Rank => return Verdict::Mine,
        Rule::Server => return Verdict::Theirs,
        Rule::Furthest => return larger(along(spec, mine).cmp(&along(spec, theirs))),
        Rule::Highest => return larger(mine.cmp(theirs)),
        Rule::Lowest if mine.is_null() || theirs.is_null() => return larger(mine.cmp(theirs)),
        Rule::Lowest => return larger(theirs.cmp(mine)),
        Rule::Ask | Rule::Document => return Verdict::Ask(theirs.clone()),
    };
    in_limits(spec, combined, theirs)
}

/// The text held; empty for anything else.
fn words(value: &Value) -> &str {
    value.as_text().unwrap_or("")
}

/// The larger one wins; the server's where both are as large, which only hostile values are.
fn larger(mine: Ordering) -> Verdict {
    if mine == Ordering::Greater { Verdict::Mine } else { Verdict::Theirs }
}

/// How far along the declared order a value is; nothing is before everything.
fn along(spec: &FieldSpec, value: &Value) -> Option<usize> {
    match (&spec.ty, value) {
        (_, Value::Bool(yes)) => Some(usize::from(*yes)),
        (FieldType::Choice { of }, Value::Text(name)) => of.iter().position(|choice| *choice.name == **name),
        _ => None,
    }
}

/// Two valid values can combine into one that is over a limit; a person decides what to leave out.
fn in_limits(spec: &'static FieldSpec, combined: Value, theirs: &Value) -> Verdict {
    check::field(spec, &combined).map_or_else(|_| Verdict::Ask(theirs.clone()), Verdict::Both)
}

/// Differences add up. A sum beyond 64 bits stays at their end, which no field's limits reach.
fn counter(was: &Value, mine: &Value, theirs: &Value) -> Value {
    let number = |value: &Value| value.as_int().unwrap_or(0);
    number(theirs).saturating_add(number(mine).saturating_sub(number(was))).into()
}

/// What the server holds, with what I added, without what I removed. An element that I added is there afterwards even if
/// another had added and removed it meanwhile: an add wins over a concurrent remove.
fn union(was: &Value, mine: &Value, theirs: &Value) -> Value {
    let set = |value: &Value| value.as_list().iter().cloned().collect::<BTreeSet<Value>>();
    let (was, mine, theirs) = (set(was), set(mine), set(theirs));
    let added = mine.difference(&was);
    let removed: BTreeSet<_> = was.difference(&mine).collect();
    as_set(theirs.iter().filter(|entry| !removed.contains(entry)).chain(added).cloned().collect())
}

/// Entries by id. New ones are added, in order of their ids, which is the order in which they were made. One that only
/// one side changed or removed follows that side, except that an edit outlives a removal. One that both changed keeps
/// the server's text and is asked about. Their order is that of the side that changed it; where both did, the server's.
fn append(was: &Value, mine: &Value, theirs: &Value) -> Verdict {
    let by_id = |value: &Value| -> BTreeMap<String, Value> {
        value.as_list().iter().filter_map(|entry| Some((id_of(entry)?.to_owned(), entry.clone()))).collect()
    };
    let order =
        |value: &Value| -> Vec<String> { value.as_list().iter().filter_map(id_of).map(str::to_owned).collect() };
    let [was_order, mine_order, held_order] = [was, mine, theirs].map(order);
    let (was, mine, held) = (by_id(was), by_id(mine), by_id(theirs));
    let mut merged: Vec<Value> = Vec::new();
    let mut new: BTreeMap<&String, Value> = BTreeMap::new();
    let mut overlap = false;
    let moved_there = !in_step(&was_order, &held_order);
    let (first, then) = if moved_there { (&held_order, &mine_order) } else { (&mine_order, &held_order) };
    for id in placed(&was, first, then) {
        let (entry, clash) = merge_entry(was.get(&id), mine.get(&id), held.get(&id));
        merged.extend(entry);
        overlap |= clash;
    }
    for id in mine.keys().chain(held.keys()).filter(|id| !was.contains_key(*id)) {
        let (entry, clash) = merge_entry(None, mine.get(id), held.get(id));
        overlap |= clash;
        new.extend(entry.map(|entry| (id, entry)));
    }
    merged.extend(new.into_values());
    let merged = if merged.is_empty() { Value::Null } else { Value::List(merged) };
    if overlap { Verdict::Ask(merged) } else { Verdict::Both(merged) }
}

/// Whether what is in both lists is in the same order in both.
fn in_step(one: &[String], other: &[String]) -> bool {
    let [in_one, in_other] = [one, other].map(|list| list.iter().collect::<BTreeSet<_>>());
    one.iter().filter(|id| in_other.contains(id)).eq(other.iter().filter(|id| in_one.contains(id)))
}

/// The entries that were there, in the order of the first list; one that is not in it stays behind the one it follows in
/// the second.
fn placed(was: &BTreeMap<String, Value>, first: &[String], then: &[String]) -> Vec<String> {
    let in_first: BTreeSet<&String> = first.iter().collect();
    let mut behind: BTreeMap<Option<&String>, Vec<&String>> = BTreeMap::new();
    let mut last = None;
    for id in then {
        match in_first.contains(id) {
            true => last = Some(id),
            false => behind.entry(last).or_default().push(id),
        }
    }
    let in_order = std::iter::once(None).chain(first.iter().map(Some));
    let all = in_order.flat_map(|id| id.into_iter().chain(behind.remove(&id).unwrap_or_default()));
    all.filter(|id| was.contains_key(*id)).cloned().collect()
}

/// The id of an entry of a list.
fn id_of(entry: &Value) -> Option<&str> {
    entry.as_map()?.get("id")?.as_text()
}

/// One entry of a list, and whether both sides changed the same part of it differently.
fn merge_entry(was: Option<&Value>, mine: Option<&Value>, theirs: Option<&Value>) -> (Option<Value>, bool) {
    match (mine, theirs) {
        _ if mine == theirs || mine == was => (theirs.cloned(), false),
        _ if theirs == was => (mine.cloned(), false),
        (Some(mine), Some(theirs)) => {
            let (entry, clash) = merge_parts(was, mine, theirs);
            (Some(entry), clash)
        }
        (mine, theirs) => (mine.or(theirs).cloned(), false),
    }
}

/// The parts of one entry that both sides changed: each part follows the side that changed it.
fn merge_parts(was: Option<&Value>, mine: &Value, theirs: &Value) -> (Value, bool) {
    let part =
        |entry: Option<&Value>, name: &str| entry.and_then(Value::as_map).and_then(|parts| parts.get(name)).cloned();
    let mut merged = theirs.as_map().cloned().unwrap_or_default();
    let mut clash = false;
    for (name, mine) in mine.as_map().into_iter().flatten() {
        let (was, theirs) = (part(was, name), part(Some(theirs), name));
        if Some(mine) == theirs.as_ref() || Some(mine) == was.as_ref() {
            continue;
        }
        if theirs == was {
            merged.insert(name.clone(), mine.clone());
        } else {
            clash = true;
        }
    }
    (Value::Map(merged), clash)
}

/// What became of the losing side of a contested field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// The arriving value lost by the rule.
    MineLost,
    /// The value the server held lost by the rule.
    TheirsLost,
    /// A person decides; meanwhile the server's value stands, or all of it that nobody contests.
    Waits,
}

/// A value that does not stand, with what it met.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// Which field.
    pub spec: &'static FieldSpec,
    /// The rule that decided, or asks.
    pub rule: Rule,
    /// What the author of the arriving edit saw.
    pub was: Value,
    /// What they left.
    pub mine: Value,
    /// What the server held.
    pub theirs: Value,
    /// The sequence number at which that was written.
    pub version: Version,
    /// Who lost.
    pub fate: Fate,
}

/// What an edit becomes.
#[derive(Debug, Clone, PartialEq)]
pub struct Merged {
    /// What to write.
    pub puts: BTreeMap<Name, Value>,
    /// Every value that does not stand.
    pub parts: Vec<Part>,
    /// How it met what others did: the least quiet class of its fields.
    pub class: Class,
    /// Where it ended up.
    pub outcome: Outcome,
}

impl Merged {
    /// An edit that met nothing yet.
    fn untouched() -> Self {
        Self { puts: BTreeMap::new(), parts: Vec::new(), class: Class::Plain, outcome: Outcome::Applied }
    }
    /// Takes note of a class and an outcome; the least quiet ones stay.
    fn note(&mut self, class: Class, outcome: Outcome) {
        self.class = self.class.max(class);
        self.outcome = self.outcome.max(outcome);
    }
}

/// Merges an edit with the record as it stands. Values have passed `model::check`; fields the kind does not have are
/// passed over.
pub fn merge_changes(record: &Record, changes: &BTreeMap<Name, Change>, rules: &Rules) -> Merged {
    let mut merged = Merged::untouched();
    let mut groups = BTreeSet::new();
    for (name, change) in changes {
        let Some(spec) = record.kind.spec().field(name.as_str()) else { continue };
        match spec.group {
            None => merge_one(&mut merged, record, spec, change, rules.rule(record.kind, spec)),
            Some(group) if groups.insert(group) => merge_group(&mut merged, record, group, changes, rules),
            Some(_) => {}
        }
    }
    // What the author saw of other fields is not in the edit; that any was written since is the best that can be said.
    let seen = changes.values().map(|change| change.base).max().unwrap_or(0);
    let others = || record.fields.iter().filter(|(name, _)| !changes.contains_key(*name));
    let spec = |name: &Name| record.kind.spec().field(name.as_str());
    if merged.class == Class::Plain
        && others().any(|(name, field)| field.version > seen && spec(name).is_some_and(|spec| !spec.derived))
    {
        merged.class = Class::Parallel;
    }
    merged
}

/// Merges a field of its own.
fn merge_one(merged: &mut Merged, record: &Record, spec: &'static FieldSpec, change: &Change, rule: Rule) {
    let (theirs, version) = (record.get(spec.name), record.version(spec.name));
    let name = Name::new(spec.name);
    if change.now == change.was {
        return;
    }
    if *theirs == change.was || planted(Mutant::IgnoreBase) {
        merged.puts.insert(name, change.now.clone());
        return;
    }
    let apart = version > change.base;
    // Differences are carried over even to a value only this device wrote: an earlier op of it may have been refused.
    let by_difference = matches!(rule, Rule::Union | Rule::Append | Rule::Counter);
    if !apart && !by_difference {
        if *theirs != change.now {
            merged.puts.insert(name, change.now.clone());
        }
        return;
    }
    let verdict = merge_field(rule, spec, &change.was, &change.now, theirs);
    let part = |fate| Part {
        spec,
        rule,
        was: change.was.clone(),
        mine: change.now.clone(),
        theirs: theirs.clone(),
        version,
        fate,
    };
    match verdict {
        Verdict::Same => merged.note(if apart { Class::Noise } else { Class::Plain }, Outcome::Applied),
        Verdict::Mine => {
            merged.puts.insert(name, change.now.clone());
            merged.parts.push(part(Fate::TheirsLost));
            merged.note(Class::Merged, Outcome::Applied);
        }
        Verdict::Theirs => {
            merged.parts.push(part(Fate::MineLost));
            merged.note(Class::Merged, Outcome::Superseded);
        }
        Verdict::Both(value) => {
            let note = if apart { (Class::Merged, Outcome::Merged) } else { (Class::Plain, Outcome::Applied) };
            merged.note(note.0, note.1);
            if value != *theirs {
                merged.puts.insert(name, value);
            }
        }
        Verdict::Ask(value) => {
            if value != *theirs {
                merged.puts.insert(name, value);
            }
            merged.parts.push(part(Fate::Waits));
            merged.note(Class::Conflict, Outcome::Superseded);
        }
    }
}

/// Merges fields that win or lose together, by the rule of the group's first field. A rule that combines values cannot
/// combine a group; there the later edit wins.
fn merge_group(
    merged: &mut Merged,
    record: &Record,
    group: &'static str,
    changes: &BTreeMap<Name, Change>,
    rules: &Rules,
) {
    let members: Vec<(&'static FieldSpec, &Change)> =
        record.kind.spec().group(group).filter_map(|spec| Some((spec, changes.get(spec.name)?))).collect();
    let Some((first, lead)) = members.first().copied() else { return };
    if members.iter().all(|(_, change)| change.now == change.was) {
        return;
    }
    let held = |spec: &FieldSpec| record.get(spec.name);
    if members.iter().all(|(spec, change)| *held(spec) == change.now) {
        let apart = members.iter().any(|(spec, change)| record.version(spec.name) > change.base);
        return merged.note(if apart { Class::Noise } else { Class::Plain }, Outcome::Applied);
    }
    let contested = |(spec, change): &(&'static FieldSpec, &Change)| {
        record.version(spec.name) > change.base && *held(spec) != change.was
    };
    let rule = rules.rule(record.kind, first);
    let verdict = match rule {
        _ if !members.iter().any(contested) => None,
        Rule::Union | Rule::Append | Rule::Counter | Rule::Text | Rule::Rank => Some(Verdict::Mine),
        rule if lead.now == *held(first) => Some(merge_group_tie(rule)),
        rule => Some(merge_field(rule, first, &lead.was, &lead.now, held(first))),
    };
    let fate = match verdict {
        None => None,
        Some(Verdict::Mine) => Some((Fate::TheirsLost, Class::Merged, Outcome::Applied)),
        Some(Verdict::Ask(_)) => Some((Fate::Waits, Class::Conflict, Outcome::Superseded)),
        Some(_) => Some((Fate::MineLost, Class::Merged, Outcome::Superseded)),
    };
    if let Some((fate, class, outcome)) = fate {
        merged.note(class, outcome);
        merged.parts.extend(members.iter().filter(|(spec, change)| *held(spec) != change.now).map(|(spec, change)| {
            Part {
                spec,
                rule,
                was: change.was.clone(),
                mine: change.now.clone(),
                theirs: held(spec).clone(),
                version: record.version(spec.name),
                fate,
            }
        }));
    }
    if fate.is_none_or(|(fate, ..)| fate == Fate::TheirsLost) {
        let changed = members.iter().filter(|(spec, change)| *held(spec) != change.now);
        merged.puts.extend(changed.map(|(spec, change)| (Name::new(spec.name), change.now.clone())));
    }
}

/// A group whose first fields agree while others differ: rules that compare have nothing to compare.
fn merge_group_tie(rule: Rule) -> Verdict {
    match rule {
        Rule::Ask | Rule::Document => Verdict::Ask(Value::Null),
        Rule::Latest | Rule::Device => Verdict::Mine,
        _ => Verdict::Theirs,
    }
}

/// Whether a command's preconditions hold. A number never written reads as 0.
pub fn holds(command: &CommandSpec, record: &Record) -> bool {
    command.when.iter().all(|guard| match guard {
        Guard::Is { field, choice } => record.text(field) == *choice,
        Guard::IsNot { field, choice } => record.text(field) != *choice,
        Guard::Equal { left, right } => record.int(left).unwrap_or(0) == record.int(right).unwrap_or(0),
    })
}

/// What a command sets.
pub fn command_puts(command: &CommandSpec) -> BTreeMap<Name, Value> {
    command.sets.iter().map(|(field, choice)| (Name::new(field), Value::from(*choice))).collect()
}

/// The fields a record starts with: those its author gave, and what follows from its kind and its author.
/// `written_ms` is when it was written, Unix milliseconds.
pub fn with_first_values(
    spec: &'static KindSpec,
    given: BTreeMap<Name, Value>,
    author: MemberId,
    written_ms: i64,
) -> BTreeMap<Name, Value> {
    let first = |field: &FieldSpec| match field.name {
        "status" => Some(Status::NotStarted.into()),
        "state" if spec.kind == Kind::Project => Some(ProjectState::Active.into()),
        "priority" => Some(Priority::Normal.into()),
        "progress" | "tasks_total" | "tasks_done" | "progress_sum" => Some(0.into()),
        "author" if field.derived => Some(author.into()),
        "written" if field.derived => Some(written_ms.into()),
        _ => None,
    };
    let mut fields: BTreeMap<Name, Value> =
        spec.fields.iter().filter_map(|field| Some((field.name.into(), first(field)?))).collect();
    fields.extend(given);
    fields
}

/// The scope a new record belongs to; `None` if that follows from a parent that is not there, or is the server's to say.
pub fn first_scope(spec: &KindSpec, record: RecordId, parent: Option<&Record>, author: MemberId) -> Option<Scope> {
    match spec.home {
        Home::Workspace => Some(Scope::Workspace),
        Home::Personal => Some(Scope::Personal(author)),
        Home::OwnProject => Some(Scope::Project(record)),
        Home::Parent => parent.map(|parent| parent.scope),
        Home::Subject => None,
    }
}

/// The edit with its values as they are stored; a value that may not be stored refuses it.
///
/// # Errors
/// The first thing a person has to put right.
pub fn checked(
    spec: &'static KindSpec,
    changes: &BTreeMap<Name, Change>,
    filler: Filler,
) -> Result<BTreeMap<Name, Change>, check::FieldError> {
    let mut stored = BTreeMap::new();
    for (name, change) in changes {
        let now = check::field(check::known(spec, name, filler)?, &change.now)?;
        // Otherwise nothing is asked of it: what was stored once may not pass today's checks.
        if change.was.depth() > ENTERED_DEPTH_MAX {
            let says = "What this edit says its author saw nests too deep. Nothing was changed.".to_owned();
            return Err(check::FieldError { field: name.clone(), says });
        }
        stored.insert(name.clone(), Change { base: change.base, was: change.was.clone(), now });
    }
    Ok(stored)
}

/// What the server is expected to make of a pending op, given the record as it stands (`None`: there is none) and, for
/// a create, the record it goes under. `None` means that no record is to be seen: it was deleted, or it cannot be known
/// here. Fields keep their confirmed versions, so that later ops of the same device still tell what was confirmed.
pub fn predict(
    op: &Op,
    record: Option<&Record>,
    parent: Option<&Record>,
    author: MemberId,
    rules: &Rules,
) -> Option<Record> {
    let live = record.filter(|record| !record.deleted);
    let spec = op.kind.spec();
    match &op.action {
        Action::Create { fields } => match (record, check::first_fields(spec, fields, Filler::Person)) {
            (None, Ok(fields)) => {
                let scope = first_scope(spec, op.record, parent.filter(|parent| !parent.deleted), author)?;
                let fields = with_first_values(spec, fields, author, op.claimed_ms.saturating_add(op.offset_ms).max(0));
                let fields = fields.into_iter().map(|(name, value)| (name, Field { value, version: 0 })).collect();
                Some(Record { kind: op.kind, id: op.record, scope, fields, seq: 0, deleted: false })
            }
            _ => live.cloned(),
        },
        Action::Set { changes } => {
            let record = live?;
            // An edit that will be refused is not shown as if it would land.
            let puts = checked(spec, changes, Filler::Person).and_then(|changes| {
                check::in_order(
                    spec,
                    &changes.iter().map(|(name, change)| (name.clone(), change.now.clone())).collect(),
                )?;
                Ok(merge_changes(record, &changes, rules).puts)
            });
            Some(with(record, puts.unwrap_or_default()))
        }
        Action::Delete { .. } => None,
        Action::Restore => live.cloned(),
        Action::Command { name, .. } => {
            let record = live?;
            let command = spec.command(name.as_str()).filter(|command| holds(command, record));
            Some(with(record, command.map(command_puts).unwrap_or_default()))
        }
    }
}

/// The record with these values, and the versions it has.
fn with(record: &Record, puts: BTreeMap<Name, Value>) -> Record {
    let mut record = record.clone();
    for (name, value) in puts {
        let version = record.version(name.as_str());
        record.fields.insert(name, Field { value, version });
    }
    record
}

#[cfg(test)]
mod tests;
