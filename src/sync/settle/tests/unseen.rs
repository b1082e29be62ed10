//! What somebody had not seen when they acted, and what they only claim to have seen.

use super::*;
use crate::model::value::{ENTERED_DEPTH_MAX, VALUE_DEPTH_MAX};
use crate::sync::wire::PROJECTS_MAX;

/// An op of a second device of whoever acts.
fn elsewhere(house: &mut House, deed: Deed) -> FrozenOp {
    let mut frozen = house.intent(&[deed]).remove(0);
    frozen.op.device = DeviceId(Uuid::from_u128(0xE));
    FrozenOp::read(&wire::encode(&frozen.op).expect("an op encodes")).expect("an op decodes")
}
fn nested(levels: usize) -> Value {
    (0..levels).fold(Value::Null, |inner, _| Value::List(vec![inner]))
}
/// What of, the fields kept, whose, state.
type Kept = (Option<RecordId>, Vec<String>, Option<RecordId>, String);

/// The conflict records.
fn kept(house: &House) -> Vec<Kept> {
    let names = |record: &Record| {
        let parts = record.get("parts").as_list().iter().filter_map(Value::as_map);
        parts.filter_map(|part| Some(part.get("name")?.as_text()?.to_owned())).collect()
    };
    let of = |record: &&Record| {
        (record.reference("of"), names(record), record.reference("mine_by"), record.text("state").to_owned())
    };
    house.live(Kind::Conflict).iter().map(of).collect()
}

#[test]
fn what_an_author_claims_to_have_seen_is_never_unreadable_for_others() {
    for levels in 0..=VALUE_DEPTH_MAX {
        let mut house = House::new();
        house.edits(CLEO, task(), "title", text("Theirs"));
        let settled = house.does(BEN, &[set(task(), &[("title", 0, nested(levels), text("Mine"))])]);
        let refused = code(&settled) == Some(Code::Invalid);
        assert_eq!(refused, levels > ENTERED_DEPTH_MAX, "{levels}");
        for entry in &settled.entries {
            wire::decode::<Entry>(&wire::encode(entry).unwrap()).expect("readable by whoever gets it");
        }
        assert!(refused || !settled.entries.is_empty());
    }
}

#[test]
fn what_is_stored_as_data_can_lose_and_still_be_read() {
    for levels in 0..=VALUE_DEPTH_MAX {
        let mut house = House::new();
        let dashboard = (Kind::Dashboard, 0x50);
        house.does(CLEO, &[create(dashboard, &[("title", text("Wall"))])]);
        let widget = (Kind::Widget, 0x51);
        let first = [("dashboard", rid(0x50).into()), ("sort", text("my_tasks"))];
        house.does(CLEO, &[create(widget, &first)]);
        let settled = house.does(CLEO, &[set(widget, &[("settings", 0, Value::Null, nested(levels))])]);
        if levels > ENTERED_DEPTH_MAX {
            assert_eq!(code(&settled), Some(Code::Invalid), "{levels}");
            continue;
        }
        let settled = house.does(CLEO, &[set(widget, &[("settings", 0, Value::Null, text("plain"))])]);
        for entry in &settled.entries {
            wire::decode::<Entry>(&wire::encode(entry).unwrap()).expect("readable by whoever gets it");
        }
    }
}

