//! Everything a request passes on its way in and its answer on its way out, in one list. A place in the list has a reason;
//! who adds to it writes that reason down.

use crate::api::ApiError;
use crate::server::errors::status;
use crate::server::state::{AppState, Pages};
use crate::sync::wire::MESSAGE_BYTES_MAX;
use axum::body::{HttpBody as Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{
    CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderName, HeaderValue, ORIGIN, REFERRER_POLICY,
    UPGRADE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, Method};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use std::time::Duration;
use tokio::time::timeout;
use tower::ServiceBuilder;
use tower_http::CompressionLevel;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{Predicate, SizeAbove};
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, RequestId, SetRequestIdLayer};
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::trace::TraceLayer;

/// The largest body: one wire message and its envelope.
const BODY_BYTES_MAX: usize = MESSAGE_BYTES_MAX + 4 * 1024;
/// Where such are sent, and lists of held edits.
const LARGE: [&str; 2] = ["/api/sync/", "/api/quarantine/"];
/// The largest body anywhere else: a form.
const FORM_BYTES_MAX: usize = 64 * 1024;
/// An answer has begun within this time, or there is none.
const ANSWER_WAIT: Duration = Duration::from_secs(30);
/// For whatever is not a rendered page, which sends its own with a nonce: nothing in it may run.
const POLICY_DEFAULT: &str = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'";
/// A message or a page smaller than this fits into a few packets either way.
const PACKED_ABOVE_BYTES: u16 = 4 * 1024;
/// Of Brotli's 11 and gzip's 9 levels: 54 KiB of dashboard become 8 instead of 10, in a millisecond or two.
const PAGE_QUALITY: i32 = 5;
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The longest request id that is taken over from a proxy: every line logged about the request has it.
const REQUEST_ID_CHARS_MAX: usize = 64;
/// What a line of the log holds of a caller's own words.
const LOGGED_CHARS_MAX: usize = 200;

