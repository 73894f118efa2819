//! Tests of the filters that clients put, because they are too long for a URL.

use crate::filtered::{HEARTBEAT, is_precert, kept, names, parsed, put, refused, seq, until_seq};
use crate::helpers::{body, from_the_start, quiet_log, spawn_app, spawn_app_in};
use serde_json::{Value, json};

#[actix_web::test]
async fn a_filter_that_was_put_works_on_every_wire_live_and_from_the_journal_also_after_a_restart() {
    let log = quiet_log().await;
    let logs = || vec![from_the_start(&log)];
    let app = spawn_app(HEARTBEAT, logs()).await;
    // Far too long for a URL.
    let mut values: Vec<_> = (0..50_000).map(|i| format!("d{i}.invalid")).collect();
    values.push("test".into());
    let name = kept(&app, &json!({ "domain": values, "contains": ["a", "!zz"] })).await;
    assert!(name.starts_with("f-") && name.len() == 34, "{name}");
    values.reverse();
    assert_eq!(kept(&app, &json!({ "contains": ["!ZZ", "A"], "domain": values })).await, name);

    let mut all = app.connect("/full-stream").await;
    let mut live = app.connect(&format!("/full-stream?filter={name}")).await;
    let mut both = app.connect(&format!("/full-stream?filter={name}&type=precert&notices=1")).await;
    let subscribed = both.any_message().await;
    assert_eq!(subscribed["filter"], json!({ "filter": [name], "type": ["precert"] }), "{subscribed}");
    app.wait_for_clients(3).await;
    log.publish(600);
    let mut whole = Vec::new();
    while whole.len() < 600 {
        whole.push(all.message().await);
    }
    let is_in = |name: &String| name.ends_with(".test") && name.contains('a') && !name.contains("zz");
    let wanted: Vec<_> = whole.iter().filter(|m| names(m).iter().any(is_in)).cloned().collect();
    assert!(wanted.len() > 20 && wanted.len() < 280, "{}", wanted.len());
    let end = seq(whole.last().expect("a message"));
    assert!(until_seq(&mut live, end).await == wanted);
    let precerts: Vec<_> = wanted.iter().filter(|m| is_precert(m)).cloned().collect();
    assert!(until_seq(&mut both, end).await == precerts && precerts.len() < wanted.len());
    drop((all, live, both));

    let search = format!("stream=full&filter={name}&follow=0");
    assert!(parsed(&body(&app, &format!("/ndjson?{search}"), None).await.1) == wanted);
    assert!(parsed(&body(&app, &format!("/sse?{search}"), None).await.1) == wanted);
    let app = spawn_app_in(app.stop().await, &[], HEARTBEAT, logs()).await;
    assert!(parsed(&body(&app, &format!("/ndjson?{search}"), None).await.1) == wanted, "after a restart");
    let explained = parsed(&body(&app, &format!("/ndjson?{search}&explain=1&type=precert"), None).await.1);
    assert_eq!(explained.len(), precerts.len());
    for message in explained {
        let matched = message["matched"].as_array().expect("reasons");
        assert_eq!(matched[0], json!({ "type": "precert", "how": "equal" }), "{matched:?}");
        assert_eq!((&matched[1]["domain"], &matched[2]["contains"]), (&json!("test"), &json!("a")));
        assert!(matched[1..].iter().all(|reason| reason["filter"] == *name), "{matched:?}");
    }
    app.stop().await;
}

