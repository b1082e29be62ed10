//! Pieces several pages are made of: who, how far, where it stands, and one editor per type of field.

pub mod absent;
pub mod ago;
pub mod confirm;
pub mod diff;
pub mod editors;
pub mod live;
pub mod long;
pub mod marks;
pub mod people;
pub mod unsent;
