//! Tests of the state that survives a restart.

use crate::helpers::{
    Subscriber, TestApp, build, from_the_start, log_with, quiet_log, spawn_app, spawn_app_in, with_its_key,
};
use certstream_server::config::{Log, StartAt};
use certstream_server::ct::source::Protocol;
use certstream_server::demo::{DemoLog, DemoLogOptions, DemoProtocol, Fault, FaultOn};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// Fetches partial tiles immediately.
const EAGER: &str = "[fetch]\npartial_tile_wait = '0s'\n";

async fn wait_for_position(app: &TestApp, log: &DemoLog, position: u64) {
    app.wait_for(|s| s["logs"][log.url()]["position"] == position).await;
}

async fn listening(app: &TestApp) -> Subscriber {
    let client = app.connect("/lite-stream").await;
    app.wait_for_clients(1).await;
    client
}

/// Stops the server and starts another one in its folder.
async fn restarted(app: TestApp, toml: &str, logs: Vec<Log>) -> TestApp {
    spawn_app_in(app.stop().await, &[], toml, logs).await
}

#[actix_web::test]
async fn a_restart_goes_on_where_the_last_run_ended() {
    for (demo, protocol) in
        [(DemoProtocol::Rfc6962, Protocol::Rfc6962), (DemoProtocol::StaticCt, Protocol::StaticCt)]
    {
        let log = log_with(DemoLogOptions { protocol: demo, ..DemoLogOptions::default() }).await;
        // From the head on. The second start must not begin at a newer head.
        let watched = || Log { start: StartAt::Head, ..with_its_key(&log, protocol) };
        let mut app = spawn_app(EAGER, vec![watched()]).await;
        app.wait_for(|_| log.stats().head_requests > 1).await;
        let mut next = 0;
        for entries in [300, 1, 700, 0, 256] {
            let mut client = listening(&app).await;
            log.publish(entries);
            assert_eq!(client.indexes(entries as usize).await, (next..next + entries).collect::<Vec<_>>());
            next += entries;
            // Entries that are logged meanwhile belong to the next run. Entries that are already being
            // processed may belong to either run.
            let (dir, (rest, _)) = tokio::join!(app.stop(), client.until_closed());
            let rest = rest.iter().filter(|m| m["message_type"] == "certificate_update").count() as u64;
            assert_eq!(rest, 0, "nothing was under way");
            app = spawn_app_in(dir, &[], EAGER, vec![watched()]).await;
        }
        wait_for_position(&app, &log, next).await;
        let stats = app.log_stats().await;
        assert_eq!((&stats["first"], &stats["delivered"]), (&0.into(), &next.into()), "{stats}");
        app.stop().await;
    }
}

#[actix_web::test]
async fn what_was_logged_while_nobody_watched_is_sent_to_the_clients_who_come_back() {
    let log = quiet_log().await;
    let toml = "";
    let app = spawn_app(toml, vec![from_the_start(&log)]).await;
    let mut client = listening(&app).await;
    log.publish(10);
    client.indexes(10).await;
    let (dir, _) = tokio::join!(app.stop(), client.until_closed());
    log.publish(500);
    let app = spawn_app_in(dir, &[], toml, vec![from_the_start(&log)]).await;
    // The server has observed the head, and waits.
    app.wait_for(|s| s["logs"][log.url()]["verified_size"] == 510).await;
    let mut client = app.connect("/lite-stream").await;
    assert_eq!(client.indexes(500).await, (10..510).collect::<Vec<_>>());
    app.stop().await;
}

#[actix_web::test]
async fn catching_up_can_be_limited_and_says_what_it_leaves_out() {
    let log = quiet_log().await;
    let toml = format!("{EAGER}[newest]\nmessages = 1\n");
    let limited = toml.replace("[fetch]", "[fetch]\ncatch_up = 100");
    let app = spawn_app(&toml, vec![from_the_start(&log)]).await;
    log.publish(10);
    wait_for_position(&app, &log, 10).await;
    let dir = app.stop().await;
    log.publish(1000);
    let app = spawn_app_in(dir, &[], &limited, vec![from_the_start(&log)]).await;
    wait_for_position(&app, &log, 1010).await;
    let stats = app.log_stats().await;
    assert_eq!(
        (&stats["delivered"], &stats["skipped"], &stats["first"]),
        (&110.into(), &900.into(), &0.into())
    );
    app.stop().await;
}

