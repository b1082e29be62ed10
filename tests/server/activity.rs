//! `/api/activity`, and the same in the dashboard's page.

use crate::app::{ATTEMPTS_MAX, Browser, TestApp, change, note, op, private_project, put};
use std::collections::BTreeMap;
use tidemark::api::ApiError;
use tidemark::api::review::{ACTIVITY_MAX, Activity, DEED_TEXT_CHARS_MAX, Deed};
use tidemark::api::seed::Seed;
use tidemark::model::choice::Role;
use tidemark::model::id::{DeviceId, MemberId, RecordId};
use tidemark::model::kinds::Kind;
use tidemark::model::record::Key;
use tidemark::model::value::{Name, Value};
use tidemark::sync::op::{Action, Before, Op};
use uuid::Uuid;

async fn activity(browser: &Browser<'_>, member: MemberId) -> Result<Activity, ApiError> {
    browser.call_json("activity", &serde_json::json!({ "member": member })).await
}

/// A record about to be made.
pub fn made(kind: Kind, fields: &[(&'static str, Value)]) -> Op {
    let fields: BTreeMap<Name, Value> = fields.iter().map(|(name, value)| (Name::new(name), value.clone())).collect();
    op(DeviceId(Uuid::now_v7()), Key::new(kind, RecordId(Uuid::now_v7())), Action::Create { fields })
}

fn titles(activity: &Activity) -> Vec<&str> {
    activity.deeds.iter().map(|deed| deed.title.as_str()).collect()
}

#[tokio::test]
async fn what_people_did_comes_newest_first_with_their_names() {
    let app = TestApp::start().await;
    let (ada, as_ada) = app.owner("Ada").await;
    let (bob, as_bob) = app.member_of(&ada, as_ada, "Bob", Role::Member).await;
    let project = made(Kind::Project, &[("title", "Quay".into())]);
    let phase = made(Kind::Phase, &[("title", "Survey".into()), ("project", project.record.into())]);
    let step = made(Kind::Step, &[("title", "Route".into()), ("phase", phase.record.into())]);
    let task = made(Kind::Task, &[("title", "Walk the route".into()), ("step", step.record.into())]);
    ada.push(as_ada, &[project.clone(), phase.clone(), step.clone(), task.clone()]).await.unwrap();
    let done = change(task.key(), "status", 0, Value::Null, "done");
    let words = "Ends at the pier. ".repeat(60);
    let comment = made(Kind::Comment, &[("task", task.record.into()), ("text", words.into())]);
    bob.push(as_bob, &[done, comment]).await.unwrap();
    let gone = op(DeviceId(Uuid::now_v7()), phase.key(), Action::Delete { seen: u64::MAX });
    ada.push(as_ada, std::slice::from_ref(&gone)).await.unwrap();
    let back = op(DeviceId(Uuid::now_v7()), phase.key(), Action::Restore);
    ada.push(as_ada, &[back]).await.unwrap();

    let seen = activity(&bob, as_bob).await.unwrap();
    let told: Vec<(MemberId, Key, &str, Before)> = seen
        .deeds
        .iter()
        .map(|Deed { entry, before, about, title }| (entry.by.unwrap(), *about, title.as_str(), *before))
        .collect();
    // The server's own counting up is nobody's deed, and what goes or comes back with a phase is the same deed.
    assert_eq!(
        told,
        [
            (as_ada, phase.key(), "Survey", Before::Deleted),
            (as_ada, phase.key(), "Survey", Before::There),
            (as_bob, task.key(), "Walk the route", Before::Nowhere),
            (as_bob, task.key(), "Walk the route", Before::There),
            (as_ada, task.key(), "Walk the route", Before::Nowhere),
            (as_ada, step.key(), "Route", Before::Nowhere),
            (as_ada, phase.key(), "Survey", Before::Nowhere),
            (as_ada, project.key(), "Quay", Before::Nowhere),
        ]
    );
    let said = put(&seen.deeds[2].entry, "text").unwrap();
    assert_eq!(said.chars().count(), DEED_TEXT_CHARS_MAX + 1, "{said}");
    assert!(seen.now_ms >= seen.deeds[0].entry.at_ms);
}

#[tokio::test]
async fn nobody_reads_of_what_they_may_not_see() {
    let app = TestApp::start().await;
    let (ada, as_ada) = app.owner("Ada").await;
    let (bob, as_bob) = app.member_of(&ada, as_ada, "Bob", Role::Member).await;
    let (eve, as_eve) = app.owner("Eve").await;
    let secret = private_project("Reorganisation");
    let phase = made(Kind::Phase, &[("title", "Whom to ask".into()), ("project", secret.record.into())]);
    ada.push(as_ada, &[note("Tides"), secret, phase]).await.unwrap();

    assert_eq!(titles(&activity(&ada, as_ada).await.unwrap()), ["Whom to ask", "Reorganisation", "Tides"]);
    assert_eq!(titles(&activity(&bob, as_bob).await.unwrap()), ["Tides"]);
    assert_eq!(activity(&eve, as_eve).await.unwrap().deeds, []);
    assert_eq!(activity(&eve, as_ada).await, Err(ApiError::NotFound));
    assert_eq!(activity(&app.browser(), as_ada).await, Err(ApiError::SignedOut));

    // The page itself is drawn from the same.
    let drawn = async |browser: &Browser<'_>| {
        let seed: Seed = browser.call("page-seed", &[("path", "/")]).await.unwrap();
        seed.activity.unwrap().deeds.len()
    };
    assert_eq!((drawn(&ada).await, drawn(&bob).await, drawn(&eve).await), (3, 1, 0));

    let gone = [("member", &*as_ada.to_string()), ("remove", &*as_bob.to_string())];
    ada.call::<()>("member/remove", &gone).await.unwrap();
    assert_eq!(activity(&bob, as_bob).await, Err(ApiError::Revoked));
}

#[tokio::test]
async fn a_list_has_an_end_and_so_has_asking_for_it() {
    let app = TestApp::start().await;
    let (ada, as_ada) = app.owner("Ada").await;
    let notes: Vec<Op> = (0..ACTIVITY_MAX + 5).map(|nth| note(&format!("Note {nth}"))).collect();
    ada.push(as_ada, &notes).await.unwrap();
    let seen = activity(&ada, as_ada).await.unwrap();
    assert_eq!(seen.deeds.len(), ACTIVITY_MAX);
    assert_eq!(seen.deeds[0].title, format!("Note {}", ACTIVITY_MAX + 4));
    let mut last = Ok(seen);
    for _ in 0..ATTEMPTS_MAX {
        last = activity(&ada, as_ada).await;
        if last.is_err() {
            break;
        }
    }
    assert!(matches!(last, Err(ApiError::TooFast { .. })), "{last:?}");
}
