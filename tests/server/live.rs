//! `/api/live`: the live channel.

use crate::app::{Device, TestApp, hello_of, note, push_of, put, soon};
use axum::http::StatusCode;
use tidemark::model::choice::Role;
use tidemark::model::scope::Scope;
use tidemark::sync::op::{Outcome, SCHEMA};
use tidemark::sync::wire::{FromDevice, FromServer, MESSAGE_BYTES_MAX, PROTOCOL, Pull, Refusal};
use tokio_tungstenite::tungstenite::Message;

/// Why a connection ended.
fn refusal(message: FromServer) -> Option<Refusal> {
    match message {
        FromServer::Refused { refusal, says } => {
            assert!(says.len() > 20, "{says}");
            Some(refusal)
        }
        _ => None,
    }
}

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
    let mut device = Device::connect(&eve, as_ada).await;
    assert_eq!(device.hear_until(refusal).await, Refusal::Revoked);
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
