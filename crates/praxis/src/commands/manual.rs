//! `praxis completion` and `praxis man`.

use std::path::Path;

use clap::CommandFactory;
use clap_complete::Shell;

use super::write_stdout;
use crate::arguments::Arguments;
use crate::failure::Failure;

/// Writes a completion script to standard output.
pub fn completion(shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "praxis", &mut script);
    write_stdout(&script)
}

/// Writes one page a command into `directory`, or praxis(1) to standard output.
pub fn pages(directory: Option<&Path>) -> Result<(), Failure> {
    match directory {
        Some(directory) => std::fs::create_dir_all(directory)
            .and_then(|()| clap_mangen::generate_to(Arguments::command(), directory))
            .map_err(|error| {
                Failure::failed(format!(
                    "manual pages cannot be written to {}: {error}",
                    directory.display()
                ))
            }),
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(Arguments::command())
                .render(&mut page)
                .map_err(|error| Failure::failed(format!("the manual page cannot be rendered: {error}")))?;
            write_stdout(&page)
        }
    }
}