#[test]
fn a_date_that_a_deletion_took_is_kept_with_the_other() {
    let mut house = House::new();
    let seen = house.memory.head;
    let due = [("start", 0, Value::Null, Value::Null), ("due", 0, Value::Null, text("2026-05-02"))];
    house.does(CLEO, &[set(task(), &due)]);
    house.does(BEN, &[(step(), Action::Delete { seen })]);
    let both = vec!["start".to_owned(), "due".to_owned()];
    assert_eq!(kept(&house), [(Some(rid(0x40)), both.clone(), Some(mid(CLEO).into()), "open".to_owned())]);
    // What the conflict screen makes of it lands.
    let again = [("start", 0, Value::Null, Value::Null), ("due", 0, Value::Null, text("2026-05-02"))];
    let settled = house.does(BEN, &[restore(task()), set(task(), &again)]);
    assert!(settled.receipts.iter().all(|receipt| receipt.outcome == Outcome::Applied), "{settled:#?}");

    // The same for a task with one date, made under a step that was deleted.
    let mut house = House::new();
    house.does(CLEO, &[delete(step())]);
    let made = (Kind::Task, 0x41);
    let fields = [("step", rid(0x30).into()), ("title", text("Fill")), ("due", text("2026-05-02"))];
    house.does(BEN, &[create(made, &fields)]);
    let (_, names, ..) = kept(&house).remove(0);
    assert!(both.iter().all(|name| names.contains(name)), "{names:?}");
}

#[test]
fn what_adds_up_is_not_added_twice_by_a_restore() {
    let mut house = House::new();
    let policy = [("of_kind", text("task")), ("of_field", text("estimate")), ("rule", text("counter"))];
    house.does(ADMIN, &[create((Kind::Policy, 0x63), &policy)]);
    let seen = house.memory.head;
    house.edits(CLEO, task(), "estimate", 60.into());
    house.does(BEN, &[(task(), Action::Delete { seen })]);
    let (_, base, mine, _) = part(house.conflict());
    let settled = house.does(BEN, &[restore(task()), set(task(), &[("estimate", 0, base, mine)])]);
    assert!(settled.receipts.iter().all(|receipt| receipt.outcome == Outcome::Applied), "{settled:#?}");
    assert_eq!(house.get(task(), "estimate"), 60.into());
}

#[test]
fn a_deletion_keeps_what_its_author_wrote_at_another_device() {
    for (at_another, keeps) in [(true, 1), (false, 0)] {
        let mut house = House::new();
        let seen = house.memory.head;
        house.edits(BEN, task(), "title", text("From the laptop"));
        let deed = (step(), Action::Delete { seen });
        let intent = if at_another { vec![elsewhere(&mut house, deed)] } else { house.intent(&[deed]) };
        house.settle(by(BEN), &intent);
        assert_eq!(kept(&house).len(), keeps);
    }
    // A browser that two people use is one device, and neither has seen what the other did there.
    let mut house = House::new();
    let seen = house.memory.head;
    house.edits(CLEO, task(), "title", text("At Ben's browser"));
    house.does(BEN, &[(step(), Action::Delete { seen })]);
    assert_eq!(kept(&house).len(), 1);
}

#[test]
fn a_deletion_keeps_what_was_written_by_nobody_knows_whom() {
    let mut house = House::new();
    let seen = house.memory.head;
    house.edits(CLEO, task(), "title", text("Long ago"));
    house.edits(CLEO, project(), "budget", 4_200.into());
    // As after a compaction.
    house.memory.log.clear();
    house.does(BEN, &[(project(), Action::Delete { seen })]);
    let mut found = kept(&house);
    found.sort();
    let of = |record: u128, field: &str| (Some(rid(record)), vec![field.to_owned()], None, "open".to_owned());
    assert_eq!(found, [of(0x10, "budget"), of(0x40, "title")]);
    assert!(house.told_alone(BEN, &4_200.into()));
    assert_eq!(house.told(), [to(BEN, "conflict"), to(BEN, "superseded")]);
}

