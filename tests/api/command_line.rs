//! Tests the program from the shell: its error messages and its exit status.

use crate::helpers::{from_the_start, log_with, quiet_log, spawn_app, spawn_app_in, with_its_key};
use crate::ports::free_port;
use certstream_server::ct::source::Protocol;
use certstream_server::demo::{DemoLogOptions, DemoProtocol, Fault, FaultOn};
use std::net::TcpListener;
use std::process::{Command, Output};

fn run(args: &[&str], environment: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_certstream-server"))
        .args(args)
        .env("NO_PROXY", "*") // whatever is set where the tests run
        .envs(environment.iter().copied())
        .output()
        .expect("the program runs")
}

/// Returns the single line on standard error. Checks that standard output is empty and that the status is 2.
fn refused(args: &[&str], environment: &[(&str, &str)]) -> String {
    let output = run(args, environment);
    let error = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");
    assert!(output.stdout.is_empty());
    error
}

fn file(text: &str) -> tempfile::TempPath {
    let file = tempfile::Builder::new().suffix(".toml").tempfile().expect("a temporary file");
    std::fs::write(file.path(), text).expect("it can be written");
    file.into_temp_path()
}

#[test]
fn a_wrong_configuration_starts_nothing_and_is_explained_in_one_line() {
    let path = file("[clients]\nring_bites = 1\n[[logs]]\nurl = 'http://127.0.0.1:1'\n");
    let path = path.to_str().expect("a path");
    for command in [&["--config", path][..], &["run", "--config", path], &["check-config", "--config", path]]
    {
        let error = refused(command, &[]);
        assert!(error.contains(path) && error.contains("clients.ring_bites"), "{error}");
        assert!(error.contains("`ring_bytes`"), "{error}");
    }
}

#[test]
fn a_missing_file_or_no_file_at_all_is_explained() {
    assert!(refused(&["--config", "no/such.toml"], &[]).contains("no/such.toml: cannot be read"));
    let error = refused(&[], &[("CERTSTREAM_LOG_LIST_ENABLED", "false")]);
    for part in ["no logs to watch", "[[logs]]", "certstream-server demo"] {
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn a_port_in_use_is_explained() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let error = refused(&["demo"], &[("CERTSTREAM_SERVER_LISTEN", &address), ("RUST_LOG", "off")]);
    assert!(error.contains("server.listen or PORT") && error.contains(&address), "{error}");
    assert!(error.contains("in use"), "{error}");
}

#[test]
fn a_wrong_environment_variable_is_explained() {
    let error = refused(&["demo"], &[("CERTSTREAM_HEARTBEAT_INTERVALL", "1s")]);
    assert!(error.contains("CERTSTREAM_HEARTBEAT_INTERVALL: unknown variable"), "{error}");
    let error = refused(&["demo"], &[("PORT", "http")]);
    assert!(error.contains("PORT: expected a port number"), "{error}");
}

#[test]
fn check_config_says_what_would_happen() {
    let path =
        file("[server]\nlisten = '127.0.0.1:7'\n[[logs]]\nurl = 'http://127.0.0.1:1/x/'\nstart = -5\n");
    let output = run(&["check-config", "--config", path.to_str().expect("a path")], &[]);
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("127.0.0.1:7") && text.contains("5 entries before the head"), "{text}");
}

#[test]
fn check_config_shows_no_control_characters_and_warns_of_what_is_hardly_meant() {
    let path = file(
        "[access]\ntrusted_proxies = ['0.0.0.0/0']\n\
         [[tokens]]\nname = \"red\\u001b[31m\\u202e\"\ntoken = 'a-token-of-sixteen'\n\
         [[logs]]\nurl = 'http://127.0.0.1:1/x/'\ndescription = \"a\\u001b]0;title\\u0007\"\n",
    );
    let output = run(&["check-config", "--config", path.to_str().expect("a path")], &[]);
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains(r"red\u{1b}[31m\u{202e}") && text.contains(r"a\u{1b}]0;title\u{7}"), "{text:?}");
    assert!(!text.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{text:?}");
    assert!(text.contains("warning: access.trusted_proxies holds large parts of the internet"), "{text}");
    let path = file("[admin]\nallow = ['127.0.0.1']\n[[logs]]\nurl = 'http://127.0.0.1:1/x/'\n");
    let output = run(&["check-config", "--config", path.to_str().expect("a path")], &[]);
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(text.contains("warning: admin.allow holds this machine itself"), "{text}");
}

