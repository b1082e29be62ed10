//! How copies agree: operations, merge, the server's settling of an intent, the device's replica, and the wire between
//! them. Pure, like `model`: time, ids and bytes come in as arguments, and the same input gives the same bytes on the
//! server, in the browser and in the simulator.

pub mod checksum;
pub mod merge;
pub mod mutant;
pub mod op;
pub mod replica;
pub mod schema;
pub mod settle;
pub mod text;
pub mod wire;
