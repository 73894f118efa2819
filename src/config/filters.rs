//! The named filters of the configuration, with the values of their list files.

use crate::filter::{Filter, FilterBuilder, FilterError, Limits, Parameter};
use crate::system::read_file;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// Maximum size of a list file, in bytes.
pub(crate) const MAX_LIST_BYTES: usize = 16 << 20;
/// A line that begins with it is a comment.
const COMMENT: char = '#';
const BYTE_ORDER_MARK: char = '\u{feff}';

/// One of `[[filters]]`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenFilter {
    /// Its name.
    pub name: String,
    /// Values of each parameter.
    #[serde(default)]
    pub domain: Vec<String>,
    #[serde(default)]
    pub contains: Vec<String>,
    #[serde(default)]
    pub regex: Vec<String>,
    #[serde(default)]
    pub lookalike: Vec<String>,
    #[serde(default)]
    pub issuer: Vec<String>,
    #[serde(default)]
    pub log: Vec<String>,
    #[serde(default)]
    pub operator: Vec<String>,
    #[serde(default, rename = "type")]
    pub entry_type: Vec<String>,
    /// Files with further values of each parameter, one a line.
    pub domain_file: Option<String>,
    pub contains_file: Option<String>,
    pub regex_file: Option<String>,
    pub lookalike_file: Option<String>,
    pub issuer_file: Option<String>,
    pub log_file: Option<String>,
    pub operator_file: Option<String>,
    pub type_file: Option<String>,
}

impl WrittenFilter {
    /// The values of a parameter, and the file with further ones.
    fn of(&self, parameter: Parameter) -> (&[String], Option<&str>) {
        let (values, file) = match parameter {
            Parameter::Domain => (&self.domain, &self.domain_file),
            Parameter::Contains => (&self.contains, &self.contains_file),
            Parameter::Regex => (&self.regex, &self.regex_file),
            Parameter::Lookalike => (&self.lookalike, &self.lookalike_file),
            Parameter::Issuer => (&self.issuer, &self.issuer_file),
            Parameter::Log => (&self.log, &self.log_file),
            Parameter::Operator => (&self.operator, &self.operator_file),
            Parameter::Type => (&self.entry_type, &self.type_file),
        };
        (values, file.as_deref())
    }
}

/// When a file was written, and its size; `None` if there is none.
pub(crate) type FileStamp = Option<(SystemTime, u64)>;

/// A named filter.
#[derive(Debug, Clone)]
pub struct FilterConfig {
    /// Its name.
    pub name: String,
    /// What it wants.
    pub filter: Arc<Filter>,
    written: WrittenFilter,
    /// The folder that the paths of its files are relative to.
    folder: PathBuf,
    /// Its files as they were before they were read.
    stamps: Vec<FileStamp>,
}

/// Why a named filter cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {problem}")]
pub(crate) struct FilterFault {
    /// The key in the filter's section. Empty if it is not that of one key.
    pub(crate) key: String,
    pub(crate) problem: String,
}

impl FilterConfig {
    /// Reads the files of `written`, whose paths are relative to `folder`.
    ///
    /// # Errors
    /// If a file cannot be read or is empty, or a value is not what its parameter takes.
    pub(crate) fn read(written: &WrittenFilter, folder: &Path) -> Result<Self, FilterFault> {
        let stamps = stamps(written, folder);
        let mut builder = FilterBuilder::new(Limits::default());
        for parameter in Parameter::ALL {
            let (values, file) = written.of(parameter);
            for value in values {
                let refused = |error: FilterError| fault(parameter.name(), &error);
                builder.add(parameter, value).map_err(refused)?;
            }
            if let Some(file) = file {
                add_file(&mut builder, parameter, &folder.join(file))
                    .map_err(|problem| fault(&format!("{}_file", parameter.name()), &problem))?;
            }
        }
        let filter = builder.build().map_err(|error| fault(error.parameter(), &error))?;
        if filter.is_empty() {
            return Err(fault("name", &"expected values: without any, it would want every entry"));
        }
        let (name, written, folder) = (written.name.clone(), written.clone(), folder.into());
        Ok(FilterConfig { name, filter: Arc::new(filter), written, folder, stamps })
    }

    /// The same filter with its files as they are now.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub(crate) fn read_again(&self) -> Result<Self, FilterFault> {
        Self::read(&self.written, &self.folder)
    }

    /// The same filter, with these files taken for read.
    pub(crate) fn with_stamps(&self, stamps: Vec<FileStamp>) -> Self {
        FilterConfig { stamps, ..self.clone() }
    }

    /// Whether both have the same keys.
    pub(crate) fn is_written_as(&self, other: &Self) -> bool {
        self.written == other.written && self.folder == other.folder
    }

    /// Its files as they are now, if they are not what was read.
    pub(crate) fn changed_stamps(&self) -> Option<Vec<FileStamp>> {
        let now = stamps(&self.written, &self.folder);
        (now != self.stamps).then_some(now)
    }
}

