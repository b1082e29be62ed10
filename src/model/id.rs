//! Every id is a type of its own, so that a device can never be passed where a record is meant.
//! All are UUIDs: 16 bytes on the wire, hyphenated lower case in JSON and on screens.

use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

/// The text given for an id is not a UUID.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is not a valid id")]
pub struct NotAnId;

/// The order of the bytes, as one number: a call to compare memory costs more than what it compares.
#[cfg(not(target_arch = "wasm32"))]
#[inline]
fn order(one: Uuid, other: Uuid) -> Ordering {
    one.as_u128().cmp(&other.as_u128())
}

/// The same where there is no instruction to turn bytes around; written out for every map of ids, it would be downloaded each
/// time.
#[cfg(target_arch = "wasm32")]
#[inline(never)]
fn order(one: Uuid, other: Uuid) -> Ordering {
    order_of_halves(one, other)
}

/// The order of the bytes by the halves as they lie in memory: the first byte that differs is the lowest of those of the half
/// that differs.
#[cfg(any(test, target_arch = "wasm32"))]
fn order_of_halves(one: Uuid, other: Uuid) -> Ordering {
    let halves = |id: Uuid| {
        let id = u128::from_le_bytes(id.into_bytes());
        (id as u64, (id >> 64) as u64)
    };
    let ((first, second), (other_first, other_second)) = (halves(one), halves(other));
    let (half, other) = if first == other_first { (second, other_second) } else { (first, other_first) };
    let differs = half ^ other;
    if differs == 0 {
        return Ordering::Equal;
    }
    let place = differs.trailing_zeros() & !7;
    ((half >> place) as u8).cmp(&((other >> place) as u8))
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl Ord for $name {
            fn cmp(&self, other: &Self) -> Ordering { order(self.0, other.0) }
        }
        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> { Some(self.cmp(other)) }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { self.0.fmt(f) }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }
        impl FromStr for $name {
            type Err = NotAnId;
            fn from_str(text: &str) -> Result<Self, NotAnId> {
                Uuid::parse_str(text).map(Self).map_err(|_| NotAnId)
            }
        }
    )*};
}

ids! {
    /// A tenant. Nothing crosses it.
    WorkspaceId;
    /// A person who can sign in; known to the server only, and a member of any number of workspaces.
    AccountId;
    /// A person in one workspace. Equal to the id of that person's `member` record.
    MemberId;
    /// One installed copy or browser profile.
    DeviceId;
    /// A record, minted by the device that creates it (UUIDv7).
    RecordId;
    /// One frozen operation (UUIDv7).
    OpId;
    /// Operations that succeed or fail together (UUIDv7).
    IntentId;
}

impl From<MemberId> for RecordId {
    fn from(member: MemberId) -> Self {
        Self(member.0)
    }
}

impl From<RecordId> for MemberId {
    /// Reads the id of a `member` record as the member it stands for.
    fn from(record: RecordId) -> Self {
        Self(record.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Numbers that differ in a few bytes only are what ids made one after the other look like.
        #[test]
        fn ids_are_in_the_order_of_their_bytes(one: u128, flips in prop::collection::vec((0u32..128, 0u32..128), 0..3)) {
            let other = flips.iter().fold(one, |other, (a, b)| other ^ (1 << a) ^ (1 << b));
            let (one, other) = (Uuid::from_u128(one), Uuid::from_u128(other));
            let wanted = one.as_bytes().cmp(other.as_bytes());
            prop_assert_eq!(order_of_halves(one, other), wanted);
            prop_assert_eq!(order(one, other), wanted);
        }
    }
}
