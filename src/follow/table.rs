//! Rows of a table for people, which fit the width of the terminal. Pure.

use super::message::Found;
use crate::printable::escaped;
use std::borrow::Cow;

/// The width without a terminal.
pub(super) const DEFAULT_WIDTH: usize = 120;
/// The least width of the column of names.
const LEAST_NAMES: usize = 20;
/// The widths of the first two columns: `23:59:59`, and `precert`.
const TIME: usize = 8;
const KIND: usize = 7;
/// Maximum number of characters of one text before it is cut to its column.
const MAX_CHARS: usize = 1_000;
const SECONDS_PER_DAY: u64 = 86_400;
/// What is unknown, as in messages that have only names.
const UNKNOWN: &str = "-";

/// The widths of the columns that depend on the terminal; 0 for a column that is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Columns {
    log: usize,
    issuer: usize,
    names: usize,
}

impl Columns {
    /// The columns of a table of `width` characters. Narrow ones have no logs, and still narrower ones no issuers.
    pub(super) fn new(width: usize) -> Self {
        let (log, issuer) = match width {
            150.. => (32, 26),
            100.. => (24, 18),
            64.. => (0, 18),
            _ => (0, 0),
        };
        let taken = |column: usize| if column > 0 { column + 2 } else { 0 };
        let names = width.saturating_sub(TIME + KIND + 4 + taken(log) + taken(issuer));
        Columns { log, issuer, names: names.max(LEAST_NAMES) }
    }

    /// The line above the rows.
    pub(super) fn header(self) -> String {
        self.line("TIME", "TYPE", "LOG", "ISSUER", "NAMES")
    }

    /// The row of `found`, which was received at `now_us` (unix microseconds).
    pub(super) fn row(self, found: &Found, now_us: u64) -> String {
        let kind = match found.update_type.as_deref() {
            Some("PrecertLogEntry") => "precert",
            Some("X509LogEntry") => "cert",
            Some(other) => other,
            None => UNKNOWN,
        };
        let (log, issuer) = (found.log.as_deref(), found.issuer.as_deref());
        let names = names(&found.names, self.names);
        self.line(&time(found.seen, now_us), kind, log.unwrap_or(UNKNOWN), issuer.unwrap_or(UNKNOWN), &names)
    }

    fn line(self, time: &str, kind: &str, log: &str, issuer: &str, names: &str) -> String {
        let columns = [(time, TIME), (kind, KIND), (log, self.log), (issuer, self.issuer)];
        let mut line = String::new();
        for (text, width) in columns.into_iter().filter(|(_, width)| *width > 0) {
            let text = fit(text, width);
            line.push_str(&format!("{text:<width$}  "));
        }
        line.push_str(names);
        line
    }
}

/// As many of `names` as fit into `width` characters, and the number of the others.
fn names(names: &[String], width: usize) -> String {
    let Some((first, others)) = names.split_first() else { return UNKNOWN.into() };
    let more = |count: usize| if count > 0 { format!(" +{count}") } else { String::new() };
    let room = width.saturating_sub(more(others.len()).len());
    let mut shown = fit(first, room).into_owned();
    let mut length = shown.chars().count();
    for (i, name) in others.iter().enumerate() {
        let name = escaped(name, MAX_CHARS);
        let left = others.len() - i - 1;
        length += 1 + name.chars().count();
        if length + more(left).len() > width {
            return shown + &more(left + 1);
        }
        shown.push(' ');
        shown.push_str(&name);
    }
    shown
}

/// `text` without unsafe characters, cut to `width` characters.
fn fit(text: &str, width: usize) -> Cow<'_, str> {
    let safe = escaped(text, MAX_CHARS);
    if safe.chars().nth(width).is_none() {
        return safe;
    }
    let kept: String = safe.chars().take(width.saturating_sub(1)).collect();
    Cow::Owned(kept + "…")
}

/// The time of day, UTC. `seen` (unix seconds) is from outside.
fn time(seen: Option<f64>, now_us: u64) -> String {
    let seconds = match seen {
        Some(seen) if (0.0..1e12).contains(&seen) => seen as u64,
        _ => now_us / 1_000_000,
    };
    let second = seconds % SECONDS_PER_DAY;
    format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::printable::is_unsafe;
    use proptest::prelude::*;

    fn found() -> Found {
        Found {
            names: ["shop.example", "www.shop.example", "mail.shop.example"].map(String::from).to_vec(),
            update_type: Some("PrecertLogEntry".into()),
            log: Some("Quillmark 'Heron2027h1' log of many words".into()),
            issuer: Some("Let's Encrypt".into()),
            seen: Some(1_795_460_507.9),
            ..Found::default()
        }
    }

    #[test]
    fn a_row_adapts_to_the_width() {
        for (width, row) in [
            (
                200,
                "19:01:47  precert  Quillmark 'Heron2027h1' log of …  Let's Encrypt               shop.example www.shop.example mail.shop.example",
            ),
            (
                110,
                "19:01:47  precert  Quillmark 'Heron2027h1'…  Let's Encrypt       shop.example www.shop.example +1",
            ),
            (64, "19:01:47  precert  Let's Encrypt       shop.example +2"),
            (40, "19:01:47  precert  shop.example +2"),
            (0, "19:01:47  precert  shop.example +2"),
        ] {
            assert_eq!(Columns::new(width).row(&found(), 0), row);
        }
        assert_eq!(Columns::new(64).header(), "TIME      TYPE     ISSUER              NAMES");
    }

    #[test]
    fn what_is_unknown_is_a_dash() {
        let names = Found { names: vec!["a.example".into()], ..Found::default() };
        assert_eq!(Columns::new(40).row(&names, 3_723_000_000), "01:02:03  -        a.example");
        let nothing = Found { seen: Some(-5.0), ..Found::default() };
        assert_eq!(Columns::new(40).row(&nothing, 0), "00:00:00  -        -");
    }

    proptest! {
        #[test]
        fn whatever_comes_is_one_safe_line_that_fits(
            names in prop::collection::vec(any::<String>(), 0..5), log in any::<String>(),
            issuer in any::<String>(), kind in any::<String>(), seen in any::<f64>(), width in 40_usize..250,
        ) {
            let found = Found { names, log: Some(log), issuer: Some(issuer), update_type: Some(kind), seen: Some(seen), ..Found::default() };
            let row = Columns::new(width).row(&found, 0);
            prop_assert!(!row.contains(is_unsafe));
            prop_assert!(row.chars().count() <= width, "{row}");
        }
    }
}
