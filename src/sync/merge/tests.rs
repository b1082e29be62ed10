//! Tests of the merge rules: each by example, and the laws they must hold by property.

use super::*;
use crate::sync::op::SCHEMA;
use proptest::prelude::*;
use uuid::Uuid;

fn rid(number: u128) -> RecordId {
    RecordId(Uuid::from_u128(number))
}
fn task_field(name: &str) -> &'static FieldSpec {
    Kind::Task.spec().field(name).expect("a field of a task")
}
fn ids(numbers: &[u128]) -> Value {
    let set = as_set(numbers.iter().map(|number| rid(*number).into()).collect());
    if numbers.is_empty() { Value::Null } else { set }
}
/// Entries of a checklist as (id, text, done).
fn list(entries: &[(u128, &str, bool)]) -> Value {
    let entries =
        entries.iter().map(|(id, text, done)| check::checklist_entry(rid(*id), (*text).into(), (*done).into()));
    if entries.len() == 0 { Value::Null } else { Value::List(entries.collect()) }
}
fn text(text: &str) -> Value {
    text.into()
}

#[test]
fn every_rule_by_example() {
    use Rule::*;
    let both = |value: &Value| Verdict::Both(value.clone());
    let (x, y, z) = ((1, "x", false), (2, "y", false), (3, "z", false));
    for (rule, field, was, mine, theirs, expected) in [
        (Latest, "title", text("2"), text("3"), text("5"), Verdict::Mine),
        (Latest, "title", text("2"), text("5"), text("5"), Verdict::Same),
        (Latest, "title", text("2"), Value::Null, text("5"), Verdict::Mine),
        (Device, "title", text("2"), text("3"), text("5"), Verdict::Mine),
        (Server, "title", text("2"), text("3"), text("5"), Verdict::Theirs),
        (Rank, "rank", text("a"), text("b"), text("c"), Verdict::Mine),
        (Ask, "estimate", 2.into(), 3.into(), 5.into(), Verdict::Ask(5.into())),
        (Ask, "estimate", 2.into(), 5.into(), 5.into(), Verdict::Same),
        (Document, "description", text("a"), text("b"), text("c"), Verdict::Ask(text("c"))),
        (Furthest, "status", text("not_started"), text("done"), text("blocked"), Verdict::Mine),
        (Furthest, "status", text("done"), text("in_progress"), text("blocked"), Verdict::Theirs),
        (Furthest, "status", Value::Null, Value::Null, text("not_started"), Verdict::Theirs),
        (Furthest, "status", Value::Null, text("nonsense"), text("not_started"), Verdict::Theirs),
        (Highest, "progress", 2.into(), 3.into(), 5.into(), Verdict::Theirs),
        (Highest, "progress", 2.into(), 7.into(), 5.into(), Verdict::Mine),
        (Highest, "progress", 2.into(), Value::Null, 1.into(), Verdict::Theirs),
        (Highest, "due", text("2026-01-01"), text("2026-03-01"), text("2026-02-28"), Verdict::Mine),
        (Lowest, "progress", 2.into(), 3.into(), 5.into(), Verdict::Mine),
        (Lowest, "progress", 2.into(), Value::Null, 5.into(), Verdict::Theirs),
        (Lowest, "progress", 2.into(), 5.into(), Value::Null, Verdict::Mine),
        (Counter, "progress", 2.into(), 3.into(), 5.into(), both(&6.into())),
        (Counter, "progress", 2.into(), 3.into(), 3.into(), both(&4.into())),
        (Counter, "progress", Value::Null, 1.into(), 1.into(), both(&2.into())),
        (Counter, "progress", 0.into(), 90.into(), 90.into(), Verdict::Ask(90.into())),
        (Counter, "progress", i64::MIN.into(), i64::MAX.into(), 1.into(), Verdict::Ask(1.into())),
        (Union, "assignees", ids(&[1, 2]), ids(&[1, 3]), ids(&[1, 2, 4]), both(&ids(&[1, 3, 4]))),
        (Union, "assignees", ids(&[1]), ids(&[1, 2]), ids(&[]), both(&ids(&[2]))),
        (Union, "assignees", ids(&[]), ids(&[1]), ids(&[]), both(&ids(&[1]))),
        (Union, "assignees", ids(&[1]), ids(&[]), ids(&[]), Verdict::Same),
        (Union, "assignees", ids(&[1]), ids(&[]), ids(&[1, 2]), both(&ids(&[2]))),
        (
            Text,
            "description",
            text("dig here"),
            text("dig deep here"),
            text("dig here now"),
            both(&text("dig deep here now")),
        ),
        (Text, "description", text("dig"), text("dig deep"), text("dig here"), Verdict::Ask(text("dig here"))),
        (Text, "description", Value::Null, text("a"), text("b"), Verdict::Ask(text("b"))),
        (
            Append,
            "checklist",
            list(&[x]),
            list(&[x, (9, "m", false)]),
            list(&[x, (8, "t", false)]),
            both(&list(&[x, (8, "t", false), (9, "m", false)])),
        ),
        (
            Append,
            "checklist",
            list(&[x, y]),
            list(&[x, (2, "mine", false)]),
            list(&[x, (2, "y", true)]),
            both(&list(&[x, (2, "mine", true)])),
        ),
        (
            Append,
            "checklist",
            list(&[x, y]),
            list(&[x, (2, "mine", false)]),
            list(&[(2, "theirs", false)]),
            Verdict::Ask(list(&[(2, "theirs", false)])),
        ),
        (
            Append,
            "checklist",
            list(&[x, y]),
            list(&[x]),
            list(&[x, (2, "edited", false)]),
            both(&list(&[x, (2, "edited", false)])),
        ),
        (
            Append,
            "checklist",
            list(&[x, y]),
            list(&[x, (2, "edited", false)]),
            list(&[x]),
            both(&list(&[x, (2, "edited", false)])),
        ),
        (Append, "checklist", list(&[x, y]), list(&[y]), list(&[x]), both(&Value::Null)),
        // Who moved entries is followed, the server where both did; one that is missing there stays behind its neighbour.
        (
            Append,
            "checklist",
            list(&[x, y]),
            list(&[y, x]),
            list(&[x, (2, "edited", false)]),
            both(&list(&[(2, "edited", false), x])),
        ),
        (Append, "checklist", list(&[x, y, z]), list(&[z, x, y]), list(&[y, x, z]), both(&list(&[y, x, z]))),
        (Append, "checklist", list(&[x, y, z]), list(&[z, x, y]), list(&[x, z]), both(&list(&[z, x]))),
        (
            Append,
            "checklist",
            list(&[x, y, z]),
            list(&[z, x]),
            list(&[x, (2, "edited", false), z]),
            both(&list(&[z, x, (2, "edited", false)])),
        ),
    ] {
        assert_eq!(
            merge_field(rule, task_field(field), &was, &mine, &theirs),
            expected,
            "{rule:?} {was:?} {mine:?} {theirs:?}"
        );
    }
}

