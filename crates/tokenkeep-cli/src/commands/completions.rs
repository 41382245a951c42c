//! `tokenkeep completions`: what a shell needs to complete our command line.

use clap::CommandFactory as _;

use crate::args::CommandLine;
use crate::args::more::Completions;
use crate::error::Result;
use crate::output;

pub(crate) fn run(args: &Completions) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut CommandLine::command(), "tokenkeep", &mut script);
    output::result(&script)
}
