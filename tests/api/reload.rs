//! Tests of reloading the configuration of a running server.

use crate::helpers::{from_the_start, quiet_log, spawn_app};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

#[actix_web::test]
async fn logs_come_and_go_without_a_hole_or_a_repetition() {
    let (staying, leaving, coming) = (quiet_log().await, quiet_log().await, quiet_log().await);
    let mut app = spawn_app("", vec![from_the_start(&staying), from_the_start(&leaving)]).await;
    let mut client = app.connect("/lite-stream").await;
    app.wait_for_clients(1).await;
    staying.publish(5);
    assert_eq!(client.indexes(5).await, [0, 1, 2, 3, 4]);
    let changed = app.reload("", vec![from_the_start(&staying), from_the_start(&coming)]);
    assert_eq!(changed, Ok(vec!["logs".into()]));
    app.wait_for(|stats| stats["logs"][coming.url()].is_object()).await;
    let stats = app.get("/stats").await;
    assert!(stats["logs"][leaving.url()].is_null(), "{stats}");
    leaving.publish(1);
    staying.publish(2);
    assert_eq!(client.indexes(2).await, [5, 6]);
    coming.publish(3);
    assert_eq!(client.indexes(3).await, [0, 1, 2]);
    app.stop().await;
}

#[actix_web::test]
async fn a_log_that_is_configured_anew_goes_on_where_it_was() {
    let log = quiet_log().await;
    let mut app = spawn_app("", vec![from_the_start(&log)]).await;
    let mut client = app.connect("/lite-stream").await;
    app.wait_for_clients(1).await;
    log.publish(3);
    assert_eq!(client.indexes(3).await, [0, 1, 2]);
    let mut renamed = from_the_start(&log);
    renamed.description = Some("Another name".into());
    app.reload("", vec![renamed]).expect("a reload");
    app.wait_for(|stats| stats["logs"][log.url()]["name"] == "Another name").await;
    log.publish(2);
    let message = client.message().await;
    assert_eq!(
        (&message["data"]["cert_index"], &message["data"]["source"]["name"]),
        (&3.into(), &"Another name".into())
    );
    assert_eq!(client.indexes(1).await, [4]);
    app.stop().await;
}

#[actix_web::test]
async fn what_cannot_change_is_named_and_then_nothing_changes() {
    let log = quiet_log().await;
    let mut app = spawn_app("", vec![from_the_start(&log)]).await;
    let other = "[newest]\nmessages = 3\n[server]\nroot_stream = 'lite'\n[clients]\ndeflate = false";
    let why = app.reload(other, vec![from_the_start(&quiet_log().await)]).expect_err("a refusal");
    assert!(why.starts_with("newest.messages, server.root_stream cannot change"), "{why}");
    let stats = app.get("/stats").await;
    assert!(stats["logs"][log.url()].is_object(), "the logs are still those: {stats}");
    assert_eq!(app.reload("", vec![from_the_start(&log)]), Ok(vec![]));
    app.stop().await;
}

#[actix_web::test]
async fn new_limits_hold_for_new_clients() {
    let log = quiet_log().await;
    let mut app = spawn_app("", vec![from_the_start(&log)]).await;
    let logs = || vec![from_the_start(&log)];
    assert_eq!(app.reload("[health]\nready_percent = 100", logs()), Ok(vec!["health.ready_percent".into()]));
    let changed = app.reload("[access]\nconnections = 1", logs());
    assert_eq!(changed, Ok(vec!["access.connections".into(), "health.ready_percent".into()]));
    let _client = app.connect("/").await;
    let second = tokio_tungstenite::connect_async(format!("ws://{}/", app.address)).await;
    assert!(second.is_err());
    app.stop().await;
}

