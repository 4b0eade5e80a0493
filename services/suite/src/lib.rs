//! The suite as one program: its commands, its settings, and the one place where services are put together.
//!
//! Only [`compose`] knows whether a service runs embedded on SQLite or on PostgreSQL and Redis. Every command
//! ends with a documented exit code and, if it fails, with one clear line that says what to do; see
//! [`Failure`].

mod audit;
mod cli;
pub mod compose;
mod demo;
mod events;
mod export;
mod failure;
mod healthcheck;
mod import;
mod migrate;
mod money;
mod new_file;
mod output;
mod patience;
mod programs;
mod rebuild;
mod report;
mod serve;
pub mod settings;
mod target;
mod usage;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

use cli::{Cli, Command};
use compose::Role;
pub use failure::Failure;

/// Runs the command that the arguments name.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = runtime().and_then(|runtime| {
        let outcome = runtime.block_on(Box::pin(run(cli.command)));
        // A thread that waits for standard input or a dead collector must not hold the process.
        runtime.shutdown_background();
        outcome
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output::complain(&failure);
            failure.exit_code()
        }
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|error| Failure::failed(format!("the runtime cannot start: {error}")))
}

async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::All(args) => serve::all(&args).await,
        Command::Feedback(args) => serve::role(Role::Feedback, &args).await,
        Command::Scoring(args) => serve::role(Role::Scoring, &args).await,
        Command::Loyalty(args) => serve::role(Role::Loyalty, &args).await,
        Command::Notification(args) => serve::role(Role::Notification, &args).await,
        Command::Events(args) => events::run(args).await,
        Command::Migrate(args) => migrate::run(&args).await,
        Command::Rebuild(args) => rebuild::run(&args).await,
        Command::Demo(args) => demo::run(args).await,
        Command::Programs(args) => programs::run(args).await,
        Command::Import(args) => import::run(args).await,
        Command::Export(args) => export::run(args).await,
        Command::Audit(args) => audit::run(args).await,
        Command::Report(args) => report::run(args).await,
        Command::Config(args) => settings::print(&args),
        Command::Healthcheck(args) => healthcheck::run(&args).await,
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "rapport", &mut std::io::stdout());
            Ok(())
        }
    }
}