#[test]
fn a_token_that_is_made_opens_what_its_section_says() {
    let output = run(&["token", "--name", "research"], &[]);
    assert_eq!(output.status.code(), Some(0));
    let section = String::from_utf8(output.stdout).expect("UTF-8");
    let told = String::from_utf8(output.stderr).expect("UTF-8");
    let token = told.trim().rsplit(' ').next().expect("a token").to_string();
    assert!(token.len() == 64 && !section.contains(&token), "{section}");
    let digest: String =
        openssl::sha::sha256(token.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(section, format!("[[tokens]]\nname = \"research\"\nsha256 = \"{digest}\"\n"));
    let path = file(&section);
    let checked = run(&["check-config", "--config", path.to_str().expect("a path")], &[]);
    assert!(String::from_utf8_lossy(&checked.stdout).contains("the token of research"));
    let again = run(&["token"], &[]);
    assert!(!String::from_utf8_lossy(&again.stderr).contains(&token));
    assert_eq!(run(&["token", "--name", "a\"\nb"], &[]).status.code(), Some(2));
}

#[test]
fn the_explained_configuration_can_be_used_as_it_is() {
    let printed = run(&["config"], &[]);
    assert_eq!(printed.status.code(), Some(0));
    let path = file(&String::from_utf8(printed.stdout).expect("UTF-8"));
    let checked = run(&["check-config", "--config", path.to_str().expect("a path")], &[]);
    assert_eq!(checked.status.code(), Some(0), "{}", String::from_utf8_lossy(&checked.stderr));
}

#[test]
fn security_settings_with_something_wrong_start_nothing() {
    for (text, key) in [
        ("[access]\nallowed = ['10.0.0.0/8']", "access.allowed"),
        ("[access]\nallow = ['10.0.0.0/33']", "access.allow"),
        ("[acess]\nallow = ['10.0.0.0/8']", "acess"),
        ("[access]\nconnections = 0", "access.connections"),
        ("[admin]\nlisten = '9090'", "admin.listen"),
        ("[tls]\ncertificate = '/etc/hostname'", "tls.key"),
        ("[tls]\ncertificate = '/etc/hostname'\nkey = '/etc/hostname'", "tls.certificate"),
        ("[tls]\ncertificate = '/no/such/file'\nkey = '/no/such/key'", "/no/such/file"),
        ("[[tokens]]\nname = 'a'\ntoken = 'short'", "tokens[0].token"),
        ("[[tokens]]\nname = 'a'\ntoken = 1234567890123456", "tokens[0].token"),
        ("[[tokens]]\nname = 'a'", "tokens[0].token"),
        ("[[tokens]]\nname = 'a'\nsha256 = 'abc'", "tokens[0].sha256"),
        (
            "[[tokens]]\nname = 'a'\nsha256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'",
            "tokens[0].sha256",
        ),
        ("[access]\ndeny = ['192.0.2.7/24']", "access.deny"),
        ("[access]\ntrusted_proxies = ['::/64']", "access.trusted_proxies"),
        ("[admin]\nhosts = ['*']", "admin.hosts[0]"),
        ("[[tokens]]\nname = 'a'\ntoken = 'sixteen-letters-x'\nstreams = ['all']", "tokens[0].streams[0]"),
        ("[[tokens]]\nname = 'a'\ntoken = 'sixteen-letters-x'\nstream = ['lite']", "tokens[0].stream"),
    ] {
        let path = file(&format!("{text}\n"));
        let error = refused(&["demo", "--config", path.to_str().expect("a path")], &[("RUST_LOG", "off")]);
        assert!(error.contains(key), "{error} does not name {key}");
        assert!(!error.contains("1234567890") && !error.contains("short\""), "a token is shown: {error}");
    }
    let error = refused(&["demo"], &[("CERTSTREAM_ACCESS_ALLOW", "10.0.0.0/8")]);
    assert!(error.contains("CERTSTREAM_ACCESS_ALLOW: access.allow"), "{error}");
}

#[test]
fn help_and_version_are_there() {
    let help = String::from_utf8(run(&["--help"], &[]).stdout).expect("UTF-8");
    for word in ["demo", "check-config", "--config", "Examples:", "PORT"] {
        assert!(help.contains(word), "{word} is not in:\n{help}");
    }
    let version = String::from_utf8(run(&["--version"], &[]).stdout).expect("UTF-8");
    assert_eq!(version.trim(), format!("certstream-server {}", env!("CARGO_PKG_VERSION")));
}

#[test]
fn health_asks_the_configured_port_and_tells_whether_a_server_answers() {
    let port = free_port().to_string();
    let free = format!("127.0.0.1:{port}");
    for (args, environment) in [
        (&["health", "--address", &free][..], &[][..]),
        (&["health"], &[("PORT", port.as_str())]),
        (&["health", "--address", &format!("localhost:{port}")], &[]),
    ] {
        let output = run(args, environment);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert!(error.contains(&port), "{error}");
    }
}

#[actix_web::test]
async fn a_server_that_answers_is_healthy() {
    let log = quiet_log().await;
    let app = spawn_app("", vec![from_the_start(&log)]).await;
    let address = app.address.to_string();
    let asked = actix_web::rt::task::spawn_blocking(move || run(&["health", "--address", &address], &[]));
    assert_eq!(asked.await.unwrap().status.code(), Some(0));
    app.stop().await;
}

/// The standard output of a command that must succeed, as JSON.
fn shown(args: &[&str]) -> serde_json::Value {
    let output = run(args, &[]);
    let (text, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{error}");
    assert!(text.lines().count() > 20 && !text.contains('\x1b'), "over lines, and without colours in a pipe");
    serde_json::from_str(&text).expect("JSON")
}

#[actix_web::test]
async fn an_entry_and_a_certificate_file_are_shown_as_clients_would_receive_them() {
    let log = quiet_log().await;
    log.publish(25);
    let app = spawn_app("", vec![from_the_start(&log)]).await;
    app.wait_for(|s| s["logs"][log.url()]["position"] == 25).await;
    let latest = app.get("/latest.json").await;
    for update_type in ["X509LogEntry", "PrecertLogEntry"] {
        let messages = latest["messages"].as_array().expect("messages");
        let sent = messages.iter().find(|message| message["data"]["update_type"] == update_type);
        let sent = sent.unwrap_or_else(|| panic!("one of 25 entries is a {update_type}"));
        let index = sent["data"]["cert_index"].as_u64().expect("an index");
        let (url, number) = (format!("{}/", log.url()), index.to_string());
        let asked = move || shown(&["entry", &url, &number]);
        let shown_entry = actix_web::rt::task::spawn_blocking(asked).await.unwrap();
        assert_eq!(shown_entry["data"]["leaf_cert"], sent["data"]["leaf_cert"]);
        assert_eq!(shown_entry["data"]["chain"], sent["data"]["chain"]);
        assert_eq!(shown_entry["data"]["cert_index"], index);

        let mut leaf_cert = sent["data"]["leaf_cert"].clone();
        if update_type == "PrecertLogEntry" {
            // It depends on the issuer, which a file need not contain.
            leaf_cert["tbs_sha256"] = serde_json::Value::Null;
        }
        let entry = log.entry(index).expect("the entry");
        let bundle: String =
            std::iter::once(&entry.certificate).chain(&entry.chain).map(|der| pem(der)).collect();
        for (content, chain) in [
            (bundle.into_bytes(), &sent["data"]["chain"]),
            (entry.certificate.to_vec(), &serde_json::json!([])),
        ] {
            let path = file("");
            std::fs::write(&path, content).expect("the file");
            let certificate = shown(&["cert", path.to_str().expect("a path")]);
            assert_eq!(certificate["leaf_cert"], leaf_cert);
            assert_eq!(&certificate["chain"], chain);
        }
    }
    app.stop().await;
}

fn pem(der: &[u8]) -> String {
    let base64 = base64_simd::STANDARD.encode_to_string(der);
    format!("-----BEGIN CERTIFICATE-----\n{base64}\n-----END CERTIFICATE-----\n")
}

#[actix_web::test]
async fn an_entry_of_a_log_of_tiles_is_shown_too() {
    let options = DemoLogOptions { protocol: DemoProtocol::StaticCt, initial: 300, ..Default::default() };
    let log = log_with(options).await;
    for index in [7, 299] {
        let (url, number) = (log.url(), index.to_string());
        let asked = move || shown(&["entry", &url, &number]);
        let entry = actix_web::rt::task::spawn_blocking(asked).await.unwrap();
        let expected = log.entry(index).expect("the entry");
        let der = base64_simd::STANDARD.encode_to_string(&expected.certificate);
        assert_eq!(entry["data"]["leaf_cert"]["as_der"], der);
        assert_eq!(entry["data"]["chain"].as_array().map(Vec::len), Some(expected.chain.len()));
        assert_eq!(entry["data"]["cert_link"], format!("{}/tile/data/00{}", log.url(), index / 256));
    }
}

#[test]
fn a_proxy_that_cannot_be_used_starts_nothing() {
    let error = refused(&[], &[("HTTPS_PROXY", "socks5://me:secret@proxy.example")]);
    assert!(error.contains("HTTPS_PROXY: expected a proxy such as") && !error.contains("secret"), "{error}");
}

#[test]
fn what_cannot_be_shown_is_explained() {
    for (args, expected) in [
        (&["cert", "no/such.pem"][..], "no/such.pem: cannot be read"),
        (&["cert", "/dev/null"], "/dev/null: contains no certificate"),
        (&["entry", "ct.example", "1"], "is not the URL of a log"),
        (&["entry", "http://127.0.0.1:1", "1"], "failed to get entry 1"),
    ] {
        let output = run(args, &[]);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), error.lines().count()), (Some(1), 1), "{error}");
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_file_with_something_else_than_a_certificate_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    for (name, content, what) in [
        (
            "key.pem",
            &b"Schl\xFCssel\n-----BEGIN PRIVATE KEY-----\nAAEC\n-----END PRIVATE KEY-----\n"[..],
            "a private key",
        ),
        ("certstream.toml", b"[server]\n", "something that is neither PEM nor DER"),
    ] {
        let path = dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        let path = path.to_str().expect("a path");
        let output = run(&["cert", path], &[]);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(&format!("{path}: contains {what}, not a certificate")), "{error}");
        assert!(output.stdout.is_empty());
    }
}

