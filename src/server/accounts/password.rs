//! Passwords: which are taken, and how they are kept. Argon2id with the parameters that OWASP recommends, hashed on threads
//! of their own and few at a time, because each hash takes memory on purpose.

use crate::api::ApiError;
use crate::api::error::Fault;
use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use std::sync::{Arc, OnceLock};
use tokio::sync::Semaphore;

/// Fewer characters than this are guessed. NIST SP 800-63B-4 section 3.1.1.2 asks for at least 8 and prefers length over
/// rules about digits and signs, so there are none.
pub const CHARS_MIN: usize = 10;
/// More than this is refused, so that nobody makes the server hash megabytes.
pub const CHARS_MAX: usize = 200;
/// Hashes computed at once: 2 x 19 MiB is what signing in may take of a small machine's memory.
const HASHES_AT_ONCE: usize = 2;
/// Longer ones that are on every guesser's list.
const COMMON: &[&str] = &[
    "1234567890",
    "12345678910",
    "0123456789",
    "0987654321",
    "qwertyuiop",
    "1q2w3e4r5t",
    "1qaz2wsx3edc",
    "password123",
    "password1234",
    "passwordpassword",
    "iloveyou123",
    "letmein1234",
    "administrator",
    "changeme123",
    "welcome123",
    "qwerty123456",
    "abcdefghij",
    "abcdefghijkl",
];

/// What one hash costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    memory_kib: u32,
    passes: u32,
}

impl Cost {
    /// m = 19 MiB, t = 2, p = 1: the OWASP Password Storage Cheat Sheet's minimum for argon2id.
    pub const RECOMMENDED: Self = Self { memory_kib: 19 * 1024, passes: 2 };
    /// The least the algorithm allows. For tests, whose passwords protect nothing.
    pub const LEAST: Self = Self { memory_kib: Params::MIN_M_COST, passes: Params::MIN_T_COST };
}

/// Hashes and verifies.
#[derive(Clone)]
pub struct Passwords {
    cost: Cost,
    turns: Arc<Semaphore>,
    /// A hash nobody's password fits: verified in place of a missing one, so that an unknown address takes as long.
    decoy: Arc<OnceLock<String>>,
}

impl Passwords {
    /// At this cost.
    pub fn new(cost: Cost) -> Self {
        Self { cost, turns: Arc::new(Semaphore::new(HASHES_AT_ONCE)), decoy: Arc::new(OnceLock::new()) }
    }

    /// As it is stored: a PHC string with salt and parameters.
    ///
    /// # Errors
    /// `Failed`.
    pub async fn hash(&self, password: String) -> Result<String, ApiError> {
        let cost = self.cost;
        self.apart(move || hash(cost, &password)).await?
    }

    /// Whether the password fits; without a stored hash it does not, after the same work.
    ///
    /// # Errors
    /// `Failed`.
    pub async fn verify(&self, password: String, stored: Option<String>) -> Result<bool, ApiError> {
        let (cost, decoy) = (self.cost, Arc::clone(&self.decoy));
        self.apart(move || match stored {
            Some(stored) => fits(&password, &stored),
            None => {
                let decoy = match decoy.get() {
                    Some(decoy) => decoy,
                    None => {
                        let made = hash(cost, "no password is this one")?;
                        decoy.get_or_init(|| made)
                    }
                };
                fits(&password, decoy).map(|_| false)
            }
        })
        .await?
    }

    /// On a thread that may block, in turn.
    async fn apart<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, ApiError> {
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| ApiError::Stopping)?;
        let done = tokio::task::spawn_blocking(move || {
            let result = work();
            drop(turn);
            result
        });
        done.await.map_err(|error| {
            tracing::error!(%error, "Hashing a password was cut short.");
            ApiError::Failed
        })
    }
}

fn hash(cost: Cost, password: &str) -> Result<String, ApiError> {
    let failed = |error: &dyn std::fmt::Display| {
        tracing::error!(%error, "A password could not be hashed.");
        ApiError::Failed
    };
    let params = Params::new(cost.memory_kib, cost.passes, 1, None).map_err(|error| failed(&error))?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let hash = argon2.hash_password(password.as_bytes()).map_err(|error| failed(&error))?;
    Ok(hash.to_string())
}

fn fits(password: &str, stored: &str) -> Result<bool, ApiError> {
    let hash = PasswordHash::new(stored).map_err(|error| {
        tracing::error!(%error, "A stored password hash cannot be read.");
        ApiError::Failed
    })?;
    // Parameters come from the stored hash, so that older ones still verify.
    Ok(Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
}

/// What is wrong with a new password; `None` if nothing is.
pub fn fault(password: &str, name: &str, email: &str) -> Option<Fault> {
    let says = |says: String| Some(Fault { field: "password".to_owned(), says });
    let chars = password.chars().count();
    let lower = password.to_lowercase();
    let own = email.split('@').next().unwrap_or_default();
    if chars < CHARS_MIN {
        return says(format!(
            "The password has {chars} characters; it needs at least {CHARS_MIN}. A few words in a row are easy to remember."
        ));
    }
    if chars > CHARS_MAX {
        return says(format!("The password is longer than {CHARS_MAX} characters. Take a shorter one."));
    }
    let first = lower.chars().next();
    if COMMON.contains(&lower.as_str()) || lower.chars().all(|letter| Some(letter) == first) {
        return says(
            "This password is among the first that anybody would guess. Take another; a few words in a row are good."
                .to_owned(),
        );
    }
    if lower == email.to_lowercase() || lower == name.to_lowercase() || lower == own.to_lowercase() {
        return says("The password is your own name or address. Take one that others cannot read off.".to_owned());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_anybody_would_guess_are_refused_with_a_reason() {
        let refused =
            ["", "short", "Password123", "aaaaaaaaaaaa", "ada@example.org", "ada lovelace", &"x y".repeat(100)];
        for password in refused {
            assert!(fault(password, "Ada Lovelace", "ada@example.org").is_some(), "{password}");
        }
        for password in ["tide comes in", "ünïcödé wörds", "correct horse battery"] {
            assert_eq!(fault(password, "Ada Lovelace", "ada@example.org"), None, "{password}");
        }
    }

    #[tokio::test]
    async fn only_the_right_password_fits_and_an_unknown_account_has_none() {
        let passwords = Passwords::new(Cost::LEAST);
        let stored = passwords.hash("tide comes in".to_owned()).await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$"), "{stored}");
        assert_eq!(passwords.verify("tide comes in".to_owned(), Some(stored.clone())).await, Ok(true));
        assert_eq!(passwords.verify("tide goes out".to_owned(), Some(stored)).await, Ok(false));
        assert_eq!(passwords.verify("no password is this one".to_owned(), None).await, Ok(false));
    }
}
