//! Tests of the list in force before any list has been fetched.

use super::server::{ListServer, Script, in_force, settings};
use crate::log_list::client::Refreshed;
use crate::log_list::{ListSource, LogListClient, Origin, saved};
use std::fs;
use std::path::Path;
use tempfile::tempdir;

/// A server whose list was fetched and saved in `dir`.
async fn kept(dir: &Path) -> (ListServer, ListSource) {
    let server = ListServer::start(Script { etag: Some("\"v1\""), ..Script::of(&["oak", "elm"]) });
    server.client(dir).refresh().await.unwrap();
    server.requests();
    let source = server.source();
    (server, source)
}

fn is_built_in(source: &ListSource, dir: &Path) -> bool {
    let in_force = in_force(source, dir);
    matches!(in_force.origin, Origin::BuiltIn { made: Some(_) }) && in_force.list.logs.len() == 56
}

#[actix_web::test]
async fn the_last_list_is_in_force_after_a_restart_and_asked_for_conditionally() {
    let dir = tempdir().unwrap();
    let (server, source) = kept(&dir.path().join("log_lists")).await;
    let dir = dir.path().join("log_lists");
    let in_force = in_force(&source, &dir);
    assert_eq!(in_force.list.logs.len(), 2);
    let text = in_force.origin.to_string();
    assert!(text.starts_with("saved in ") && text.contains("a_test_s_list.json, fetched 20"), "{text}");

    let mut client = server.client(&dir);
    assert_eq!(client.refresh().await.unwrap(), Refreshed::Unchanged);
    assert_eq!(server.requests(), ["/list.json \"v1\""]);
    assert!(matches!(client.in_force().origin, Origin::Fetched { .. }));
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 1, "something besides the list was left");
}

#[test]
fn without_a_saved_list_the_snapshot_is_in_force() {
    let dir = tempdir().unwrap();
    assert!(is_built_in(&ListSource::CHROME, dir.path()));
    assert!(is_built_in(&ListSource::APPLE, &dir.path().join("missing")));
    let origin = in_force(&ListSource::CHROME_ALL, dir.path()).origin;
    assert_eq!(origin.to_string(), "built in, of 2026-05-29");
}

#[actix_web::test]
async fn a_saved_list_that_is_damaged_is_not_used_and_fetched_anew() {
    let dir = tempdir().unwrap();
    let (server, source) = kept(dir.path()).await;
    let path = saved::path(&source, dir.path());
    let whole = fs::read_to_string(&path).unwrap();
    let damages = [
        (whole[..whole.len() / 2].to_string(), "it is not a saved list: "),
        (String::new(), "it is not a saved list: "),
        ("x".repeat(8 * 1024 * 1024 + 1), "it is larger than 8388608 bytes"),
        (whole.replace("ct.example.com", "ct.example.net"), "the signature does not match the list of "),
        (whole.replace("\"signature\":\"", "\"signature\":\"!"), "its signature is not base64"),
        (whole.replace("\"signature\":\"", "\"signature\":null,\"was\":\""), "it has no signature"),
        (whole.replace("\"url\":\"http", "\"url\":\"https"), "it is from https"),
        (whole.replace("\"fetched_unix_s\":", "\"fetched_unix_s\":99999999"), "is not a date"),
    ];
    for (damaged, complaint) in damages {
        fs::write(&path, &damaged).unwrap();
        let error = saved::load(&source, dir.path()).unwrap_err().to_string();
        assert!(error.contains(complaint), "{error:?} says nothing of {complaint:?}");
        assert!(is_built_in(&source, dir.path()), "{complaint}");
        let mut client = server.client(dir.path());
        client.refresh().await.unwrap();
        assert_eq!(server.requests(), ["/list.json", "/list.sig"], "{complaint}");
        assert_eq!(in_force(&source, dir.path()).list.logs.len(), 2, "{complaint}");
    }
}

#[actix_web::test]
async fn a_saved_list_that_another_key_signed_is_not_used() {
    let dir = tempdir().unwrap();
    let (_server, mut source) = kept(dir.path()).await;
    source.signed = ListSource::CHROME.signed;
    assert!(is_built_in(&source, dir.path()));
}

#[actix_web::test]
async fn a_list_that_cannot_be_saved_is_in_force_all_the_same() {
    let dir = tempdir().unwrap();
    let file = dir.path().join("a file");
    fs::write(&file, "").unwrap();
    let server = ListServer::start(Script::of(&["oak"]));
    let mut client = LogListClient::new(server.source(), &file, &settings());
    client.refresh().await.unwrap();
    assert_eq!(client.in_force().list.logs.len(), 1);
}
