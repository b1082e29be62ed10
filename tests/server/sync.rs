//! `/api/sync/…` and `/api/quarantine/…`, the same messages over HTTP; and `/api/incident`.

use crate::app::{ATTEMPTS_MAX, Browser, TestApp, change, hello_of, note, push_of};
use tidemark::api::ApiError;
use tidemark::api::incident::Reported;
use tidemark::api::review::{DEED_TEXT_CHARS_MAX, HELD_BYTES_MAX, HELD_MAX, HeldList};
use tidemark::model::choice::Role;
use tidemark::model::id::{DeviceId, MemberId, OpId};
use tidemark::model::scope::Scope;
use tidemark::model::value::Value;
use tidemark::sync::op::{Action, Code, Op, Outcome, SCHEMA};
use tidemark::sync::wire::{PROTOCOL, Pull, Pulled, Push, SnapshotChunk, SnapshotWanted, Welcome};
use uuid::Uuid;

async fn everything(browser: &Browser<'_>, member: MemberId) -> Result<Pulled, ApiError> {
    browser.exchange("sync/pull", member, &Pull { tidemarks: [(Scope::Workspace, 0)].into() }).await
}

#[tokio::test]
async fn a_resend_is_answered_as_before_and_applied_once() {
    let app = TestApp::start().await;
    let (ada, as_ada) = app.owner("Ada").await;
    let ops = [note("Once")];
    let first = ada.push(as_ada, &ops).await.unwrap();
    let second = ada.push(as_ada, &ops).await.unwrap();
    assert_eq!(first.receipts, second.receipts);
    let entries = everything(&ada, as_ada).await.unwrap().frames.into_iter().flat_map(|frame| frame.entries);
    assert_eq!(entries.filter(|entry| entry.record == ops[0].record).count(), 1);
}

#[tokio::test]
async fn what_cannot_be_read_is_answered_in_its_place() {
    let app = TestApp::start().await;
    let (ada, as_ada) = app.owner("Ada").await;
    let mut push: Push = push_of(7, &[note("Good"), note("Broken")]);
    push.ops[1].truncate(9);
    let pushed: tidemark::sync::wire::Pushed = ada.exchange("sync/push", as_ada, &push).await.unwrap();
    assert_eq!((pushed.batch, pushed.receipts.len()), (7, 2));
    assert_eq!(pushed.receipts[0].outcome, Outcome::Applied);
    let reason = pushed.receipts[1].reason.as_ref().unwrap();
    assert_eq!((pushed.receipts[1].op, reason.code), (tidemark::sync::wire::NIL_OP, Code::Malformed));
}

#[tokio::test]
async fn a_message_that_is_none_changes_nothing() {
    let app = TestApp::start().await;
    let (ada, as_ada) = app.owner("Ada").await;
    let answer = ada.exchange::<Pulled>("sync/pull", as_ada, &"not a pull").await;
    assert_eq!(answer, Err(ApiError::Malformed));
}

#[tokio::test]
async fn nobody_signed_in_reads_or_writes() {
    let app = TestApp::start().await;
    let (_, as_ada) = app.owner("Ada").await;
    let nobody = app.browser();
    assert_eq!(everything(&nobody, as_ada).await, Err(ApiError::SignedOut));
    assert_eq!(nobody.push(as_ada, &[note("x")]).await, Err(ApiError::SignedOut));
}

#[tokio::test]
async fn a_viewer_reads_and_is_told_why_a_write_is_refused() {
    let app = TestApp::start().await;
    let (ada, as_ada) = app.owner("Ada").await;
    let (bob, as_bob) = app.member_of(&ada, as_ada, "Bob", Role::Viewer).await;
    let made = note("Shared");
    ada.push(as_ada, std::slice::from_ref(&made)).await.unwrap();
    assert!(everything(&bob, as_bob).await.is_ok());
    let wanted = SnapshotWanted { scope: Scope::Workspace, at: None, after: None };
    let chunk: SnapshotChunk = bob.exchange("sync/snapshot", as_bob, &wanted).await.unwrap();
    let version = chunk.records.iter().find(|record| record.id == made.record).unwrap().version("title");

    let pushed = bob.push(as_bob, &[change(made.key(), "title", version, "Shared", "Mine")]).await.unwrap();
    let reason = pushed.receipts[0].reason.as_ref().unwrap();
    assert_eq!((pushed.receipts[0].outcome, reason.code), (Outcome::Rejected, Code::Forbidden));
}

