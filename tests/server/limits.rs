//! What is too large, too deep, too slow or no message at all: refused in words, at every address, and nothing falls over.

use crate::app::{Browser, Device, TestApp, hello_of, note, push_of, read_json, soon};
use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use futures::FutureExt;
use serde_bytes::ByteBuf;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};
use tidemark::api::ApiError;
use tidemark::api::account::Me;
use tidemark::model::id::MemberId;
use tidemark::model::scope::Scope;
use tidemark::server::limits::{READ_BURST, READ_EVERY};
use tidemark::sync::op::{Code, SCHEMA};
use tidemark::sync::wire::{
    FromDevice, FromServer, PROTOCOL, Pull, Pulled, Pushed, SnapshotChunk, SnapshotWanted, Welcome,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const HOME: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Every address that takes a message, and how.
const FORMS: &[&str] = &[
    "sign-up",
    "sign-in",
    "workspace/create",
    "workspace/switch",
    "invitation/create",
    "invitation/look",
    "invitation/accept",
    "invitation/list",
    "invitation/withdraw",
    "member/remove",
    "device/register",
    "session/end",
    "password/change",
    "page-seed",
];
const JSONS: &[&str] = &["history", "quarantine/list", "quarantine/release", "quarantine/discard", "incident"];
const PACKS: &[&str] = &["sync/push", "sync/hello", "sync/pull", "sync/snapshot"];

async fn is_well(ada: &Browser<'_>) {
    let me: Option<Me> = ada.call("me", &[]).await.unwrap();
    assert!(me.is_some());
}

#[tokio::test]
async fn what_is_no_message_is_refused_everywhere() {
    let app = TestApp::start().await;
    let (ada, _) = app.owner("Ada").await;
    let deep_json = format!("{}{}", "[".repeat(30_000), "]".repeat(30_000)).into_bytes();
    let deep_form = format!("a{}=1", "[b]".repeat(10_000)).into_bytes();
    // A list of lists of lists ...; a list and a text that claim four billion entries.
    let packs = [vec![0x91; 200_000], vec![0xdd, 0xff, 0xff, 0xff, 0xff], vec![0x92, 0xdb, 0xff, 0xff, 0xff, 0xff]];
    let noise: Vec<u8> = (0..=255).cycle().take(5_000).collect();
    let sorts = [
        (FORMS, "application/x-www-form-urlencoded", vec![deep_form, noise.clone(), b"%zz=%".to_vec()]),
        (JSONS, "application/json", vec![deep_json, noise.clone(), Vec::new(), b"null".to_vec(), b"{".to_vec()]),
        (PACKS, "application/msgpack", [packs.to_vec(), vec![noise, Vec::new(), vec![0xc0]]].concat()),
    ];
    for (endpoints, sort, bodies) in sorts {
        for (endpoint, body) in endpoints.iter().flat_map(|endpoint| bodies.iter().map(move |body| (endpoint, body))) {
            let response = ada.post(endpoint, body.clone(), sort).await;
            let status = response.status();
            assert!(status.is_client_error(), "{endpoint} answers {status} to {:?}", &body[..body.len().min(20)]);
            assert!(read_json::<serde_json::Value>(response).await.is_err());
        }
    }
    is_well(&ada).await;
}

#[tokio::test]
async fn ops_that_are_bombs_are_refused_in_their_place() {
    let app = TestApp::start().await;
    let (ada, as_ada) = app.owner("Ada").await;
    let mut push = push_of(1, &[note("Good")]);
    push.ops.push(ByteBuf::from(vec![0x91; 800_000]));
    push.ops.push(ByteBuf::from(vec![0xdf, 0xff, 0xff, 0xff, 0xff, 0xa1, b'i']));
    let pushed: Pushed = ada.exchange("sync/push", as_ada, &push).await.unwrap();
    let codes: Vec<Option<Code>> =
        pushed.receipts.iter().map(|receipt| receipt.reason.as_ref().map(|reason| reason.code)).collect();
    assert_eq!(codes, [None, Some(Code::Malformed), Some(Code::Malformed)]);
    // The message itself.
    for body in [vec![0x91; 500_000], vec![0x81, 0xa1, b'o', 0xdd, 0xff, 0xff, 0xff, 0xff]] {
        let args = rmp_serde::to_vec(&(as_ada, ByteBuf::from(body))).unwrap();
        let response = ada.post("sync/push", args, "application/msgpack").await;
        assert_eq!(read_json::<()>(response).await, Err(ApiError::Malformed));
    }
    is_well(&ada).await;
}

#[tokio::test]
async fn a_body_that_does_not_say_its_size_ends_at_the_limit_too() {
    let app = TestApp::start().await;
    let (ada, _) = app.owner("Ada").await;
    let chunks = futures::stream::iter((0..400).map(|_| Ok::<_, std::io::Error>(Bytes::from(vec![b'a'; 8_192]))));
    let request = ada
        .request("POST", "/api/sync/push")
        .header("origin", app.origin())
        .header("content-type", "application/msgpack")
        .body(Body::from_stream(chunks))
        .unwrap();
    let response = app.ask(request, HOME).await;
    assert!(matches!(response.status(), StatusCode::PAYLOAD_TOO_LARGE | StatusCode::BAD_REQUEST), "{response:?}");
    is_well(&ada).await;
}

#[tokio::test]
async fn a_form_is_no_place_for_what_only_a_message_needs() {
    let app = TestApp::start().await;
    let (ada, _) = app.owner("Ada").await;
    let form = "application/x-www-form-urlencoded";
    for endpoint in ["sign-in", "workspace/create", "incident"] {
        let response = ada.post(endpoint, vec![b'a'; 100_000], form).await;
        assert_eq!(read_json::<()>(response).await, Err(ApiError::TooLarge), "{endpoint}");
        let chunks = futures::stream::iter((0..13).map(|_| Ok::<_, std::io::Error>(Bytes::from(vec![b'a'; 8_192]))));
        let request = ada.request("POST", &format!("/api/{endpoint}")).header("origin", app.origin());
        let request = request.header("content-type", form).body(Body::from_stream(chunks)).unwrap();
        let response = app.ask(request, HOME).await;
        assert_eq!(read_json::<()>(response).await, Err(ApiError::TooLarge), "{endpoint}");
    }
    is_well(&ada).await;
}

#[tokio::test]
async fn more_ops_or_held_edits_than_a_message_may_name_are_refused() {
    let app = TestApp::start().await;
    let (ada, as_ada) = app.owner("Ada").await;
    let many: Vec<_> = (0..501).map(|_| note("One of too many")).collect();
    assert_eq!(ada.push(as_ada, &many).await.map(drop), Err(ApiError::TooLarge));
    let ids: Vec<_> = many.iter().map(|op| op.id).collect();
    let body = serde_json::json!({ "member": as_ada, "ops": ids });
    assert_eq!(ada.call_json::<()>("quarantine/release", &body).await, Err(ApiError::TooLarge));
}

#[tokio::test]
async fn names_and_addresses_of_any_length_are_answered() {
    let app = TestApp::start().await;
    let long = "a".repeat(50_000);
    for (name, email, password) in
        [(&*long, "a@b", "tide comes in"), ("Ada", &format!("{long}@b"), "tide comes in"), ("Ada", "a@b", &long)]
    {
        let refused = app.browser().sign_up(name, email, password).await;
        assert!(matches!(refused, Err(ApiError::Invalid(_))), "{refused:?}");
    }
    assert_eq!(app.browser().sign_in(&long, "tide comes in").await, Err(ApiError::WrongPassword));
    assert_eq!(app.browser().sign_in("a@b", &long).await, Err(ApiError::WrongPassword));
    let (ada, as_ada) = app.owner("Ada").await;
    assert!(matches!(ada.call::<Me>("workspace/create", &[("name", &long)]).await, Err(ApiError::Invalid(_))));
    let device = [("member", &*as_ada.to_string()), ("device", &as_ada.to_string()), ("name", &long)];
    assert!(matches!(ada.call::<()>("device/register", &device).await, Err(ApiError::Invalid(_))));
    assert_eq!(ada.call::<Me>("invitation/accept", &[("token", &long)]).await, Err(ApiError::InvitationGone));
}

#[tokio::test]
async fn a_head_that_trickles_in_is_not_waited_for() {
    let app = TestApp::impatient(Duration::from_millis(200)).await;
    let mut slow = TcpStream::connect(app.address).await.unwrap();
    slow.write_all(b"GET /health/live HTTP/1.1\r\nhost: x\r\nx-slow: ").await.unwrap();
    let mut answer = Vec::new();
    // It ends, with or without words.
    soon(slow.read_to_end(&mut answer)).await.ok();
    assert!(!answer.starts_with(b"HTTP/1.1 200"), "{:?}", String::from_utf8_lossy(&answer));
    assert_eq!(app.browser().get("/health/live").await.status(), StatusCode::OK);
}

/// How often each way to read is tried: far more than come back to the bucket meanwhile.
const READS: u32 = 200;

/// Whether a member who read `READS` times since then has that many turns fewer, but for those that came back.
fn has_paid(app: &TestApp, member: MemberId, since: Instant) -> bool {
    let left = std::iter::from_fn(|| app.state.limits.read_turn(member).now_or_never()).count();
    let back = since.elapsed().as_millis() / READ_EVERY.as_millis() + 1;
    left as u128 + u128::from(READS) <= u128::from(READ_BURST) + back
}

#[tokio::test]
async fn every_way_to_read_takes_a_turn() {
    let app = TestApp::start().await;
    let pull = Pull { tidemarks: [(Scope::Workspace, 0)].into() };

    let (ada, as_ada) = app.owner("Ada").await;
    let (mut device, _) = Device::live(&ada, as_ada).await;
    let since = Instant::now();
    for _ in 0..READS {
        device.say(&FromDevice::Pull(pull.clone())).await;
        device.hear_until(|message| matches!(message, FromServer::Pulled(_)).then_some(())).await;
    }
    assert!(has_paid(&app, as_ada, since), "pulls on the live channel");

    let (bob, as_bob) = app.owner("Bob").await;
    let since = Instant::now();
    for _ in 0..READS {
        bob.exchange::<Pulled>("sync/pull", as_bob, &pull).await.unwrap();
    }
    assert!(has_paid(&app, as_bob, since), "pulls");

    let (eve, as_eve) = app.owner("Eve").await;
    let since = Instant::now();
    for _ in 0..READS {
        eve.exchange::<Welcome>("sync/hello", as_eve, &hello_of(PROTOCOL, SCHEMA)).await.unwrap();
    }
    assert!(has_paid(&app, as_eve, since), "hellos");

    let (joe, as_joe) = app.owner("Joe").await;
    let wanted = SnapshotWanted { scope: Scope::Workspace, at: None, after: None };
    let since = Instant::now();
    for _ in 0..READS {
        joe.exchange::<SnapshotChunk>("sync/snapshot", as_joe, &wanted).await.unwrap();
    }
    assert!(has_paid(&app, as_joe, since), "chunks of snapshots");
}
