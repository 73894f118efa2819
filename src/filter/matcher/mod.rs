//! Many filters matched at once.
//!
//! The values of all filters are *rules*: a value that many filters have is one rule. For an entry, and for each of its
//! names, the rules that hold are looked up together, in indexes that do not depend on the number of rules:
//!
//! | parameter | index |
//! |---|---|
//! | `domain` | a hash table, asked for the name and each domain above it |
//! | `contains` | one automaton for all texts (Aho-Corasick) |
//! | `regex` | the same automaton, for a text that the expression requires; the few without one, in sets |
//! | `lookalike` | hash tables of labels, and of labels without one character; an automaton for labels in others |
//! | `issuer`, `log`, `operator`, `type` | hash tables |
//!
//! Each filter waits for the rules of one of its parameters, its *trigger*: the one that is probably met most rarely.
//! Only if one of these rules holds, the rest of the filter is compared with the rules that hold. Nothing is done for a
//! filter whose trigger is not met, and names are not read if no filter that is about them can match.

mod build;
mod clauses;
mod fired;
mod lists;
mod literal;
mod patterns;
mod rules;
mod search;
mod substrings;
mod table;

#[cfg(test)]
mod tests;

pub(super) use build::{trigger_frequency, weight};
pub(super) use search::Matcher;
pub use search::{FilterId, Scratch};