#[test]
fn values_that_combine_over_a_limit_ask() {
    let spec = task_field("assignees");
    let (mine, theirs) = (ids(&(1..=50).collect::<Vec<_>>()), ids(&(51..=100).collect::<Vec<_>>()));
    assert_eq!(merge_field(Rule::Union, spec, &Value::Null, &mine, &theirs), Verdict::Ask(theirs));
}

/// A task whose fields were written at these versions.
fn task(fields: &[(&'static str, Value, Version)]) -> Record {
    let fields =
        fields.iter().map(|(name, value, version)| ((*name).into(), Field { value: value.clone(), version: *version }));
    Record {
        kind: Kind::Task,
        id: rid(1),
        scope: Scope::Project(rid(2)),
        fields: fields.collect(),
        seq: 9,
        deleted: false,
    }
}
fn changes(edits: &[(&'static str, Version, Value, Value)]) -> BTreeMap<Name, Change> {
    edits
        .iter()
        .map(|(name, base, was, now)| ((*name).into(), Change { base: *base, was: was.clone(), now: now.clone() }))
        .collect()
}

#[test]
fn only_what_was_changed_apart_is_contested() {
    let record = task(&[("title", text("A"), 5), ("estimate", 60.into(), 5)]);
    for (edit, stands, class) in [
        // As the author saw it, though newer: an earlier edit of theirs landed, or somebody put it back.
        (("title", 3, text("A"), text("B")), Some(text("B")), Class::Plain),
        // Seen, though it reads otherwise: an earlier edit of theirs was refused.
        (("title", 5, text("never landed"), text("B")), Some(text("B")), Class::Plain),
        (("title", 3, text("older"), text("B")), Some(text("B")), Class::Merged),
        (("title", 3, text("older"), text("A")), None, Class::Noise),
        (("title", 3, text("older"), text("older")), None, Class::Plain),
        (("estimate", 3, 30.into(), 90.into()), None, Class::Conflict),
    ] {
        let mut record = record.clone();
        record.fields.retain(|name, _| name.as_str() == edit.0);
        let merged = merge_changes(&record, &changes(std::slice::from_ref(&edit)), &Rules::default());
        assert_eq!((merged.puts.into_values().next(), merged.class), (stands, class), "{edit:?}");
    }
}

#[test]
fn a_newer_field_beside_it_makes_an_edit_parallel() {
    let record = task(&[("title", text("A"), 3), ("priority", text("high"), 5), ("number", 7.into(), 8)]);
    for (base, class) in [(3, Class::Parallel), (5, Class::Plain)] {
        let merged = merge_changes(&record, &changes(&[("title", base, text("A"), text("B"))]), &Rules::default());
        assert_eq!(merged.class, class, "a roll-up or a number does not count");
    }
}

#[test]
fn a_set_carries_differences_even_where_it_was_not_contested() {
    let record = task(&[("assignees", ids(&[1]), 5)]);
    // The author saw a pending addition of 2 that was refused meanwhile; only the addition of 3 is new.
    let merged =
        merge_changes(&record, &changes(&[("assignees", 5, ids(&[1, 2]), ids(&[1, 2, 3]))]), &Rules::default());
    assert_eq!((merged.puts.get("assignees"), merged.class), (Some(&ids(&[1, 3])), Class::Plain));
}

#[test]
fn a_group_follows_its_first_field() {
    let day = |day: i64| Value::from(format!("2026-05-0{day}"));
    let record = task(&[("start", day(2), 5), ("due", day(4), 5)]);
    let policy = |rule: &str| {
        let fields = [("of_kind", text("task")), ("of_field", text("start")), ("rule", text(rule))];
        let fields = fields.into_iter().map(|(name, value)| (name.into(), Field { value, version: 1 })).collect();
        Record { kind: Kind::Policy, id: rid(3), scope: Scope::Workspace, fields, seq: 1, deleted: false }
    };
    let mine = [("start", 3, day(1), day(3)), ("due", 3, day(4), day(6))];
    for (rule, stands, fate) in [
        ("latest", Some((day(3), day(6))), Fate::TheirsLost),
        ("device", Some((day(3), day(6))), Fate::TheirsLost),
        ("highest", Some((day(3), day(6))), Fate::TheirsLost),
        ("lowest", None, Fate::MineLost),
        ("server", None, Fate::MineLost),
        ("ask", None, Fate::Waits),
    ] {
        let merged = merge_changes(&record, &changes(&mine), &Rules::of([&policy(rule)]));
        let puts = merged.puts.get("start").cloned().zip(merged.puts.get("due").cloned());
        assert_eq!(puts, stands, "{rule}");
        assert_eq!(
            merged.parts.iter().map(|part| (part.spec.name, part.fate)).collect::<Vec<_>>(),
            [("start", fate), ("due", fate)]
        );
    }
}

#[test]
fn a_policy_that_makes_no_sense_changes_nothing() {
    let policy = |seq: Version, kind: &str, field: &str, rule: &str, deleted: bool| {
        let fields = [("of_kind", text(kind)), ("of_field", text(field)), ("rule", text(rule))];
        let fields = fields.into_iter().map(|(name, value)| (name.into(), Field { value, version: seq })).collect();
        Record { kind: Kind::Policy, id: rid(seq.into()), scope: Scope::Workspace, fields, seq, deleted }
    };
    let policies = [
        policy(9, "task", "title", "ask", false),
        policy(8, "task", "title", "server", false),
        policy(7, "task", "estimate", "server", true),
        policy(6, "task", "progress", "union", false),
        policy(5, "task", "number", "latest", false),
        policy(4, "task", "nothing", "latest", false),
        policy(3, "nothing", "title", "latest", false),
        policy(2, "task", "description", "document", false),
    ];
    let rules = Rules::of(&policies);
    for (field, rule) in
        [("title", Rule::Ask), ("estimate", Rule::Ask), ("progress", Rule::Highest), ("description", Rule::Text)]
    {
        assert_eq!(rules.rule(Kind::Task, task_field(field)), rule, "{field}");
    }
}

fn op(kind: Kind, action: Action) -> Op {
    use crate::model::id::{DeviceId, IntentId, OpId};
    Op {
        id: OpId(Uuid::from_u128(1)),
        device: DeviceId(Uuid::from_u128(2)),
        incarnation: 1,
        counter: 1,
        intent: IntentId(Uuid::from_u128(3)),
        after: Vec::new(),
        schema: SCHEMA,
        kind,
        record: rid(1),
        action,
        claimed_ms: 1_000,
        offset_ms: -300,
    }
}

#[test]
fn a_prediction_shows_what_will_land_and_nothing_else() {
    let me = MemberId(Uuid::from_u128(7));
    let step = Record { kind: Kind::Step, ..task(&[]) };
    let gone = Record { deleted: true, ..step.clone() };
    let live = task(&[("title", text("A"), 5)]);
    let new = |title: &str| {
        let fields = [("step", rid(2).into()), ("title", text(title))];
        Action::Create { fields: fields.into_iter().map(|(name, value)| (name.into(), value)).collect() }
    };
    let edit = |now: &str| Action::Set { changes: changes(&[("title", 5, text("A"), text(now))]) };
    let command = |name| Action::Command { name: Name::new(name), seen: None };
    for (action, record, parent, title) in [
        (new("New"), None, Some(&step), Some("New")),
        (new(" "), None, Some(&step), None),
        (new("New"), None, Some(&gone), None),
        (new("New"), None, None, None),
        (new("New"), Some(&live), Some(&step), Some("A")),
        (edit("B"), Some(&live), None, Some("B")),
        (edit(" "), Some(&live), None, Some("A")),
        (edit("B"), None, None, None),
        (Action::Delete { seen: 9 }, Some(&live), None, None),
        (Action::Restore, None, None, None),
        (command("explode"), Some(&live), None, Some("A")),
    ] {
        let predicted = predict(&op(Kind::Task, action.clone()), record, parent, me, &Rules::default());
        assert_eq!(predicted.as_ref().map(|record| record.text("title")), title, "{action:?} {record:?} {parent:?}");
    }
    let comment =
        [("task", rid(1).into()), ("text", text("Deep."))].into_iter().map(|(name, value)| (name.into(), value));
    let comment = op(Kind::Comment, Action::Create { fields: comment.collect() });
    let made = predict(&comment, None, Some(&live), me, &Rules::default()).expect("it is shown");
    assert_eq!((made.reference("author"), made.int("written"), made.scope), (Some(me.into()), Some(700), live.scope));
    let edited = predict(&op(Kind::Task, edit("B")), Some(&live), None, me, &Rules::default()).expect("it is shown");
    assert_eq!(edited.version("title"), 5, "the confirmed version");
}

/// A rule with a field it suits and three values of that field: what both saw, and what each left.
fn contest() -> impl Strategy<Value = (Rule, &'static FieldSpec, [Value; 3])> {
    let number = || prop_oneof![Just(Value::Null), (0i64..=20).prop_map(Value::Int)].boxed();
    let status = prop::sample::select(Status::ALL).prop_map(Value::from).boxed();
    let words = || "[ab]{1,3}( [ab]{1,3}){0,2}".prop_map(Value::from).boxed();
    let set =
        prop::collection::btree_set(1u128..6, 0..5).prop_map(|set| ids(&set.into_iter().collect::<Vec<_>>())).boxed();
    let entry = |id| (Just(id), prop::sample::select(vec!["a", "b", "c"]), any::<bool>());
    let entries = prop::sample::subsequence((1u128..6).collect::<Vec<_>>(), 0..5)
        .prop_shuffle()
        .prop_flat_map(move |ids| ids.into_iter().map(entry).collect::<Vec<_>>())
        .prop_map(|entries| list(&entries))
        .boxed();
    let of = |rule: Rule, field: &'static str, value: BoxedStrategy<Value>| {
        [value.clone(), value.clone(), value].prop_map(move |values| (rule, task_field(field), values)).boxed()
    };
    prop_oneof![
        of(Rule::Latest, "title", words()),
        of(Rule::Device, "title", words()),
        of(Rule::Server, "title", words()),
        of(Rule::Ask, "estimate", number()),
        of(Rule::Furthest, "status", status),
        of(Rule::Highest, "estimate", number()),
        of(Rule::Lowest, "estimate", number()),
        of(Rule::Counter, "estimate", number()),
        of(Rule::Union, "assignees", set),
        of(Rule::Append, "checklist", entries),
        of(Rule::Rank, "rank", "[A-Z]{1,2}".prop_map(Value::from).boxed()),
        of(Rule::Text, "description", words()),
    ]
}

/// What stands after a verdict.
fn stands(verdict: Verdict, mine: &Value, theirs: &Value) -> Value {
    match verdict {
        Verdict::Same | Verdict::Theirs => theirs.clone(),
        Verdict::Mine => mine.clone(),
        Verdict::Both(value) | Verdict::Ask(value) => value,
    }
}

proptest! {
    /// Merging the same edit into its own result changes nothing. (A difference counts each time it is merged; that it is
    /// merged once is what receipts are for.)
    #[test]
    fn every_rule_but_the_counter_is_idempotent((rule, spec, [was, mine, theirs]) in contest()) {
        prop_assume!(rule != Rule::Counter);
        let once = stands(merge_field(rule, spec, &was, &mine, &theirs), &mine, &theirs);
        let twice = stands(merge_field(rule, spec, &was, &mine, &once), &mine, &once);
        prop_assert_eq!(twice, once);
    }

    /// Whoever lands first, the result is the same, for the rules of which people expect it. (Entries of a list too; their
    /// positions follow the server.)
    #[test]
    fn rules_that_combine_or_compare_commute((rule, spec, [was, a, b]) in contest()) {
        prop_assume!(matches!(rule, Rule::Union | Rule::Counter | Rule::Furthest | Rule::Highest | Rule::Lowest | Rule::Append | Rule::Text));
        let ab = merge_field(rule, spec, &was, &b, &a);
        let ba = merge_field(rule, spec, &was, &a, &b);
        match (&ab, &ba) {
            (Verdict::Ask(_), Verdict::Ask(_)) => {}
            _ if rule == Rule::Append => prop_assert_eq!(
                as_set(stands(ab, &b, &a).as_list().to_vec()),
                as_set(stands(ba, &a, &b).as_list().to_vec())
            ),
            _ => prop_assert_eq!(stands(ab, &b, &a), stands(ba, &a, &b)),
        }
    }

    /// What does not stand is handed back to be kept, whole.
    #[test]
    fn every_rule_keeps_the_loser((rule, spec, [was, mine, theirs]) in contest()) {
        prop_assume!(mine != was && theirs != was && mine != theirs);
        let mut rules = Rules::default();
        rules.own.insert((Kind::Task, spec.name), rule);
        let record = task(&[(spec.name, theirs.clone(), 5)]);
        let merged = merge_changes(&record, &changes(&[(spec.name, 3, was, mine.clone())]), &rules);
        let now = merged.puts.get(spec.name).unwrap_or(&theirs);
        let lost = |fate: &[Fate]| merged.parts.iter().any(|part| fate.contains(&part.fate) && part.mine == mine && part.theirs == theirs);
        let combined = merged.outcome == Outcome::Merged;
        prop_assert!(*now == mine || combined || lost(&[Fate::MineLost, Fate::Waits]), "mine {:?}", merged);
        prop_assert!(*now == theirs || combined || lost(&[Fate::TheirsLost, Fate::Waits]), "theirs {:?}", merged);
    }

    /// An add is there afterwards, whatever others removed; what nobody removed stays.
    #[test]
    fn a_union_loses_no_addition(was in set_of(), mine in set_of(), theirs in set_of()) {
        let value = |set: &BTreeSet<u128>| ids(&set.iter().copied().collect::<Vec<_>>());
        let spec = task_field("assignees");
        let merged = stands(merge_field(Rule::Union, spec, &value(&was), &value(&mine), &value(&theirs)), &value(&mine), &value(&theirs));
        for number in 1u128..8 {
            let holds = merged.as_list().contains(&rid(number).into());
            let (in_was, in_mine, in_theirs) = (was.contains(&number), mine.contains(&number), theirs.contains(&number));
            prop_assert_eq!(holds, if in_was { in_mine && in_theirs } else { in_mine || in_theirs });
        }
    }

    /// Entries that only one side made are all there.
    #[test]
    fn an_append_loses_no_entry(was in set_of(), mine in set_of(), theirs in set_of()) {
        let entries = |set: &BTreeSet<u128>| list(&set.iter().chain(&was).map(|id| (*id, "x", false)).collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>());
        let spec = task_field("checklist");
        let merged = stands(merge_field(Rule::Append, spec, &entries(&was), &entries(&mine), &entries(&theirs)), &entries(&mine), &entries(&theirs));
        let all: BTreeSet<u128> = was.iter().chain(&mine).chain(&theirs).copied().collect();
        prop_assert_eq!(merged.as_list().len(), all.len());
    }
}

fn set_of() -> impl Strategy<Value = BTreeSet<u128>> {
    prop::collection::btree_set(1u128..8, 0..6)
}
