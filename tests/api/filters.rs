//! Tests of clients with filters: what they get on each stream and wire, live and from the journal, and what is refused.

use crate::filtered::{names, parsed, refused, until_seq};
use crate::helpers::{body, from_the_start, log_with, quiet_log, spawn_app, spawn_app_in, with_its_key};
use certstream_server::config::Log;
use certstream_server::ct::source::Protocol;
use certstream_server::demo::{DemoLogOptions, DemoProtocol};
use serde_json::{Value, json};
use std::collections::HashSet;

fn percent_encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

type Wants = Box<dyn Fn(&Value) -> bool>;

/// Filters, and whether each wants a full message, found out from the message alone.
fn filters(messages: &[Value]) -> Vec<(String, Wants)> {
    let first = messages.iter().flat_map(names).find(|name| !name.starts_with('*')).expect("a name");
    let (_, parent) = first.split_once('.').expect("a domain");
    let parent = if parent.contains('.') { parent.to_string() } else { first.clone() };
    let issuer = messages[0]["data"]["leaf_cert"]["issuer"]["CN"].as_str().expect("an issuer").to_string();
    let (below, other) = (parent.clone(), parent.clone());
    let is_in = |name: &str, domain: &str| name == domain || name.ends_with(&format!(".{domain}"));
    let (is_issuer, issuer_query) = (issuer.clone(), percent_encoded(&issuer));
    vec![
        (format!("domain={parent}"), Box::new(move |m| names(m).iter().any(|name| is_in(name, &below)))),
        (format!("domain=!{parent}"), Box::new(move |m| names(m).iter().any(|name| !is_in(name, &other)))),
        ("contains=a&contains=!e".into(), {
            Box::new(|m| names(m).iter().any(|name| name.contains('a') && !name.contains('e')))
        }),
        ("type=precert".into(), Box::new(|m| m["data"]["update_type"] == "PrecertLogEntry")),
        (format!("issuer={issuer_query}"), {
            Box::new(move |m| m["data"]["leaf_cert"]["issuer"]["CN"] == is_issuer.as_str())
        }),
        ("log=Test+log".into(), Box::new(|_| true)),
        ("sample=7".into(), Box::new(|m| m["seq"].as_u64().expect("a number") % 7 == 0)),
        ("sample=2&type=x509".into(), {
            Box::new(|m| {
                m["seq"].as_u64().expect("a number") % 2 == 0 && m["data"]["update_type"] == "X509LogEntry"
            })
        }),
        ("operator=nobody".into(), Box::new(|_| false)),
        (r"regex=^[a-m].*\.".into(), {
            Box::new(|m| names(m).iter().any(|name| name.starts_with(|c| ('a'..='m').contains(&c))))
        }),
    ]
}

/// The message of `stream` that is cut from a full one.
fn cut(full: &Value, stream: &str) -> Option<Value> {
    let mut message = full.clone();
    match stream {
        "domains" => {
            let names = &full["data"]["leaf_cert"]["all_domains"];
            let has_names = names.as_array().is_some_and(|names| !names.is_empty());
            return has_names
                .then(|| json!({ "message_type": "dns_entries", "data": names, "seq": full["seq"] }));
        }
        "lite" => {
            message["data"].as_object_mut()?.remove("chain");
            message["data"]["leaf_cert"].as_object_mut()?.remove("as_der");
        }
        _ => {}
    }
    Some(message)
}

