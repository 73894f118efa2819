//! Characters that every name has that a regular expression matches.

use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, Hir, HirKind};

/// Shorter ones are in too many names.
const MIN_LITERAL: usize = 3;

/// The longest text that every matching name contains. Names have no upper-case letters. `None` if there is none of
/// three bytes.
pub(super) fn required(regex: &str) -> Option<String> {
    let mut parser = ParserBuilder::new().case_insensitive(true).unicode(false).utf8(false).build();
    let mut search = Search::default();
    search.visit(&parser.parse(regex).ok()?);
    search.end_run();
    (search.longest.len() >= MIN_LITERAL).then_some(search.longest)
}

/// Walks through an expression from left to right.
#[derive(Default)]
struct Search {
    /// What directly precedes the current place.
    run: String,
    longest: String,
}

impl Search {
    fn visit(&mut self, hir: &Hir) {
        match hir.kind() {
            // They match no characters, so the ones around them are neighbours.
            HirKind::Empty | HirKind::Look(_) => {}
            HirKind::Literal(literal) => match str::from_utf8(&literal.0) {
                Ok(text) => self.run.push_str(text),
                Err(_) => self.end_run(),
            },
            HirKind::Class(class) => match only_char(class) {
                Some(c) => self.run.push(c),
                None => self.end_run(),
            },
            HirKind::Capture(capture) => self.visit(&capture.sub),
            HirKind::Concat(parts) => parts.iter().for_each(|part| self.visit(part)),
            HirKind::Repetition(repetition) => {
                self.end_run();
                if repetition.min > 0 {
                    self.visit(&repetition.sub);
                    self.end_run();
                }
            }
            HirKind::Alternation(_) => self.end_run(),
        }
    }

    fn end_run(&mut self) {
        if self.run.len() > self.longest.len() {
            self.longest = std::mem::take(&mut self.run);
        }
        self.run.clear();
    }
}

/// The only character of a class that a name can have: the lower-case one of `[Aa]`.
fn only_char(class: &Class) -> Option<char> {
    let Class::Bytes(class) = class else { return None };
    let [ranges @ .., last] = class.ranges() else { return None };
    let is_upper = |byte: u8| byte.is_ascii_uppercase();
    let others_are_upper = ranges.iter().all(|range| is_upper(range.start()) && is_upper(range.end()));
    (others_are_upper && last.start() == last.end() && last.start().is_ascii())
        .then(|| char::from(last.start()))
}
