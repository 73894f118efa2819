//! Commands that are run for each certificate.

use crate::client::{Client, cursor, until};
use crate::server::Server;
use rustix::process::Signal;

/// The numbers in the file at `path`, one a line.
fn numbers(path: &std::path::Path) -> Vec<u64> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| line.parse().expect("a number")).collect()
}

#[actix_web::test]
async fn every_certificate_has_its_command_also_when_both_are_killed_meanwhile() {
    let server = Server::start().await;
    let (url, file, done) = (server.url("/"), server.file("cursor"), server.file("done"));
    let slow = format!("sleep 0.2; echo $CERTSTREAM_SEQ >>{}", done.display());
    let args = [&*url, "--cursor-file", file.to_str().unwrap(), "--exec", &slow];
    let mut client = Client::start(&args);
    until("it is connected", || cursor(&file).is_some()).await;
    server.log().publish(12);
    for kills in 1..=3 {
        until("commands run", || numbers(&done).len() >= 3 * kills).await;
        client.signal(Signal::KILL);
        client.status().await;
        client = Client::start(&args);
    }
    let newest = || numbers(&done).last().copied();
    until("all have run", || {
        let mut distinct = numbers(&done);
        distinct.sort_unstable();
        distinct.dedup();
        distinct.len() == 12
    })
    .await;
    until("the cursor is behind the last", || cursor(&file) >= newest()).await;
    let done = numbers(&done);
    assert!(done.len() <= 12 + 2 * 3, "more than two repeats at a kill: {done:?}");
    assert!(client.lines().is_empty(), "nothing is printed");
}

#[actix_web::test]
async fn a_signal_waits_for_the_command_that_runs() {
    let server = Server::start().await;
    let (url, file, done) = (server.url("/"), server.file("cursor"), server.file("done"));
    let begun = server.file("begun");
    let slow = format!("echo >{}; sleep 1; echo $CERTSTREAM_SEQ >>{}", begun.display(), done.display());
    let args = [&*url, "--cursor-file", file.to_str().unwrap(), "--exec", &slow];
    let mut client = Client::start(&args);
    until("it is connected", || cursor(&file).is_some()).await;
    server.log().publish(2);
    until("the command runs", || begun.exists()).await;
    client.signal(Signal::TERM);
    assert_eq!(client.status().await, 0);
    assert_eq!(numbers(&done).len(), 1);
    assert_eq!(cursor(&file), Some(numbers(&done)[0]), "the other one comes next time");
}

#[actix_web::test]
async fn a_command_that_fails_is_reported_or_ends_it() {
    let server = Server::start().await;
    let (url, file) = (server.url("/"), server.file("cursor"));
    let fails = "read -r message; case $message in *'\"cert_index\":1,'*) exit 7;; esac; echo ran";
    let with_file = [&*url, "--cursor-file", file.to_str().unwrap(), "--exec", fails];
    let mut stopping = Client::start(&[&with_file[..], &["--exec-fails", "stop"]].concat());
    until("it is connected", || cursor(&file).is_some()).await;
    server.log().publish(3);
    assert_eq!(stopping.status().await, 1);
    assert_eq!(stopping.lines(), ["ran"]);
    assert!(stopping.said().contains("the command failed with status 7"), "{}", stopping.said());

    let mut going_on = Client::start(&[&with_file[..], &["--count", "2", "--format", "json"]].concat());
    assert_eq!(going_on.status().await, 0);
    let lines = going_on.lines();
    assert!(lines.iter().filter(|line| *line == "ran").count() == 1 && lines.len() == 3, "{lines:?}");
    assert!(going_on.said().contains("failed with status 7 for"), "{}", going_on.said());
}
