//! What a page is rendered from. (Signature first; the store follows.)

use crate::api::error::ApiError;
use crate::api::seed::Seed;

/// See `api::sync::page_seed`.
pub async fn page_seed(_path: String) -> Result<Seed, ApiError> {
    Err(ApiError::Failed)
}
