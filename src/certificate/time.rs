//! Converts UTCTime and GeneralizedTime (RFC 5280 section 4.1.2.5) to unix seconds, and unix seconds to
//! OpenSSL's text.

use super::der::{Element, tag};
use super::json::JsonText;

/// A parsed time, and its fault if it has one.
pub(super) struct Instant {
    pub unix_seconds: Option<i64>,
    pub fault: Option<&'static str>,
}

/// A date and time of day as written.
#[derive(Clone, Copy)]
struct Civil {
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const SECONDS_A_DAY: i64 = 86_400;
/// 9999-12-31T23:59:59Z, the last second that a GeneralizedTime can express.
const LAST_SECOND: i64 = 253_402_300_799;
/// The first year of the Gregorian calendar. ISO 8601 allows earlier years only by mutual agreement.
const FIRST_GREGORIAN_YEAR: i64 = 1583;

/// Parses a time as X.680 allows it. Forms that RFC 5280 forbids (no seconds, fractions, offsets from UTC)
/// are parsed and reported as faults.
pub(super) fn read(time: &Element<'_>) -> Instant {
    let read = match time.tag {
        tag::UTC_TIME | tag::GENERALIZED_TIME => parse(time.content, time.tag == tag::UTC_TIME),
        _ => return Instant { unix_seconds: None, fault: Some("no time where one belongs") },
    };
    match read {
        Some((unix_seconds, fault)) => Instant { unix_seconds: Some(unix_seconds), fault },
        None => Instant { unix_seconds: None, fault: Some("impossible time") },
    }
}

fn parse(text: &[u8], is_utc_time: bool) -> Option<(i64, Option<&'static str>)> {
    let mut scanner = Scanner { rest: text };
    let mut fault = None;
    let year = if is_utc_time {
        let year = scanner.two_digits()?;
        // RFC 5280 section 4.1.2.5.1
        if year < 50 { 2000 + year } else { 1900 + year }
    } else {
        scanner.two_digits()? * 100 + scanner.two_digits()?
    };
    let (month, day, hour) = (scanner.two_digits()?, scanner.two_digits()?, scanner.two_digits()?);
    let minute = match scanner.two_digits() {
        None if is_utc_time => return None,
        minute => minute.unwrap_or(0),
    };
    let second = scanner.two_digits().unwrap_or_else(|| {
        fault = Some("time without seconds");
        0
    });
    if !is_utc_time && scanner.skip_fraction()? {
        fault = Some("time with a fraction of a second");
    }
    let offset = match scanner.rest {
        [b'Z'] => 0,
        [] if !is_utc_time => {
            fault = Some("local time");
            0
        }
        [sign @ (b'+' | b'-'), zone @ ..] => {
            fault = Some("time with an offset from UTC");
            zone_seconds(zone)? * if *sign == b'+' { 1 } else { -1 }
        }
        _ => return None,
    };
    if second == 60 {
        fault = Some("leap second");
    }
    if year < FIRST_GREGORIAN_YEAR {
        fault = Some("year before the Gregorian calendar");
    }
    let unix_seconds = Civil { year, month, day, hour, minute, second }.unix_seconds()?;
    Some((unix_seconds - offset, fault))
}

fn zone_seconds(zone: &[u8]) -> Option<i64> {
    let mut scanner = Scanner { rest: zone };
    let hours = scanner.two_digits()?;
    let minutes = if scanner.rest.is_empty() { 0 } else { scanner.two_digits()? };
    (scanner.rest.is_empty() && hours < 24 && minutes < 60).then_some(hours * 3600 + minutes * 60)
}

struct Scanner<'a> {
    rest: &'a [u8],
}

impl Scanner<'_> {
    fn two_digits(&mut self) -> Option<i64> {
        match self.rest {
            [tens @ b'0'..=b'9', ones @ b'0'..=b'9', rest @ ..] => {
                self.rest = rest;
                Some(i64::from(tens - b'0') * 10 + i64::from(ones - b'0'))
            }
            _ => None,
        }
    }

    /// `Some(true)` if there was a fraction. `None` if the fraction has no digits.
    fn skip_fraction(&mut self) -> Option<bool> {
        let [b'.' | b',', digits @ ..] = self.rest else { return Some(false) };
        let count = digits.iter().take_while(|digit| digit.is_ascii_digit()).count();
        self.rest = digits.get(count..).unwrap_or_default();
        (count > 0).then_some(true)
    }
}

