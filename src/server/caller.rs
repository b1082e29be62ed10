//! Who calls a server function: the request's session, address and browser, and how an answer goes back.

use crate::api::ApiError;
use crate::model::id::MemberId;
use crate::server::accounts::Session;
use crate::server::accounts::token::Token;
use crate::server::config::CallerFrom;
use crate::server::errors::status;
use crate::server::state::{AppState, Place};
use axum::extract::{ConnectInfo, Query};
use axum::http::header::{ACCEPT, REFERER, SET_COOKIE, USER_AGENT};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Uri};
use leptos::prelude::use_context;
use leptos_axum::ResponseOptions;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// The caller of a server function.
pub struct Caller {
    /// What it may reach.
    pub state: AppState,
    parts: Parts,
    response: ResponseOptions,
}

impl Caller {
    /// The caller of the server function that is running.
    ///
    /// # Errors
    /// `Failed` outside a request.
    pub fn here() -> Result<Self, ApiError> {
        let found = use_context::<AppState>().zip(use_context::<Parts>()).zip(use_context::<ResponseOptions>());
        let ((state, parts), response) = found.ok_or(ApiError::Failed)?;
        Ok(Self { state, parts, response })
    }

    /// The caller's session.
    ///
    /// # Errors
    /// `SignedOut` if there is none.
    pub async fn session(&self) -> Result<Session, ApiError> {
        session(&self.state, &self.parts.headers).await?.ok_or(ApiError::SignedOut)
    }

    /// The caller as this member.
    ///
    /// # Errors
    /// `SignedOut`, `NotFound`, `Revoked`.
    pub async fn place(&self, member: MemberId) -> Result<Place, ApiError> {
        self.state.place(&self.session().await?, member).await
    }

    /// Where the caller is.
    pub fn address(&self) -> IpAddr {
        let connection = self.parts.extensions.get::<ConnectInfo<SocketAddr>>();
        address(self.state.config.caller, &self.parts.headers, connection)
    }

    /// What the caller's browser says it is.
    pub fn label(&self) -> String {
        text(&self.parts.headers, USER_AGENT.as_str()).to_owned()
    }

    /// Hands the browser a cookie.
    pub fn set_cookie(&self, cookie: HeaderValue) {
        self.response.append_header(SET_COOKIE, cookie);
    }

    /// What this is in the address of the page a form was posted from.
    pub fn page_query(&self, name: &str) -> Option<String> {
        let page: Uri = text(&self.parts.headers, REFERER.as_str()).parse().ok()?;
        let Query(mut query) = Query::<BTreeMap<String, String>>::try_from_uri(&page).ok()?;
        query.remove(name)
    }

    /// Sends a form that was posted without a script on to a page.
    pub fn then_show(&self, path: &str) {
        if text(&self.parts.headers, ACCEPT.as_str()).contains("text/html") {
            leptos_axum::redirect(path);
        }
    }
}

/// Gives an error the status it deserves.
pub async fn answer<T>(work: impl Future<Output = Result<T, ApiError>>) -> Result<T, ApiError> {
    work.await.inspect_err(set_status)
}

/// Sets the status of the answer that is being made. A form that was posted without a script is redirected by Leptos instead.
pub fn set_status(error: &ApiError) {
    let html = use_context::<Parts>().is_some_and(|parts| text(&parts.headers, ACCEPT.as_str()).contains("text/html"));
    if let Some(response) = use_context::<ResponseOptions>().filter(|_| !html) {
        response.set_status(status(error));
    }
}

/// The session in a request's cookie, if it has not ended.
///
/// # Errors
/// `Failed`.
pub async fn session(state: &AppState, headers: &HeaderMap) -> Result<Option<Session>, ApiError> {
    match Token::in_cookie(headers) {
        Some(token) => state.accounts.session(&token, state.core.now_ms()).await,
        None => Ok(None),
    }
}

fn address(from: CallerFrom, headers: &HeaderMap, connection: Option<&ConnectInfo<SocketAddr>>) -> IpAddr {
    let connected = connection.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(peer)| peer.ip());
    match from {
        CallerFrom::Connection => connected,
        // Some proxies lengthen the caller's own line and others add one: the last word of the last line is the proxy's.
        CallerFrom::Forwarded => headers
            .get_all("x-forwarded-for")
            .iter()
            .next_back()
            .and_then(|line| written(line.to_str().ok()?.rsplit(',').next()?.trim()))
            .unwrap_or(connected),
    }
}

/// An address as proxies write it: some add the port, and brackets where it has colons.
fn written(address: &str) -> Option<IpAddr> {
    let with_port = |address: &str| Some(address.parse::<SocketAddr>().ok()?.ip());
    let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(address);
    bare.parse().ok().or_else(|| with_port(address))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_proxy_wrote_counts_and_what_the_caller_wrote_does_not() {
        let peer = ConnectInfo(SocketAddr::from(([10, 0, 0, 1], 443)));
        let from = |lines: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append("x-forwarded-for", HeaderValue::from_static(line));
            }
            address(CallerFrom::Forwarded, &headers, Some(&peer)).to_string()
        };
        assert_eq!(from(&["192.0.2.7"]), "192.0.2.7");
        assert_eq!(from(&["1.1.1.1, 192.0.2.7"]), "192.0.2.7");
        assert_eq!(from(&["1.1.1.1", "192.0.2.7"]), "192.0.2.7");
        assert_eq!(from(&["1.1.1.1", "2.2.2.2, 2001:db8::1"]), "2001:db8::1");
        assert_eq!(from(&["1.1.1.1", "203.0.113.7:5000"]), "203.0.113.7");
        assert_eq!(from(&["[2001:db8::1]:5000"]), "2001:db8::1");
        assert_eq!(from(&["[2001:db8::1]"]), "2001:db8::1");
        assert_eq!(from(&["1.1.1.1", "unknown"]), "10.0.0.1");
        assert_eq!(from(&[]), "10.0.0.1");
        let mut invented = HeaderMap::new();
        invented.append("x-forwarded-for", HeaderValue::from_static("1.1.1.1"));
        assert_eq!(address(CallerFrom::Connection, &invented, Some(&peer)), peer.0.ip());
    }
}