#[derive(serde::Serialize)]
struct Review {
    member: MemberId,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ops: Vec<OpId>,
}

#[tokio::test]
async fn the_last_edits_of_somebody_removed_wait_for_an_owner() {
    let app = TestApp::start().await;
    let (ada, as_ada) = app.owner("Ada").await;
    let (bob, as_bob) = app.member_of(&ada, as_ada, "Bob", Role::Member).await;
    let shared = note("Tide table");
    ada.push(as_ada, std::slice::from_ref(&shared)).await.unwrap();
    let gone = [("member", &*as_ada.to_string()), ("remove", &*as_bob.to_string())];
    ada.call::<()>("member/remove", &gone).await.unwrap();

    // Reads nothing any more; what he wrote in the field is held.
    assert_eq!(everything(&bob, as_bob).await, Err(ApiError::Revoked));
    let ops = [note("Readings from the basement"), note("A farewell letter")];
    let pushed = bob.push(as_bob, &ops).await.unwrap();
    assert!(pushed.receipts.iter().all(|receipt| receipt.outcome == Outcome::Quarantined), "{pushed:?}");

    let list = Review { member: as_ada, ops: Vec::new() };
    let HeldList { held, .. } = ada.call_json("quarantine/list", &list).await.unwrap();
    assert_eq!(
        held.iter().map(|held| (held.op.id, held.by)).collect::<Vec<_>>(),
        [(ops[0].id, as_bob), (ops[1].id, as_bob)]
    );
    let refused = bob.call_json::<()>("quarantine/release", &Review { member: as_bob, ops: vec![ops[0].id] }).await;
    assert_eq!(refused, Err(ApiError::Revoked));

    ada.call_json::<()>("quarantine/release", &Review { member: as_ada, ops: vec![ops[0].id] }).await.unwrap();
    ada.call_json::<()>("quarantine/discard", &Review { member: as_ada, ops: vec![ops[1].id] }).await.unwrap();
    let pulled = everything(&ada, as_ada).await.unwrap();
    let records: Vec<_> = pulled.frames.iter().flat_map(|frame| &frame.entries).map(|entry| entry.record).collect();
    assert!(records.contains(&ops[0].record) && !records.contains(&ops[1].record));
    // The author's receipts say so too.
    let outcomes: Vec<Outcome> =
        bob.push(as_bob, &ops).await.unwrap().receipts.iter().map(|receipt| receipt.outcome).collect();
    assert_eq!(outcomes, [Outcome::Applied, Outcome::Rejected]);

    // An edit of something that is there comes with its name; a new record has that in the edit.
    bob.push(as_bob, &[change(shared.key(), "body", 0, "", "High at noon"), note("Another")]).await.unwrap();
    let HeldList { held, more } = ada.call_json("quarantine/list", &list).await.unwrap();
    assert!(!more);
    let titles: Vec<Option<&str>> = held.iter().map(|held| held.title.as_deref()).collect();
    assert_eq!(titles, [Some("Tide table"), None]);
}

#[tokio::test]
async fn held_edits_are_listed_in_their_order_however_many_there_are() {
    let app = TestApp::start().await;
    let (ada, as_ada) = app.owner("Ada").await;
    let (bob, as_bob) = app.member_of(&ada, as_ada, "Bob", Role::Member).await;
    let gone = [("member", &*as_ada.to_string()), ("remove", &*as_bob.to_string())];
    ada.call::<()>("member/remove", &gone).await.unwrap();
    // Whole pages of the store's, a part of one, and more than one list shows.
    let mut pushed = Vec::new();
    for (count, listed) in [(100, 100), (20, 120), (400, HELD_MAX)] {
        let ops: Vec<Op> = (0..count).map(|nth| note(&format!("Reading {nth}"))).collect();
        bob.push(as_bob, &ops).await.unwrap();
        pushed.extend(ops.into_iter().map(|op| op.id));
        let list = Review { member: as_ada, ops: Vec::new() };
        let HeldList { held, more } = ada.call_json("quarantine/list", &list).await.unwrap();
        assert_eq!(held.iter().map(|held| held.op.id).collect::<Vec<_>>(), pushed[..listed]);
        assert_eq!(more, listed < pushed.len());
    }
}