impl Civil {
    /// Computes the days since 1970. Years begin in March, so that the leap day is the last day of the year.
    fn unix_seconds(self) -> Option<i64> {
        let Civil { year, month, day, hour, minute, second } = self;
        if !self.is_possible() {
            return None;
        }
        let year = year - i64::from(month < 3);
        let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
        let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
        let days = 365 * year + leap_days + day_of_year - 719_468;
        Some(days * SECONDS_A_DAY + hour * 3600 + minute * 60 + second)
    }

    fn is_possible(self) -> bool {
        (1..=12).contains(&self.month)
            && (1..=days_in_month(self.year, self.month)).contains(&self.day)
            && self.hour < 24
            && self.minute < 60
            && self.second <= 60
    }

    fn from_unix_seconds(unix_seconds: i64) -> Civil {
        let days = unix_seconds.div_euclid(SECONDS_A_DAY) + 719_468;
        let second = unix_seconds.rem_euclid(SECONDS_A_DAY);
        let era = days.div_euclid(146_097);
        let day_of_era = days.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let month = (month_from_march + 2) % 12 + 1;
        Civil {
            year: era * 400 + year_of_era + i64::from(month < 3),
            month,
            day: day_of_year - (153 * month_from_march + 2) / 5 + 1,
            hour: second / 3600,
            minute: second / 60 % 60,
            second: second % 60,
        }
    }

    /// Writes `May 20 18:48:12`. The day is padded with a space.
    fn write(self, fraction: impl FnOnce(&mut Vec<u8>), out: &mut Vec<u8>) {
        let month = usize::try_from(self.month - 1).ok().and_then(|month| MONTHS.get(month));
        out.raw(month.copied().unwrap_or("Jan"));
        out.push(b' ');
        if self.day < 10 {
            out.push(b' ');
        }
        out.decimal(self.day);
        for (separator, value) in [(b' ', self.hour), (b':', self.minute), (b':', self.second)] {
            out.push(separator);
            out.push(b'0' + (value / 10) as u8);
            out.push(b'0' + (value % 10) as u8);
        }
        fraction(out);
        out.push(b' ');
        out.decimal(self.year);
    }
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Writes `May 20 18:48:12.743 2026 GMT`. Writes nothing for years after 9999, like OpenSSL.
pub(super) fn write_milliseconds(timestamp_ms: u64, out: &mut Vec<u8>) {
    let Some(seconds) = i64::try_from(timestamp_ms / 1000).ok().filter(|seconds| *seconds <= LAST_SECOND)
    else {
        return;
    };
    let milliseconds = timestamp_ms % 1000;
    let fraction = |out: &mut Vec<u8>| {
        out.push(b'.');
        for divisor in [100, 10, 1] {
            out.push(b'0' + (milliseconds / divisor % 10) as u8);
        }
    };
    Civil::from_unix_seconds(seconds).write(fraction, out);
    out.raw(" GMT");
}

/// Writes a GeneralizedTime as OpenSSL prints it, `Jan  1 00:00:00 2024 GMT`, including its fraction. Returns
/// false if the content is not a GeneralizedTime.
pub(super) fn write_generalized(content: &[u8], out: &mut Vec<u8>) -> bool {
    let Some((civil, fraction, is_utc)) = printable_generalized(content) else {
        out.raw("Bad time value");
        return false;
    };
    civil.write(|out| out.extend_from_slice(fraction), out);
    out.raw(if is_utc { " GMT" } else { "" });
    true
}

fn printable_generalized(content: &[u8]) -> Option<(Civil, &[u8], bool)> {
    let mut scanner = Scanner { rest: content };
    let year = scanner.two_digits()? * 100 + scanner.two_digits()?;
    let (month, day, hour) = (scanner.two_digits()?, scanner.two_digits()?, scanner.two_digits()?);
    let minute = scanner.two_digits()?;
    let second = scanner.two_digits().unwrap_or(0);
    let from_fraction = scanner.rest;
    scanner.skip_fraction()?;
    let fraction = from_fraction.get(..from_fraction.len() - scanner.rest.len())?;
    let is_utc = match scanner.rest {
        [b'Z'] => true,
        [b'+' | b'-', zone @ ..] => zone_seconds(zone).map(|_| false)?,
        _ => return None,
    };
    let civil = Civil { year, month, day, hour, minute, second };
    civil.is_possible().then_some((civil, fraction, is_utc))
}
