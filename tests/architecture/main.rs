//! Checks that dependencies between files and modules go only downwards. The table in `src/lib.rs` lists the
//! modules that each module may use.

mod sources;

use sources::{Crate, Use};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The modules that a module may use, according to the table.
#[derive(Debug, Default)]
struct Row {
    uses: BTreeSet<String>,
    is_pure: bool,
}

type Table = BTreeMap<String, Row>;

/// Parses the rows of the table ``//! | [`name`] | purpose; pure | `used`, `used` |``.
fn table(text: &str) -> Table {
    let rows = text.lines().filter_map(|line| line.strip_prefix("//! |")?.strip_suffix('|'));
    let rows = rows.filter_map(|row| {
        let [name, purpose, uses] = row.split('|').map(str::trim).collect::<Vec<_>>().try_into().ok()?;
        let name = name.trim_matches(['[', ']', '`']);
        let uses = uses.split('`').skip(1).step_by(2).map(String::from).collect();
        let is_pure = purpose.ends_with("; pure");
        (name != "module" && !name.starts_with('-')).then(|| (name.to_string(), Row { uses, is_pure }))
    });
    rows.collect()
}

/// The top-level module of a file: `actors` of `actors/broker.rs`.
fn module(file: &str) -> &str {
    file.split(['/', '.']).next().unwrap_or_default()
}

/// Crates and modules with input, output or a clock.
const IMPURE: [&str; 13] = [
    "actix",
    "actix_http",
    "actix_web",
    "actix_web_actors",
    "awc",
    "rand",
    "socket2",
    "std::env",
    "std::fs",
    "std::net",
    "std::process",
    "tokio",
    "crate::clock",
];
/// Types of clocks. Pure modules may receive their values but must not read the clock.
const CLOCKS: [&str; 3] = ["Instant", "SystemTime", "Utc"];

fn is_impure(used: &Use) -> bool {
    let begins = |with: &str| used.name == with || used.name.starts_with(&format!("{with}::"));
    let asks_a_clock = CLOCKS.iter().any(|clock| used.name.ends_with(&format!("{clock}::now")));
    IMPURE.iter().any(|impure| begins(impure)) || asks_a_clock
}

/// The dependencies between modules that are not allowed.
fn breaches(table: &Table, uses: &[Use]) -> Vec<String> {
    let mut breaches = Vec::new();
    for used in uses {
        let (from, to) = (module(&used.from), module(&used.to));
        let Some(row) = table.get(from) else {
            breaches.push(format!("{from} is missing in the table"));
            continue;
        };
        if used.to.ends_with(".rs") && from != to && !row.uses.contains(to) {
            breaches
                .push(format!("{} uses {} of {}: {from} may not use {to}", used.from, used.name, used.to));
        }
        if row.is_pure && is_impure(used) {
            breaches.push(format!("{} is pure and uses {}", used.from, used.name));
        }
    }
    breaches
}

/// A cycle of nodes that use each other, if there is one.
fn circle(uses: &BTreeMap<&str, BTreeSet<&str>>) -> Option<Vec<String>> {
    /// Whether `node` leads to a cycle. `way` is the path to it.
    fn search<'a>(
        node: &'a str,
        uses: &BTreeMap<&'a str, BTreeSet<&'a str>>,
        way: &mut Vec<&'a str>,
        done: &mut BTreeSet<&'a str>,
    ) -> bool {
        if done.contains(node) {
            return false;
        }
        if let Some(begin) = way.iter().position(|other| *other == node) {
            way.drain(..begin);
            return true;
        }
        way.push(node);
        if uses.get(node).into_iter().flatten().any(|next| search(next, uses, way, done)) {
            return true;
        }
        way.pop();
        done.insert(node);
        false
    }
    let (mut way, mut done) = (Vec::new(), BTreeSet::new());
    let found = uses.keys().any(|node| search(node, uses, &mut way, &mut done));
    found.then(|| way.into_iter().map(String::from).collect())
}

