//! What the commands share in speaking to a person at a terminal.

use std::process::ExitCode;

/// One line of what was done or found.
pub fn say(line: &str) {
    println!("{line}");
}

/// Why nothing, or not everything, was done.
pub fn failed(says: &str) -> ExitCode {
    eprintln!("tidemark: {says}");
    ExitCode::FAILURE
}
