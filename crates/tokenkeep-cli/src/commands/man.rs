//! `tokenkeep man`: manual pages, made from the command line itself.

use std::io;
use std::path::Path;

use clap::CommandFactory as _;

use crate::args::CommandLine;
use crate::args::more::Man;
use crate::error::{Failure, Result};
use crate::exit::Exit;
use crate::output;

pub(crate) fn run(args: &Man) -> Result<()> {
    let Some(folder) = &args.folder else {
        let mut page = Vec::new();
        let rendered = clap_mangen::Man::new(CommandLine::command()).render(&mut page);
        rendered.map_err(|error| Failure::caused(Exit::Failure, "the manual page can't be made", error))?;
        return output::result(&page);
    };
    write_all(folder).map_err(|error| {
        let message = format!("the manual pages can't be written to {}", folder.display());
        Failure::caused(Exit::Failure, message, error)
    })
}

fn write_all(folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    clap_mangen::generate_to(CommandLine::command(), folder)
}
