//! Tests that secrets are not in the server's memory.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

const TOKEN: &str = "QmVmb3JlIHRoZSBmaXJzdCBjb21lcyB0aGUgemVyb3Ro-0123456789-abcdefghij";
/// Stored in memory next to the token's digest. If the search finds this text, it would also find a token.
const NAME: &str = "somebody whose name is known";

/// Starts the program with `file`. Returns the process and the lines of its log.
fn start(file: &std::path::Path) -> (Child, mpsc::Receiver<String>) {
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
    (child, lines)
}

fn until(lines: &mpsc::Receiver<String>, what: &str) {
    while !lines.recv_timeout(Duration::from_secs(30)).expect("a line in time").contains(what) {}
}

/// Whether each of `texts` is in the writable memory of the process. `None` if its memory may not be read.
fn found(pid: u32, texts: &[&str]) -> Option<Vec<bool>> {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).ok()?;
    let mut memory = File::open(format!("/proc/{pid}/mem")).ok()?;
    let (mut found, mut read_any) = (vec![false; texts.len()], false);
    for map in maps.lines() {
        let mut fields = map.split_whitespace();
        let (range, permissions) = (fields.next()?, fields.next()?);
        if !permissions.starts_with("rw") {
            continue;
        }
        let (start, end) = range.split_once('-')?;
        let (start, end) = (u64::from_str_radix(start, 16).ok()?, u64::from_str_radix(end, 16).ok()?);
        let mut bytes = Vec::new();
        if memory.seek(SeekFrom::Start(start)).is_err() {
            continue;
        }
        // A mapping may disappear meanwhile. The bytes read so far are searched.
        let _ = memory.by_ref().take(end - start).read_to_end(&mut bytes);
        read_any |= !bytes.is_empty();
        for (found, text) in found.iter_mut().zip(texts) {
            *found |= bytes.windows(text.len()).any(|window| window == text.as_bytes());
        }
    }
    read_any.then_some(found)
}

fn search(name: &str, text: &str) {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join(name);
    std::fs::write(&file, text).expect("a file");
    let (mut child, lines) = start(&file);
    until(&lines, "listening on");
    let hang_up = || {
        let status = Command::new("kill").args(["-HUP", &child.id().to_string()]).status();
        assert!(status.expect("kill runs").success());
        until(&lines, "configuration:");
    };
    // The end of a freed chunk of memory stays unchanged the longest.
    let parts = [&TOKEN[16..40], &TOKEN[40..], NAME];
    let at_start = found(child.id(), &parts);
    hang_up();
    // An invalid file must not leave secrets in memory either.
    std::fs::write(&file, text.replace("sha256", "sha255")).expect("a file");
    hang_up();
    let after_reloads = found(child.id(), &parts);
    child.kill().expect("it is killed");
    child.wait().expect("it ends");
    if at_start.is_none() || after_reloads.is_none() {
        eprintln!("SKIPPED: the memory of another process may not be read here");
        return;
    }
    let expected = Some(vec![false, false, true]);
    assert_eq!(at_start, expected, "{name}: at the start");
    assert_eq!(after_reloads, expected, "{name}: after reloads");
}

const OTHER: &str = "350bc5f8d059529d18cb330953077e9d993dc597196a2b439b6dae64d474701e";

#[test]
fn tokens_of_toml_files_are_not_left_in_memory() {
    search(
        "certstream.toml",
        &format!(
            "[[tokens]]\nname = '{NAME}'\ntoken = '{TOKEN}'\n\
             [[tokens]]\nname = 'another'\nsha256 = '{OTHER}'\n"
        ),
    );
}

#[test]
fn tokens_of_yaml_files_are_not_left_in_memory() {
    search(
        "certstream.yaml",
        &format!("tokens:\n- name: {NAME}\n  token: {TOKEN}\n- name: another\n  sha256: {OTHER}\n"),
    );
}

#[test]
fn tokens_of_json_files_are_not_left_in_memory() {
    search(
        "certstream.json",
        &format!(
            r#"{{"tokens": [{{"name": "{NAME}", "token": "{TOKEN}"}}, {{"name": "another", "sha256": "{OTHER}"}}]}}"#
        ),
    );
}
