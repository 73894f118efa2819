//! The program from the shell: what it says when something is wrong, and with which status it ends.

use std::net::TcpListener;
use std::process::{Command, Output};

fn run(args: &[&str], environment: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_certstream-server"))
        .args(args)
        .envs(environment.iter().copied())
        .output()
        .expect("the program runs")
}

/// One line on standard error, nothing on standard output, status 2.
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
    let path = file("[clients]\nqueue_mesages = 1\n[[logs]]\nurl = 'http://127.0.0.1:1'\n");
    let path = path.to_str().expect("a path");
    for command in [&["--config", path][..], &["run", "--config", path], &["check-config", "--config", path]]
    {
        let error = refused(command, &[]);
        assert!(error.contains(path) && error.contains("clients.queue_mesages"), "{error}");
        assert!(error.contains("`queue_messages`"), "{error}");
    }
}

#[test]
fn a_missing_file_or_no_file_at_all_is_explained() {
    assert!(refused(&["--config", "no/such.toml"], &[]).contains("no/such.toml: cannot be read"));
    let error = refused(&[], &[]);
    assert!(error.contains("no logs to watch") && error.contains("certstream-server demo"), "{error}");
}

#[test]
fn a_port_in_use_is_explained() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let error = refused(&["demo"], &[("CERTSTREAM_SERVER_LISTEN", &address), ("RUST_LOG", "off")]);
    assert!(error.contains("server.listen") && error.contains(&address), "{error}");
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
fn help_and_version_are_there() {
    let help = String::from_utf8(run(&["--help"], &[]).stdout).expect("UTF-8");
    for word in ["demo", "check-config", "--config", "Examples:", "PORT"] {
        assert!(help.contains(word), "{word} is not in:\n{help}");
    }
    let version = String::from_utf8(run(&["--version"], &[]).stdout).expect("UTF-8");
    assert_eq!(version.trim(), format!("certstream-server {}", env!("CARGO_PKG_VERSION")));
}

#[test]
fn health_tells_whether_a_server_answers() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let output = run(&["health", "--address", &free], &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains(&free));
}
