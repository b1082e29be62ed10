//! Where a failure of the machine becomes an answer a person can read. Internals are logged here, once, and go no further.

use crate::api::ApiError;
use crate::server::core::CoreError;
use crate::server::store::StoreError;
use axum::http::StatusCode;
use std::error::Error as _;

impl From<sqlx::Error> for ApiError {
    fn from(error: sqlx::Error) -> Self {
        tracing::error!(%error, "The database refused a query.");
        // SQLITE_FULL.
        let full = error.as_database_error().is_some_and(|error| error.code().as_deref() == Some("13"));
        if full { Self::Full } else { Self::Failed }
    }
}

/// The status an error is answered with, so that proxies and logs understand it too.
pub fn status(error: &ApiError) -> StatusCode {
    match error {
        ApiError::SignedOut | ApiError::WrongPassword => StatusCode::UNAUTHORIZED,
        ApiError::Revoked
        | ApiError::Forbidden
        | ApiError::ForeignPage
        | ApiError::InvitationNeeded
        | ApiError::InvitationForAnother => StatusCode::FORBIDDEN,
        ApiError::EmailTaken | ApiError::LastOwner | ApiError::Refused(_) | ApiError::ServerOlder => {
            StatusCode::CONFLICT
        }
        ApiError::UpdateNeeded => StatusCode::UPGRADE_REQUIRED,
        ApiError::InvitationGone => StatusCode::GONE,
        ApiError::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
        ApiError::NotFound => StatusCode::NOT_FOUND,
        ApiError::TooFast { .. } => StatusCode::TOO_MANY_REQUESTS,
        ApiError::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ApiError::Malformed => StatusCode::BAD_REQUEST,
        ApiError::TooSlow => StatusCode::REQUEST_TIMEOUT,
        ApiError::Stopping => StatusCode::SERVICE_UNAVAILABLE,
        ApiError::Full => StatusCode::INSUFFICIENT_STORAGE,
        ApiError::Failed | ApiError::Unreachable | ApiError::NotOurs => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl From<CoreError> for ApiError {
    fn from(error: CoreError) -> Self {
        match error {
            CoreError::NoWorkspace | CoreError::Missing => Self::NotFound,
            CoreError::NotAMember => Self::Revoked,
            CoreError::Forbidden => Self::Forbidden,
            CoreError::Exists => Self::Refused(error.to_string()),
            CoreError::Refused(says) => Self::Refused(says),
            CoreError::TooMuch => Self::TooLarge,
            CoreError::Stopping => Self::Stopping,
            CoreError::Store(error) => error.into(),
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, cause = error.source().map(tracing::field::display), "The store failed.");
        if matches!(error, StoreError::Full) { Self::Full } else { Self::Failed }
    }
}
