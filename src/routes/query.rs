//! What a subscriber asks for in the query string, alike for all streams and wires.

use crate::choice::{self, Choice, InvalidParameter, count, flag, invalid};
use crate::filter::{Limits, is_parameter};
use crate::journal::{FileError, Journal};
use crate::message::Stream;
use chrono::DateTime;
use std::time::Duration;

/// Maximum number of entries before the end with which a subscriber can begin. They are counted block by block.
const MAX_LAST: u64 = 10_000;

/// The parameters beside those that choose messages.
const PARAMETERS: [&str; 9] =
    ["stream", "token", "notices", "cursor", "since", "until", "before", "last", "follow"];

/// What a subscriber asks for. By default, everything that comes next.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Query {
    /// Whether it wants notices.
    pub(super) notices: bool,
    /// Which messages it wants.
    pub(super) choice: Choice,
    /// The newest entry that it has.
    cursor: Option<u64>,
    /// The moment from which on it wants entries, unix microseconds.
    since_us: Option<u64>,
    /// The moment at which it ends, unix microseconds.
    until_us: Option<u64>,
    /// The number before which it ends.
    before: Option<u64>,
    /// Whether it ends where the journal ends now.
    ends_now: bool,
    /// It begins with this many entries before the end.
    last: Option<u64>,
}

/// Where a subscriber reads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Extent {
    /// The number of the first entry; `None` for what comes next.
    pub(super) start: Option<u64>,
    /// It ends before this number.
    pub(super) until: Option<u64>,
    /// It ends at this moment, unix microseconds.
    pub(super) ends_at_us: Option<u64>,
}

impl Query {
    /// Parses the query string `text`, whose filter has `limits`. `last_event_id` is the header of the same name, which takes
    /// the place of a cursor.
    /// The values of `stream` and `token` are not looked at: see [`stream`].
    ///
    /// # Errors
    /// At the first parameter that is unknown, given twice, or invalid.
    pub(super) fn parse(
        text: &str,
        last_event_id: Option<&str>,
        now_us: u64,
        limits: Limits,
    ) -> Result<Self, InvalidParameter> {
        let (mut query, mut given, mut of_choice) = (Query::default(), Vec::new(), Vec::new());
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            if Choice::has(&name) {
                of_choice.push((name, value));
                continue;
            }
            let name = choice::known(&name, parameters(), &mut given)?;
            query.set(name, &value, now_us)?;
        }
        if let Some(id) = last_event_id.filter(|id| !id.is_empty()) {
            query.cursor = Some(number("Last-Event-ID", id)?);
            // A browser repeats the query string when it comes back.
            (query.since_us, query.last) = (None, None);
        }
        query.check_has_one_start()?;
        query.choice = Choice::parse(of_choice, limits)?;
        Ok(query)
    }

    fn set(&mut self, name: &'static str, value: &str, now_us: u64) -> Result<(), InvalidParameter> {
        match name {
            "notices" => self.notices = flag(name, value)?,
            "cursor" => self.cursor = Some(number(name, value)?),
            "since" => self.since_us = Some(moment(name, value, now_us)?),
            "until" => self.until_us = Some(moment(name, value, now_us)?),
            "before" => self.before = Some(number(name, value)?),
            "last" => self.last = Some(count(name, value, MAX_LAST)?),
            "follow" => self.ends_now = !flag(name, value)?,
            _ => {}
        }
        Ok(())
    }

    fn check_has_one_start(&self) -> Result<(), InvalidParameter> {
        let other = if self.cursor.is_some() { "a cursor" } else { "since" };
        let second = match (self.cursor, self.since_us, self.last) {
            (Some(_), Some(_), _) => "since",
            (Some(_), _, Some(_)) | (_, Some(_), Some(_)) => "last",
            _ => return Ok(()),
        };
        Err(invalid(second, &format!("{other} is given as well; use one of them")))
    }

    /// Where it reads in `journal`.
    ///
    /// # Errors
    /// If the cursor has not been given yet, or the end lies before the beginning; or if the journal cannot be read now.
    pub(super) async fn extent(&self, journal: &dyn Journal, now_us: u64) -> Result<Extent, ExtentError> {
        if let Some(cursor) = self.cursor {
            journal.reach(cursor).await?;
        }
        let next = journal.next_seq();
        let until = self.end(journal, next, now_us).await?;
        let start = match (self.cursor, self.since_us) {
            (Some(cursor), _) if cursor >= next => {
                let message = format!("{cursor} has not been given yet; the newest number is {}", next - 1);
                return Err(invalid("cursor", &message).into());
            }
            (Some(cursor), _) => Some(cursor + 1),
            (None, Some(since_us)) => Some(journal.seq_at(since_us).await?),
            // A search begins with the oldest entry.
            (None, None) => match self.last {
                Some(last) => Some(journal.start_of_last(last, until.unwrap_or(next)).await?),
                None => until.map(|_| journal.floor()),
            },
        };
        let ends_at_us = self.until_us.filter(|_| until.is_none());
        Ok(Extent { start, until, ends_at_us })
    }

    /// The number before which it ends, if that is known already. `next` is the next number of `journal`.
    async fn end(&self, journal: &dyn Journal, next: u64, now_us: u64) -> Result<Option<u64>, FileError> {
        let at_time = match self.until_us.filter(|until_us| *until_us <= now_us) {
            Some(until_us) => Some(journal.seq_at(until_us).await?),
            None => None,
        };
        // A number that was not given yet would be waited for.
        let before = self.before.map(|before| before.min(next));
        Ok([at_time, before, self.ends_now.then_some(next)].into_iter().flatten().min())
    }
}

