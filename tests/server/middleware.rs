//! What stands around every route.

use crate::app::{TestApp, read_json, text};
use axum::body::Body;
use axum::http::StatusCode;
use std::net::{IpAddr, Ipv4Addr};
use tidemark::api::ApiError;
use tidemark::api::account::Me;

const HOME: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

#[tokio::test]
async fn a_foreign_page_changes_nothing() {
    let app = TestApp::start().await;
    let ada = app.person("Ada").await;
    for origin in [None, Some("https://evil.example.org"), Some("null")] {
        let mut request =
            ada.request("POST", "/api/workspace/create").header("content-type", "application/x-www-form-urlencoded");
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        let response = app.ask(request.body(Body::from("name=Stolen")).unwrap(), HOME).await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
        assert_eq!(read_json::<Me>(response).await, Err(ApiError::ForeignPage), "{origin:?}");
    }
    let me: Option<Me> = ada.call("me", &[]).await.unwrap();
    assert_eq!(me.unwrap().memberships, []);
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_in_words() {
    let app = TestApp::start().await;
    let ada = app.person("Ada").await;
    let response = ada.post("sync/push", vec![0; 2 << 20], "application/msgpack").await;
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(read_json::<()>(response).await, Err(ApiError::TooLarge));
}

#[tokio::test]
async fn every_answer_carries_the_rules_browsers_enforce() {
    let app = TestApp::start().await;
    for path in ["/sign-in", "/shell", "/health/live", "/nowhere"] {
        let response = app.browser().get(path).await;
        let header =
            |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let policy = header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(header("referrer-policy"), "same-origin", "{path}");
        assert!(!header("x-request-id").is_empty(), "{path}");
        let page = header("content-type").starts_with("text/html");
        assert_eq!(header("cross-origin-opener-policy"), if page { "same-origin" } else { "" }, "{path}");
    }
}

#[tokio::test]
async fn the_service_worker_may_fetch() {
    let app = TestApp::start().await;
    let response = app.browser().get("/service-worker.js").await;
    assert!(response.headers()["content-security-policy"].to_str().unwrap().contains("connect-src 'self'"));
    let script = text(response).await;
    assert!(script.contains("\"/shell\"") && !script.contains("{{"), "{script}");
}

#[tokio::test]
async fn a_healthy_server_says_so() {
    let app = TestApp::start().await;
    let response = app.browser().get("/health/ready").await;
    assert_eq!(response.status(), StatusCode::OK);
    let ready: serde_json::Value = serde_json::from_str(&text(response).await).unwrap();
    assert_eq!((&ready["ready"], &ready["database"], &ready["stopping"]), (&true.into(), &true.into(), &false.into()));
    app.state.begin_to_stop();
    assert_eq!(app.browser().get("/health/ready").await.status(), StatusCode::SERVICE_UNAVAILABLE);
}
