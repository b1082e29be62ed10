//! `/api/live`: the live channel.

use crate::app::{Device, TestApp, change, hello_of, note, private_project, push_of, put, refusal, soon};
use axum::http::StatusCode;
use tidemark::api::ApiError;
use tidemark::model::choice::Role;
use tidemark::model::kinds::Kind;
use tidemark::model::record::Key;
use tidemark::model::scope::Scope;
use tidemark::model::value::Value;
use tidemark::server::limits::CHANNELS_MAX;
use tidemark::sync::op::{Action, Code, Outcome, SCHEMA};
use tidemark::sync::wire::{
    FromDevice, FromServer, MESSAGE_BYTES_MAX, PROTOCOL, Pull, Pulled, Refusal, SnapshotChunk, SnapshotWanted,
};
use tokio_tungstenite::tungstenite::Message;

#[tokio::test]
async fn what_one_person_does_another_sees_at_once() {
    let app = TestApp::start().await;
    let (ada, as_ada) = app.owner("Ada").await;
    let (bob, as_bob) = app.member_of(&ada, as_ada, "Bob", Role::Member).await;
    let (mut at_adas, welcome) = Device::live(&ada, as_ada).await;
    let (mut at_bobs, _) = Device::live(&bob, as_bob).await;
    assert_eq!(welcome.member, as_ada);

    let made = note("Crane on Tuesday");
    at_adas.say(&FromDevice::Push(push_of(3, std::slice::from_ref(&made)))).await;
    let pushed =
        at_adas.hear_until(|message| if let FromServer::Pushed(pushed) = message { Some(pushed) } else { None }).await;
    assert_eq!((pushed.batch, pushed.receipts[0].outcome), (3, Outcome::Applied));
    let title = at_bobs
        .hear_until(|message| match message {
            FromServer::Frame(frame) => {
                frame.entries.iter().find(|entry| entry.record == made.record).map(|entry| put(entry, "title"))
            }
            _ => None,
        })
        .await;
    assert_eq!(title.as_deref(), Some("Crane on Tuesday"));
}

#[tokio::test]
async fn pipelined_pushes_are_answered_each_and_in_order() {
    let app = TestApp::start().await;
    let (ada, as_ada) = app.owner("Ada").await;
    let (mut device, _) = Device::live(&ada, as_ada).await;
    for batch in 1..=40 {
        device.say(&FromDevice::Push(push_of(batch, &[note("One of many")]))).await;
    }
    device.say(&FromDevice::Pull(Pull { tidemarks: [(Scope::Workspace, 0)].into() })).await;
    for batch in 1..=40 {
        let pushed = device
            .hear_until(|message| if let FromServer::Pushed(pushed) = message { Some(pushed) } else { None })
            .await;
        assert_eq!(pushed.batch, batch);
    }
    let pulled =
        device.hear_until(|message| if let FromServer::Pulled(pulled) = message { Some(pulled) } else { None }).await;
    assert!(pulled.frames.iter().map(|frame| frame.entries.len()).sum::<usize>() >= 40);
}

#[tokio::test]
async fn a_beat_is_answered_with_where_everything_stands() {
    let app = TestApp::start().await;
    let (ada, as_ada) = app.owner("Ada").await;
    let (mut device, welcome) = Device::live(&ada, as_ada).await;
    device.say(&FromDevice::Beat).await;
    let head =
        device.hear_until(|message| if let FromServer::Beat { head, .. } = message { Some(head) } else { None }).await;
    assert_eq!(head, welcome.head);
}

#[tokio::test]
async fn signing_out_closes_the_channel_at_once() {
    let app = TestApp::start().await;
    let (ada, as_ada) = app.owner("Ada").await;
    let (mut device, _) = Device::live(&ada, as_ada).await;
    ada.call::<()>("sign-out", &[]).await.unwrap();
    assert_eq!(device.hear_until(refusal).await, Refusal::SignedOut);
    assert_eq!(device.hear().await, None);
}

