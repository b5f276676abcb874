//! Options in a TOML file: each under its long name, as `sample = 64` or `interface = ["ens1", "ens2"]`.
//!
//! Nothing here knows any option. The file becomes arguments that the command's own parser reads, so the file can hold
//! whatever can be typed, and each value is checked by the same rules.

use std::ffi::OsString;
use std::num::ParseIntError;
use std::sync::Arc;

use clap::builder::ValueParser;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};
use thiserror::Error;
use toml::de::{DeTable, DeValue};

use super::values::DURATION;
use crate::types::{Place, Position};

/// Options that can only be typed.
const TYPED_ONLY: [&str; 4] = ["config", "help", "reproducible", "version"];

/// What is wrong in a file of options.
#[derive(Error, Debug)]
#[error("{place}: {message}")]
pub struct FileError {
    /// Where.
    pub place: Place,
    /// What is wrong, and what was expected.
    pub message: String,
}

/// The arguments that `text` stands for, without options that were typed: what is typed wins.
///
/// # Errors
/// [`FileError`] for text that is no TOML, a key that is no option of `command`, and a value that the option does not
/// take, also of options that were typed.
pub(super) fn arguments(
    command: &Command,
    typed: &ArgMatches,
    text: &str,
    file: &Arc<str>,
) -> Result<Vec<OsString>, FileError> {
    let at = |offset: Option<usize>, message: String| {
        let position = offset.map_or(Position::Whole, |offset| Position::in_text(text, offset));
        FileError { place: Place { file: Arc::clone(file), position }, message }
    };
    let table = DeTable::parse(text).map_err(|error| {
        let offset = error.span().map(|span| span.start);
        let message = offset.and_then(|offset| unquoted(text, offset));
        at(offset, message.unwrap_or_else(|| error.message().to_owned()))
    })?;
    let mut entries: Vec<_> = table.get_ref().iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    let mut arguments = Vec::new();
    for (key, value) in entries {
        let name: &str = key.get_ref();
        if matches!(value.get_ref(), DeValue::Table(_)) {
            let message = format!("options stand at the top of the file, in no table such as [{name}]");
            return Err(at(Some(key.span().start), message));
        }
        let arg = option(command, name).map_err(|message| at(Some(key.span().start), message))?;
        let values = match value.get_ref() {
            DeValue::Array(values) if is_list(arg) => values.iter().collect(),
            _ => vec![value],
        };
        let is_typed = typed.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine);
        for value in values {
            let checked = text_of(arg, value.get_ref()).and_then(|text| check(arg, name, &text));
            let argument = checked.map_err(|message| at(Some(value.span().start), format!("{name}: {message}")))?;
            if !is_typed {
                arguments.push(argument);
            }
        }
    }
    Ok(arguments)
}

/// The option of a long name; a message that tells the nearest where there is none.
fn option<'a>(command: &'a Command, name: &str) -> Result<&'a Arg, String> {
    if TYPED_ONLY.contains(&name) {
        return Err(format!("{name} is typed on the command line, not set in a file"));
    }
    command.get_arguments().find(|arg| arg.get_long() == Some(name)).ok_or_else(|| {
        let near = nearest(command, name).map_or(String::new(), |near| format!("; did you mean {near}?"));
        format!("there is no option {name:?}{near}")
    })
}

/// What clap would propose for a mistyped option.
fn nearest(command: &Command, name: &str) -> Option<String> {
    let error = command.clone().no_binary_name(true).try_get_matches_from([format!("--{name}")]).err()?;
    match error.get(ContextKind::SuggestedArg)? {
        ContextValue::String(near) => Some(near.trim_start_matches('-').to_owned()),
        _ => None,
    }
}

fn is_list(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Append)
}

/// A value as it would be typed.
fn text_of(arg: &Arg, value: &DeValue<'_>) -> Result<String, String> {
    let is_switch = arg.get_value_parser().type_id() == ValueParser::bool().type_id();
    match value {
        DeValue::Boolean(value) if is_switch => Ok(value.to_string()),
        other if is_switch => Err(format!("expected true or false, found {}", kind(other))),
        DeValue::String(text) => Ok(text.to_string()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map(|number| number.to_string())
            .map_err(|_| "the number is beyond 64 bits".to_owned()),
        DeValue::Float(number) => Ok(number.as_str().to_owned()),
        other => Err(format!("expected {}, found {}", wanted(arg), kind(other))),
    }
}

/// What an option takes, in words that tell how it is written.
fn wanted(arg: &Arg) -> &'static str {
    match arg.get_value_names() {
        Some([name]) if name == DURATION => "a duration such as \"30s\"",
        Some([name]) if name == "N" => "a number",
        _ if is_list(arg) => "a string, or an array of strings",
        _ => "a string",
    }
}

/// What to say of a text that is no TOML because a string at `offset` stands without quotes, which its parser takes for a
/// number or a date.
fn unquoted(text: &str, offset: usize) -> Option<String> {
    let line_start = text.get(..offset)?.rfind('\n').map_or(0, |end| end + 1);
    let line = text.get(line_start..)?.lines().next()?;
    let (key, value) = line.split_once('=')?;
    let value = value.split('#').next()?.trim();
    let is_bare = value.starts_with(|first: char| first.is_alphanumeric() || "/.:_-".contains(first));
    let quoted = format!("{} = \"{value}\"", key.trim());
    (is_bare && !value.contains(['"', '\'', '\\']) && DeTable::parse(&quoted).is_ok())
        .then(|| format!("text stands in quotes: {quoted}"))
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}

/// The argument for an option with a value that it takes.
fn check(arg: &Arg, name: &str, text: &str) -> Result<OsString, String> {
    let argument = OsString::from(format!("--{name}={text}"));
    let lone = Command::new("option").no_binary_name(true).arg(arg.clone());
    match lone.try_get_matches_from([&argument]) {
        Ok(_) => Ok(argument),
        Err(error) => Err(format!("{text:?}: {}", reason(&error))),
    }
}

/// Why a value was refused, without what clap says around it.
fn reason(error: &clap::Error) -> String {
    match (error.kind(), error.get(ContextKind::ValidValue)) {
        (ErrorKind::InvalidValue, Some(ContextValue::Strings(valid))) if !valid.is_empty() => {
            format!("expected one of {}", valid.join(", "))
        }
        (ErrorKind::ValueValidation, _) => match std::error::Error::source(error) {
            Some(why) if why.is::<ParseIntError>() => "expected a whole number".to_owned(),
            Some(why) => why.to_string(),
            None => "not a value of this option".to_owned(),
        },
        _ => "not a value of this option".to_owned(),
    }
}

#[cfg(test)]
mod tests;
