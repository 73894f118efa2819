//! Hands certificates on: prints them, runs the command, and then moves the cursor.
//!
//! All of this can block, so it happens in a thread of its own. The thread takes one batch after the other. What it has not
//! finished when the program ends is not behind the cursor, and comes again.

use super::command::{self, Outcome};
use super::cursor_file::CursorFile;
use super::format::Printer;
use super::message::Found;
use super::notes::note;
use super::position::Progress;
use super::table::DEFAULT_WIDTH;
use crate::clock;
#[cfg(unix)]
use std::fs::File;
use std::io::{self, Write};
use std::sync::mpsc;
use std::thread;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

/// What a command that fails does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum OnFailure {
    /// It is reported, and the next certificate follows
    #[default]
    Continue,
    /// The program ends with status 1; the same certificate comes again at the next start
    Stop,
}

/// What to do with certificates.
#[derive(Debug)]
pub(super) struct Output {
    pub(super) printer: Option<Printer>,
    pub(super) command: Option<String>,
    pub(super) on_failure: OnFailure,
    pub(super) cursor_file: Option<CursorFile>,
}

/// A message, and the memory that it takes.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) progress: Progress,
    pub(super) found: Option<Box<Found>>,
    /// Given back when the message is handed on.
    pub(super) _memory: Option<OwnedSemaphorePermit>,
}

/// Why nothing more is handed on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OutputError {
    /// Nobody reads the output any more.
    #[error("the output was closed")]
    Closed,
    #[error("the output cannot be written: {0}")]
    Write(io::Error),
    #[error("the command {0}; its certificate will come again")]
    Command(String),
    #[error("the thread that writes the output has ended")]
    NoThread,
}

/// Work for the thread.
enum Job {
    /// Hand these on, and write the cursor file if that is due.
    Deliver(Vec<Item>),
    /// Write the cursor file if that is due, and check whether the output is still open.
    Tick,
    /// Write the cursor file. Tells whether it is as new as the cursor.
    Finish,
}

/// The thread.
#[derive(Debug)]
pub(super) struct OutputThread {
    jobs: mpsc::Sender<(Job, oneshot::Sender<Result<(), OutputError>>)>,
    /// The job that it is doing.
    current: Option<oneshot::Receiver<Result<(), OutputError>>>,
}

impl OutputThread {
    /// Starts it.
    ///
    /// # Errors
    /// If the standard output is not open, or there is no thread to be had.
    pub(super) fn start(output: Output) -> io::Result<Self> {
        let mut worker = Worker { stdout: stdout()?, output };
        type Jobs = mpsc::Receiver<(Job, oneshot::Sender<Result<(), OutputError>>)>;
        let (jobs, received): (_, Jobs) = mpsc::channel();
        thread::Builder::new().name("output".into()).spawn(move || {
            for (job, done) in received {
                // Nobody waits for it if the program is ending.
                let _ = done.send(worker.work(job));
            }
        })?;
        Ok(OutputThread { jobs, current: None })
    }

    /// Hands `items` on, in order. The cursor is behind those that were handed on before an error.
    pub(super) async fn deliver(&mut self, items: Vec<Item>) -> Result<(), OutputError> {
        self.run(Job::Deliver(items)).await
    }

    /// Called from time to time while there is nothing to hand on.
    pub(super) async fn tick(&mut self) -> Result<(), OutputError> {
        self.run(Job::Tick).await
    }

    /// Waits until the current job is done, also if its future was dropped, and writes the cursor file.
    pub(super) async fn finish(&mut self) -> Result<(), OutputError> {
        let last = self.wait().await;
        self.run(Job::Finish).await?;
        last
    }

    async fn run(&mut self, job: Job) -> Result<(), OutputError> {
        let (done, result) = oneshot::channel();
        self.jobs.send((job, done)).map_err(|_| OutputError::NoThread)?;
        self.current = Some(result);
        self.wait().await
    }

    async fn wait(&mut self) -> Result<(), OutputError> {
        let Some(current) = &mut self.current else { return Ok(()) };
        let result = current.await;
        self.current = None;
        result.unwrap_or(Err(OutputError::NoThread))
    }
}

/// The state of the thread.
struct Worker {
    stdout: Box<dyn Stdout>,
    output: Output,
}

