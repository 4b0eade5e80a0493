//! `rapport programs`: create, get, list, compare with a file and make as it says, through the gRPC API of a
//! running suite.

mod apply;
mod create;
mod difference;
mod file;
mod policies;
mod show;
mod tiers;

use proto::rapport::loyalty::v1 as pb;
use proto::rapport::loyalty::v1::program_service_client::ProgramServiceClient;
use rpc::client::Client;

use crate::cli::{OutputArgs, ProgramsArgs, ProgramsCommand, TargetArgs};
use crate::output::{self, Format};
use crate::{Failure, target};
pub(crate) use create::{currency_of, zone_of};
pub(crate) use file::word;
use show::Shown;

/// Most programs that one page may hold.
const PAGE_SIZE: i32 = 1_000;

/// Runs one of the sub-commands.
pub(crate) async fn run(args: ProgramsArgs) -> Result<(), Failure> {
    match args.command {
        ProgramsCommand::Create(args) => create::run(&args).await,
        ProgramsCommand::Get { program_id, target, output } => get(&program_id, &target, output).await,
        ProgramsCommand::List { target, output } => list(&target, output).await,
        ProgramsCommand::Diff(args) => apply::diff(&args).await,
        ProgramsCommand::Apply(args) => apply::apply(&args).await,
    }
}

/// One program of a running suite.
pub(crate) async fn read(client: Client, program_id: &str) -> Result<pb::Program, Failure> {
    let request = pb::GetProgramRequest { program_id: program_id.to_owned() };
    let answer = ProgramServiceClient::new(client).get_program(request).await?.into_inner();
    answer.program.ok_or_else(|| Failure::failed("the server answered without the program"))
}

async fn get(program_id: &str, target: &TargetArgs, output: OutputArgs) -> Result<(), Failure> {
    let program = read(target::connect(&target.target).await?, program_id).await?;
    let shown = Shown::of(&program);
    match output.output {
        Format::Json => output::json(&shown),
        Format::Text => {
            output::print(&shown.text());
            Ok(())
        }
    }
}

async fn list(target: &TargetArgs, output: OutputArgs) -> Result<(), Failure> {
    let mut client = ProgramServiceClient::new(target::connect(&target.target).await?);
    let mut programs: Vec<Shown> = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = pb::ListProgramsRequest { page_size: PAGE_SIZE, page_token };
        let page = client.list_programs(request).await?.into_inner();
        programs.extend(page.programs.iter().map(Shown::of));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    match output.output {
        Format::Json => output::json(&programs),
        Format::Text if programs.is_empty() => {
            output::note("There are no programs yet; create one with `rapport programs create`.");
            Ok(())
        }
        Format::Text => {
            output::print(&show::table(&programs));
            Ok(())
        }
    }
}
