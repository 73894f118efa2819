//! Reads the file and the environment into one [`Written`], and records the origin of each value.

use super::error::{self, one_line};
use super::json::Strict;
use super::{ConfigError, Written};
use crate::filter::suggestion;
use crate::printable::{MAX_CHARS, escaped};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use zeroize::{Zeroize, Zeroizing};

/// Maximum size of a configuration file, in bytes. A token takes about 150.
pub(crate) const MAX_FILE_BYTES: usize = 4 << 20;

/// The sections that are lists.
const LISTS: [&str; 5] = ["filters", "listed_logs", "logs", "outputs", "tokens"];
/// Every variable with this prefix is part of the configuration, so an unknown one is an error.
const PREFIX: &str = "CERTSTREAM_";
/// The variables that are not: the path of the configuration file, and those of the command `follow`.
const OTHER_VARIABLES: [&str; 4] =
    ["CERTSTREAM_CONFIG", "CERTSTREAM_TOKEN", "CERTSTREAM_SEQ", "CERTSTREAM_NAMES"];
/// The variable for `server.stats_path` in the original certstream server.
const STATS_VARIABLE: (&str, &str) = ("STATS_URL", "server.stats_path");

/// The values as written, and their origins.
#[derive(Debug)]
pub(super) struct Sources {
    pub(super) written: Written,
    places: Places,
}

/// Where a value comes from, by its key.
#[derive(Debug, Default)]
struct Places {
    /// The file's path as the user wrote it; empty without a file.
    file: String,
    /// Environment variables by the key that they set.
    variables: BTreeMap<String, String>,
    /// The names of list items, by keys such as `outputs[2]`.
    names: BTreeMap<String, String>,
}

impl Sources {
    /// The folder of the file. Empty without a file.
    pub(super) fn folder(&self) -> PathBuf {
        Path::new(&self.places.file).parent().unwrap_or(Path::new("")).into()
    }

    /// Creates an error about the value of `key`, with its origin.
    pub(super) fn error(&self, key: &str, problem: impl ToString) -> ConfigError {
        self.places.error(key, &problem.to_string())
    }
}

impl Places {
    fn error(&self, key: &str, problem: &str) -> ConfigError {
        let origin = self.variables.get(key).unwrap_or(&self.file).clone();
        ConfigError { origin, key: self.shown(key.trim_matches('.')), problem: one_line(problem) }
    }

    /// The key; if it is in a list, with the name of the item, because items are hard to count.
    fn shown(&self, key: &str) -> String {
        let item = key.split_inclusive(']').next();
        match item.and_then(|item| self.names.get(item)) {
            Some(name) if item == Some(key) => format!("{key} {name:?}"),
            Some(name) => format!("{key} of {name:?}"),
            None => key.into(),
        }
    }
}

/// The names of the items of all lists in `tree`, by keys such as `outputs[2]`. Logs have a description instead.
fn names(tree: &Value) -> BTreeMap<String, String> {
    let lists = LISTS.iter().filter_map(|list| Some((list, tree.get(list)?.as_array()?)));
    let items =
        lists.flat_map(|(list, items)| items.iter().enumerate().map(move |(i, item)| (list, i, item)));
    let names = items.filter_map(|(list, i, item)| {
        let name = item.get("name").or_else(|| item.get("description"))?.as_str()?;
        Some((format!("{list}[{i}]"), name.to_string()))
    });
    names.collect()
}

pub(super) fn read(
    file: Option<&Path>,
    environment: &BTreeMap<String, String>,
) -> Result<Sources, ConfigError> {
    let mut tree = file.map_or(Ok(Value::Object(Map::new())), read_file)?;
    let variables = overlay(&mut tree, environment)?;
    let file = file.map_or(String::new(), |f| f.display().to_string());
    let places = Places { file, variables, names: names(&tree) };
    let written = serde_path_to_error::deserialize(&tree).map_err(|error| {
        let key = error.path().to_string();
        places.error(&key, &error::explained(&key, &error.into_inner().to_string()))
    });
    wipe(&mut tree);
    Ok(Sources { written: written?, places })
}

