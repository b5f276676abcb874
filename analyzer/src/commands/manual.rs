//! Manual pages.

use std::fs::{OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::CommandFactory;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use crate::cli::{Cli, Epilogue, epilogue};

const SECTION: &str = "1";

const SOURCE: &str = concat!("analyzer ", env!("CARGO_PKG_VERSION"));

/// Whoever may read other pages may read these.
const MODE: u32 = 0o644;

/// The page of a command, or that of the whole for the empty name.
///
/// # Errors
/// There is no such command.
pub(super) fn page(command: &str) -> anyhow::Result<Vec<u8>> {
    let mut cli = Cli::command().disable_help_subcommand(true);
    cli.build();
    let named = if command.is_empty() { Some(&cli) } else { cli.find_subcommand(command) };
    let Some(mut named) = named.cloned() else { bail!("there is no command {command}") };
    // Else each option stands in the synopsis, and again below.
    let usage = named.render_usage().to_string();
    let named = named.override_usage(usage.trim_start_matches("Usage: ").to_owned());
    let has_commands = named.has_subcommands();
    // By hand: clap_mangen leaves an empty date out, so that what stands behind it is taken for one. No date makes the
    // same sources give the same page.
    let name = named.get_display_name().unwrap_or_else(|| named.get_name());
    let mut out = format!(".TH {name} {SECTION} \"\" \"{SOURCE}\" analyzer\n").into_bytes();
    let page = Man::new(named).section(SECTION);
    render(&page, has_commands, epilogue(command), &names(&cli, command), &mut out)?;
    Ok(out)
}

/// The pages that this one refers to: that of the whole, or those of all commands.
fn names(cli: &clap::Command, of: &str) -> Vec<String> {
    if of.is_empty() {
        cli.get_subcommands().map(|command| format!("analyzer-{}({SECTION})", command.get_name())).collect()
    } else {
        vec![format!("analyzer({SECTION})")]
    }
}

fn render(
    page: &Man,
    has_commands: bool,
    epilogue: &Epilogue,
    own_pages: &[String],
    out: &mut Vec<u8>,
) -> io::Result<()> {
    page.render_name_section(out)?;
    page.render_synopsis_section(out)?;
    page.render_description_section(out)?;
    let mut notes = Roff::new();
    for note in epilogue.notes {
        notes.control("PP", []);
        notes.text([roman(*note)]);
    }
    notes.to_writer(out)?;
    if has_commands {
        page.render_subcommands_section(out)?;
    }
    page.render_options_section(out)?;

    let mut rest = Roff::new();
    let status: Vec<_> = epilogue.exit_status.iter().map(|(status, tells)| (status.to_string(), *tells)).collect();
    let status: Vec<_> = status.iter().map(|(status, tells)| (status.as_str(), *tells)).collect();
    tagged(&mut rest, "EXIT STATUS", &status);
    tagged(&mut rest, "ENVIRONMENT", epilogue.environment);
    tagged(&mut rest, "FILES", epilogue.files);
    examples(&mut rest, epilogue.examples);
    let see_also = own_pages.iter().map(String::as_str).chain(epilogue.see_also.iter().copied());
    rest.control("SH", ["SEE ALSO"]);
    rest.text([roman(see_also.collect::<Vec<_>>().join(", "))]);
    rest.to_writer(out)
}

/// A section of words and what each stands for; none without words.
fn tagged(roff: &mut Roff, heading: &str, rows: &[(&str, &str)]) {
    if !rows.is_empty() {
        roff.control("SH", [heading]);
    }
    for (tag, tells) in rows {
        roff.control("TP", []);
        roff.text([bold(*tag)]);
        roff.text([roman(*tells)]);
    }
}

fn examples(roff: &mut Roff, examples: &[(&str, &str)]) {
    if !examples.is_empty() {
        roff.control("SH", ["EXAMPLES"]);
    }
    for (at, (line, tells)) in examples.iter().enumerate() {
        if at > 0 {
            roff.control("PP", []);
        }
        if !tells.is_empty() {
            roff.text([roman(format!("{tells}:"))]);
            roff.control("PP", []);
        }
        roff.control("RS", ["4"]);
        roff.control("nf", []);
        for (at, part) in line.lines().enumerate() {
            let indent = if at == 0 { "" } else { "    " };
            roff.text([roman(format!("{indent}{part}"))]);
        }
        roff.control("fi", []);
        roff.control("RE", []);
    }
}

/// Writes the pages of the whole and of every command. Returns their paths.
///
/// # Errors
/// The folder is not there, or has one of the pages already: nothing is replaced, and no link is followed.
pub(super) fn write_all(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let cli = Cli::command();
    let commands = cli.get_subcommands().map(clap::Command::get_name);
    let pages: Vec<_> = [""].into_iter().chain(commands).map(|name| (path(folder, name), name)).collect();
    if let Some((taken, _)) = pages.iter().find(|(path, _)| path.symlink_metadata().is_ok()) {
        bail!("{} is there already: nothing was written", taken.display());
    }
    for (path, name) in &pages {
        let page = page(name)?;
        write(path, &page).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(pages.into_iter().map(|(path, _)| path).collect())
}

fn path(folder: &Path, command: &str) -> PathBuf {
    let hyphen = if command.is_empty() { "" } else { "-" };
    folder.join(format!("analyzer{hyphen}{command}.{SECTION}"))
}

/// Writes a file that is not there yet.
fn write(path: &Path, page: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(path)?;
    // The umask may have taken bits away.
    file.set_permissions(Permissions::from_mode(MODE))?;
    file.write_all(page)
}
