//! The `corrosion` command: parses arguments, runs one command, says how it ended.
//!
//! Exit codes: 0 success, 1 an error (on standard error), 2 wrong usage.

mod admin_client;
mod args;
mod commands;
mod output;

use std::process::ExitCode;

use clap::Parser;

use args::{Args, Command};

fn main() -> ExitCode {
    let args = Args::parse();
    let flags = args.flags();
    let ended = match args.command {
        Command::Agent => commands::agent::run(&flags),
        Command::Reload => commands::reload::run(&flags),
        Command::User { command } => commands::user::run(&flags, &command),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::error(&error);
            ExitCode::FAILURE
        }
    }
}