#[tokio::test]
async fn somebody_removed_is_told_and_disconnected_at_once() {
    let app = TestApp::start().await;
    let (ada, as_ada) = app.owner("Ada").await;
    let (bob, as_bob) = app.member_of(&ada, as_ada, "Bob", Role::Member).await;
    let (mut device, _) = Device::live(&bob, as_bob).await;
    let gone = [("member", &*as_ada.to_string()), ("remove", &*as_bob.to_string())];
    ada.call::<()>("member/remove", &gone).await.unwrap();
    assert_eq!(device.hear_until(refusal).await, Refusal::Revoked);
    assert_eq!(device.hear().await, None);
    let mut again = Device::connect(&bob, as_bob).await;
    assert_eq!(again.hear_until(refusal).await, Refusal::Revoked);
}

#[tokio::test]
async fn a_foreign_page_gets_no_channel() {
    let app = TestApp::start().await;
    let (ada, as_ada) = app.owner("Ada").await;
    let refused = Device::connect_with(&ada, as_ada, "https://evil.example.org").await;
    assert_eq!(refused.err(), Some(StatusCode::FORBIDDEN));
}

#[tokio::test]
async fn nobody_speaks_in_somebody_elses_name() {
    let app = TestApp::start().await;
    let (_, as_ada) = app.owner("Ada").await;
    let (eve, _) = app.owner("Eve").await;
    // Not "removed": a device that was somebody else's a moment ago would throw its copy away.
    let mut device = Device::connect(&eve, as_ada).await;
    assert_eq!(device.hear_until(refusal).await, Refusal::SignedOut);
    let mut device = Device::connect(&app.browser(), as_ada).await;
    assert_eq!(device.hear_until(refusal).await, Refusal::SignedOut);
}

#[tokio::test]
async fn builds_that_do_not_fit_are_told_which_of_them_is_old() {
    let app = TestApp::start().await;
    let (ada, as_ada) = app.owner("Ada").await;
    for (hello, expected) in [
        (hello_of(PROTOCOL - 1, SCHEMA), Refusal::UpdateNeeded),
        (hello_of(PROTOCOL, SCHEMA + 1), Refusal::ServerOlder),
        (hello_of(PROTOCOL + 1, SCHEMA), Refusal::ServerOlder),
    ] {
        let mut device = Device::connect(&ada, as_ada).await;
        device.say(&FromDevice::Hello(hello)).await;
        assert_eq!(device.hear_until(refusal).await, expected);
    }
}

#[tokio::test]
async fn what_is_too_large_or_no_message_is_refused_in_words() {
    let app = TestApp::start().await;
    let (ada, as_ada) = app.owner("Ada").await;
    for wrong in [Message::binary(vec![0; MESSAGE_BYTES_MAX + 1]), Message::binary(vec![0xc1]), Message::text("hello")]
    {
        let (mut device, _) = Device::live(&ada, as_ada).await;
        device.send(wrong).await;
        assert_eq!(device.hear_until(refusal).await, Refusal::Malformed);
        assert_eq!(device.hear().await, None);
    }
    // The first message has to be a hello.
    let mut device = Device::connect(&ada, as_ada).await;
    device.say(&FromDevice::Beat).await;
    assert_eq!(device.hear_until(refusal).await, Refusal::Malformed);
}