#[actix_web::test]
async fn each_gets_what_its_filter_wants_live_and_from_the_journal_on_every_stream_and_wire() {
    const HALF: usize = 150;
    for (demo, protocol) in
        [(DemoProtocol::Rfc6962, Protocol::Rfc6962), (DemoProtocol::StaticCt, Protocol::StaticCt)]
    {
        let log = log_with(DemoLogOptions { protocol: demo, ..DemoLogOptions::default() }).await;
        let toml = "[fetch]\npartial_tile_wait = '0s'\n[heartbeat]\ninterval = '200ms'";
        let app = spawn_app(toml, vec![with_its_key(&log, protocol)]).await;
        let mut all = app.connect("/full-stream").await;
        app.wait_for_clients(1).await;
        log.publish(HALF as u64);
        let mut whole = Vec::new();
        while whole.len() < HALF {
            whole.push(all.message().await);
        }
        let before = whole.last().expect("a message")["seq"].clone();
        let mut live = Vec::new();
        for (query, _) in filters(&whole) {
            for stream in ["full", "lite", "domains"] {
                live.push(app.connect(&format!("/?stream={stream}&{query}")).await);
            }
        }
        let wanted = filters(&whole);
        app.wait_for_clients(live.len() as u64 + 1).await;
        log.publish(HALF as u64);
        while whole.len() < 2 * HALF {
            whole.push(all.message().await);
        }
        let end = whole.last().expect("a message")["seq"].as_u64().expect("a number");
        let mut clients = live.into_iter();
        for (query, wants) in &wanted {
            for stream in ["full", "lite", "domains"] {
                let of = |messages: &[Value]| {
                    let wanted = messages.iter().filter(|message| wants(message));
                    wanted.filter_map(|message| cut(message, stream)).collect::<Vec<_>>()
                };
                let mut client = clients.next().expect("a client");
                let got = until_seq(&mut client, end).await;
                assert!(got == of(&whole[HALF..]), "{query} on {stream}: {}", got.len());
                let (status, lines) =
                    body(&app, &format!("/ndjson?stream={stream}&follow=0&{query}"), None).await;
                assert_eq!(status, 200);
                let (got, expected) = (parsed(&lines), of(&whole));
                let differs = got.iter().zip(&expected).find(|(got, expected)| got != expected);
                assert!(
                    got == expected,
                    "{query} on {stream}: {} of {}, {differs:?}",
                    got.len(),
                    expected.len()
                );
                let events = format!("/sse?stream={stream}&follow=0&cursor={before}&{query}");
                let (_, events) = body(&app, &events, None).await;
                assert!(parsed(&events) == of(&whole[HALF..]), "{query} as events");
            }
        }
        drop((all, clients));
        app.stop().await;
    }
}

/// The numbers of the messages that are the first ones with their `member` and that `wants` wants.
fn first_of(messages: &[Value], member: &str, wants: impl Fn(&Value) -> bool) -> Vec<u64> {
    let mut seen = HashSet::new();
    let wanted = messages.iter().filter(|message| wants(message));
    let first = wanted.filter(|message| {
        let hash = &message["data"]["leaf_cert"][member];
        hash.is_null() || seen.insert(hash.to_string())
    });
    numbers(first)
}

fn numbers<'a>(messages: impl IntoIterator<Item = &'a Value>) -> Vec<u64> {
    messages.into_iter().map(|message| message["seq"].as_u64().expect("a number")).collect()
}

/// Two logs with the same entries, and the precertificate and the certificate of each issuance.
#[actix_web::test]
async fn each_comes_once_for_who_wants_it_so_live_searched_and_after_a_restart() {
    const ENTRIES: u64 = 200;
    let log = quiet_log().await;
    let toml = "[heartbeat]\ninterval = '200ms'";
    let watched = || {
        let same = log.url().replace("127.0.0.1", "localhost");
        vec![from_the_start(&log), Log { url: same, ..from_the_start(&log) }]
    };
    let is_x509 = |message: &Value| message["data"]["update_type"] == "X509LogEntry";
    let mut app = spawn_app(toml, watched()).await;
    let mut sent = 0;
    for run in 1..=2 {
        let queries = ["unique=issuance", "unique=certificate", "unique=issuance&type=x509"];
        let mut all = app.connect("/full-stream").await;
        let mut clients = Vec::new();
        for query in queries {
            clients.push(app.connect(&format!("/lite-stream?{query}")).await);
        }
        app.wait_for_clients(4).await;
        log.publish(ENTRIES);
        for _ in 0..2 * ENTRIES {
            all.message().await;
        }
        let (_, whole) = body(&app, "/ndjson?stream=full&follow=0", None).await;
        let whole = parsed(&whole);
        assert_eq!(whole.len() as u64, run * 2 * ENTRIES);
        let expected = [
            first_of(&whole, "tbs_sha256", |_| true),
            first_of(&whole, "sha256", |_| true),
            first_of(&whole, "tbs_sha256", is_x509),
        ];
        assert!(expected[0].len() < expected[1].len() && 2 * expected[1].len() <= whole.len());
        let (begin, end) = (sent, whole.last().expect("a message")["seq"].as_u64().expect("a number"));
        for ((client, query), expected) in clients.iter_mut().zip(queries).zip(expected) {
            let new: Vec<_> = expected.iter().copied().filter(|seq| *seq > begin).collect();
            assert_eq!(numbers(&until_seq(client, end).await), new, "{query} live, run {run}");
            let (_, found) = body(&app, &format!("/sse?stream=domains&follow=0&{query}"), None).await;
            let named = whole.iter().filter(|message| !names(message).is_empty());
            let named: HashSet<_> = numbers(named).into_iter().collect();
            let expected: Vec<_> = expected.into_iter().filter(|seq| named.contains(seq)).collect();
            assert_eq!(numbers(&parsed(&found)), expected, "{query} searched, run {run}");
        }
        sent = end;
        drop((all, clients));
        app = spawn_app_in(app.stop().await, &[], toml, watched()).await;
    }
    app.stop().await;
}

