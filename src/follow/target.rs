//! Which stream is followed, and the request for it. Pure.

use crate::filter::is_parameter;
use crate::message::Stream;
use actix_http::Uri;
use form_urlencoded::Serializer;
use std::time::Duration;

/// The parameters that say where a stream begins. They apply until there is a number to resume after.
const STARTS: [&str; 3] = ["cursor", "since", "last"];
/// The parameters beside those of filters that leave messages out.
const SELECTIONS: [&str; 3] = ["filter", "unique", "sample"];
/// The parameters that change nothing about which numbers a client has.
const BESIDE: [&str; 6] = ["token", "notices", "explain", "until", "before", "follow"];
/// The paths of streams, which other certstream servers have too.
const PATHS: [(&str, Option<Stream>); 4] = [
    ("/full-stream", Some(Stream::Full)),
    ("/lite-stream", Some(Stream::Lite)),
    ("/domains-only", Some(Stream::Domains)),
    ("/develop", None),
];

/// A parameter of the query string.
type Parameter = (String, String);

/// A stream of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    is_tls: bool,
    authority: String,
    path: String,
    /// Where it begins the first time.
    start: Vec<Parameter>,
    query: Vec<Parameter>,
}

/// A URL or an option that cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadTarget {
    #[error("{0:?} is not the URL of a stream; expected one such as wss://certstream.example/lite-stream")]
    Url(String),
    #[error("the URL contains a user name; give a token with --token or CERTSTREAM_TOKEN instead")]
    UserInfo,
    #[error("{0} is not a WebSocket stream; give the server's URL alone, or one that ends in /lite-stream")]
    OtherWire(String),
    #[error("the URL names the {named} stream already, so --stream {asked} cannot be used with it")]
    TwoStreams { named: String, asked: Stream },
}