impl Worker {
    fn work(&mut self, job: Job) -> Result<(), OutputError> {
        match job {
            Job::Deliver(items) => {
                let delivered = self.deliver(items);
                self.save_if_due()?;
                delivered
            }
            Job::Tick => {
                self.save_if_due()?;
                let is_closed = self.output.printer.is_some() && self.stdout.is_closed();
                if is_closed { Err(OutputError::Closed) } else { Ok(()) }
            }
            Job::Finish => self.finish(),
        }
    }

    fn deliver(&mut self, items: Vec<Item>) -> Result<(), OutputError> {
        if self.output.command.is_some() {
            return items.into_iter().try_for_each(|item| self.print(&[item]));
        }
        self.print(&items)
    }

    /// Prints `items`, and runs the command for each of them.
    fn print(&mut self, items: &[Item]) -> Result<(), OutputError> {
        let (mut text, mut ends) = (Vec::new(), Vec::new());
        let width = if self.output.printer.is_some() { self.stdout.width() } else { DEFAULT_WIDTH };
        for item in items {
            if let (Some(printer), Some(found)) = (&mut self.output.printer, &item.found) {
                printer.print(found, width, clock::unix_us(), &mut text);
            }
            ends.push(text.len());
        }
        let (written, result) = write(&mut self.stdout, &text);
        // Of a batch that could be written only in part, the first items are done.
        for (item, _) in items.iter().zip(ends).filter(|(_, end)| *end <= written) {
            self.run_command(item)?;
            if let Some(file) = &mut self.output.cursor_file {
                file.advance(item.progress);
            }
        }
        result
    }

    fn run_command(&self, item: &Item) -> Result<(), OutputError> {
        let (Some(command), Some(found)) = (&self.output.command, &item.found) else { return Ok(()) };
        match command::run(command, found) {
            Outcome::Succeeded => Ok(()),
            Outcome::Stopped(how) => Err(OutputError::Command(how)),
            Outcome::Failed(how) if self.output.on_failure == OnFailure::Stop => {
                Err(OutputError::Command(how))
            }
            Outcome::Failed(how) => {
                let name = found.names.first().map_or("a certificate without names", String::as_str);
                let seq = found.seq.map_or(String::new(), |seq| format!(" (seq {seq})"));
                note(&format!("the command {how} for {name}{seq}"));
                Ok(())
            }
        }
    }

    fn save_if_due(&mut self) -> Result<(), OutputError> {
        let Some(file) = self.output.cursor_file.as_mut().filter(|file| file.is_due()) else { return Ok(()) };
        self.stdout.sync().map_err(OutputError::Write)?;
        if let Err(problem) = file.save() {
            note(&format!("{problem}; certificates may come again after a restart"));
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), OutputError> {
        let Some(file) = &mut self.output.cursor_file else { return Ok(()) };
        self.stdout.sync().map_err(OutputError::Write)?;
        match file.save() {
            Err(problem) => Err(OutputError::Write(io::Error::other(problem))),
            Ok(()) if file.has_failed() => {
                Err(OutputError::Write(io::Error::other("the cursor file could not be written")))
            }
            Ok(()) => Ok(()),
        }
    }
}

/// Writes `text`. Returns the number of bytes that were written, also if not all were.
fn write(to: &mut dyn Write, text: &[u8]) -> (usize, Result<(), OutputError>) {
    let mut written = 0;
    while let Some(rest) = text.get(written..).filter(|rest| !rest.is_empty()) {
        match to.write(rest) {
            Ok(0) => return (written, Err(OutputError::Write(io::ErrorKind::WriteZero.into()))),
            Ok(count) => written += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                return (written, Err(OutputError::Closed));
            }
            Err(error) => return (written, Err(OutputError::Write(error))),
        }
    }
    (written, Ok(()))
}

/// The standard output, without a buffer of our own: what was written is out of our hands.
trait Stdout: Write + Send {
    /// The width of the terminal.
    fn width(&self) -> usize;
    /// Whether nobody can read it any more.
    fn is_closed(&self) -> bool;
    /// Writes a file to disk: the cursor must not survive a power failure that loses what is before it.
    fn sync(&self) -> io::Result<()>;
}

#[cfg(unix)]
fn stdout() -> io::Result<Box<dyn Stdout>> {
    use std::os::fd::AsFd;
    let descriptor = io::stdout().as_fd().try_clone_to_owned()?;
    Ok(Box::new(File::from(descriptor)))
}

#[cfg(unix)]
impl Stdout for File {
    fn width(&self) -> usize {
        match rustix::termios::tcgetwinsize(self) {
            Ok(size) if size.ws_col > 0 => size.ws_col.into(),
            _ => DEFAULT_WIDTH,
        }
    }