/// Everything that a client gets by its filter says why, in the same message otherwise.
#[actix_web::test]
async fn a_message_says_why_if_its_client_asks() {
    let log = quiet_log().await;
    let app = spawn_app("[heartbeat]\ninterval = '200ms'", vec![from_the_start(&log)]).await;
    let (mut plain, mut also) =
        (app.connect("/?domain=test,example").await, app.connect("/?explain=1").await);
    let mut why = app.connect("/?domain=test,example&explain=1").await;
    app.wait_for_clients(3).await;
    log.publish(200);
    let mut newest = 0;
    while newest < 199 {
        let message = also.message().await;
        assert!(message.get("matched").is_none(), "there is nothing to explain");
        newest = message["data"]["cert_index"].as_u64().expect("an index");
    }
    let end = also.any_message().await["seq"].as_u64().expect("a number");
    let (plain, explained) = (until_seq(&mut plain, end).await, until_seq(&mut why, end).await);
    assert!(plain.len() > 10 && plain.len() < 200, "{} messages", plain.len());
    let mut without = explained.clone();
    for message in &mut without {
        let matched = message.as_object_mut().expect("an object").remove("matched").expect("a reason");
        let (names, name) = (names(message), matched[0]["name"].as_str().expect("a name").to_lowercase());
        let domain = matched[0]["domain"].as_str().expect("a domain");
        assert!(names.contains(&name) && name.ends_with(domain), "{matched} of {names:?}");
        assert_eq!(matched[0]["how"], "below");
    }
    assert!(without == plain);
    let search = "/sse?stream=full&domain=test,example&explain=1&follow=0";
    assert!(parsed(&body(&app, search, None).await.1) == explained);
    app.stop().await;
}

/// The chain of a static log's entry is fetched only if somebody wants it.
#[actix_web::test]
async fn a_filtered_full_stream_has_the_chains_too() {
    let log =
        log_with(DemoLogOptions { protocol: DemoProtocol::StaticCt, ..DemoLogOptions::default() }).await;
    let toml =
        "[fetch]\npartial_tile_wait = '0s'\n[clients]\nrestart_grace = '0s'\n[admin]\nallow = ['127.0.0.1']";
    let app = spawn_app(toml, vec![with_its_key(&log, Protocol::StaticCt)]).await;
    let mut client = app.connect("/full-stream?type=precert&type=x509").await;
    app.wait_for(|stats| stats["clients"].to_string().contains("type=precert&type=x509")).await;
    log.publish(5);
    for _ in 0..5 {
        let message = client.message().await;
        assert!(!message["data"]["chain"].as_array().expect("a chain").is_empty());
    }
    app.stop().await;
}