/// Overwrites every text in `tree`, because some of them are tokens.
fn wipe(tree: &mut Value) {
    match tree {
        Value::String(text) => text.zeroize(),
        Value::Array(values) => values.iter_mut().for_each(wipe),
        Value::Object(values) => values.values_mut().for_each(wipe),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn read_file(path: &Path) -> Result<Value, ConfigError> {
    let error = |problem: String| ConfigError::of(path.display(), problem);
    let text = text_of(path).map_err(|e| error(format!("cannot be read: {e}")))?;
    // The file's lines in parser errors are left out, because they may contain a token.
    let mut tree: Value = match path.extension().and_then(|e| e.to_str()) {
        Some("toml") => toml::from_str(&text).map_err(|e| error(toml_problem(&e, &text)))?,
        Some("yaml" | "yml") => {
            serde_saphyr::from_str(&text).map_err(|e| error(e.without_snippet().to_string()))?
        }
        Some("json") => {
            let Strict(tree) = serde_json::from_str(&text).map_err(|e| error(e.to_string()))?;
            tree
        }
        _ => return Err(error("the name must end in .toml, .yaml, .yml or .json".into())),
    };
    match tree {
        Value::Object(mut sections) => {
            match sections.iter_mut().find_map(|(name, value)| unusual(name, value)) {
                None => Ok(Value::Object(sections)),
                Some(problem) => {
                    wipe(&mut Value::Object(sections));
                    Err(error(problem))
                }
            }
        }
        Value::Null => Ok(Value::Object(Map::new())),
        _ => {
            wipe(&mut tree);
            Err(error("expected sections with keys".into()))
        }
    }
}

/// Makes a section that is present without keys an empty one. Returns what is wrong with one that is an array: it would be
/// read as the defaults, and environment variables of the section would have no effect; and with a list that is none.
fn unusual(name: &str, section: &mut Value) -> Option<String> {
    let shown = escaped(name, MAX_CHARS);
    if LISTS.contains(&name) {
        return section.is_object().then(|| format!("{shown}: expected a list; {}", brackets(name)));
    }
    if section.is_null() {
        *section = Map::new().into();
    }
    section.is_array().then(|| match suggestion(name, LISTS) {
        Some(meant) => format!("{shown}: there is no such list; did you mean {meant}?"),
        None => format!("{shown}: expected a section with keys"),
    })
}

fn brackets(list: &str) -> String {
    format!("in TOML, [[{list}]] begins each item")
}

/// The text of a file. It is overwritten when it is dropped.
fn text_of(path: &Path) -> io::Result<Zeroizing<String>> {
    let file = File::open(path)?;
    let size = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX).min(MAX_FILE_BYTES);
    // The buffer has the full capacity from the start. If it grew, copies of its content would stay in
    // memory.
    let mut bytes = Zeroizing::new(Vec::with_capacity(size + 1));
    file.take(MAX_FILE_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > MAX_FILE_BYTES {
        return Err(io::Error::other(format!("it is larger than {MAX_FILE_BYTES} bytes")));
    }
    match String::from_utf8(std::mem::take(&mut bytes)) {
        Ok(text) => Ok(Zeroizing::new(text)),
        Err(error) => {
            drop(Zeroizing::new(error.into_bytes()));
            Err(io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8"))
        }
    }
}

fn toml_problem(error: &toml::de::Error, text: &str) -> String {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    // Nothing else of the file is shown.
    let at = error.span().and_then(|span| text.get(span));
    match LISTS.iter().find(|list| at == Some(list)) {
        Some(list) => format!("line {line}: {} {list}; {}", error.message(), brackets(list)),
        None => format!("line {line}: {}", error.message()),
    }
}

/// Inserts the values of environment variables into `tree`. Returns the variables by key.
fn overlay(
    tree: &mut Value,
    environment: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, ConfigError> {
    let known = known_variables();
    let mut set = BTreeMap::new();
    for (variable, text) in environment {
        let original = (variable == STATS_VARIABLE.0).then_some(STATS_VARIABLE.1);
        let Some((key, default)) = known.get(original.map_or(variable.clone(), variable_of).as_str()) else {
            if variable.starts_with(PREFIX) && !OTHER_VARIABLES.contains(&variable.as_str()) {
                return Err(ConfigError::of(variable, unknown_variable(variable, &known)));
            }
            continue;
        };
        let Some((section, name)) = key.split_once('.') else { continue };
        let sections = tree.as_object_mut().map(|t| t.entry(section).or_insert_with(|| Map::new().into()));
        // `read` has refused other values.
        if let Some(Value::Object(section)) = sections {
            section.insert(name.into(), typed(text, default));
            set.insert(key.clone(), variable.clone());
        }
    }
    Ok(set)
}

/// The environment variable of a key.
pub(super) fn variable_of(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "_").to_uppercase())
}

/// Every key with a single value, by its variable, with its default.
fn known_variables() -> BTreeMap<String, (String, Value)> {
    let defaults = serde_json::to_value(Written::default()).unwrap_or_default();
    let sections = defaults.as_object().into_iter().flatten();
    sections
        .flat_map(|(section, keys)| {
            keys.as_object().into_iter().flatten().map(move |(key, v)| (section, key, v))
        })
        .map(|(section, key, value)| (format!("{section}.{key}"), value.clone()))
        .map(|(key, value)| (variable_of(&key), (key, value)))
        .collect()
}

/// Converts the text to the type of the default, if possible. Otherwise it stays a text, and the type of the
/// key rejects it.
fn typed(text: &str, default: &Value) -> Value {
    match default {
        Value::String(_) => text.into(),
        _ => serde_json::from_str(text).unwrap_or_else(|_| text.into()),
    }
}

fn unknown_variable(variable: &str, known: &BTreeMap<String, (String, Value)>) -> String {
    let alike = |name: &String| name.bytes().zip(variable.bytes()).take_while(|(a, b)| a == b).count();
    let nearest = known.keys().max_by_key(|name| alike(name));
    format!("unknown variable; the nearest known one is {}", nearest.map_or("", String::as_str))
}
