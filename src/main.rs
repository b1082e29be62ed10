//! The server binary and its commands.

fn main() {}
