//! Secrets that open a door: the tokens of sessions and invitations. The holder has the token, the server only its digest,
//! so that a copy of the database opens nothing.

use crate::api::ApiError;
use axum::http::header::COOKIE;
use axum::http::{HeaderMap, HeaderValue};
use axum_extra::extract::cookie::{Cookie, SameSite};
use sha2::Digest as _;
use std::fmt;

/// What a token hashes to (SHA-256; the token is random, so nothing slower is needed).
pub type Digest = [u8; 32];

/// The cookie's name. The prefix makes browsers insist on Secure, on Path=/ and on no Domain, so that no neighbouring host
/// can plant one (RFC 6265bis section 4.1.3.2).
pub const COOKIE_NAME: &str = "__Host-tidemark";
/// How long a browser keeps the cookie: as long as browsers allow; the server decides when the session ends.
const COOKIE_DAYS: i64 = 400;
/// Letters of a token: 32 bytes in hexadecimal.
const LETTERS: usize = 64;

/// 256 random bits, as text.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// A new one.
    ///
    /// # Errors
    /// `Failed` if the machine gives no randomness.
    pub fn mint() -> Result<Self, ApiError> {
        let mut bytes = [0_u8; 32];
        getrandom::fill(&mut bytes).map_err(|error| {
            tracing::error!(%error, "The machine gives no random bytes.");
            ApiError::Failed
        })?;
        Ok(Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect()))
    }
    /// One that came back. What does not look like a token is none.
    pub fn read(text: &str) -> Option<Self> {
        let looks_right =
            text.len() == LETTERS && text.bytes().all(|letter| matches!(letter, b'0'..=b'9' | b'a'..=b'f'));
        looks_right.then(|| Self(text.to_owned()))
    }
    /// The one in a request's cookie.
    pub fn in_cookie(headers: &HeaderMap) -> Option<Self> {
        headers
            .get_all(COOKIE)
            .iter()
            .filter_map(|header| header.to_str().ok())
            .flat_map(|header| header.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .find_map(|(name, value)| (name == COOKIE_NAME).then(|| Self::read(value)).flatten())
    }
    /// What the server keeps.
    pub fn digest(&self) -> Digest {
        sha2::Sha256::digest(self.0.as_bytes()).into()
    }
    /// For the holder, once.
    pub fn reveal(&self) -> &str {
        &self.0
    }
    /// The header that hands the token to the browser.
    ///
    /// # Errors
    /// `Failed`; a token is always a valid header.
    pub fn set_cookie(&self) -> Result<HeaderValue, ApiError> {
        cookie(&self.0, COOKIE_DAYS)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// The header that makes the browser forget its token.
///
/// # Errors
/// `Failed`; it is always a valid header.
pub fn clear_cookie() -> Result<HeaderValue, ApiError> {
    cookie("", 0)
}

fn cookie(value: &str, days: i64) -> Result<HeaderValue, ApiError> {
    // HttpOnly: no script reads it. Secure: browsers make an exception for this machine itself. Lax: following a link
    // from elsewhere keeps one signed in, a form posted from elsewhere does not.
    let cookie = Cookie::build((COOKIE_NAME, value)).path("/").secure(true).http_only(true).same_site(SameSite::Lax);
    let text = format!("{cookie}; Max-Age={}", days * 24 * 60 * 60);
    HeaderValue::from_str(&text).map_err(|_| ApiError::Failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_comes_back_through_a_cookie_among_others() {
        let token = Token::mint().unwrap();
        let set = token.set_cookie().unwrap();
        let set = set.to_str().unwrap();
        for needed in ["__Host-tidemark=", "; Path=/", "; Secure", "; HttpOnly", "; SameSite=Lax", "; Max-Age=34560000"]
        {
            assert!(set.contains(needed), "{set} lacks {needed}");
        }
        let mut headers = HeaderMap::new();
        let sent = format!("theme=dark; {COOKIE_NAME}={}; x=y", token.reveal());
        headers.insert(COOKIE, HeaderValue::from_str(&sent).unwrap());
        assert_eq!(Token::in_cookie(&headers), Some(token));
    }

    #[test]
    fn what_is_no_token_is_not_looked_up() {
        for text in ["", "abc", &"g".repeat(64), &"a".repeat(65), &"A".repeat(64)] {
            assert_eq!(Token::read(text), None, "{text}");
        }
    }

    #[test]
    fn a_token_is_not_printed_by_accident() {
        let token = Token::mint().unwrap();
        assert!(!format!("{token:?}").contains(token.reveal()));
    }
}