/// Puts the list around the routes.
pub fn around(routes: Router<AppState>, state: &AppState) -> Router<AppState> {
    // Innermost, on the whole router: server functions have no limit of their own. What says its size is refused earlier,
    // in words; this ends what does not.
    routes.layer(RequestBodyLimitLayer::new(BODY_BYTES_MAX)).layer(packed_messages()).layer(packed_pages()).layer(
        ServiceBuilder::new()
            // Before the id is taken over.
            .map_request(without_odd_id)
            // First, so that every line logged about a request carries its id.
            .layer(SetRequestIdLayer::new(REQUEST_ID, MakeRequestUuid))
            // A failure was logged where it became an answer; a server that says it is not ready has not failed.
            .layer(TraceLayer::new_for_http().make_span_with(span).on_failure(()))
            .layer(PropagateRequestIdLayer::new(REQUEST_ID))
            // Outside all that can fail, so that answers about failures carry them too.
            .layer(SetResponseHeaderLayer::if_not_present(
                CONTENT_SECURITY_POLICY,
                HeaderValue::from_static(POLICY_DEFAULT),
            ))
            .layer(SetResponseHeaderLayer::overriding(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")))
            .layer(SetResponseHeaderLayer::overriding(REFERRER_POLICY, HeaderValue::from_static("same-origin")))
            // Of a page alone: nothing else has an opener.
            .layer(SetResponseHeaderLayer::overriding(
                HeaderName::from_static("cross-origin-opener-policy"),
                |response: &axum::http::Response<_>| {
                    is_of(response, "text/html").then(|| HeaderValue::from_static("same-origin"))
                },
            ))
            .layer(SetResponseHeaderLayer::overriding(
                HeaderName::from_static("cross-origin-resource-policy"),
                HeaderValue::from_static("same-origin"),
            ))
            // Inside the headers: a defect in one handler is answered like any failure and ends nothing else.
            .layer(CatchPanicLayer::custom(panicked))
            // Outside everything that reads the body, because a body that trickles in is what takes too long.
            .layer(from_fn(in_time))
            // Before the routes: nothing that changes something is reached from a foreign page, or with too large a body.
            .layer(from_fn_with_state(state.clone(), own_pages_only))
            .layer(from_fn(small_enough)),
    )
}

/// Packs large messages for whoever can unpack them, quickly.
fn packed_messages() -> CompressionLayer<impl Predicate> {
    let large = SizeAbove::new(PACKED_ABOVE_BYTES).and(OfType("application/msgpack"));
    CompressionLayer::new().br(false).quality(CompressionLevel::Fastest).compress_when(large)
}

/// Packs pages, well: it is markup, and whoever waits for a first one waits for every byte. A page leaves whole then, not in
/// parts; it is rendered in milliseconds, from records that were read before. What somebody else wrote stands in it beside its
/// reader's own, so each has `app::Padding`.
fn packed_pages() -> CompressionLayer<impl Predicate> {
    let large = SizeAbove::new(PACKED_ABOVE_BYTES).and(OfType("text/html"));
    CompressionLayer::new().quality(CompressionLevel::Precise(PAGE_QUALITY)).compress_when(large)
}

/// Answers whose content type begins with this.
#[derive(Clone, Copy)]
struct OfType(&'static str);

impl Predicate for OfType {
    fn should_compress<B: Body>(&self, response: &axum::http::Response<B>) -> bool {
        is_of(response, self.0)
    }
}

fn is_of<B>(response: &axum::http::Response<B>, beginning: &str) -> bool {
    let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with(beginning))
}

fn span(request: &Request) -> tracing::Span {
    let id = request.extensions().get::<RequestId>().and_then(|id| id.header_value().to_str().ok()).unwrap_or_default();
    // The path without its query; invitations carry their token in the path.
    let path = request.uri().path();
    let path = if path.starts_with("/invitation/") { "/invitation/…" } else { beginning(path) };
    tracing::info_span!("request", method = beginning(request.method().as_str()), path, request.id = id)
}

/// Drops a request id that is none, so that the server makes one.
fn without_odd_id(mut request: Request) -> Request {
    let letters = |id: &[u8]| id.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-');
    let sound = |id: &HeaderValue| (1..=REQUEST_ID_CHARS_MAX).contains(&id.len()) && letters(id.as_bytes());
    if !request.headers().get(REQUEST_ID).is_none_or(sound) {
        request.headers_mut().remove(REQUEST_ID);
    }
    request
}

/// As much of it as a line of the log holds.
fn beginning(text: &str) -> &str {
    text.char_indices().nth(LOGGED_CHARS_MAX).and_then(|(end, _)| text.get(..end)).unwrap_or(text)
}

fn panicked(_: Box<dyn std::any::Any + Send>) -> Response {
    tracing::error!("A handler panicked; this is a defect. The panic's own message stands above.");
    refused(&ApiError::Failed)
}

/// The same answer a server function would have given.
fn refused(error: &ApiError) -> Response {
    (status(error), Json(error)).into_response()
}

/// Gives up on what takes too long: a body that trickles in, as a rule.
async fn in_time(request: Request, next: Next) -> Response {
    match timeout(ANSWER_WAIT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            tracing::warn!(waited_s = ANSWER_WAIT.as_secs(), "A request took too long and was given up.");
            refused(&ApiError::TooSlow)
        }
    }
}

/// Refuses a body that says it is too large before any of it is read, and reads a form to its end, so that one which does not
/// say its size is refused too.
async fn small_enough(request: Request, next: Next) -> Response {
    let large = LARGE.iter().any(|begins| request.uri().path().starts_with(begins));
    let bytes_max = if large { BODY_BYTES_MAX } else { FORM_BYTES_MAX };
    let length = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if length.is_some_and(|length| length > bytes_max) {
        return refused(&ApiError::TooLarge);
    }
    if large || request.body().is_end_stream() {
        return next.run(request).await;
    }
    let (head, body) = request.into_parts();
    match to_bytes(body, bytes_max).await {
        Ok(body) => next.run(Request::from_parts(head, body.into())).await,
        Err(_) => refused(&ApiError::TooLarge),
    }
}

/// Refuses what a foreign page sends with the person's cookie: every request that may change something, and the upgrade to
/// the live channel, must say it comes from a page of ours. (OWASP, Cross-Site Request Forgery Prevention: verifying origin.)
async fn own_pages_only(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let upgrades = request.headers().contains_key(UPGRADE);
    if (!reads || upgrades) && !from_own_page(request.headers(), &state.pages) {
        let origin = request.headers().get(ORIGIN).map(|origin| beginning(origin.to_str().unwrap_or("?")));
        tracing::debug!(origin, "A request from a foreign page was refused.");
        return refused(&ApiError::ForeignPage);
    }
    next.run(request).await
}

fn from_own_page(headers: &HeaderMap, pages: &Pages) -> bool {
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let site = text(HeaderName::from_static("sec-fetch-site"));
    // Sec-Fetch-Site is set by browsers alone. Where it is missing (older ones, programs) the origin must still be named.
    site.is_none_or(|site| site == "same-origin")
        && text(ORIGIN).zip(text(HOST)).is_some_and(|(origin, host)| pages.may(origin, host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(
        pages: &Pages,
        host: &'static str,
        origin: Option<&'static str>,
        site: Option<&'static str>,
        passes: &str,
    ) {
        let mut headers = HeaderMap::new();
        for (name, value) in [("host", Some(host)), ("origin", origin), ("sec-fetch-site", site)] {
            headers.extend(value.map(|value| (HeaderName::from_static(name), HeaderValue::from_static(value))));
        }
        assert_eq!(from_own_page(&headers, pages), passes == "passes", "{host} {origin:?} {site:?}");
    }

    #[test]
    fn only_pages_of_the_public_address_pass() {
        let pages = Pages::Of("https://tide.example.org".to_owned());
        let host = "tide.example.org";
        check(&pages, host, Some("https://tide.example.org"), Some("same-origin"), "passes");
        check(&pages, host, Some("https://TIDE.example.org"), None, "passes");
        check(&pages, host, None, None, "refused");
        check(&pages, host, None, Some("same-origin"), "refused");
        check(&pages, host, Some("null"), None, "refused");
        check(&pages, host, Some("https://evil.example.org"), None, "refused");
        check(&pages, host, Some("https://tide.example.org.evil.net"), None, "refused");
        check(&pages, host, Some("http://tide.example.org"), None, "refused");
        check(&pages, host, Some("https://tide.example.org"), Some("same-site"), "refused");
        check(&pages, host, Some("https://tide.example.org"), Some("cross-site"), "refused");
    }

    #[test]
    fn without_a_public_address_only_this_machine_passes() {
        let pages = Pages::OfThisMachine;
        check(&pages, "127.0.0.1:3000", Some("http://127.0.0.1:3000"), None, "passes");
        check(&pages, "localhost:3000", Some("http://localhost:3000"), Some("same-origin"), "passes");
        check(&pages, "[::1]:3000", Some("http://[::1]:3000"), None, "passes");
        // Another program of this machine, and a foreign name that was pointed at it.
        check(&pages, "127.0.0.1:3000", Some("http://127.0.0.1:8080"), None, "refused");
        check(&pages, "rebound.example.org:3000", Some("http://rebound.example.org:3000"), None, "refused");
        check(&pages, "127.0.0.1:3000", Some("https://127.0.0.1:3000"), None, "refused");
    }
}