impl Target {
    /// The stream at `url`, which `stream` selects if the URL does not, with further parameters.
    ///
    /// # Errors
    /// If there is no such stream.
    pub(crate) fn new(
        url: &str,
        stream: Option<Stream>,
        parameters: impl IntoIterator<Item = Parameter>,
    ) -> Result<Self, BadTarget> {
        let bad = || BadTarget::Url(url.into());
        let (scheme, rest) = url.split_once("://").ok_or_else(bad)?;
        let is_tls = match scheme.to_ascii_lowercase().as_str() {
            "ws" | "http" => false,
            "wss" | "https" => true,
            _ => return Err(bad()),
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let (place, text) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = place.split_at(place.find('/').unwrap_or(place.len()));
        if authority.contains('@') {
            return Err(BadTarget::UserInfo);
        }
        let default_port = if is_tls { ":443" } else { ":80" };
        let authority = authority.to_ascii_lowercase();
        let authority = authority.strip_suffix(default_port).unwrap_or(&authority).to_string();
        let given = form_urlencoded::parse(text.as_bytes()).into_owned().chain(parameters);
        // Notices are always asked for: the first one says that the server understands the parameters.
        let given = given.filter(|(name, _)| name != "notices");
        let (start, query): (Vec<_>, Vec<_>) = given.partition(|(name, _)| STARTS.contains(&name.as_str()));
        let path = path_of(path, stream, &query)?;
        let target = Target { is_tls, authority, path, start, query };
        let uri: Uri = target.uri(None, Duration::ZERO).parse().map_err(|_| bad())?;
        if uri.host().is_none_or(str::is_empty) { Err(bad()) } else { Ok(target) }
    }

    /// The URL of a request, with the scheme of HTTP. `cursor` is the number to resume after. Without one, `elapsed` is the
    /// time since the program started: a duration before now becomes longer by it, so that the stream always begins at the
    /// same moment.
    pub(super) fn uri(&self, cursor: Option<u64>, elapsed: Duration) -> String {
        let mut query = Serializer::new(String::new());
        query.extend_pairs(&self.query);
        match cursor {
            Some(cursor) => {
                query.append_pair("cursor", &cursor.to_string());
            }
            None => {
                query.extend_pairs(
                    self.start.iter().map(|(name, value)| (name, earlier(name, value, elapsed))),
                );
            }
        }
        query.append_pair("notices", "1");
        let scheme = if self.is_tls { "https" } else { "http" };
        format!("{scheme}://{}{}?{}", self.authority, self.path, query.finish())
    }

    /// The URL without its query string, for people.
    pub(crate) fn shown(&self) -> String {
        let scheme = if self.is_tls { "wss" } else { "ws" };
        format!("{scheme}://{}{}", self.authority, self.path)
    }

    /// The parameters that decide which messages the stream has, in one order. Never a token.
    pub(super) fn selection(&self) -> String {
        let own = |(name, _): &&Parameter| !BESIDE.contains(&name.as_str());
        let mut query: Vec<_> = self.query.iter().filter(own).collect();
        query.sort();
        Serializer::new(String::new()).extend_pairs(query).finish()
    }

    /// Whether the stream leaves out messages that other servers would send.
    pub(super) fn has_filter(&self) -> bool {
        self.query.iter().any(|(name, _)| is_parameter(name) || SELECTIONS.contains(&name.as_str()))
    }

    /// Whether it is said where the stream begins.
    pub(super) fn has_start(&self) -> bool {
        !self.start.is_empty() || self.ends()
    }

    /// Whether the stream has an end, where the server closes the connection.
    pub(super) fn ends(&self) -> bool {
        let is_end = |(name, value): &Parameter| match name.as_str() {
            "until" | "before" => true,
            "follow" => matches!(value.as_str(), "0" | "false"),
            _ => false,
        };
        self.path.ends_with("/develop") || self.query.iter().any(is_end)
    }
}

/// The path of `stream` below `path`, if it is not one of a stream itself.
fn path_of(path: &str, stream: Option<Stream>, query: &[Parameter]) -> Result<String, BadTarget> {
    let path = path.trim_end_matches('/');
    if path.ends_with("/sse") || path.ends_with("/ndjson") {
        return Err(BadTarget::OtherWire(path.into()));
    }
    let of_path = PATHS.into_iter().find(|(known, _)| path.ends_with(known));
    let of_query = query.iter().find(|(name, _)| name == "stream").map(|(_, value)| value.clone());
    let of_path = of_path.map(|(known, stream)| stream.map_or(known.into(), |stream| stream.to_string()));
    match (of_path.or(of_query), stream) {
        (Some(named), Some(asked)) if named != asked.to_string() => {
            Err(BadTarget::TwoStreams { named, asked })
        }
        (None, Some(asked)) => {
            let known = PATHS.into_iter().find(|(_, stream)| *stream == Some(asked));
            Ok(format!("{path}{}", known.map_or("", |(known, _)| known)))
        }
        _ if path.is_empty() => Ok("/".into()),
        _ => Ok(path.into()),
    }
}

/// The value of a parameter that says where a stream begins, after the time `elapsed`.
fn earlier(name: &str, value: &str, elapsed: Duration) -> String {
    match humantime::parse_duration(value) {
        Ok(before) if name == "since" && value.parse::<f64>().is_err() && elapsed.as_secs() > 0 => {
            format!("{}s", before.saturating_add(elapsed).as_secs())
        }
        _ => value.into(),
    }
}

/// The parameters in the text of `--filter`: those of a query string, or the name of a filter.
pub(crate) fn filter_parameters(text: &str) -> Vec<Parameter> {
    if text.contains('=') {
        form_urlencoded::parse(text.trim_start_matches('?').as_bytes()).into_owned().collect()
    } else {
        vec![("filter".into(), text.into())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str) -> Target {
        Target::new(url, None, []).unwrap_or_else(|error| panic!("{url}: {error}"))
    }

    fn with(url: &str, stream: Stream) -> Result<String, BadTarget> {
        Target::new(url, Some(stream), []).map(|target| target.shown())
    }

    #[test]
    fn a_url_may_have_any_scheme_of_a_server() {
        for (url, uri) in [
            ("ws://localhost:8080", "http://localhost:8080/?notices=1"),
            ("http://LOCALHOST:80/", "http://localhost/?notices=1"),
            ("wss://ct.example:443/lite-stream/", "https://ct.example/lite-stream?notices=1"),
            ("HTTPS://[::1]:8443/full-stream#top", "https://[::1]:8443/full-stream?notices=1"),
            (
                "https://ct.example?domain=a.example&notices=0",
                "https://ct.example/?domain=a.example&notices=1",
            ),
            ("ws://h/?contains=b\u{fc}cher x", "http://h/?contains=b%C3%BCcher+x&notices=1"),
        ] {
            assert_eq!(target(url).uri(None, Duration::ZERO), uri);
        }
        for url in
            ["", "localhost:8080", "ftp://a.example", "ws://", "wss:///lite-stream", "ws://a b/", "ws://:80"]
        {
            assert_eq!(Target::new(url, None, []), Err(BadTarget::Url(url.into())));
        }
        assert_eq!(Target::new("wss://me:secret@ct.example", None, []), Err(BadTarget::UserInfo));
        let other = Target::new("http://h/ndjson?stream=lite", None, []);
        assert_eq!(other, Err(BadTarget::OtherWire("/ndjson".into())));
    }

    #[test]
    fn a_stream_is_named_once() {
        assert_eq!(with("ws://h", Stream::Lite).unwrap(), "ws://h/lite-stream");
        assert_eq!(with("ws://h/ct/", Stream::Domains).unwrap(), "ws://h/ct/domains-only");
        assert_eq!(with("ws://h/full-stream", Stream::Full).unwrap(), "ws://h/full-stream");
        assert_eq!(with("ws://h/?stream=full", Stream::Full).unwrap(), "ws://h/");
        for url in ["ws://h/full-stream", "ws://h/develop", "ws://h/?stream=domains"] {
            assert!(matches!(with(url, Stream::Lite), Err(BadTarget::TwoStreams { .. })), "{url}");
        }
    }

    #[test]
    fn a_cursor_takes_the_place_of_where_it_began() {
        let target = target("ws://h/?since=1h&domain=a.example&last=5&cursor=3");
        assert_eq!(target.uri(Some(7), Duration::ZERO), "http://h/?domain=a.example&cursor=7&notices=1");
        let first = target.uri(None, Duration::ZERO);
        assert_eq!(first, "http://h/?domain=a.example&since=1h&last=5&cursor=3&notices=1");
    }

    #[test]
    fn a_duration_before_now_becomes_longer_while_the_server_is_away() {
        for (since, later) in [
            ("1h", "3690s"),
            ("1795460507", "1795460507"),
            ("2026-11-27T10:00:00Z", "2026-11-27T10%3A00%3A00Z"),
        ] {
            let uri = target(&format!("ws://h/?since={since}")).uri(None, Duration::from_secs(90));
            assert_eq!(uri, format!("http://h/?since={later}&notices=1"));
        }
    }

    #[test]
    fn the_selection_has_no_token_and_no_order() {
        let one = target("ws://h/?domain=b&token=secret&domain=a&since=1h&explain=1&follow=0");
        assert_eq!(one.selection(), "domain=a&domain=b");
        assert_eq!(one.selection(), target("ws://h/?domain=a&domain=b").selection());
        assert_ne!(one.selection(), target("ws://h/?domain=a").selection());
        assert_ne!(one.selection(), target("ws://h/?domain=a&domain=b&unique=issuance").selection());
    }

    #[test]
    fn filters_and_ends_are_known() {
        for (query, has_filter, ends) in [
            ("", false, false),
            ("?stream=lite&explain=1&since=1h&follow=1", false, false),
            ("?type=precert&follow=0", true, true),
            ("?filter=brands&until=1h", true, true),
            ("?unique=issuance&before=5", true, true),
            ("?sample=5", true, false),
        ] {
            let target = target(&format!("ws://h/{query}"));
            assert_eq!((target.has_filter(), target.ends()), (has_filter, ends), "{query}");
        }
        assert!(target("ws://h/develop").ends());
    }

    #[test]
    fn a_filter_is_a_query_string_or_a_name() {
        let pair = |name: &str, value: &str| (name.to_string(), value.to_string());
        assert_eq!(filter_parameters("brands"), [pair("filter", "brands")]);
        let pairs = [pair("contains", "pay pal"), pair("domain", "!paypal.com")];
        assert_eq!(filter_parameters("?contains=pay+pal&domain=!paypal.com"), pairs);
    }
}