fn fault(key: &str, problem: &impl ToString) -> FilterFault {
    FilterFault { key: key.into(), problem: problem.to_string() }
}

fn stamps(written: &WrittenFilter, folder: &Path) -> Vec<FileStamp> {
    let files = Parameter::ALL.into_iter().filter_map(|parameter| written.of(parameter).1);
    let stamp = |file: &str| {
        let metadata = std::fs::metadata(folder.join(file)).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    };
    files.map(stamp).collect()
}

/// Adds the values of a file. The problem names the file and the line.
fn add_file(builder: &mut FilterBuilder, parameter: Parameter, path: &Path) -> Result<(), String> {
    let shown = path.display();
    let bytes =
        read_file(path, MAX_LIST_BYTES).map_err(|error| format!("{shown} cannot be read: {error}"))?;
    let text = std::str::from_utf8(&bytes).map_err(|error| {
        let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
        format!("{shown}, line {}: it is not UTF-8", 1 + before.iter().filter(|byte| **byte == b'\n').count())
    })?;
    let mut is_empty = true;
    for (i, line) in text.trim_start_matches(BYTE_ORDER_MARK).lines().enumerate() {
        let value = line.trim();
        if value.is_empty() || value.starts_with(COMMENT) {
            continue;
        }
        is_empty = false;
        builder.add(parameter, value).map_err(|error| format!("{shown}, line {}: {error}", i + 1))?;
    }
    // A file that is being written may be empty.
    if is_empty { Err(format!("{shown} has no values")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(folder: &Path, keys: &str) -> Result<FilterConfig, String> {
        let written = toml::from_str(&format!("name = 'a'\n{keys}")).expect("a filter");
        FilterConfig::read(&written, folder)
            .map_err(|fault| fault.to_string().replace(&format!("{}/", folder.display()), ""))
    }

    #[test]
    fn values_come_from_lists_and_from_files() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("d.txt"), "\u{feff}# mine\n\n  B.example \r\n!x.b.example\n").unwrap();
        std::fs::write(dir.path().join("i.txt"), "Let's Encrypt\nExample, Inc.").unwrap();
        let keys = "domain = ['a.example']\ntype = ['precert']\ndomain_file = 'd.txt'\nissuer_file = 'i.txt'";
        let filter = read(dir.path(), keys).unwrap().filter;
        assert_eq!(
            filter.to_query(),
            "domain=a.example&domain=b.example&domain=%21x.b.example&issuer=example%2C+inc.&issuer=let%27s+encrypt\
             &type=precert"
        );
        let absolute = format!("domain_file = '{}'", dir.path().join("d.txt").display());
        assert!(read(Path::new("/elsewhere"), &absolute).is_ok());
    }

    #[test]
    fn what_is_wrong_is_named_with_its_file_and_line() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, content: &[u8]| std::fs::write(dir.path().join(name), content).unwrap();
        write("bad.txt", b"a.example\n# more\nhttps://b.example/\n");
        write("bytes.txt", b"a.example\n\xff\n");
        write("empty.txt", b"# nothing\n\n");
        write("excluded.txt", b"!a.example\n");
        for (keys, expected) in [
            ("", "name: expected values: without any, it would want every entry"),
            ("domain = ['']", "domain: domain has an empty value"),
            (
                "domain_file = 'bad.txt'",
                "domain_file: bad.txt, line 3: domain=https://b.example/ is a URL; write domain=b.example",
            ),
            ("contains_file = 'bytes.txt'", "contains_file: bytes.txt, line 2: it is not UTF-8"),
            ("lookalike_file = 'empty.txt'", "lookalike_file: empty.txt has no values"),
            (
                "type_file = 'none.txt'",
                "type_file: none.txt cannot be read: No such file or directory (os error 2)",
            ),
            (
                "domain = ['a.example']\ndomain_file = 'excluded.txt'",
                "domain: domain=a.example is both wanted and excluded",
            ),
        ] {
            assert_eq!(read(dir.path(), keys).unwrap_err(), expected, "{keys}");
        }
        assert!(read(Path::new("/"), "log_file = 'dev/zero'").unwrap_err().contains("it is larger than"));
    }

    #[test]
    fn changed_files_are_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("d.txt");
        std::fs::write(&path, "a.example").unwrap();
        let config = read(dir.path(), "domain_file = 'd.txt'").unwrap();
        assert_eq!(config.changed_stamps(), None);
        std::fs::write(&path, "a.example\nb.example").unwrap();
        let stamps = config.changed_stamps().expect("a change");
        let again = config.read_again().unwrap();
        assert_eq!((again.changed_stamps(), again.filter.values()), (None, 2));
        assert_eq!(config.with_stamps(stamps).changed_stamps(), None);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(again.changed_stamps(), Some(vec![None]));
        assert!(again.read_again().is_err() && again.is_written_as(&config));
    }
}