/// A cycle of files.
fn circle_of_files(uses: &[Use]) -> Option<Vec<String>> {
    let mut graph: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for used in uses.iter().filter(|used| used.to.ends_with(".rs")) {
        graph.entry(&used.from).or_default().insert(&used.to);
    }
    circle(&graph)
}

/// A cycle of modules in the table itself.
fn circle_of_modules(table: &Table) -> Option<Vec<String>> {
    let uses = table.iter().map(|(name, row)| (name.as_str(), row.uses.iter().map(String::as_str).collect()));
    circle(&uses.collect())
}

#[test]
fn dependencies_go_down_only() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let table = table(&std::fs::read_to_string(src.join("lib.rs")).expect("the crate's root"));
    assert!(table.len() > 10, "the table is read: {table:?}");
    let uses = Crate::read(&src).uses();
    let files = uses.iter().filter(|used| used.to.ends_with(".rs")).count();
    assert!(files > 300, "{files} dependencies between files are read");
    let breaches = breaches(&table, &uses);
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
    assert_eq!(circle_of_modules(&table), None);
    assert_eq!(circle_of_files(&uses), None);
    let used: BTreeSet<_> = uses.iter().map(|used| (module(&used.from), module(&used.to))).collect();
    for (name, row) in &table {
        for other in &row.uses {
            assert!(used.contains(&(name, other)), "{name} does not use {other}, which the table says");
        }
    }
}

fn uses(files: &[(&str, &str)]) -> Vec<Use> {
    let files: Vec<_> = files.iter().map(|(path, text)| (path.to_string(), text.to_string())).collect();
    Crate::parse(&files).uses()
}

#[test]
fn the_files_that_the_tour_names_exist() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let text = std::fs::read_to_string(src.join("lib.rs")).expect("the crate's root");
    let lines = text.lines().filter(|line| line.starts_with("//! |"));
    let files: Vec<_> = lines.flat_map(|line| line.split('`')).filter(|name| name.ends_with(".rs")).collect();
    assert!(files.len() >= 10, "{files:?}");
    for file in files {
        assert!(src.join(file).is_file(), "{file}");
    }
}

#[test]
fn each_way_to_name_something_is_a_dependency() {
    let lower = ("low/mod.rs", "mod deep; pub use deep::Thing; pub struct Own; pub(crate) fn f() {}");
    let deep = ("low/deep.rs", "pub struct Thing;");
    for (text, to) in [
        ("use crate::low::Thing;", "low/deep.rs"),
        ("use crate::low::{Own, Thing as Other};", "low/deep.rs"),
        ("use super::low::deep::{self};", "low/deep.rs"),
        ("use crate::low::Own;", "low/mod.rs"),
        ("use crate::low::*;", "low/mod.rs"),
        ("use crate::low; type T = low::Own;", "low/mod.rs"),
        ("fn f(_: crate::low::Thing) {}", "low/deep.rs"),
        ("fn f() { println!(\"{}\", crate::low::f()); }", "low/mod.rs"),
        ("fn f() { vec![[1, crate::low::f()]]; }", "low/mod.rs"),
        ("#[derive(Debug, crate::low::Own)] struct S;", "low/mod.rs"),
        ("mod inner { use super::super::low::Thing; }", "low/deep.rs"),
        ("impl From<crate::low::Thing> for u8 { fn f() {} }", "low/deep.rs"),
    ] {
        let uses = uses(&[lower, deep, ("high.rs", text)]);
        assert!(uses.iter().any(|used| used.from == "high.rs" && used.to == to), "{text}: {uses:?}");
    }
}

