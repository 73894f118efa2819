//! Tests of refreshing.

use super::server::{ListServer, Script, settings};
use crate::ct::log_list::tests::{list_of, rfc6962, with};
use crate::http_client::HttpError;
use crate::log_list::client::Refreshed;
use crate::log_list::{ListError, ListSource, LogListClient, Origin};
use serde_json::json;
use tempfile::tempdir;

const CHANGED: Refreshed = Refreshed::Changed { broken: Vec::new() };

fn names(client: &LogListClient) -> Vec<&str> {
    client.in_force().list.logs.iter().map(|log| log.description.as_str()).collect()
}

#[actix_web::test]
async fn a_list_is_fetched_with_its_signature_and_asked_for_again_only_by_its_validators() {
    let dir = tempdir().unwrap();
    let (etag, last_modified) = (Some("\"v1\""), Some("Wed, 20 May 2026 10:00:00 GMT"));
    let server = ListServer::start(Script { etag, last_modified, ..Script::of(&["oak", "elm"]) });
    let mut client = server.client(dir.path());
    assert!(matches!(client.in_force().origin, Origin::BuiltIn { .. }));

    assert_eq!(client.refresh().await.unwrap(), CHANGED);
    assert_eq!(names(&client), ["oak", "elm"]);
    assert!(matches!(client.in_force().origin, Origin::Fetched { .. }));
    assert_eq!(server.requests(), ["/list.json", "/list.sig"]);

    for _ in 0..2 {
        assert_eq!(client.refresh().await.unwrap(), Refreshed::Unchanged);
        assert_eq!(names(&client), ["oak", "elm"]);
        assert_eq!(server.requests(), ["/list.json \"v1\" Wed, 20 May 2026 10:00:00 GMT"]);
    }

    server.says(Script { etag: Some("\"v2\""), ..Script::of(&["oak", "elm", "ash"]) });
    assert_eq!(client.refresh().await.unwrap(), CHANGED);
    assert_eq!(names(&client), ["oak", "elm", "ash"]);
    server.requests();
    assert_eq!(client.refresh().await.unwrap(), Refreshed::Unchanged);
    assert_eq!(server.requests(), ["/list.json \"v2\""]);
}

#[actix_web::test]
async fn a_date_alone_is_a_validator_too() {
    let dir = tempdir().unwrap();
    let last_modified = Some("Wed, 20 May 2026 10:00:00 GMT");
    let server = ListServer::start(Script { last_modified, ..Script::of(&["oak"]) });
    let mut client = server.client(dir.path());
    assert_eq!(client.refresh().await.unwrap(), CHANGED);
    assert_eq!(client.refresh().await.unwrap(), Refreshed::Unchanged);
    assert_eq!(server.requests().last().unwrap(), "/list.json Wed, 20 May 2026 10:00:00 GMT");
}

#[actix_web::test]
async fn the_same_list_from_a_server_without_validators_changes_nothing() {
    let dir = tempdir().unwrap();
    let server = ListServer::start(Script::of(&["oak"]));
    let mut client = server.client(dir.path());
    assert_eq!(client.refresh().await.unwrap(), CHANGED);
    server.requests();
    assert_eq!(client.refresh().await.unwrap(), Refreshed::Unchanged);
    assert_eq!(server.requests(), ["/list.json"]);
}

