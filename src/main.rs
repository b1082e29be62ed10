//! The server binary: reads the command line and runs what it names.

use std::process::ExitCode;

fn main() -> ExitCode {
    tidemark::server::cli::run()
}