/// Why it is not known where a client reads.
#[derive(Debug, thiserror::Error)]
pub(super) enum ExtentError {
    /// What it asks for is wrong.
    #[error("{0}")]
    Invalid(InvalidParameter),
    /// The journal cannot be read now.
    #[error("the journal cannot be read now: {0}")]
    Unreadable(#[from] FileError),
}

impl From<InvalidParameter> for ExtentError {
    fn from(invalid: InvalidParameter) -> Self {
        ExtentError::Invalid(invalid)
    }
}

/// The stream that the query string `text` asks for. At most one is; `None` if none is.
///
/// # Errors
/// If it is not in `offered`, or given twice.
pub(super) fn stream(text: &str, offered: &[Stream]) -> Result<Option<Stream>, InvalidParameter> {
    let mut asked = form_urlencoded::parse(text.as_bytes()).filter(|(name, _)| name == "stream");
    let Some((_, name)) = asked.next() else { return Ok(None) };
    if asked.next().is_some() {
        return Err(invalid("stream", "is given more than once"));
    }
    let stream = offered.iter().copied().find(|stream| stream.to_string() == name);
    stream.map(Some).ok_or_else(|| {
        let offered: Vec<_> = offered.iter().map(Stream::to_string).collect();
        invalid("stream", &format!("must be one of: {}; found {name:?}", offered.join(", ")))
    })
}

/// Whether the query string `text` has a filter.
pub(super) fn has_filter(text: &str) -> bool {
    form_urlencoded::parse(text.as_bytes()).any(|(name, _)| is_parameter(&name))
}

/// The names of the parameters beside those of filters.
pub(super) fn parameters() -> impl Iterator<Item = &'static str> + Clone {
    PARAMETERS.into_iter().chain(choice::PARAMETERS)
}

fn number(parameter: &'static str, value: &str) -> Result<u64, InvalidParameter> {
    value.parse().map_err(|_| invalid(parameter, &format!("expected the seq of a message, found {value:?}")))
}

/// A moment: a duration before now, a date of RFC 3339, or unix seconds.
fn moment(parameter: &'static str, value: &str, now_us: u64) -> Result<u64, InvalidParameter> {
    if let Ok(seconds) = value.parse::<f64>() {
        let is_moment = (0.0..=253_402_300_799.0).contains(&seconds);
        return is_moment.then_some((seconds * 1e6) as u64).ok_or_else(|| not_a_moment(parameter, value));
    }
    if let Ok(ago) = humantime::parse_duration(value) {
        return Ok(now_us.saturating_sub(Duration::as_micros(&ago).try_into().unwrap_or(u64::MAX)));
    }
    let date = DateTime::parse_from_rfc3339(value).map_err(|_| not_a_moment(parameter, value))?;
    u64::try_from(date.timestamp_micros()).map_err(|_| not_a_moment(parameter, value))
}