    fn is_closed(&self) -> bool {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let mut polled = [PollFd::new(self, PollFlags::empty())];
        let no_time = Timespec { tv_sec: 0, tv_nsec: 0 };
        // Set if the other end of a pipe is closed. Files and terminals never are in this state.
        poll(&mut polled, Some(&no_time)).is_ok()
            && polled.iter().any(|fd| fd.revents().contains(PollFlags::ERR))
    }

    fn sync(&self) -> io::Result<()> {
        // Pipes, terminals and devices cannot be synced.
        if self.metadata()?.is_file() { self.sync_data() } else { Ok(()) }
    }
}

#[cfg(not(unix))]
fn stdout() -> io::Result<Box<dyn Stdout>> {
    Ok(Box::new(io::stdout()))
}

#[cfg(not(unix))]
impl Stdout for io::Stdout {
    fn width(&self) -> usize {
        DEFAULT_WIDTH
    }

    fn is_closed(&self) -> bool {
        false
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::follow::format::Format;
    use crate::follow::target::Target;
    use std::path::Path;

    /// Accepts `room` bytes in small parts, and then fails.
    struct Pipe {
        room: usize,
    }

    impl Write for Pipe {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            let count = text.len().min(3).min(self.room);
            self.room -= count;
            if count == 0 { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(count) }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Stdout for Pipe {
        fn width(&self) -> usize {
            80
        }

        fn is_closed(&self) -> bool {
            self.room == 0
        }

        fn sync(&self) -> io::Result<()> {
            Ok(())
        }
    }

    fn worker(dir: &Path, room: usize, command: Option<&str>, on_failure: OnFailure) -> Worker {
        let target = Target::new("ws://h", None, []).unwrap();
        let cursor_file = CursorFile::open(&dir.join("cursor"), &target).unwrap();
        let output = Output {
            printer: Some(Printer::new(Format::Names, false)),
            command: command.map(String::from),
            on_failure,
            cursor_file: Some(cursor_file),
        };
        Worker { stdout: Box::new(Pipe { room }), output }
    }

    fn item(seq: u64, name: Option<&str>) -> Item {
        let found = name.map(|name| {
            Box::new(Found {
                names: vec![name.into()],
                seq: Some(seq),
                text: "{}".into(),
                ..Found::default()
            })
        });
        Item { progress: Progress::UpTo(seq), found, _memory: None }
    }

    fn cursor(worker: &Worker) -> Option<u64> {
        worker.output.cursor_file.as_ref().and_then(CursorFile::seq)
    }

    #[test]
    fn what_was_not_written_is_not_behind_the_cursor() {
        let dir = tempfile::tempdir().unwrap();
        // Two lines of six bytes and a part of the third.
        let mut worker = worker(dir.path(), 14, None, OnFailure::Continue);
        let items =
            vec![item(1, Some("first")), item(2, None), item(3, Some("secnd")), item(4, Some("third"))];
        assert!(matches!(worker.work(Job::Deliver(items)), Err(OutputError::Closed)));
        assert_eq!(cursor(&worker), Some(3));
        assert!(matches!(worker.work(Job::Tick), Err(OutputError::Closed)), "noticed without output, too");
    }

    #[test]
    fn the_cursor_moves_when_the_command_has_ended() {
        let dir = tempfile::tempdir().unwrap();
        let deliver = |command: &str, on_failure| {
            let mut worker = worker(dir.path(), 1_000, Some(command), on_failure);
            let result =
                worker.work(Job::Deliver(vec![item(1, Some("a")), item(2, Some("b")), item(3, Some("c"))]));
            (result.is_ok(), cursor(&worker))
        };
        let fails_at_2 = "test $CERTSTREAM_SEQ != 2";
        assert_eq!(deliver(fails_at_2, OnFailure::Continue), (true, Some(3)));
        assert_eq!(deliver(fails_at_2, OnFailure::Stop), (false, Some(1)));
        let stopped = "test $CERTSTREAM_SEQ != 2 || kill -TERM $$";
        assert_eq!(deliver(stopped, OnFailure::Continue), (false, Some(1)), "it has not done its work");
    }

    #[test]
    fn the_file_is_written_at_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let mut worker = worker(dir.path(), 1_000, None, OnFailure::Continue);
        worker.work(Job::Deliver(vec![item(8, None)])).unwrap();
        worker.work(Job::Finish).unwrap();
        assert!(std::fs::read_to_string(dir.path().join("cursor")).unwrap().contains("\"seq\":8"));
    }
}