#[tokio::test]
async fn a_server_that_stops_tells_everybody_and_ends() {
    let mut app = TestApp::start().await;
    let mut device = {
        let (ada, as_ada) = app.owner("Ada").await;
        let (mut device, _) = Device::live(&ada, as_ada).await;
        device.say(&FromDevice::Push(push_of(1, &[note("Before the end")]))).await;
        device.hear_until(|message| if let FromServer::Pushed(pushed) = message { Some(pushed) } else { None }).await;
        device
    };
    let served = app.stop();
    assert_eq!(device.hear_until(refusal).await, Refusal::Stopping);
    assert_eq!(device.hear().await, None);
    soon(served).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_session_that_ends_before_the_hello_gets_no_channel() {
    let app = TestApp::start().await;
    let (ada, as_ada) = app.owner("Ada").await;
    let mut device = Device::connect(&ada, as_ada).await;
    ada.call::<()>("sign-out", &[]).await.unwrap();
    device.say(&FromDevice::Hello(hello_of(PROTOCOL, SCHEMA))).await;
    assert_eq!(device.hear_until(refusal).await, Refusal::SignedOut);
    assert_eq!(device.hear().await, None);
}

#[tokio::test]
async fn one_browser_opens_only_so_many_channels_and_others_go_on() {
    let app = TestApp::start().await;
    let (ada, as_ada) = app.owner("Ada").await;
    let (bob, as_bob) = app.member_of(&ada, as_ada, "Bob", Role::Member).await;
    let mut open = Vec::new();
    for _ in 0..CHANNELS_MAX {
        open.push(Device::live(&ada, as_ada).await.0);
    }
    let mut one_more = Device::connect(&ada, as_ada).await;
    assert_eq!(one_more.hear_until(refusal).await, Refusal::TooFast);
    assert_eq!(one_more.hear().await, None);
    Device::live(&bob, as_bob).await;
    // A refusal ends the server's side, so that there is room again.
    let mut first = open.remove(0);
    first.send(Message::text("not of this channel")).await;
    assert_eq!(first.hear_until(refusal).await, Refusal::Malformed);
    assert_eq!(first.hear().await, None);
    loop {
        // Its place is free a moment after it was told.
        let mut again = Device::connect(&ada, as_ada).await;
        again.say(&FromDevice::Hello(hello_of(PROTOCOL, SCHEMA))).await;
        match again.hear().await {
            Some(FromServer::Welcome(_)) => break,
            Some(FromServer::Refused { refusal: Refusal::TooFast, .. }) => tokio::task::yield_now().await,
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn who_takes_too_little_at_a_time_is_told_to_pull() {
    let app = TestApp::start().await;
    let (ada, as_ada) = app.owner("Ada").await;
    let (bob, as_bob) = app.member_of(&ada, as_ada, "Bob", Role::Member).await;
    let (mut asleep, _) = Device::live(&bob, as_bob).await;
    // Past the queue and past what two systems keep for a connection.
    let long = "tide ".repeat(19_000);
    for _ in 0..40 {
        let notes: Vec<_> = (0..8).map(|_| long_note(&long)).collect();
        let pushed = ada.push(as_ada, &notes).await.unwrap();
        assert!(pushed.receipts.iter().all(|receipt| receipt.outcome == Outcome::Applied));
    }
    // It wakes up, reads what had left, and learns the rest by asking.
    assert_eq!(asleep.hear_until(refusal).await, Refusal::TooSlow);
    assert_eq!(asleep.hear().await, None);
    let pull = Pull { tidemarks: [(Scope::Workspace, 0)].into() };
    let pulled: Pulled = bob.exchange("sync/pull", as_bob, &pull).await.unwrap();
    assert!(pulled.more && !pulled.frames[0].entries.is_empty());
}

fn long_note(text: &str) -> tidemark::sync::op::Op {
    let mut op = note("Long");
    if let Action::Create { fields } = &mut op.action {
        fields.insert(tidemark::model::value::Name::new("body"), text.into());
    }
    op
}

#[tokio::test]
async fn removed_by_an_edit_is_removed_as_well() {
    let app = TestApp::start().await;
    let (ada, as_ada) = app.owner("Ada").await;
    let (bob, as_bob) = app.member_of(&ada, as_ada, "Bob", Role::Member).await;
    let (mut device, _) = Device::live(&bob, as_bob).await;
    let key = Key::new(Kind::Member, as_bob.into());
    let record = record_of(&ada, as_ada, Scope::Workspace, key).await;
    let pushed = ada.push(as_ada, &[change(key, "active", record.version("active"), true, false)]).await.unwrap();
    assert_eq!(pushed.receipts[0].outcome, Outcome::Applied, "{pushed:?}");
    assert_eq!(device.hear_until(refusal).await, Refusal::Revoked);
    assert_eq!(device.hear().await, None);

    // Taken back in by an edit too, and removed once more: what waits is held again, and not refused for its age.
    let again = record_of(&ada, as_ada, Scope::Workspace, key).await;
    ada.push(as_ada, &[change(key, "active", again.version("active"), false, true)]).await.unwrap();
    assert_eq!(bob.push(as_bob, &[note("Back")]).await.unwrap().receipts[0].outcome, Outcome::Applied);
    assert_eq!(app.state.accounts.memberships(account(&app, "bob").await).await.unwrap()[0].removed_ms, None);
}

async fn account(app: &TestApp, name: &str) -> tidemark::model::id::AccountId {
    app.state.accounts.find(&format!("{name}@example.org")).await.unwrap().unwrap().id
}

async fn record_of(
    browser: &crate::app::Browser<'_>,
    member: tidemark::model::id::MemberId,
    scope: Scope,
    key: Key,
) -> tidemark::model::record::Record {
    let wanted = SnapshotWanted { scope, at: None, after: None };
    let chunk: SnapshotChunk = browser.exchange("sync/snapshot", member, &wanted).await.unwrap();
    chunk.records.into_iter().find(|record| record.key() == key).unwrap()
}

#[tokio::test]
async fn a_member_made_a_viewer_writes_no_more_on_the_channel_that_was_open() {
    let app = TestApp::start().await;
    let (ada, as_ada) = app.owner("Ada").await;
    let (bob, as_bob) = app.member_of(&ada, as_ada, "Bob", Role::Member).await;
    let (mut device, _) = Device::live(&bob, as_bob).await;
    let key = Key::new(Kind::Member, as_bob.into());
    let record = record_of(&ada, as_ada, Scope::Workspace, key).await;
    let demoted = change(key, "role", record.version("role"), Role::Member, Role::Viewer);
    assert_eq!(ada.push(as_ada, &[demoted]).await.unwrap().receipts[0].outcome, Outcome::Applied);
    // Nor does he make himself an owner.
    let grasp = change(key, "role", record.version("role") + 1, Role::Viewer, Role::Owner);
    device.say(&FromDevice::Push(push_of(1, &[note("Too late"), grasp]))).await;
    let pushed =
        device.hear_until(|message| if let FromServer::Pushed(pushed) = message { Some(pushed) } else { None }).await;
    let codes: Vec<_> =
        pushed.receipts.iter().map(|receipt| receipt.reason.as_ref().map(|reason| reason.code)).collect();
    assert_eq!(codes, [Some(Code::Forbidden), Some(Code::Forbidden)]);
}

#[tokio::test]
async fn a_private_project_reaches_only_its_people_and_only_as_long_as_they_are() {
    let app = TestApp::start().await;
    let (ada, as_ada) = app.owner("Ada").await;
    let (bob, as_bob) = app.member_of(&ada, as_ada, "Bob", Role::Member).await;
    let project = private_project("Reorganisation");
    ada.push(as_ada, std::slice::from_ref(&project)).await.unwrap();
    let scope = Scope::Project(project.record);
    let pull = Pull { tidemarks: [(scope, 0)].into() };
    let wanted = SnapshotWanted { scope, at: None, after: None };

    // Asking for it by every way there is.
    let mut device = Device::connect(&bob, as_bob).await;
    let mut hello = hello_of(PROTOCOL, SCHEMA);
    hello.tidemarks.insert(scope, 0);
    hello.tidemarks.insert(Scope::Personal(as_ada), 0);
    device.say(&FromDevice::Hello(hello)).await;
    let welcome = device
        .hear_until(|message| if let FromServer::Welcome(welcome) = message { Some(welcome) } else { None })
        .await;
    let offered: Vec<Scope> = welcome.scopes.iter().map(|state| state.scope).collect();
    assert!(!offered.contains(&scope) && !offered.contains(&Scope::Personal(as_ada)), "{offered:?}");
    device.say(&FromDevice::Follow(pull.clone())).await;
    let pulled =
        device.hear_until(|message| if let FromServer::Pulled(pulled) = message { Some(pulled) } else { None }).await;
    assert_eq!((pulled.frames, pulled.gone), (Vec::new(), Vec::new()));
    assert_eq!(bob.exchange::<Pulled>("sync/pull", as_bob, &pull).await.unwrap().frames, []);
    assert_eq!(
        bob.exchange::<SnapshotChunk>("sync/snapshot", as_bob, &wanted).await.map(drop),
        Err(ApiError::NotFound)
    );
    let written = bob.push(as_bob, &[change(project.key(), "title", 0, Value::Null, "Mine")]).await.unwrap();
    // He may have been let out while he was away, so an owner decides about it; nothing is written.
    assert_eq!(written.receipts[0].outcome, Outcome::Quarantined);
    assert_eq!(record_of(&ada, as_ada, scope, project.key()).await.text("title"), "Reorganisation");

    // Let in: told so, and it can be read.
    let record = record_of(&ada, as_ada, scope, project.key()).await;
    let members = |ids: &[tidemark::model::id::MemberId]| {
        Value::List(ids.iter().map(|id| tidemark::model::id::RecordId::from(*id).into()).collect())
    };
    let joins = change(project.key(), "members", record.version("members"), Value::Null, members(&[as_bob]));
    ada.push(as_ada, &[joins]).await.unwrap();
    device.hear_until(|message| (message == FromServer::ScopeJoin(scope)).then_some(())).await;
    device.say(&FromDevice::Follow(pull.clone())).await;
    device.hear_until(|message| if let FromServer::Pulled(pulled) = message { Some(pulled) } else { None }).await;
    assert!(bob.exchange::<SnapshotChunk>("sync/snapshot", as_bob, &wanted).await.is_ok());

    // Let out: told so, and from then on there is nothing to see and nothing to hear.
    let record = record_of(&ada, as_ada, scope, project.key()).await;
    let leaves = change(project.key(), "members", record.version("members"), members(&[as_bob]), Value::Null);
    ada.push(as_ada, &[leaves]).await.unwrap();
    device.hear_until(|message| (message == FromServer::ScopeLeave(scope)).then_some(())).await;
    let record = record_of(&ada, as_ada, scope, project.key()).await;
    let renamed = change(project.key(), "title", record.version("title"), "Reorganisation", "Secret name");
    ada.push(as_ada, &[renamed, note("For all")]).await.unwrap();
    let heard = device
        .hear_until(|message| match message {
            FromServer::Frame(frame) => Some(frame),
            _ => None,
        })
        .await;
    assert_eq!(heard.scope, Scope::Workspace);
    assert_eq!(bob.exchange::<Pulled>("sync/pull", as_bob, &pull).await.unwrap().frames, []);
    assert_eq!(
        bob.exchange::<SnapshotChunk>("sync/snapshot", as_bob, &wanted).await.map(drop),
        Err(ApiError::NotFound)
    );
}

#[tokio::test]
async fn the_scopes_of_another_workspace_do_not_exist() {
    let app = TestApp::start().await;
    let (ada, as_ada) = app.owner("Ada").await;
    let (eve, as_eve) = app.owner("Eve").await;
    let project = private_project("Quay");
    ada.push(as_ada, std::slice::from_ref(&project)).await.unwrap();
    let scopes = [Scope::Project(project.record), Scope::Personal(as_ada)];
    let (mut device, _) = Device::live(&eve, as_eve).await;
    let pull = Pull { tidemarks: scopes.iter().map(|scope| (*scope, 0)).collect() };
    device.say(&FromDevice::Follow(pull.clone())).await;
    let pulled =
        device.hear_until(|message| if let FromServer::Pulled(pulled) = message { Some(pulled) } else { None }).await;
    assert_eq!((pulled.frames, pulled.gone), (Vec::new(), Vec::new()));
    for scope in scopes {
        let wanted = SnapshotWanted { scope, at: None, after: None };
        let refused = eve.exchange::<SnapshotChunk>("sync/snapshot", as_eve, &wanted).await;
        assert_eq!(refused.map(drop), Err(ApiError::NotFound), "{scope}");
    }
    // A record of the same id in her own workspace is another record.
    let hers = eve.push(as_eve, &[change(project.key(), "title", 1, "Quay", "Hers")]).await.unwrap();
    assert_eq!(hers.receipts[0].reason.as_ref().map(|reason| reason.code), Some(Code::Missing));
    let renamed = record_of(&ada, as_ada, Scope::Project(project.record), project.key()).await;
    assert_eq!(renamed.text("title"), "Quay");
}
