//! `man` and `completions`: files that packages install with the program, generated from the definition of
//! the command line.

use clap::{Args, Command};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, italic, roman};
use std::io::{self, Write};

const NAME: &str = "certstream-server";

#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// The shell that is to complete the command line
    shell: Shell,
}

/// Prints what the shell needs to complete the command line.
pub(super) fn completions(mut command: Command, args: &CompletionsArgs) -> io::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, NAME, &mut script);
    io::stdout().write_all(&script)
}

/// Prints the manual page: the program, then each of its commands.
pub(super) fn man(command: Command) -> io::Result<()> {
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let man = Man::new(command.clone()).manual("User Commands");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    commands(&command).to_writer(&mut page)?;
    man.render_extra_section(&mut page)?;
    man.render_version_section(&mut page)?;
    io::stdout().write_all(&page)
}

fn commands(command: &Command) -> Roff {
    let mut page = Roff::new();
    page.control("SH", ["COMMANDS"]);
    for sub in command.get_subcommands() {
        page.control("TP", []);
        page.text([bold(sub.get_name())]);
        page.text([roman(text(sub.get_about()))]);
        for arg in sub.get_arguments().filter(|arg| !arg.is_global_set() && arg.get_id() != "help") {
            let name = arg.get_long().map_or(String::new(), |long| format!("--{long} "));
            let values = arg.get_value_names().unwrap_or_default().join(" ");
            let values = if arg.get_action().takes_values() { values } else { String::new() };
            page.control("br", []);
            page.text([bold(name), italic(values), roman(": "), roman(text(arg.get_help()))]);
        }
    }
    page
}

fn text(styled: Option<&clap::builder::StyledStr>) -> String {
    styled.map(ToString::to_string).unwrap_or_default()
}
