//! Filters in JSON, and as a query string.

use super::model::Filter;
use super::parameter::Parameter;
use super::parse::EXCLUDES;
use form_urlencoded::Serializer;
use serde::ser::{Serialize, SerializeMap};

impl Filter {
    /// Its values in their normal form, in a fixed order: by parameter, the wanted ones first.
    fn written(&self) -> impl Iterator<Item = (Parameter, impl Iterator<Item = String>)> {
        self.conditions.iter().map(|(parameter, condition)| {
            let wanted = condition.wanted.texts.iter().map(String::from);
            let excluded = condition.excluded.texts.iter().map(|value| format!("{EXCLUDES}{value}"));
            (*parameter, wanted.chain(excluded))
        })
    }

    /// The filter as a query string, percent-encoded and without a question mark. Equal filters have the same.
    /// [`parse`](Self::parse) makes the same filter of it, unless a log or an operator has a comma in its name: no query can
    /// ask for that.
    pub fn to_query(&self) -> String {
        let mut query = Serializer::new(String::new());
        query.extend_pairs(self.pairs());
        query.finish()
    }

    /// The same, without the values at its end that would make it longer than `bytes`. An ellipsis follows then.
    pub fn to_query_within(&self, bytes: usize) -> String {
        let mut text = String::new();
        for (name, value) in self.pairs() {
            let before = text.len();
            text = Serializer::new(text).append_pair(name, &value).finish();
            if text.len() > bytes {
                text.truncate(before);
                text.push('…');
                break;
            }
        }
        text
    }

    fn pairs(&self) -> impl Iterator<Item = (&'static str, String)> {
        self.written().flat_map(|(parameter, values)| values.map(move |value| (parameter.name(), value)))
    }
}

/// An object with a list of values for each parameter that has any: `{"domain": ["example.com", "!www.example.com"]}`.
impl Serialize for Filter {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(None)?;
        for (parameter, values) in self.written() {
            object.serialize_entry(parameter.name(), &values.collect::<Vec<_>>())?;
        }
        object.end()
    }
}
