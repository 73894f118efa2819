//! The program. Everything it does is in the library.

use certstream_server::cli;
use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