#[actix_web::test]
async fn a_file_that_was_cut_off_opens_nothing_unless_it_says_so() {
    let log = quiet_log().await;
    let logs = || vec![from_the_start(&log)];
    let access = "[access]\nallow = ['127.0.0.0/8']\nconnections_per_address = 100\n";
    let admin = "[admin]\nallow = ['192.0.2.0/24']\nonly = true\n";
    let tokens =
        "[[tokens]]\nname = 'a'\ntoken = 'a-token-of-sixteen'\nstreams = ['lite']\nconnections = 3\n";
    let whole = format!("[clients]\ndeflate = false\n{access}{admin}{tokens}");
    let mut app = spawn_app(&whole, logs()).await;
    for (kept, key) in [
        ("connections = 3\n", "tokens: the token of \"a\", connections: no limit instead of 3"),
        ("streams = ['lite']\n", "tokens: the token of \"a\" is valid for full, domains too"),
        ("[[tokens]]", "tokens: no token is needed any more"),
        ("only = true", "admin.only"),
        ("connections_per_address = 100\n", "access.connections_per_address: no limit instead of 100"),
        ("[access]", "access.allow"),
    ] {
        let (cut, _) = whole.split_once(kept).expect("a part");
        let why = app.reload(cut, logs()).expect_err("a refusal");
        assert!(why.contains(key) && why.contains("access.allow_opening"), "{kept}: {why}");
        let refused = tokio_tungstenite::connect_async(format!("ws://{}/lite-stream", app.address)).await;
        assert!(refused.is_err(), "{kept}: everything is as it was");
    }
    assert_eq!(app.reload(&whole, logs()), Ok(vec![]));
    let opening = "[clients]\ndeflate = false\n[access]\nallow_opening = true\n";
    let changed = app.reload(opening, logs()).expect("a reload");
    assert!(changed.contains(&"access.allow".into()) && changed.contains(&"tokens".into()), "{changed:?}");
    app.connect("/lite-stream").await;
    app.stop().await;
}

/// Reads lines of the log file until one contains `what`, and returns that one.
fn until(lines: &mpsc::Receiver<String>, what: &str) -> String {
    loop {
        let line = lines.recv_timeout(Duration::from_secs(30)).expect("a line in time");
        if line.contains(what) {
            return line;
        }
    }
}

#[test]
fn sighup_reads_the_file_anew_and_refuses_what_is_wrong() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("certstream.toml");
    let write = |text: &str| std::fs::write(&file, text).expect("a file");
    write("[clients]\ndeflate = true\n[admin]\nallow = ['127.0.0.1']");
    let mut child = Command::new(env!("CARGO_BIN_EXE_certstream-server"))
        .args(["demo", "--config", file.to_str().expect("a path")])
        .env("CERTSTREAM_SERVER_LISTEN", "127.0.0.1:0")
        .env_remove("RUST_LOG")
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let (line, lines) = mpsc::channel();
    let log = BufReader::new(child.stderr.take().expect("its log"));
    std::thread::spawn(move || log.lines().map_while(Result::ok).try_for_each(|text| line.send(text)));
    let hang_up = || {
        let status = Command::new("kill").args(["-HUP", &child.id().to_string()]).status();
        assert!(status.expect("kill runs").success());
    };
    let warned = until(&lines, "admin.allow holds this machine itself (127.0.0.1)");
    assert!(warned.contains(" WARN "), "{warned}");
    until(&lines, "listening on");
    write("[clients]\ndeflate = false\n[logging]\nlevel = 'debug'");
    hang_up();
    let told = until(&lines, "configuration:");
    assert!(told.ends_with("configuration: changed admin.allow, clients.deflate, logging.level"), "{told}");
    write("[clients]\ndeflat = false");
    hang_up();
    let told = until(&lines, "configuration:");
    assert!(told.contains("configuration: not applied") && told.contains("clients.deflat:"), "{told}");
    write("[clients]\ndeflate = false\n[logging]\nlevel = 'debug'\n[access]\nconnections_per_address = 5");
    hang_up();
    until(&lines, "changed access.connections_per_address");
    write("[clients]\ndeflate = false\n[logging]\nlevel = 'debug'\n");
    hang_up();
    let warned = until(&lines, "a restriction is removed");
    assert!(warned.contains(" WARN ") && warned.ends_with("no limit instead of 5"), "{warned}");
    until(&lines, "not applied: this removes restrictions");
    write("[clients]\ndeflate = false\n[logging]\nlevel = 'debug'\n[access]\nallow_opening = true\n");
    hang_up();
    until(&lines, "a restriction is removed");
    until(&lines, "changed access.allow_opening, access.connections_per_address");
    write(
        "[clients]\ndeflate = false\n[logging]\nlevel = 'debug'\n\
         [access]\nallow_opening = true\ntrusted_proxies = ['0.0.0.0/0']",
    );
    hang_up();
    until(&lines, "access.trusted_proxies: 0.0.0.0 to 255.255.255.255 may set X-Forwarded-For");
    let warned = until(&lines, "access.trusted_proxies holds large parts of the internet");
    assert!(warned.contains(" WARN "), "{warned}");
    until(&lines, "changed access.trusted_proxies");
    write("[clients]\ndeflate = false\n[logging]\nlevel = 'debug'\n[server]\nworkers = 7");
    hang_up();
    let told = until(&lines, "configuration:");
    assert!(told.contains("server.workers cannot change while the server runs"), "{told}");
    child.kill().expect("it is killed");
    child.wait().expect("it ends");
}
