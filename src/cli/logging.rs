//! The log file, which is standard error.

use crate::config::Config;
use log::LevelFilter;

/// Wins over the configuration, at run time too.
const VARIABLE: &str = "RUST_LOG";

/// Begins with the configured level.
pub(super) fn init(config: &Config) {
    let mut builder = env_logger::Builder::new();
    builder.format_timestamp_millis().format_target(false);
    if from_environment() {
        builder.parse_default_env().init();
        return;
    }
    // Everything passes the filter, so that the level can change later.
    builder.filter_level(LevelFilter::Trace).filter_module("actix_server", LevelFilter::Warn).init();
    log::set_max_level(config.log_level);
}

/// Goes on with the configured level.
pub(super) fn change(config: &Config) {
    if !from_environment() {
        log::set_max_level(config.log_level);
    }
}

fn from_environment() -> bool {
    std::env::var_os(VARIABLE).is_some_and(|value| !value.is_empty())
}