#[tokio::test]
async fn a_list_of_large_held_edits_is_short_and_deciding_makes_room() {
    let app = TestApp::start().await;
    let (ada, as_ada) = app.owner("Ada").await;
    let (bob, as_bob) = app.member_of(&ada, as_ada, "Bob", Role::Member).await;
    let gone = [("member", &*as_ada.to_string()), ("remove", &*as_bob.to_string())];
    ada.call::<()>("member/remove", &gone).await.unwrap();
    let list = Review { member: as_ada, ops: Vec::new() };

    // What is only long comes with its beginning.
    let long = note(&"High at noon. ".repeat(40_000));
    bob.push(as_bob, std::slice::from_ref(&long)).await.unwrap();
    let HeldList { held, more } = ada.call_json("quarantine/list", &list).await.unwrap();
    let Action::Create { fields } = &held[0].op.action else { panic!("{held:?}") };
    let chars = fields.values().map(|value| value.as_text().unwrap().chars().count()).collect::<Vec<_>>();
    assert_eq!((chars, more), (vec![DEED_TEXT_CHARS_MAX + 1], false));
    ada.call_json::<()>("quarantine/discard", &Review { member: as_ada, ops: vec![long.id] }).await.unwrap();

    // What is much is not all listed at once, but all of it in the end.
    let mut large: Vec<Op> = (0..3).map(|_| note("Readings")).collect();
    for op in &mut large {
        let Action::Create { fields } = &mut op.action else { panic!("{op:?}") };
        fields.insert("tags".into(), Value::List(vec!["x".repeat(100).into(); HELD_BYTES_MAX / 150]));
        bob.push(as_bob, std::slice::from_ref(op)).await.unwrap();
    }
    for (nth, op) in large.iter().enumerate() {
        let HeldList { held, more } = ada.call_json("quarantine/list", &list).await.unwrap();
        let ids: Vec<_> = held.iter().map(|held| held.op.id).collect();
        assert_eq!((ids, more), (vec![op.id], nth < 2));
        ada.call_json::<()>("quarantine/discard", &Review { member: as_ada, ops: vec![op.id] }).await.unwrap();
    }
}

#[tokio::test]
async fn a_device_reports_what_it_mended_in_its_own_name_and_not_without_end() {
    let app = TestApp::start().await;
    let (ada, as_ada) = app.owner("Ada").await;
    let (eve, as_eve) = app.owner("Eve").await;
    let device = DeviceId(Uuid::now_v7());
    let incident = Reported::Checksum { scope: Scope::Workspace, theirs: u64::MAX, ours: 7 };
    let report = async |browser: &Browser<'_>, member: MemberId| {
        let args = serde_json::json!({ "member": member, "device": device, "incident": incident });
        browser.call_json::<()>("incident", &args).await
    };
    assert_eq!(report(&ada, as_ada).await, Ok(()));
    assert_eq!(report(&eve, as_ada).await, Err(ApiError::NotFound));
    assert_eq!(report(&app.browser(), as_ada).await, Err(ApiError::SignedOut));
    let mut last = Ok(());
    for _ in 0..ATTEMPTS_MAX {
        last = report(&ada, as_ada).await;
        if last.is_err() {
            break;
        }
    }
    assert!(matches!(last, Err(ApiError::TooFast { .. })), "{last:?}");
    assert_eq!(report(&eve, as_eve).await, Ok(()));
}

#[tokio::test]
async fn a_build_that_does_not_fit_is_told_so_here_as_well() {
    let app = TestApp::start().await;
    let (ada, as_ada) = app.owner("Ada").await;
    let hello = async |protocol, schema| {
        ada.exchange::<Welcome>("sync/hello", as_ada, &hello_of(protocol, schema)).await.map(|welcome| welcome.member)
    };
    assert_eq!(hello(PROTOCOL, SCHEMA).await, Ok(as_ada));
    assert_eq!(hello(PROTOCOL - 1, SCHEMA).await, Err(ApiError::UpdateNeeded));
    assert_eq!(hello(PROTOCOL, SCHEMA + 1).await, Err(ApiError::ServerOlder));
}
