//! Everything the browser may ask of the server, as server functions.

pub mod seed;