#[test]
fn a_command_keeps_what_its_author_had_not_seen() {
    let close = |seen| (phase(), Action::Command { name: "close".into(), seen: Some(seen) });
    let mut house = House::new();
    house.edits(BEN, task(), "status", text("done"));
    let seen = house.memory.head;
    house.edits(CLEO, phase(), "status", text("blocked"));
    let settled = house.does(BEN, &[close(seen)]);
    assert_eq!(outcome(&settled), (Outcome::Applied, Class::Merged));
    assert_eq!(house.get(phase(), "status"), text("done"));
    assert_eq!(part(house.conflict()), (text("status"), Value::Null, text("blocked"), text("done")));
    assert_eq!(house.told(), [to(CLEO, "superseded")]);

    // Seen, or one's own: nothing to keep.
    for (who, sees) in [(CLEO, true), (BEN, false)] {
        let mut house = House::new();
        house.edits(BEN, task(), "status", text("done"));
        let before = house.memory.head;
        house.edits(who, phase(), "status", text("blocked"));
        let seen = if sees { house.memory.head } else { before };
        assert_eq!(outcome(&house.does(BEN, &[close(seen)])), (Outcome::Applied, Class::Plain));
        assert_eq!(house.live(Kind::Conflict).len(), 0);
    }
}

#[test]
fn a_group_goes_by_the_rule_of_its_first_field() {
    let mut house = House::new();
    let policy = |field: &str| [("of_kind", text("task")), ("of_field", text(field)), ("rule", text("ask"))];
    let settled = house.does(ADMIN, &[create((Kind::Policy, 0x63), &policy("due"))]);
    let reason = settled.receipts[0].reason.as_ref().unwrap();
    assert_eq!(reason.code, Code::Invalid);
    assert!(reason.says.contains("Start"), "{}", reason.says);
    let settled = house.does(ADMIN, &[create((Kind::Policy, 0x64), &policy("start"))]);
    assert_eq!(outcome(&settled), (Outcome::Applied, Class::Plain));
}

#[test]
fn what_a_project_is_called_by_now_is_no_business_of_who_cannot_see_it() {
    for private in [false, true] {
        let mut house = House::new();
        let seen = house.memory.head;
        house.edits(BEN, project(), "budget", 900.into());
        house.edits(OWNER, project(), "private", private.into());
        house.edits(OWNER, project(), "title", text("Replacing Ben"));
        let intent = vec![elsewhere(&mut house, (project(), Action::Delete { seen }))];
        house.settle(by(OWNER), &intent);
        assert!(house.told_alone(BEN, &900.into()));
        let his = house.live(Kind::Notification).into_iter().filter(|told| told.scope == Scope::Personal(mid(BEN)));
        assert_eq!(his.into_iter().any(|told| told.text("says").contains("Replacing")), !private);
    }
}

#[test]
fn who_does_not_see_the_record_any_more_is_given_what_lost() {
    for private in [false, true] {
        let mut house = House::new();
        let base = house.record(task()).version("title");
        house.edits(BEN, task(), "title", text("Dig by hand"));
        house.edits(OWNER, project(), "private", private.into());
        house.does(OWNER, &[set(task(), &[("title", base, text("Dig"), text("Dig by machine"))])]);
        assert_eq!(part(house.conflict()).2, text("Dig by hand"));
        assert_eq!(house.told_alone(BEN, &text("Dig by hand")), private);
    }
}

#[test]
fn a_workspace_has_so_many_projects_and_no_more() {
    let mut house = House::new();
    let two = [(Kind::Project, 0x11), (Kind::Project, 0x12)].map(|of| create(of, &[("title", text("More"))]));
    for (projects, fits) in [(PROJECTS_MAX - 2, true), (PROJECTS_MAX - 1, false)] {
        let intent = house.intent(&two);
        let mut working = house.memory.working().with_projects(projects);
        let settled = house.memory.clone().settle_in(&mut working, &by(BEN), &intent, house.now_ms);
        assert_eq!(settled.receipts.iter().all(|receipt| receipt.reason.is_none()), fits, "{settled:?}");
        let one_more = house.intent(&[create((Kind::Project, 0x13), &[("title", text("More"))])]);
        let settled = house.memory.clone().settle_in(&mut working, &by(BEN), &one_more, house.now_ms);
        assert_eq!(code(&settled) == Some(Code::Invalid), fits, "counted once and only if they were made");
    }
}
