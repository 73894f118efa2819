//! The command that is run for each certificate.

use super::message::Found;
use crate::printable::is_unsafe;
use std::io::{self, Write};
use std::process::{Command, ExitStatus, Stdio};

/// Maximum number of bytes of all names in the environment. Linux limits one variable to 128 KiB, and all of them and the
/// arguments to a quarter of the stack.
const MAX_NAMES_BYTES: usize = 64 * 1024;
/// The variables that the command finds.
const SEQ: &str = "CERTSTREAM_SEQ";
const NAMES: &str = "CERTSTREAM_NAMES";
const TOKEN: &str = "CERTSTREAM_TOKEN";

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    Succeeded,
    /// Why not, for people.
    Failed(String),
    /// A signal that asks programs to stop ended it, so it has not done its work.
    Stopped(String),
}

/// Runs `command` with a shell, and waits until it ends. The message is its standard input.
pub(super) fn run(command: &str, found: &Found) -> Outcome {
    match spawn_and_wait(command, found) {
        Ok(status) => outcome(status),
        Err(error) => Outcome::Failed(format!("cannot be run: {error}")),
    }
}

fn spawn_and_wait(command: &str, found: &Found) -> io::Result<ExitStatus> {
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).stdin(Stdio::piped()).env_remove(TOKEN).env(NAMES, names(&found.names));
    match found.seq {
        Some(seq) => shell.env(SEQ, seq.to_string()),
        None => shell.env_remove(SEQ),
    };
    apart(&mut shell);
    let mut child = shell.spawn()?;
    if let Some(mut input) = child.stdin.take() {
        // A command that does not read its input closes it, which is not an error.
        let _ = input.write_all(found.text.as_bytes()).and_then(|()| input.write_all(b"\n"));
    }
    child.wait()
}

/// Keeps Ctrl-C away from the command: the program waits for it, and then ends.
#[cfg(unix)]
fn apart(shell: &mut Command) {
    std::os::unix::process::CommandExt::process_group(shell, 0);
}

/// This platform has no process groups.
#[cfg(not(unix))]
fn apart(_: &mut Command) {}

/// As many names as fit, one a line. Names with control characters are left out: they are no host names, and a line break
/// would forge one.
fn names(names: &[String]) -> String {
    let mut text = String::new();
    for name in names.iter().filter(|name| !name.contains(is_unsafe)) {
        if text.len() + 1 + name.len() > MAX_NAMES_BYTES {
            break;
        }
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(name);
    }
    text
}

#[cfg(unix)]
fn outcome(status: ExitStatus) -> Outcome {
    use std::os::unix::process::ExitStatusExt;
    match status.signal() {
        Some(signal @ (libc::SIGINT | libc::SIGTERM)) => {
            Outcome::Stopped(format!("was stopped by signal {signal}"))
        }
        Some(signal) => Outcome::Failed(format!("was ended by signal {signal}")),
        None => outcome_of_code(status),
    }
}

#[cfg(not(unix))]
fn outcome(status: ExitStatus) -> Outcome {
    outcome_of_code(status)
}

fn outcome_of_code(status: ExitStatus) -> Outcome {
    match status.code() {
        Some(0) => Outcome::Succeeded,
        Some(code) => Outcome::Failed(format!("failed with status {code}")),
        None => Outcome::Failed("failed".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: String, names: &[&str], seq: Option<u64>) -> Found {
        let names = names.iter().copied().map(String::from).collect();
        Found { text, names, seq, ..Found::default() }
    }

    #[test]
    fn a_command_finds_the_message_the_names_and_the_number() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out");
        let command =
            format!("cat >{p}; echo \"$CERTSTREAM_SEQ\" \"$CERTSTREAM_NAMES\" >>{p}", p = path.display());
        let found = found("{}".into(), &["a.example", "forged\nname", "b.example", "nul\0"], Some(7));
        assert_eq!(run(&command, &found), Outcome::Succeeded);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{}\n7 a.example\nb.example\n");
    }

    #[test]
    fn the_ways_to_fail_are_told_apart() {
        // It is larger than a pipe.
        let found = found("x".repeat(1_000_000), &[], None);
        assert_eq!(run("true", &found), Outcome::Succeeded, "it need not read its input");
        assert_eq!(run("exit 3", &found), Outcome::Failed("failed with status 3".into()));
        assert_eq!(
            run("no-such-command 2>/dev/null", &found),
            Outcome::Failed("failed with status 127".into())
        );
        assert_eq!(run("kill -9 $$", &found), Outcome::Failed("was ended by signal 9".into()));
        assert_eq!(run("kill -15 $$", &found), Outcome::Stopped("was stopped by signal 15".into()));
        assert_eq!(run("test -z \"${CERTSTREAM_SEQ+x}\"", &found), Outcome::Succeeded);
    }

    #[test]
    fn no_more_names_than_an_environment_can_have() {
        let long = vec!["a".repeat(1_000); 1_000];
        let names = names(&long);
        assert!(names.len() <= MAX_NAMES_BYTES && names.len() > MAX_NAMES_BYTES - 1_001);
        assert!(names.lines().all(|name| name.len() == 1_000), "names are whole");
        let found = Found { names: long, ..Found::default() };
        assert_eq!(run("test ${#CERTSTREAM_NAMES} -gt 60000", &found), Outcome::Succeeded);
    }
}