#[actix_web::test]
async fn the_logs_that_would_be_watched_are_listed_with_their_sizes() {
    let log = quiet_log().await;
    log.publish(7);
    let path = file(&format!(
        "[log_list]\nenabled = false\n[[logs]]\nurl = '{}'\ndescription = 'A log'\noperator = 'Op'\n[[logs]]\nurl = 'http://127.0.0.1:1'",
        log.url()
    ));
    let path = path.to_str().expect("a path").to_string();
    let output =
        actix_web::rt::task::spawn_blocking(move || run(&["logs", "--config", &path], &[])).await.unwrap();
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert_eq!(output.status.code(), Some(0), "{text}");
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split("  ").map(str::trim).collect()).collect();
    let cells = |i: usize| lines[i].iter().filter(|cell| !cell.is_empty()).copied().collect::<Vec<_>>();
    assert_eq!(cells(1), ["A log", "Op", "rfc6962", "configured", "7"], "{text}");
    assert!(
        lines[2].last().is_some_and(|cell| cell.contains("refused")),
        "a log that fails says why:\n{text}"
    );
}

/// The program's standard output; the program must succeed.
fn printed(args: &[&str], environment: &[(&str, &str)]) -> String {
    let output = run(args, environment);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[actix_web::test]
async fn the_positions_of_other_servers_can_be_taken_over() {
    let log = quiet_log().await;
    log.publish(50);
    let dir = tempfile::tempdir().unwrap();
    let (state, foreign) = (dir.path().join("state"), dir.path().join("ct_index.json"));
    let config = file(&format!("[log_list]\nenabled = false\n[[logs]]\nurl = '{}'\n", log.url()));
    let bare = log.url().trim_start_matches("http://").to_string();
    std::fs::write(&foreign, format!(r#"{{"{bare}": 40, "ct.example/2026": 7}}"#)).unwrap();
    let environment = [("CERTSTREAM_STATE_DIR", state.to_str().unwrap())];
    let config = config.to_str().unwrap();
    let import = ["import", "--config", config, foreign.to_str().unwrap()];

    let output = printed(&import, &environment);
    assert!(output.contains("2 of 2 positions") && output.contains(&format!("{}: from index 40", log.url())));
    assert!(output.contains("https://ct.example/2026: from index 7"), "{output}");
    std::fs::write(&foreign, format!(r#"{{"version":1,"logs":{{"{bare}":{{"current_index":30}}}}}}"#))
        .unwrap();
    let output = printed(&import, &environment);
    assert!(output.contains("0 of 1") && output.contains("keeps index 40"), "{output}");
    let output = printed(&[&import[..], &["--replace"]].concat(), &environment);
    assert!(output.contains("1 of 1"), "{output}");

    let app = spawn_app_in(dir, &[], "", vec![from_the_start(&log)]).await;
    app.wait_for(|s| s["logs"][log.url()]["position"] == 50).await;
    assert_eq!(app.log_stats().await["first"], 30);
    let error = refused(&import, &[("CERTSTREAM_STATE_DIR", app.state().to_str().unwrap())]);
    assert!(error.contains("another server"), "{error}");
    app.stop().await;
}

#[test]
fn a_file_that_cannot_be_imported_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let wrong = dir.path().join("ct_index.json");
    std::fs::write(&wrong, "{\"a\": \"b\"}").unwrap();
    let state = dir.path().join("state");
    let environment = [("CERTSTREAM_STATE_DIR", state.to_str().unwrap())];
    assert!(refused(&["import", wrong.to_str().unwrap()], &environment).contains("neither"));
    assert!(refused(&["import", "no/such.json"], &environment).contains("cannot be read"));
    assert!(!state.join("positions.json").exists());
}

#[actix_web::test]
async fn evidence_is_confirmed_by_a_command_and_doctored_evidence_is_not() {
    let log = quiet_log().await;
    let app = spawn_app("", vec![with_its_key(&log, Protocol::Rfc6962)]).await;
    log.set_fault(Fault::BadSignature, FaultOn::Heads, Some(1));
    app.wait_for(|s| s["logs"][log.url()]["misbehaviours"] == 1).await;
    let evidence = app.state().join("evidence");
    let dir = app.stop().await;
    let folder = evidence.to_str().unwrap();
    let output = printed(&["verify-evidence", folder], &[]);
    assert!(output.contains("bad_signature") && output.contains("1 files, all confirmed"), "{output}");

    let one = std::fs::read_dir(&evidence).unwrap().next().unwrap().unwrap().path();
    let mut json: serde_json::Value = serde_json::from_slice(&std::fs::read(&one).unwrap()).unwrap();
    // A head that the log signed.
    let sound =
        awc::Client::default().get(format!("{}/ct/v1/get-sth", log.url())).send().await.unwrap().body().await;
    json["head"] = base64_simd::STANDARD.encode_to_string(sound.unwrap()).into();
    std::fs::write(&one, json.to_string()).unwrap();
    let output = run(&["verify-evidence", folder], &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("the signature is right"));
    drop(dir);
}

#[test]
fn the_manual_page_has_every_command_and_shells_can_complete_them() {
    let page = String::from_utf8(run(&["man"], &[]).stdout).expect("UTF-8");
    let commands = certstream_server::cli::command();
    let names: Vec<_> = commands.get_subcommands().map(|command| command.get_name().to_string()).collect();
    assert!(names.len() > 8);
    for shell in ["bash", "zsh", "fish"] {
        let script = String::from_utf8(run(&["completions", shell], &[]).stdout).expect("UTF-8");
        for name in &names {
            assert!(script.contains(name.as_str()), "{name} is not in what {shell} is told");
        }
    }
    for name in names {
        assert!(page.contains(&name.replace('-', "\\-")), "{name} is not in:\n{page}");
    }
    for section in ["NAME", "SYNOPSIS", "OPTIONS", "COMMANDS", "EXTRA"] {
        assert!(page.contains(&format!(".SH {section}")), "{section} is not in:\n{page}");
    }
}

/// Compares the notifications to a service manager, in order.
#[cfg(target_os = "linux")]
#[test]
fn a_service_manager_hears_when_it_is_ready_when_it_reloads_and_when_it_stops() {
    use std::os::unix::net::UnixDatagram;
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("notify");
    let manager = UnixDatagram::bind(&path).expect("a socket");
    manager.set_read_timeout(Some(crate::helpers::PATIENCE)).expect("a time-out");
    let hear = |what: &str| loop {
        let mut text = [0; 512];
        let length = manager.recv(&mut text).expect("a word in time");
        let text = String::from_utf8_lossy(&text[..length]).into_owned();
        if text.contains(what) {
            return text;
        }
        assert!(text.contains("WATCHDOG=1"), "{text} in place of {what}");
    };
    let mut server = Command::new(env!("CARGO_BIN_EXE_certstream-server"))
        .args(["demo", "--rate", "1"])
        .envs([("PORT", "0"), ("NOTIFY_SOCKET", path.to_str().expect("a path")), ("RUST_LOG", "off")])
        .env("WATCHDOG_USEC", "600000")
        .spawn()
        .expect("the program starts");
    let signal = |name: &str| {
        let status = Command::new("kill").args([name, &server.id().to_string()]).status();
        assert!(status.expect("kill runs").success());
    };
    hear("READY=1");
    hear("WATCHDOG=1");
    signal("-HUP");
    assert!(hear("RELOADING=1").contains("MONOTONIC_USEC="), "by which one reload is told from another");
    hear("READY=1");
    signal("-TERM");
    hear("STOPPING=1");
    assert!(server.wait().expect("it ends").success());
}
