//! Tests of how large the filters of clients may be: of all, and of those with a token.

use crate::filtered::{put, put_with, refused};
use crate::helpers::{from_the_start, quiet_log, spawn_app, spawn_app_in};
use serde_json::json;

const LIMITS: &str = "[filter_limits]\nvalues = 4\nvalue_bytes = 20\nregex = 1\n";
const TOKENS: &str = "\
[[tokens]]
name = 'usual'
token = 'usual-token-of-sixteen'
[[tokens]]
name = 'small'
token = 'small-token-of-sixteen'
filter_limits = { values = 2, regex = 0 }
[[tokens]]
name = 'large'
token = 'large-token-of-sixteen'
filter_limits = { values = 200000, value_bytes = 4096, regex = 20, regex_bytes = '4 KiB' }
";

#[actix_web::test]
async fn filters_have_the_limits_of_the_configuration() {
    let app = spawn_app(LIMITS, vec![from_the_start(&quiet_log().await)]).await;
    for (query, parameter, message) in [
        ("domain=a.example,b.example&contains=x&contains=y&contains=z", "contains", "more than 4 values"),
        ("contains=aaaaaaaaaaaaaaaaaaaaa", "contains", "has 21 bytes, at most 20 are allowed"),
        ("regex=a&regex=b", "regex", "more than 1 values"),
    ] {
        let (status, error) = refused(&app, &format!("/lite-stream?{query}")).await;
        assert_eq!((status, &error["parameter"]), (400, &json!(parameter)), "{error}");
        assert!(error["message"].as_str().expect("a text").contains(message), "{error}");
    }
    let (status, error) =
        put(&app, json!({ "domain": ["a.a", "b.a", "c.a", "d.a", "e.a"] }).to_string()).await;
    assert_eq!((status, &error["parameter"]), (400, &json!("domain")), "{error}");
    let mut client =
        app.connect("/lite-stream?domain=a.example,b.example&regex=a&contains=x&notices=1").await;
    assert_eq!(client.any_message().await["message_type"], "subscribed");
    app.stop().await;
}

#[actix_web::test]
async fn a_token_can_have_other_limits_also_for_what_is_kept_over_a_restart() {
    let log = quiet_log().await;
    let toml = format!("{LIMITS}{TOKENS}");
    let app = spawn_app(&toml, vec![from_the_start(&log)]).await;
    let path = |token: &str, query: &str| format!("/lite-stream?token={token}-token-of-sixteen&{query}");
    let three = "contains=a&contains=b&contains=c";
    for (token, query, is_taken) in [
        ("usual", three, true),
        ("small", three, false),
        ("small", "contains=a&contains=b", true),
        ("small", "regex=a", false),
        ("usual", "regex=a", true),
        ("large", "regex=a&regex=b&regex=c", true),
        ("large", "regex=(a%7Cb%7Cc)%7B200%7D", false),
    ] {
        if is_taken {
            drop(app.connect(&path(token, query)).await);
        } else {
            let (status, error) = refused(&app, &path(token, query)).await;
            assert_eq!(status, 400, "{token}, {query}: {error}");
        }
    }
    // More and longer values than anybody may have by default.
    let long = "x".repeat(1000);
    let domains: Vec<_> = (0..120_000).map(|i| format!("d{i}.example")).collect();
    let large = json!({ "domain": domains, "contains": [long] });
    assert_eq!(put_with(&app, "usual-token-of-sixteen", large.to_string()).await.0, 400);
    let (status, answer) = put_with(&app, "large-token-of-sixteen", large.to_string()).await;
    assert_eq!(status, 200, "{answer}");
    let by_name = format!("filter={}", answer["filter"].as_str().expect("a name"));
    // Whoever uses a filter by its name sends none.
    drop(app.connect(&path("small", &by_name)).await);
    let dir = app.stop().await;
    let app = spawn_app_in(dir, &[], &toml, vec![from_the_start(&log)]).await;
    drop(app.connect(&path("small", &by_name)).await);
    app.stop().await;
}

#[actix_web::test]
async fn a_reload_changes_the_limits_of_those_who_come_after_it() {
    let log = quiet_log().await;
    let logs = || vec![from_the_start(&log)];
    let mut app = spawn_app(LIMITS, logs()).await;
    let path = "/lite-stream?contains=a&contains=b&contains=c&contains=d&contains=e";
    assert_eq!(refused(&app, path).await.0, 400);
    let changed = app.reload("", logs()).expect("a change");
    assert!(changed.iter().any(|key| key.contains("filter_limits.values")), "{changed:?}");
    drop(app.connect(path).await);
    app.stop().await;
}