#[actix_web::test]
async fn what_is_not_understood_is_refused_before_the_stream_begins() {
    let log = quiet_log().await;
    let app = spawn_app("", vec![from_the_start(&log)]).await;
    for (query, parameter, message) in [
        ("domian=example.com", "domian", "no such parameter; did you mean domain?"),
        ("%3Cb%3E%0A=1", "<b>\\n", "no such parameter"),
        ("domain", "domain", "domain has an empty value"),
        ("domain=a,b,,c", "domain", "domain has an empty value"),
        ("domain=!", "domain", "domain=! has an empty value"),
        ("domain=a.example&domain=!a.example", "domain", "domain=a.example is both wanted and excluded"),
        ("domain=x_y..z", "domain", "domain=x_y..z is not a domain: a label is empty"),
        ("contains=%00", "contains", "contains=\\u{0} has a control character"),
        ("regex=(a", "regex", "regex=(a is not a regular expression: unclosed group, at character 1"),
        ("regex=((a%7B99%7D)%7B99%7D)%7B99%7D", "regex", ""),
        (
            "lookalike=com",
            "lookalike",
            "lookalike=com has no registrable domain; write one such as lookalike=example.com",
        ),
        ("type=cert", "type", "type=cert is unknown; type is precert or x509"),
        ("issuer=", "issuer", "issuer has an empty value"),
        ("sample=0", "sample", "expected a number from 1 to 1000000, found \"0\""),
        ("unique=issue", "unique", "expected issuance or certificate, found \"issue\""),
        (
            "unique=issuance&operator=a",
            "unique",
            "sends the first of each in all logs, so it cannot be combined with operator",
        ),
        ("notices=", "notices", "expected 0 or 1, found \"\""),
        ("stream=all", "stream", "must be one of: full, lite, domains; found \"all\""),
        ("stream=full&stream=lite", "stream", "is given more than once"),
        ("since=1h&since=2h", "since", "is given more than once"),
    ] {
        let (status, error) = refused(&app, &format!("/?{query}")).await;
        assert_eq!((status, &error["error"]), (400, &json!("invalid_parameter")), "{query}: {error}");
        assert_eq!(error["parameter"], parameter, "{query}: {error}");
        assert!(message.is_empty() || error["message"] == message, "{query}: {error}");
        let (status, text) = body(&app, &format!("/ndjson?{query}"), None).await;
        assert_eq!((status, serde_json::from_str::<Value>(&text).expect("JSON")), (400, error), "{query}");
    }
    let (status, error) = refused(&app, "/lite-stream?stream=full").await;
    assert_eq!((status, &error["parameter"]), (400, &json!("stream")), "{error}");
    assert!(error["message"].as_str().expect("a text").contains("lite stream"), "{error}");
    app.connect("/lite-stream?stream=lite").await;
    app.stop().await;
}

#[actix_web::test]
async fn who_asks_for_notices_is_told_what_was_understood() {
    let log = quiet_log().await;
    let app = spawn_app("[admin]\nallow = ['127.0.0.1']", vec![from_the_start(&log)]).await;
    log.publish(3);
    app.wait_for(|stats| stats["logs"][log.url()]["position"] == 3).await;
    let query = "notices=1&domain=B.example,a.example&contains=!X&sample=5";
    let mut client = app.connect(&format!("/lite-stream?{query}")).await;
    let (message, status) = (client.any_message().await, app.get("/status.json").await);
    let filter = json!({ "domain": ["a.example", "b.example"], "contains": ["!x"], "sample": 5 });
    let expected = json!({ "message_type": "subscribed", "stream": "lite", "filter": filter,
        "seq": status["journal"]["newest_seq"], "oldest": status["journal"]["oldest_seq"] });
    assert_eq!(message, expected);
    let stats = app.wait_for(|stats| stats["connected_client_count"] == 1).await;
    let client = stats["clients"].as_object().expect("clients").values().next().expect("a client");
    assert_eq!(client["filter"], "domain=a.example&domain=b.example&contains=%21x&sample=5");
    app.stop().await;
}

#[actix_web::test]
async fn filters_take_only_the_memory_that_they_may() {
    let log = quiet_log().await;
    let app = spawn_app("[clients]\nfilter_bytes = '2 KiB'", vec![from_the_start(&log)]).await;
    let first = app.connect("/?domain=a.example").await;
    let again = app.connect("/?domain=A.example").await;
    let (status, error) = refused(&app, "/?domain=b,c,d,e,f,g,h,i,j,k,l,m,n,o,p").await;
    assert_eq!(status, 503, "{error}");
    assert!(error["error"].as_str().expect("a text").contains("clients.filter_bytes"), "{error}");
    app.connect("/").await;
    drop((first, again));
    app.wait_for_clients(0).await;
    let metrics = app.metrics().await;
    assert!(metrics.contains("\ncertstream_filter_bytes 0.0\n"), "what is gone takes nothing: {metrics}");
    assert!(metrics.contains("certstream_refused_total{reason=\"filters_full\"} 1\n"), "{metrics}");
    app.connect("/?domain=b,c").await;
    app.stop().await;
}
