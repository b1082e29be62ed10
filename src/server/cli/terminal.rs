//! What the commands share in speaking to a person at a terminal.

use std::io::Write as _;
use std::process::ExitCode;

/// One line of what was done or found. Nobody may be listening any more, as in `tidemark doctor | head -1`; the work goes on.
pub fn say(line: &str) {
    writeln!(std::io::stdout(), "{line}").ok();
}

/// Why nothing, or not everything, was done.
pub fn failed(says: &str) -> ExitCode {
    writeln!(std::io::stderr(), "tidemark: {says}").ok();
    ExitCode::FAILURE
}
