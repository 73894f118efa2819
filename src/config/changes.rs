//! Compares two configurations and determines which differences can be applied while the server runs.

use super::written::Written;
use serde_json::Value;
use std::collections::BTreeSet;

/// The sections, or keys of sections, that can change at run time.
const CHANGEABLE: [&str; 20] = [
    "access.allow",
    "access.deny",
    "access.trusted_proxies",
    "access.connections",
    "access.connections_per_address",
    "access.new_connections_per_address",
    "access.allow_opening",
    "admin.allow",
    "admin.hosts",
    "admin.only",
    "clients",
    "filter_limits",
    "filters",
    "health",
    "listed_logs",
    "log_list",
    "logging",
    "logs",
    TLS,
    "tokens",
];
pub(crate) const TLS: &str = "tls";
/// Keys of these sections that cannot.
const FIXED: [&str; 2] = ["clients.replay_share", "clients.restart_grace"];

/// Whether the value of `key` can change while the server runs. The keys of TLS can change only if TLS is
/// enabled before and after.
pub(crate) fn can_change_at_run_time(key: &str) -> bool {
    !FIXED.contains(&key) && (CHANGEABLE.contains(&key) || CHANGEABLE.contains(&section(key)))
}

/// The section of a key.
pub(crate) fn section(key: &str) -> &str {
    key.split_once('.').map_or(key, |(section, _)| section)
}

/// The keys, with their sections, whose values differ.
pub(crate) fn changed_keys(old: &Written, new: &Written) -> Vec<String> {
    let (old, new) = (values(old), values(new));
    old.symmetric_difference(&new).map(|(key, _)| key.clone()).collect::<BTreeSet<_>>().into_iter().collect()
}

/// Each key with its value as text.
fn values(written: &Written) -> BTreeSet<(String, String)> {
    let sections = serde_json::to_value(written).unwrap_or_default();
    let mut values = BTreeSet::new();
    for (section, value) in sections.as_object().into_iter().flatten() {
        match value {
            Value::Object(keys) => {
                values
                    .extend(keys.iter().map(|(key, value)| (format!("{section}.{key}"), value.to_string())));
            }
            value => {
                values.insert((section.clone(), value.to_string()));
            }
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changed_keys_are_named_and_secrets_are_compared_without_showing_them() {
        let written = |toml: &str| toml::from_str::<Written>(toml).expect("a configuration");
        let old = written("[server]\nlisten = '127.0.0.1:1'\n[[tokens]]\nname = 'a'\ntoken = 'one'");
        assert_eq!(changed_keys(&old, &old), Vec::<String>::new());
        let new = written(
            "[server]\nlisten = '127.0.0.1:2'\n[clients]\ndeflate = false\n[[tokens]]\nname = 'a'\ntoken = 'two'",
        );
        assert_eq!(changed_keys(&old, &new), ["clients.deflate", "server.listen", "tokens"]);
        assert!(values(&new).iter().all(|(_, value)| !value.contains("two")));
    }

    #[test]
    fn what_can_change_exists() {
        let known = values(&Written::default());
        for name in CHANGEABLE {
            let is = |key: &str| key == name || key.starts_with(&format!("{name}."));
            assert!(known.iter().any(|(key, _)| is(key)), "{name}");
        }
    }
}
