//! Filters from JSON: an object with a list of values for each parameter, as [`Filter`] is also written.

use super::error::{Fault, FilterError};
use super::limits::Limits;
use super::model::Filter;
use super::parameter::Parameter;
use super::parse::FilterBuilder;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;
use std::fmt;

impl Filter {
    /// Parses an object such as `{"domain": ["example.com", "!www.example.com"], "type": ["precert"]}`. Values are not split
    /// at commas.
    ///
    /// # Errors
    /// If the text is not such an object, has a member twice, or no values; and as [`parse`](Self::parse).
    pub fn from_json(text: &[u8], limits: Limits) -> Result<Filter, FilterError> {
        let mut reading = Reading { builder: FilterBuilder::new(limits), parameter: None, refused: None };
        let mut json = serde_json::Deserializer::from_slice(text);
        let read = Object(&mut reading).deserialize(&mut json).and_then(|()| json.end());
        if let Err(error) = read {
            return Err(reading.refusal(&error));
        }
        let filter = reading.builder.build()?;
        if filter.is_empty() { Err(FilterError::of_body(Fault::NoFilter)) } else { Ok(filter) }
    }
}

/// What has been read of an object.
struct Reading {
    builder: FilterBuilder,
    /// The parameter whose list is being read.
    parameter: Option<Parameter>,
    /// Why reading has ended, if it is not for the JSON itself.
    refused: Option<FilterError>,
}

impl Reading {
    /// Why the text is refused; `error` is what the parser says.
    fn refusal(self, error: &serde_json::Error) -> FilterError {
        if let Some(refused) = self.refused {
            return refused;
        }
        match (error.classify(), self.parameter) {
            (Category::Data, Some(parameter)) => FilterError::new(parameter, "", Fault::NoList),
            (Category::Data, None) => FilterError::of_body(Fault::NoObject),
            _ => FilterError::of_body(Fault::NoJson { what: error.to_string() }),
        }
    }

    /// Ends reading.
    fn refuse<E: Error>(&mut self, error: FilterError) -> E {
        self.refused = Some(error);
        E::custom("refused")
    }
}

/// Reads the whole object.
struct Object<'r>(&'r mut Reading);

impl<'de> DeserializeSeed<'de> for Object<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Object<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let reading = self.0;
        let mut given = Vec::new();
        while let Some(name) = members.next_key::<String>()? {
            let Some(parameter) = Parameter::from_name(&name) else {
                return Err(reading.refuse(FilterError::unknown(&name)));
            };
            if given.contains(&parameter) {
                return Err(reading.refuse(FilterError::new(parameter, "", Fault::Repeated)));
            }
            given.push(parameter);
            reading.parameter = Some(parameter);
            members.next_value_seed(List { reading: &mut *reading, parameter })?;
            reading.parameter = None;
        }
        Ok(())
    }
}

/// Reads the list of a parameter.
struct List<'r> {
    reading: &'r mut Reading,
    parameter: Parameter,
}

impl<'de> DeserializeSeed<'de> for List<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for List<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of texts")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let List { reading, parameter } = self;
        let mut is_empty = true;
        while items.next_element_seed(Text { reading: &mut *reading, parameter })?.is_some() {
            is_empty = false;
        }
        if is_empty {
            return Err(reading.refuse(FilterError::new(parameter, "", Fault::EmptyList)));
        }
        Ok(())
    }
}

/// Reads one value of a list.
struct Text<'r> {
    reading: &'r mut Reading,
    parameter: Parameter,
}

impl<'de> DeserializeSeed<'de> for Text<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Text<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        let Text { reading, parameter } = self;
        reading.builder.add(parameter, text).map_err(|error| reading.refuse(error))
    }
}