#[test]
fn what_only_tests_use_or_what_is_passed_on_is_none() {
    for text in [
        "#[cfg(test)] mod tests { use crate::low::Own; }",
        "#[cfg(all(test, unix))] use crate::low::Own;",
        "#[cfg(test)] mod tests;",
        "#[cfg(test)] impl X { fn f() { crate::low::f() } }",
        "pub use crate::low::Own;",
        "// use crate::low::Own;",
        "const TEXT: &str = \"crate::low::Own\";",
    ] {
        let files =
            [("low.rs", "pub struct Own;"), ("high/mod.rs", text), ("high/tests.rs", "use crate::low::Own;")];
        let of_high = uses(&files).into_iter().find(|used| used.from == "high/mod.rs");
        assert_eq!(of_high, None, "{text}");
    }
    let files = [("a/mod.rs", "#[cfg(test)] mod tests;"), ("a/tests.rs", "use crate::b::B;"), ("b.rs", "")];
    assert_eq!(uses(&files), []);
}

const TABLE: &str = "//! | module | what it is for | uses |\n//! |---|---|---|\n//! | [`high`] | commands | `low`, `mid` |\n\
                     //! | `mid` | something | `low` |\n//! | [`low`] | sums; pure | |\n";

#[test]
fn a_dependency_that_goes_up_is_a_breach() {
    let table = table(TABLE);
    let all = ["high", "mid", "low"];
    for (from, to, is_allowed) in [
        ("high", "mid", true),
        ("high", "low", true),
        ("mid", "low", true),
        ("mid", "high", false),
        ("low", "mid", false),
        ("low", "high", false),
    ] {
        let text = format!("use crate::{to}::Thing;");
        let files =
            all.map(|name| (format!("{name}.rs"), if name == from { text.clone() } else { String::new() }));
        let breaches = breaches(&table, &Crate::parse(&files).uses());
        assert_eq!(breaches.is_empty(), is_allowed, "{from} to {to}: {breaches:?}");
    }
    assert_eq!(breaches(&table, &uses(&[("other.rs", "use crate::low::X;"), ("low.rs", "")])).len(), 1);
}

#[test]
fn pure_modules_neither_read_nor_write_nor_ask_a_clock() {
    let table = table(TABLE);
    for text in [
        "use std::fs;",
        "use std::fs::File;",
        "use std::{fmt, net::TcpStream};",
        "use tokio::sync::mpsc;",
        "use actix_web::web;",
        "fn f() { awc::Client::default(); }",
        "use std::time::Instant; fn f() { Instant::now(); }",
        "fn f() { log(std::time::SystemTime::now()) }",
        "use chrono::Utc; fn f() -> i64 { Utc::now().timestamp() }",
    ] {
        let found = breaches(&table, &uses(&[("low.rs", text)]));
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        assert!(breaches(&table, &uses(&[("mid.rs", text)])).is_empty(), "{text}");
    }
    let given = "use std::time::Instant; use core::net::IpAddr; fn f(now: Instant, from: IpAddr) {}";
    assert!(breaches(&table, &uses(&[("low.rs", given)])).is_empty());
}

#[test]
fn circles_are_found() {
    let a_parent = ("a/mod.rs", "mod b; use b::B; pub struct A;");
    let found = circle_of_files(&uses(&[a_parent, ("a/b.rs", "use super::A; pub struct B;")]));
    assert_eq!(found.expect("a circle"), ["a/b.rs", "a/mod.rs"]);
    let only_passed_on = ("a/mod.rs", "mod b; mod c; pub use b::B; pub use c::C;");
    let files = [only_passed_on, ("a/b.rs", "use super::C; pub struct B;"), ("a/c.rs", "pub struct C;")];
    assert_eq!(circle_of_files(&uses(&files)), None);
    let [parent, b, _] = files;
    assert!(circle_of_files(&uses(&[parent, b, ("a/c.rs", "use super::B; pub struct C;")])).is_some());
    let up = table("//! | [`a`] | x | `b` |\n//! | [`b`] | x | `c` |\n//! | [`c`] | x | `a` |\n");
    assert_eq!(circle_of_modules(&up).expect("a circle").len(), 3);
}
