//! The log file. It is written to standard error.
//!
//! ```text
//! log::warn! ─► level, target ─► budget ─► sanitised, cut ─► standard error
//!                                  └─ spent: counted, and reported in one line a minute
//! ```

pub(crate) mod budget;

use crate::config::Config;
use crate::printable::{MAX_LINE_CHARS, escaped};
use budget::{Budgets, LeftOut};
use log::{Level, LevelFilter, Log, Metadata, Record};
use parking_lot::Mutex;
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// Overrides the configured level, also at run time.
const VARIABLE: &str = "RUST_LOG";
/// Target prefix of this crate's own modules.
const OURS: &str = env!("CARGO_CRATE_NAME");
/// Libraries that log a line for each malformed request, aborted handshake or broken stream, which any client
/// can cause. They log nothing unless RUST_LOG enables them. Other libraries log warnings.
const SILENT: [&str; 9] = [
    "actix_http",
    "actix_web",
    "actix_web_actors",
    "actix_tls",
    "actix_server::service",
    "h2",
    "hyper_util",
    "tokio_openssl",
    "tokio_util",
];
/// Interval for checking whether lines that were left out must be reported.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

static LOGGER: OnceLock<Logger> = OnceLock::new();

/// Starts logging at the configured level.
pub(super) fn init(config: &Config) {
    let mut builder = env_logger::Builder::new();
    builder.format_timestamp_millis().format_target(false);
    let level = if from_environment() {
        builder.parse_default_env();
        None
    } else {
        default_filters(&mut builder);
        Some(config.log_level)
    };
    let out = builder.build();
    let level = level.unwrap_or(out.filter());
    let logger = LOGGER.get_or_init(|| Logger { out, budgets: Mutex::new(Budgets::new(Instant::now())) });
    // This fails only if the program already has a logger.
    if log::set_logger(logger).is_ok() {
        log::set_max_level(level);
    }
}

/// All lines of this crate pass the filter, so that the level can change later.
fn default_filters(builder: &mut env_logger::Builder) {
    builder.filter_level(LevelFilter::Warn).filter_module(OURS, LevelFilter::Trace);
    for target in SILENT {
        builder.filter_module(target, LevelFilter::Off);
    }
}

/// Changes the level to the configured one.
pub(super) fn change(config: &Config) {
    if !from_environment() {
        log::set_max_level(config.log_level);
    }
}

/// Reports lines that were left out, while it is polled.
pub(super) async fn keep_telling() {
    loop {
        sleep(LOOK_INTERVAL).await;
        if let Some(logger) = LOGGER.get() {
            logger.tell_left_out(false);
        }
    }
}

/// Reports all lines that were left out and not reported yet.
pub(super) fn finish() {
    if let Some(logger) = LOGGER.get() {
        logger.tell_left_out(true);
    }
}

fn from_environment() -> bool {
    std::env::var_os(VARIABLE).is_some_and(|value| !value.is_empty())
}

/// Writes lines without unsafe characters, within the budgets.
struct Logger {
    out: env_logger::Logger,
    budgets: Mutex<Budgets>,
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.out.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if self.out.matches(record) && self.may_write(record) {
            self.write(record);
        }
    }

    fn flush(&self) {
        self.out.flush();
    }
}

impl Logger {
    /// Lines at level debug or trace are always written: the user enabled the level to see all of them.
    fn may_write(&self, record: &Record<'_>) -> bool {
        if record.level() > Level::Info {
            return true;
        }
        let place = record.module_path_static().zip(record.line());
        let mut budgets = self.budgets.lock();
        budgets.take(place, record.level(), Instant::now())
    }

    fn write(&self, record: &Record<'_>) {
        let text = match record.args().as_str() {
            Some(text) => text.into(),
            None => record.args().to_string(),
        };
        let record = |args| {
            let (level, target, line) = (record.level(), record.target(), record.line());
            let mut record = Record::builder();
            record.level(level).target(target).line(line).args(args).build()
        };
        self.out.log(&record(format_args!("{}", escaped(&text, MAX_LINE_CHARS))));
    }

    fn tell_left_out(&self, at_end: bool) {
        let due = self.budgets.lock().due(Instant::now(), at_end);
        for LeftOut { place: (module, line), level, count } in due {
            let text = format!("suppressed {count} more lines like those of {module}:{line}");
            let args = format_args!("{text}");
            self.out.log(&Record::builder().level(level).target(OURS).args(args).build());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_libraries_say_of_strangers_is_not_written() {
        let mut builder = env_logger::Builder::new();
        default_filters(&mut builder);
        let out = builder.build();
        let passes = |target, level| out.enabled(&Metadata::builder().level(level).target(target).build());
        for target in [
            "actix_http::h1::dispatcher",
            "actix_http::ws::codec",
            "actix_web::info",
            "actix_server::service",
            "actix_tls::connect::tcp",
            "h2::proto::streams::recv",
            "tokio_openssl",
        ] {
            assert!(!passes(target, Level::Error), "{target}");
        }
        assert!(passes("certstream_server::actors::log_watcher", Level::Trace));
        assert!(passes("actix_server::server", Level::Error), "a worker has died");
        assert!(!passes("actix_server::server", Level::Info));
        assert!(!passes("some_library", Level::Info));
    }
}
