//! What a server writes into its log.

use crate::app::{note, push_of};
use crate::process::{FORM, Server, post, say};
use serde_bytes::ByteBuf;
use std::fs::File;
use tidemark::api::account::Me;
use tidemark::api::workspace::Invited;
use tidemark::sync::wire::encode;
use uuid::Uuid;

#[tokio::test]
async fn nobody_fills_the_log_with_words_of_their_own() {
    let folder = std::env::temp_dir().join(format!("tidemark-logs-{}", Uuid::now_v7()));
    std::fs::create_dir_all(&folder).unwrap();
    for (level, origins) in [("info", 0), ("info,tidemark=debug", 2)] {
        let log = folder.join(format!("log-{origins}"));
        let server = Server::start("serve", &folder, File::create(&log).unwrap().into(), &["--log", level]).await;
        let address = server.address;
        for (path, id) in [("x".repeat(30_000), "y".repeat(60_000)), ("x".to_owned(), "proxy-7".to_owned())] {
            let head = format!(
                "POST /api/{path} HTTP/1.1\r\nhost: {address}\r\norigin: https://{}\r\nx-request-id: {id}\r\n\
                 connection: close\r\ncontent-length: 0\r\n\r\n",
                "z".repeat(200_000)
            );
            assert_eq!(say(address, head.as_bytes()).await.unwrap().status, 403);
        }
        assert!(server.stop().await.success());
        let log = std::fs::read_to_string(&log).unwrap();
        assert_eq!(log.matches("foreign page").count(), origins, "{log}");
        assert_eq!(log.contains("proxy-7"), origins > 0, "{log}");
        assert!(log.lines().all(|line| line.len() < 2_000), "{}", log.len());
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

/// With every line switched on.
#[tokio::test]
async fn no_secret_and_nothing_people_wrote_is_in_the_log() {
    let folder = std::env::temp_dir().join(format!("tidemark-logs-{}", Uuid::now_v7()));
    std::fs::create_dir_all(&folder).unwrap();
    let log = folder.join("log");
    let server = Server::start("serve", &folder, File::create(&log).unwrap().into(), &["--log", "trace"]).await;
    let address = server.address;
    let (password, wrong, next) = ("seaweed on the slipway", "driftwood on the beach", "pebbles under the pier");
    let form = |text: String| text.replace(' ', "+").into_bytes();

    let up = form(format!("name=Ada&email=ada%40example.org&password={password}"));
    let cookie = post(address, "sign-up", "", FORM, up).await.unwrap().cookie.unwrap();
    let guess = form(format!("email=ada%40example.org&password={wrong}"));
    assert_eq!(post(address, "sign-in", "", FORM, guess).await.unwrap().status, 401);
    let again = form(format!("email=ada%40example.org&password={password}"));
    let second = post(address, "sign-in", "", FORM, again).await.unwrap().cookie.unwrap();
    let me = post(address, "workspace/create", &cookie, FORM, b"name=Grid".to_vec()).await.unwrap();
    let me: Me = serde_json::from_slice(&me.body).unwrap();
    let member = me.viewer.unwrap().member;
    let invite = form(format!("member={member}&role=viewer"));
    let invited = post(address, "invitation/create", &cookie, FORM, invite).await.unwrap();
    let invited: Invited = serde_json::from_slice(&invited.body).unwrap();
    let look = format!("GET {} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n", invited.path);
    assert_eq!(say(address, look.as_bytes()).await.unwrap().status, 200);
    let push = push_of(1, &[note("Barnacles on the hull")]);
    let body = rmp_serde::to_vec(&(member, ByteBuf::from(encode(&push).unwrap()))).unwrap();
    assert_eq!(post(address, "sync/push", &cookie, "application/msgpack", body).await.unwrap().status, 200);
    let mut broken = push_of(2, &[note("Barnacles on the hull")]);
    let half = broken.ops[0].len() - 3;
    broken.ops[0].truncate(half);
    let body = rmp_serde::to_vec(&(member, ByteBuf::from(encode(&broken).unwrap()))).unwrap();
    assert_eq!(post(address, "sync/push", &cookie, "application/msgpack", body).await.unwrap().status, 200);
    let change = form(format!("current={password}&new={next}"));
    assert_eq!(post(address, "password/change", &cookie, FORM, change).await.unwrap().status, 200);
    assert!(server.stop().await.success());

    let log = std::fs::read_to_string(&log).unwrap();
    assert!(log.contains("An account was made") && log.contains("/api/password/change"), "{log}");
    let token = |cookie: &str| cookie.split_once('=').unwrap().1.to_owned();
    let invitation = invited.path.trim_start_matches("/invitation/").to_owned();
    let words = [password, wrong, next].map(|words| words.split(' ').next().unwrap().to_owned());
    let secrets = [token(&cookie), token(&second), invitation, "$argon2id".to_owned(), "Barnacles".to_owned()];
    for secret in words.into_iter().chain(secrets) {
        let line = log.lines().find(|line| line.contains(&secret));
        assert_eq!(line, None, "{secret} is in the log");
    }
    std::fs::remove_dir_all(&folder).unwrap();
}