#[actix_web::test]
async fn a_restart_knows_the_heads_from_before() {
    let log = quiet_log().await;
    let watched = || with_its_key(&log, Protocol::Rfc6962);
    let app = spawn_app(EAGER, vec![watched()]).await;
    log.publish(100);
    wait_for_position(&app, &log, 100).await;
    let dir = app.stop().await;
    log.set_fault(Fault::Shrink(10), FaultOn::Heads, Some(1));
    let app = spawn_app_in(dir, &[], EAGER, vec![watched()]).await;
    app.wait_for(|s| s["logs"][log.url()]["misbehaviours"] == 1).await;
    let [evidence] = app.evidence().try_into().expect("one chunk");
    assert_eq!(evidence.misbehaviour.kind(), "rollback");
    let problem = &evidence.problem;
    assert!(problem.starts_with("the head of 90 entries (signed at "), "{problem}");
    assert!(
        problem.contains(" ms) was signed no earlier than the head of 100 entries (signed at "),
        "{problem}"
    );
    evidence.check().expect("a rollback");
    app.stop().await;
}

#[actix_web::test]
async fn another_log_at_the_same_address_is_not_taken_for_the_old_one() {
    let (log, other) = (quiet_log().await, quiet_log().await);
    let app = spawn_app(EAGER, vec![with_its_key(&log, Protocol::Rfc6962)]).await;
    log.publish(10);
    wait_for_position(&app, &log, 10).await;
    let key = with_its_key(&other, Protocol::Rfc6962).key;
    let app = restarted(app, EAGER, vec![Log { key, ..with_its_key(&log, Protocol::Rfc6962) }]).await;
    let stats = app.wait_for(|s| s["logs"][log.url()]["failures"].as_u64() > Some(0)).await;
    let stats = &stats["logs"][log.url()];
    assert_eq!((&stats["position"], &stats["halted"]), (&json!(0), &Value::Null), "its heads are not signed");
    let app = restarted(app, EAGER, vec![with_its_key(&log, Protocol::Rfc6962)]).await;
    let mut client = listening(&app).await;
    log.publish(10);
    assert_eq!(client.indexes(10).await, (10..20).collect::<Vec<_>>(), "the position was left alone");
    app.stop().await;
}

#[actix_web::test]
async fn a_damaged_file_stops_the_start_and_is_left_alone() {
    let log = quiet_log().await;
    let app = spawn_app(EAGER, vec![from_the_start(&log)]).await;
    log.publish(10);
    wait_for_position(&app, &log, 10).await;
    let dir = app.stop().await;
    let file = dir.path().join("state/positions.json");
    let damaged = fs::read_to_string(&file).unwrap().replace("10", "11");
    fs::write(&file, &damaged).unwrap();
    let refused = build(&dir, &[], EAGER, vec![from_the_start(&log)]);
    let error = refused.err().expect("no start").to_string();
    assert!(error.contains("positions.json") && error.contains("checksum"), "{error}");
    assert_eq!(fs::read_to_string(&file).unwrap(), damaged);
}

#[actix_web::test]
async fn two_servers_cannot_share_a_folder() {
    let log = quiet_log().await;
    let dir = tempfile::tempdir().unwrap();
    let _first = build(&dir, &[], EAGER, vec![from_the_start(&log)]).expect("a start");
    let second = build(&dir, &[], EAGER, vec![from_the_start(&log)]);
    assert!(second.err().expect("no second start").to_string().contains("another server"));
}

/// The effect is the same as that of a full disk: no file can be written.
#[actix_web::test]
async fn a_folder_that_cannot_be_written_does_not_stop_the_stream() {
    let log = quiet_log().await;
    let app = spawn_app(EAGER, vec![from_the_start(&log)]).await;
    let mut client = listening(&app).await;
    log.publish(10);
    client.indexes(10).await;
    // A folder at the path of the temporary file, because root can write to any folder.
    let state = app.state();
    fs::set_permissions(&state, fs::Permissions::from_mode(0o500)).unwrap();
    let in_the_way = state.join("positions.json.new");
    while fs::create_dir(&in_the_way).is_err() {}
    log.publish(10);
    assert_eq!(client.indexes(10).await, (10..20).collect::<Vec<_>>());
    app.wait_for(|s| s["state_error"].is_string()).await;
    fs::remove_dir(&in_the_way).unwrap();
    fs::set_permissions(&state, fs::Permissions::from_mode(0o700)).unwrap();
    app.wait_for(|s| s["state_error"].is_null()).await;
    let (dir, _) = tokio::join!(app.stop(), client.until_closed());
    let app = spawn_app_in(dir, &[], EAGER, vec![from_the_start(&log)]).await;
    let mut client = listening(&app).await;
    log.publish(1);
    assert_eq!(client.indexes(1).await, [20]);
    app.stop().await;
}