/// After any number of failures the list in force stays, and the next valid list is accepted.
#[actix_web::test]
async fn each_fault_is_named_and_leaves_the_previous_list_in_force() {
    let dir = tempdir().unwrap();
    let good = Script { etag: Some("\"v1\""), ..Script::of_day(20, &["oak", "elm", "ash"]) };
    let server = ListServer::start(good.clone());
    let mut client = server.client(dir.path());
    assert_eq!(client.refresh().await.unwrap(), CHANGED);
    let newer = Script::of_day(21, &["oak", "elm", "ash", "fir"]);
    let mut one_byte_off = newer.clone();
    *one_byte_off.list.iter_mut().rfind(|byte| **byte == b'x').unwrap() = b'y';
    let mut short = newer.clone();
    short.signature.pop();
    let empty = Script::signed(br#"{"version":"9","operators":[]}"#.to_vec());
    let too_large = Script::signed(vec![b' '; 4 * 1024 * 1024 + 1]);
    let faults = [
        (one_byte_off, "the signature does not match the list of"),
        (short, "the signature has 255 bytes, where the key makes 256"),
        (Script { signature: b"gone".to_vec(), ..newer.clone() }, "the signature has 4 bytes"),
        (Script { status: 500, ..newer.clone() }, "list.json: status 500"),
        (Script { status: 404, ..newer.clone() }, "list.json: status 404"),
        (Script { status: 410, ..newer.clone() }, "list.json: status 410"),
        (Script { status: 429, ..newer.clone() }, "list.json: status 429"),
        (Script { cut: 10, ..newer.clone() }, "the response ended early: "),
        (Script { hang: true, ..newer.clone() }, "no complete response within 1.5s"),
        (empty, "it has no logs, only 0 operators"),
        (Script::signed(b"<html>".to_vec()), "it is not JSON"),
        (too_large, "response is larger than 4194304 bytes"),
        (
            Script::of_day(19, &["oak", "elm", "ash"]),
            "it is from 2026-05-19 10:00:00 UTC, older than the one",
        ),
        (Script::of_day(21, &["oak", "fir", "yew"]), "of the 3 logs listed until now only 1 are still there"),
        (
            Script { redirect: Some("ftp://ct.example.com/".into()), ..newer.clone() },
            "not following its redirect",
        ),
        (Script { redirect: Some("/list.json".into()), ..newer.clone() }, "there were too many before it"),
    ];
    for (fault, complaint) in faults {
        server.says(fault);
        for _ in 0..2 {
            let error = client.refresh().await.unwrap_err().to_string();
            assert!(error.contains(complaint), "{error:?} says nothing of {complaint:?}");
            assert!(error.contains(&server.url), "{error:?} names no URL");
            assert_eq!(names(&client), ["oak", "elm", "ash"], "{complaint}");
            assert_eq!(client.in_force().list.version, "7.1");
        }
        let fresh = server.client(dir.path());
        assert_eq!(names(&fresh), ["oak", "elm", "ash"], "{complaint}: the saved list is another one");
    }
    server.says(good);
    assert_eq!(client.refresh().await.unwrap(), Refreshed::Unchanged);
    server.says(newer);
    assert_eq!(client.refresh().await.unwrap(), CHANGED);
    assert_eq!(names(&client), ["oak", "elm", "ash", "fir"]);
}

#[actix_web::test]
async fn a_server_that_cannot_be_reached_is_an_error_and_the_snapshot_stays_in_force() {
    let dir = tempdir().unwrap();
    let mut source = ListServer::start(Script::default()).source();
    source.url = "http://127.0.0.1:1/list.json".into();
    let mut client = LogListClient::new(source, dir.path(), &settings());
    assert!(matches!(client.refresh().await, Err(ListError::Http { error: HttpError::Send(_), .. })));
    assert_eq!(client.in_force().list.logs.len(), 56);
    assert!(client.in_force().origin.to_string().starts_with("built in, of 2026-"));
}

#[actix_web::test]
async fn unknown_fields_are_fine_and_broken_logs_are_told_beside_the_list() {
    let dir = tempdir().unwrap();
    let odd = with(rfc6962("odd"), "colour", json!("green"));
    let broken = with(rfc6962("broken"), "key", json!("?"));
    let mut list = list_of(&[odd, broken], &[]);
    list["news"] = json!({ "from": ["the", "future"] });
    let server = ListServer::start(Script::signed(list.to_string().into_bytes()));
    let mut client = server.client(dir.path());
    let Refreshed::Changed { broken } = client.refresh().await.unwrap() else { panic!("nothing changed") };
    assert_eq!((names(&client), broken.len()), (vec!["odd"], 1));
    assert_eq!(broken[0].description, "broken");
}

#[actix_web::test]
async fn a_list_that_has_moved_is_found_within_https_or_on_its_server() {
    let dir = tempdir().unwrap();
    let server = ListServer::start(Script::of(&["oak"]));
    for place in ["/moved.json".to_string(), format!("{}/moved.json", server.url)] {
        server.says(Script { redirect: Some(place), ..Script::of(&["oak"]) });
        let mut client = LogListClient::new(server.unsigned(), dir.path(), &settings());
        client.refresh().await.unwrap();
        assert_eq!(names(&client), ["oak"]);
        assert_eq!(server.requests(), ["/list.json", "/moved.json"]);
    }
}

#[actix_web::test]
async fn a_small_list_may_follow_the_snapshot_of_another_source() {
    let dir = tempdir().unwrap();
    let server = ListServer::start(Script::of(&["oak"]));
    let mut client = server.client(dir.path());
    assert_eq!(client.in_force().list.logs.len(), 56);
    assert_eq!(client.refresh().await.unwrap(), CHANGED);
    assert_eq!(names(&client), ["oak"]);
}

#[actix_web::test]
async fn an_unsigned_list_cannot_send_us_to_another_host() {
    let dir = tempdir().unwrap();
    let (server, internal) =
        (ListServer::start(Script::of(&["oak"])), ListServer::start(Script::of(&["elm"])));
    let location = format!("{}/list.json", internal.url);
    server.says(Script { redirect: Some(location), ..Script::of(&["oak"]) });
    let mut unsigned = LogListClient::new(server.unsigned(), dir.path(), &settings());
    let error = unsigned.refresh().await.unwrap_err();
    assert!(matches!(&error, ListError::Redirect { .. }), "{error}");
    assert!(error.to_string().contains("not signed, and it leaves the host"), "{error}");
    assert_eq!(internal.requests(), [""; 0], "nobody asked there");
}

/// Only the logs of a signed list, or of a list from this machine, as in a test.
#[actix_web::test]
async fn it_is_known_for_which_logs_a_list_vouches() {
    let json = list_of(&[rfc6962("oak")], &[]).to_string();
    let at = |url: &'static str| ListSource { name: "a".into(), url: url.into(), signed: None };
    for (url, vouched_for) in [
        ("https://lists.example.com/list.json", false),
        ("https://8.8.8.8/list.json", false),
        ("http://127.0.0.1:8080/list.json", true),
        ("http://localhost/list.json", true),
    ] {
        let parsed = at(url).believe(json.as_bytes(), None).unwrap();
        assert!(parsed.list.logs.iter().all(|log| log.vouched_for == vouched_for), "{url}");
    }
    let dir = tempdir().unwrap();
    let server = ListServer::start(Script::of(&["oak"]));
    let mut client = server.client(dir.path());
    client.refresh().await.unwrap();
    assert!(client.in_force().list.logs[0].vouched_for, "it is signed");
}