fn not_a_moment(parameter: &'static str, value: &str) -> InvalidParameter {
    let expected = "expected a duration such as 1h, a date such as 2026-11-27T10:00:00Z, or unix seconds";
    invalid(parameter, &format!("{expected}, found {value:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_US: u64 = 1_795_460_507_000_000;

    fn parse(text: &str) -> Result<Query, String> {
        Query::parse(text, None, NOW_US, Limits::DEFAULT)
            .map_err(|error| format!("{}: {}", error.parameter, error.message))
    }

    #[test]
    fn moments_have_three_forms() {
        for (text, since_us) in [
            ("since=1h", NOW_US - 3_600_000_000),
            ("since=90s", NOW_US - 90_000_000),
            ("since=1795460507", NOW_US),
            ("since=1795460506.5", NOW_US - 500_000),
            ("since=2026-11-23T19:41:47Z", 1_795_462_907_000_000),
            ("since=2026-11-23T19%3A41%3A47%2B00:00", 1_795_462_907_000_000),
        ] {
            assert_eq!(parse(text).unwrap().since_us, Some(since_us), "{text}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused_by_name() {
        for (text, parameter) in [
            ("cursor=", "cursor"),
            ("cursor=-1", "cursor"),
            ("since=yesterday", "since"),
            ("since=-5", "since"),
            ("since=inf", "since"),
            ("until=2026-13-01T00:00:00Z", "until"),
            ("follow=no", "follow"),
            ("cursor=5&since=1h", "since"),
            ("cursor=5&last=1", "last"),
            ("since=1h&last=1", "last"),
            ("last=0", "last"),
            ("last=10001", "last"),
            ("last=-1", "last"),
            ("sample=0", "sample"),
            ("sample=1000001", "sample"),
            ("sample=1.5", "sample"),
            ("sample=", "sample"),
            ("unique=", "unique"),
            ("unique=all", "unique"),
            ("unique=issuance&unique=issuance", "unique"),
            ("unique=issuance&log=a", "unique"),
            ("operator=!a&unique=certificate", "unique"),
            ("unique=issuance&sample=2", "unique"),
            ("before=now", "before"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.starts_with(&format!("{parameter}: ")), "{text}: {error}");
        }
        assert!(Query::parse("", Some("x"), NOW_US, Limits::DEFAULT).is_err());
    }

    #[test]
    fn the_last_event_id_takes_the_place_of_a_cursor() {
        let query = |text, id| Query::parse(text, id, NOW_US, Limits::DEFAULT).unwrap();
        assert_eq!(query("cursor=5", Some("7")).cursor, Some(7));
        assert_eq!(query("cursor=5", Some("")).cursor, Some(5));
        assert_eq!(query("since=1h", Some("7")).since_us, None, "as a browser comes back");
        assert_eq!(query("last=10", Some("7")).last, None);
        assert_eq!(query("", None), Query::default());
        assert!(query("stream=lite&notices=1", None).notices && !query("notices=0", None).notices);
    }

    #[test]
    fn a_typo_never_means_the_whole_stream() {
        for (text, message) in [
            ("domian=example.com", "domian: no such parameter; did you mean domain?"),
            ("Domain=example.com", "Domain: no such parameter; did you mean domain?"),
            ("folow=0", "folow: no such parameter; did you mean follow?"),
            ("x", "x: no such parameter"),
            ("=", ": no such parameter"),
            ("a%00b=1", "a\\u{0}b: no such parameter"),
            ("notices=yes", "notices: expected 0 or 1, found \"yes\""),
            ("follow=0&follow=1", "follow: is given more than once"),
            ("cursor=1&cursor=1", "cursor: is given more than once"),
            ("domain=", "domain: domain has an empty value"),
            ("domain=a.example,", "domain: domain has an empty value"),
            ("type=cert", "type: type=cert is unknown; type is precert or x509"),
            ("type=!precert&type=!x509", "type: type excludes every type"),
            (
                "domain=https://example.com/",
                "domain: domain=https://example.com/ is a URL; write domain=example.com",
            ),
            ("regex=%28", "regex: regex=( is not a regular expression: unclosed group, at character 1"),
        ] {
            assert_eq!(parse(text).unwrap_err(), message, "{text}");
        }
    }

    #[test]
    fn all_parameters_can_be_given_together() {
        let text = "stream=lite&token=x&notices=1&since=1h&until=1m&before=5&follow=0&domain=a.example,B.example\
                    &contains=a&!=";
        assert!(parse(text).is_err());
        let query = parse(text.trim_end_matches("&!=")).unwrap();
        assert_eq!(query.choice.filter.to_query(), "domain=a.example&domain=b.example&contains=a");
        assert!(parse("").unwrap().choice.filter.is_empty());
    }

    #[test]
    fn a_stream_is_one_that_is_offered() {
        let offered = [Stream::Full, Stream::Lite];
        let asked = |text| stream(text, &offered).map_err(|error| error.message);
        assert_eq!(asked("stream=lite&domain=x"), Ok(Some(Stream::Lite)));
        assert_eq!(asked("domain=x"), Ok(None));
        assert_eq!(asked("stream=domains").unwrap_err(), "must be one of: full, lite; found \"domains\"");
        assert!(asked("stream=").is_err() && asked("stream=lite&stream=lite").is_err());
    }
}
