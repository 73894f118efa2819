//! The table of all limits in docs/security.md. It is generated from the constants, so that it stays up to date.

use crate::config::Size;
use crate::rate::Rate;
use std::fmt::Write;
use std::time::Duration;

mod connections;
mod inputs;

use connections::connections;
use inputs::inputs;

const PAGE: &str = "docs/security.md";
/// Markers before and after the generated part.
const BEGIN: &str = "<!-- made from the code: UPDATE_DOCS=1 cargo test --lib limits -->\n";
const END: &str = "<!-- end -->\n";

/// The limited resource; its limit in bytes or number, in time, and in work or number per second; the behaviour beyond
/// the limit; the tests that verify it.
type Row = [String; 6];

fn bytes(n: impl TryInto<usize>) -> String {
    Size(n.try_into().unwrap_or(usize::MAX)).to_string()
}

fn time(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}

fn rate(rate: Rate, unit: &str) -> String {
    format!("{} {unit}/s, {} at once", rate.per_second, rate.burst)
}

fn table(rows: &[Row]) -> String {
    let mut table = String::from(
        "| what | how much | how long | how often | beyond it | held by |\n|---|---|---|---|---|---|\n",
    );
    for row in rows {
        writeln!(table, "| {} |", row.join(" | ")).unwrap();
    }
    table
}

#[test]
fn the_limits_page_is_made_from_the_code() {
    let written = std::fs::read_to_string(PAGE).unwrap();
    let (before, rest) = written.split_once(BEGIN).expect("the beginning of the tables");
    let (_, behind) = rest.split_once(END).expect("their end");
    let made = format!(
        "{before}{BEGIN}### Connections\n\n{}\n### What comes from logs, lists and files\n\n{}{END}{behind}",
        table(&connections()),
        table(&inputs())
    );
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(PAGE, &made).unwrap();
    } else {
        assert!(made == written, "{PAGE} is old; UPDATE_DOCS=1 cargo test --lib limits");
    }
}
