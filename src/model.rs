//! What is stored: kinds, their fields, the rules by which fields merge, and the checks a value must
//! pass. Pure: no clock, no randomness, no I/O, no floats, ordered maps only. Both faces and the
//! simulator run this same code. Nothing here knows about operations or the wire; that is `sync`.

pub mod catalog;
pub mod check;
pub mod choice;
pub mod day;
pub mod id;
pub mod kinds;
pub mod permission;
pub mod rank;
pub mod record;
pub mod rollup;
pub mod scope;
pub mod value;