#[actix_web::test]
async fn a_filter_is_gone_with_its_file_and_a_name_that_is_unknown_says_what_to_do() {
    let log = quiet_log().await;
    let app = spawn_app("", vec![from_the_start(&log)]).await;
    let name = kept(&app, &json!({ "domain": ["a.example"] })).await;
    let file = app.state().join(format!("filters/{name}.json"));
    assert_eq!(std::fs::read_to_string(&file).expect("a file"), r#"{"domain":["a.example"]}"#);
    std::fs::remove_file(file).expect("it is removed");
    for unknown in [name.as_str(), "f-", "f-0123", "F-%00"] {
        let (status, error) = refused(&app, &format!("/?filter={unknown}")).await;
        assert_eq!((status, &error["parameter"]), (400, &json!("filter")), "{error}");
    }
    let (_, error) = refused(&app, &format!("/?filter={name}")).await;
    let message = error["message"].as_str().expect("a text");
    assert!(message.ends_with("put it again with POST /filters"), "{message}");
    for (query, message) in [
        ("filter=brands", "there is no filter named \"brands\""),
        ("filter=", "there is no filter named \"\""),
        ("filter=a&filter=b", "is given more than once"),
    ] {
        let (status, text) = body(&app, &format!("/ndjson?{query}"), None).await;
        let error: Value = serde_json::from_str(&text).expect("JSON");
        let expected = json!({ "error": "invalid_parameter", "parameter": "filter", "message": message });
        assert_eq!((status, error), (400, expected), "{query}");
    }
    assert_eq!(kept(&app, &json!({ "domain": ["a.example"] })).await, name);
    app.connect(&format!("/?filter={name}")).await;
    app.stop().await;
}

#[actix_web::test]
async fn what_is_malformed_is_refused_by_the_name_of_its_parameter() {
    let log = quiet_log().await;
    let app = spawn_app("", vec![from_the_start(&log)]).await;
    let values = |count: usize| (0..count).map(|i| format!("d{i}")).collect::<Vec<_>>();
    for (text, parameter, message) in [
        (String::new(), "body", "body is not JSON: "),
        ("domain=a".into(), "body", "body is not JSON: expected value at line 1 column 1"),
        ("[".repeat(100_000), "body", "body is not an object with a list of values for each parameter"),
        ("{}".into(), "body", "body has no values"),
        (r#"{"domian":["a"]}"#.into(), "domian", "domian is no parameter of filters; did you mean domain?"),
        (r#"{"stream":["lite"]}"#.into(), "stream", "stream is no parameter of filters"),
        (r#"{"domain":"a"}"#.into(), "domain", "domain is not a list of texts"),
        (r#"{"domain":[1]}"#.into(), "domain", "domain is not a list of texts"),
        (format!(r#"{{"log":{}"#, "[".repeat(100_000)), "log", "log is not a list of texts"),
        (r#"{"type":["x509"],"type":["precert"]}"#.into(), "type", "type is there twice"),
        (r#"{"contains":[""]}"#.into(), "contains", "contains has an empty value"),
        (r#"{"issuer":["a","!A"]}"#.into(), "issuer", "issuer=a is both wanted and excluded"),
        (r#"{"regex":["("]}"#.into(), "regex", "regex=( is not a regular expression"),
        (json!({ "domain": ["a".repeat(600)] }).to_string(), "domain", ""),
        (json!({ "domain": values(100_001) }).to_string(), "domain", "domain makes more than 100000 values"),
        (
            json!({ "lookalike": vec!["a.example"; 1001] }).to_string(),
            "lookalike",
            "lookalike has more than 1000",
        ),
        (
            json!({ "contains": ["x".repeat(4 << 20)] }).to_string(),
            "body",
            "body has more than 4194304 bytes",
        ),
    ] {
        let (status, error) = put(&app, text).await;
        assert_eq!((status, &error["error"]), (400, &json!("invalid_parameter")), "{error}");
        assert_eq!(error["parameter"], parameter, "{error}");
        assert!(error["message"].as_str().expect("a text").starts_with(message), "{error}");
    }
    let client = awc::Client::default();
    for method in ["GET", "PUT", "DELETE", "PATCH"] {
        let request = client.request(method.parse().expect("a method"), app.http("/filters"));
        let response = request.send().await.expect("an answer");
        assert_eq!(response.status(), 405, "{method}");
        assert_eq!(response.headers().get("allow").expect("a header"), "POST, OPTIONS");
    }
    let request = client.request("OPTIONS".parse().expect("a method"), app.http("/filters"));
    let response = request.send().await.expect("an answer");
    assert_eq!(response.headers().get("access-control-allow-methods").expect("a header"), "POST, OPTIONS");
    assert!(!app.state().join("filters").exists(), "nothing is kept");
    app.stop().await;
}

#[actix_web::test]
async fn filters_are_kept_only_as_far_as_there_is_room() {
    let log = quiet_log().await;
    let toml = "[clients]\nkept_filter_bytes = '50 B'\nfilter_bytes = '1 KiB'";
    let app = spawn_app(toml, vec![from_the_start(&log)]).await;
    let name = kept(&app, &json!({ "domain": ["a.example"] })).await;
    assert_eq!(kept(&app, &json!({ "domain": ["a.example"] })).await, name, "it needs no more room");
    let (status, error) = put(&app, r#"{"domain":["bb.example","c.example"]}"#).await;
    assert_eq!(status, 503, "{error}");
    assert!(error["error"].as_str().expect("a text").contains("clients.kept_filter_bytes"), "{error}");
    let many = json!({ "type": ["x509"], "log": ["a"] });
    let (status, _) = put(&app, many.to_string()).await;
    assert_eq!(status, 503);
    // Clients of the same filter share its memory.
    let _clients = [
        app.connect(&format!("/?filter={name}")).await,
        app.connect(&format!("/lite-stream?filter={name}")).await,
    ];
    let one = app.metrics().await;
    let bytes = |text: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix("certstream_filter_bytes "));
        line.expect("a metric").parse::<f64>().expect("a number")
    };
    assert!(bytes(&one) > 0.0 && bytes(&one) < 400.0, "{}", bytes(&one));
    assert!(one.contains("certstream_refused_total{reason=\"kept_filters_full\"} 2\n"), "{one}");
    app.stop().await;
}
