//! Types of values that are neither plain texts nor numbers.

use crate::access::TokenDigest;
use bytesize::ByteSize;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;
use zeroize::{Zeroize, Zeroizing};

/// The start of a log: `"head"`, an index, or a negative number of entries before the head.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum StartAt {
    /// `"head"`
    #[default]
    Head,
    /// An index, or if negative, a number of entries before the head.
    Number(i64),
}

impl Serialize for StartAt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            StartAt::Head => serializer.serialize_str("head"),
            StartAt::Number(n) => serializer.serialize_i64(*n),
        }
    }
}

impl<'de> Deserialize<'de> for StartAt {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = StartAt;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(r#""head", an index, or -N for N entries before the head"#)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<StartAt, E> {
                let head = (text == "head").then_some(StartAt::Head);
                head.ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }

            fn visit_i64<E: de::Error>(self, n: i64) -> Result<StartAt, E> {
                Ok(StartAt::Number(n))
            }

            fn visit_u64<E: de::Error>(self, n: u64) -> Result<StartAt, E> {
                let fits = i64::try_from(n).map(StartAt::Number);
                fits.map_err(|_| E::invalid_value(de::Unexpected::Unsigned(n), &self))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// How to treat entries that are not proven to be in the log's tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verify {
    /// They are not sent.
    Enforce,
    /// Nothing is verified, and all entries are sent.
    Off,
}

/// The limit on catching up: `"all"`, or a number of entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CatchUp {
    /// `"all"`
    All,
    /// At most this many entries.
    Entries(u64),
}

impl Serialize for CatchUp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            CatchUp::All => serializer.serialize_str("all"),
            CatchUp::Entries(n) => serializer.serialize_u64(*n),
        }
    }
}

impl<'de> Deserialize<'de> for CatchUp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = CatchUp;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(r#""all", or a number of entries"#)
            }

            /// Values of environment variables are always texts.
            fn visit_str<E: de::Error>(self, text: &str) -> Result<CatchUp, E> {
                let all = (text == "all").then_some(CatchUp::All);
                let entries = || text.parse().ok().map(CatchUp::Entries);
                all.or_else(entries).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }

            fn visit_i64<E: de::Error>(self, n: i64) -> Result<CatchUp, E> {
                let fits = u64::try_from(n).map(CatchUp::Entries);
                fits.map_err(|_| E::invalid_value(de::Unexpected::Signed(n), &self))
            }

            fn visit_u64<E: de::Error>(self, n: u64) -> Result<CatchUp, E> {
                Ok(CatchUp::Entries(n))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// A number of bytes, as a text such as `"8 MiB"` or `"500 KiB"`, or as a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(pub usize);

/// The exact number, with the largest unit of which it is a multiple.
impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [("GiB", bytesize::GIB), ("MiB", bytesize::MIB), ("KiB", bytesize::KIB)];
        let bytes = self.0 as u64;
        match units.iter().find(|(_, unit)| bytes >= *unit && bytes.is_multiple_of(*unit)) {
            Some((name, unit)) => write!(f, "{} {name}", bytes / unit),
            None => write!(f, "{bytes} B"),
        }
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Size;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(r#"a number of bytes such as "8 MiB" or "500 KiB""#)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Size, E> {
                let size = text.parse::<ByteSize>().ok().and_then(|size| usize::try_from(size.as_u64()).ok());
                size.map(Size).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }

            fn visit_i64<E: de::Error>(self, n: i64) -> Result<Size, E> {
                usize::try_from(n).map(Size).map_err(|_| E::invalid_value(de::Unexpected::Signed(n), &self))
            }

            fn visit_u64<E: de::Error>(self, n: u64) -> Result<Size, E> {
                usize::try_from(n).map(Size).map_err(|_| E::invalid_value(de::Unexpected::Unsigned(n), &self))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// A duration, as a text such as `"10s"`, `"500ms"` or `"1m 30s"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(pub Duration);

impl Span {
    pub(super) const fn seconds(n: u64) -> Self {
        Span(Duration::from_secs(n))
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&humantime::format_duration(self.0))
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Span;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(r#"a duration such as "10s", "500ms" or "1m 30s""#)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Span, E> {
                let parsed = humantime::parse_duration(text).map(Span);
                parsed.map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

/// A token as written in the configuration. Only its digest is kept, and it is never shown, not even in
/// errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlainToken {
    pub(super) digest: TokenDigest,
    /// Whether the token is long enough and can be used in a URL and in a header without escaping.
    pub(super) is_fit: bool,
}

/// Minimum length of a token, in characters. Shorter tokens can be guessed.
pub(crate) const SHORTEST_TOKEN: usize = 16;

impl From<&str> for PlainToken {
    fn from(text: &str) -> Self {
        let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b));
        PlainToken { digest: TokenDigest::of(text.as_bytes()), is_fit: plain && text.len() >= SHORTEST_TOKEN }
    }
}

/// The SHA-256 of a token as written in the configuration. `None` if it is invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrittenDigest(pub(super) Option<TokenDigest>);

impl From<&str> for WrittenDigest {
    fn from(text: &str) -> Self {
        WrittenDigest(TokenDigest::parse(text))
    }
}

/// Serialized as its digest, so that two configurations can be compared.
impl Serialize for PlainToken {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.digest.bytes())
    }
}

impl Serialize for WrittenDigest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().flat_map(TokenDigest::bytes))
    }
}

impl<'de> Deserialize<'de> for PlainToken {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SecretText(PhantomData))
    }
}

impl<'de> Deserialize<'de> for WrittenDigest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SecretText(PhantomData))
    }
}

/// Deserializes a text without copying it, and does not show its value in errors.
struct SecretText<T>(PhantomData<T>);

impl<'de, T: for<'a> From<&'a str>> de::Visitor<'de> for SecretText<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a quoted string")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        Ok(T::from(text))
    }

    fn visit_string<E: de::Error>(self, mut text: String) -> Result<T, E> {
        let value = T::from(&text);
        text.zeroize();
        Ok(value)
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<T, E> {
        Err(no_text())
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<T, E> {
        Err(no_text())
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<T, E> {
        Err(no_text())
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<T, E> {
        Err(no_text())
    }
}

fn no_text<E: de::Error>() -> E {
    E::custom("expected a quoted string")
}

/// A secret that the server has to know as it is, such as the key of a signature. It is never shown, and two configurations
/// are compared by its digest.
#[derive(Clone, PartialEq, Eq)]
pub struct PlainSecret(Zeroizing<String>);

impl PlainSecret {
    /// The secret.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<&str> for PlainSecret {
    fn from(text: &str) -> Self {
        PlainSecret(Zeroizing::new(text.into()))
    }
}

impl fmt::Debug for PlainSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a secret")
    }
}

impl Serialize for PlainSecret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(TokenDigest::of(self.0.as_bytes()).bytes())
    }
}

impl<'de> Deserialize<'de> for PlainSecret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SecretText(PhantomData))
    }
}
