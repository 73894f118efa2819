mod outputs;

use super::Start;
use super::*;
use crate::http_client::Reach;
use crate::message::Stream;
use crate::state::Decision;
use std::time::Duration;

const ONE_LOG: &str = "[[logs]]\nurl = \"http://127.0.0.1:9001\"\n";

fn loaded(name: &str, text: &str, environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    std::fs::write(&path, text).unwrap();
    load(Some(&path), environment.iter().map(|(k, v)| (k.to_string(), v.to_string()))).map_err(|mut error| {
        let folder = format!("{}/", dir.path().display());
        error.origin = error.origin.replace(&folder, "");
        error.problem = error.problem.replace(&folder, "");
        error
    })
}

fn toml(text: &str) -> Result<Config, ConfigError> {
    loaded("c.toml", &format!("{text}\n{ONE_LOG}"), &[])
}

fn env(environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
    loaded("c.toml", ONE_LOG, environment)
}

#[test]
fn the_shipped_file_works_and_shows_every_key_with_its_default() {
    let text = include_str!("../../config/certstream.toml");
    let written: Written = toml::from_str(text).unwrap();
    let with_defaults = Written { logs: written.logs.clone(), ..Written::default() };
    assert_eq!(written, with_defaults);
    assert!(load(Some(Path::new("config/certstream.toml")), []).is_ok());
    let defaults = serde_json::to_value(Written::default()).unwrap();
    for (section, keys) in defaults.as_object().unwrap() {
        for key in keys.as_object().into_iter().flatten().map(|(key, _)| key) {
            let shown = text.lines().any(|l| l.trim_start_matches("# ").starts_with(&format!("{key} = ")));
            assert!(shown, "{section}.{key} is not in the file");
        }
    }
}

#[test]
fn yaml_and_json_files_of_the_same_shape_mean_the_same() {
    let yaml = "server:\n  listen: '127.0.0.1:9'\nheartbeat:\n  interval: 3s\nlogs:\n  - url: http://a.example/\n    start: -5\n";
    let json = r#"{"server":{"listen":"127.0.0.1:9"},"heartbeat":{"interval":"3s"},"logs":[{"url":"http://a.example/","start":-5}]}"#;
    for config in [loaded("c.yaml", yaml, &[]), loaded("c.yml", yaml, &[]), loaded("c.json", json, &[])] {
        let config = config.unwrap();
        assert_eq!(config.listen.to_string(), "127.0.0.1:9");
        assert_eq!(config.heartbeat_interval, Duration::from_secs(3));
        assert_eq!(config.logs[0].watch.start, Start::BeforeHead(5));
        assert_eq!(config.logs[0].source.name(), "a.example");
    }
}

#[test]
fn environment_variables_win_over_the_file() {
    let config = loaded(
        "c.toml",
        &format!("[clients]\nring_bytes = 7\n{ONE_LOG}"),
        &[
            ("CERTSTREAM_CLIENTS_RING_BYTES", "9"),
            ("CERTSTREAM_SERVER_ROOT_STREAM", "lite"),
            ("CERTSTREAM_SERVER_LISTEN", "127.0.0.1:1"),
            ("PORT", "2"),
            ("STATS_URL", "/numbers"),
            ("CERTSTREAM_CONFIG", "whatever"),
            ("OTHER", "ignored"),
        ],
    )
    .unwrap();
    assert_eq!(config.clients.ring_bytes, 9);
    assert_eq!(config.root_stream, Stream::Lite);
    assert_eq!(config.listen.to_string(), "127.0.0.1:2");
    assert_eq!(config.stats_path, "/numbers");
}

#[test]
fn a_wrong_key_is_named_with_the_keys_that_exist() {
    let error = toml("[clients]\nring_bites = 7").unwrap_err().to_string();
    assert!(error.starts_with("c.toml: clients.ring_bites: unknown field"), "{error}");
    assert!(error.contains("`ring_bytes`"), "{error}");
    let error = toml("[client]\nring_bytes = 7").unwrap_err().to_string();
    assert!(error.starts_with("c.toml: client: unknown field"), "{error}");
}

#[test]
fn a_wrong_type_or_value_is_named_with_what_was_expected() {
    for (text, expected) in [
        (
            "[clients]\nring_bytes = \"many\"",
            "c.toml: clients.ring_bytes: invalid value: string \"many\", expected a number of bytes such as \"8 MiB\"",
        ),
        (
            "[newest]\nmessages = 1.5",
            "c.toml: newest.messages: invalid type: floating point `1.5`, expected a whole number",
        ),
        (
            "[clients]\nflush_interval = \"101ms\"",
            "c.toml: clients.flush_interval: expected from 0ms to 100ms",
        ),
        ("[health]\nready_percent = 0", "c.toml: health.ready_percent: expected from 1 to 100"),
        ("[clients]\nring_bytes = 0", "c.toml: clients.ring_bytes: expected at least 1"),
        (
            "[heartbeat]\ninterval = \"10 parsecs\"",
            "c.toml: heartbeat.interval: invalid value: string \"10 parsecs\", expected a duration such as",
        ),
        (
            "[heartbeat]\ninterval = 10",
            "c.toml: heartbeat.interval: invalid type: integer `10`, expected a duration such as",
        ),
        ("[heartbeat]\ninterval = \"0s\"", "c.toml: heartbeat.interval: expected more than 0s"),
        ("[server]\nlisten = \"8080\"", "c.toml: server.listen: expected an address with a port"),
        (
            "[server]\nroot_stream = \"everything\"",
            "c.toml: server.root_stream: unknown variant `everything`",
        ),
        ("[server]\nstreams = []", "c.toml: server.streams: expected at least one of"),
        (
            "[server]\nstreams = [\"full\", \"domains\"]\nroot_stream = \"lite\"",
            "c.toml: server.root_stream: \"lite\" is not among server.streams",
        ),
        (
            "[fetch]\nnames_tiles = true",
            "c.toml: fetch.names_tiles: names tiles contain only names: expected server.streams = [\"domains\"]",
        ),
        ("[server]\nstats_path = \"stats\"", "c.toml: server.stats_path: expected a path"),
        (
            "[server]\nstats_path = \"/full-stream/example.json\"",
            "c.toml: server.stats_path: \"/full-stream/example.json\" is another route",
        ),
        (
            "[server]\nstats_path = \"/schemas/gap.json\"",
            "c.toml: server.stats_path: \"/schemas/gap.json\" is another route",
        ),
        ("[server]\nstats_path = \"/sse/\"", "c.toml: server.stats_path: \"/sse/\" is another route"),
        (
            "[server]\nstats_path = \"/latest.json\"",
            "c.toml: server.stats_path: \"/latest.json\" is another route",
        ),
        (
            "[clients]\npong_timeout = \"5s\"",
            "c.toml: clients.pong_timeout: expected more than clients.ping_interval",
        ),
        ("[logging]\nlevel = \"loud\"", "c.toml: logging.level: expected error, warn"),
        (
            "[log_list]\nlists = [\"firefox\"]",
            "c.toml: log_list.lists[0]: expected \"chrome\", \"chrome-all\", \"apple\" or the URL",
        ),
        (
            "[log_list]\nlists = [\"https://user:secret@lists.example/a.json\"]",
            "c.toml: log_list.lists[0]: expected \"chrome\", \"chrome-all\", \"apple\" or the URL of a list without name \
             and password, found \"https://***@lists.example/a.json\"",
        ),
        (
            "[access]\ndeny = ['192.0.2.1/24']",
            "c.toml: access.deny: \"192.0.2.1/24\" has bits set beyond its prefix",
        ),
        (
            "[access]\ntrusted_proxies = ['::/64']",
            "c.toml: access.trusted_proxies: \"::/64\" holds all IPv4-mapped",
        ),
        ("[admin]\nhosts = ['http://a.example']", "c.toml: admin.hosts[0]: expected the name of a host"),
        ("[admin]\nallow = '127.0.0.1'", "c.toml: admin.allow: invalid type"),
        (
            "[[tokens]]\nname = 'a'\nsha256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'",
            "c.toml: tokens[0].sha256 of \"a\": it is that of an empty text or of a placeholder",
        ),
        (
            "[[filters]]\nname = 'f-mine'\ndomain = ['a']",
            "c.toml: filters[0].name of \"f-mine\": expected 1 to 64 letters",
        ),
        (
            "[[filters]]\nname = 'a b'\ndomain = ['a']",
            "c.toml: filters[0].name of \"a b\": expected 1 to 64 letters",
        ),
        (
            "[[filters]]\nname = 'a'\ndomain = ['a']\n[[filters]]\nname = 'a'\ndomain = ['b']",
            "c.toml: filters[1].name of \"a\": \"a\" is also the name of another filter",
        ),
        ("[[filters]]\nname = 'a'", "c.toml: filters[0].name of \"a\": expected values"),
        (
            "[[filters]]\nname = 'a'\ndomian = ['a']",
            "c.toml: filters[0].domian of \"a\": unknown field `domian`",
        ),
        (
            "[[filters]]\nname = 'a'\ndomain = ['a.example', 'https://b.example']",
            "c.toml: filters[0].domain of \"a\": domain=https://b.example is a URL; write domain=b.example",
        ),
        (
            "[[filters]]\nname = 'a'\nlookalike_file = 'none.txt'",
            "c.toml: filters[0].lookalike_file of \"a\": none.txt cannot be read: ",
        ),
        (
            "[[tokens]]\nname = 'a'\ntoken = 'a-token-of-sixteen'\nfilter_limits = { regex = 1001 }",
            "c.toml: tokens[0].filter_limits.regex of \"a\": expected from 0 to 1000",
        ),
        ("[filter_limits]\nvalues = 0", "c.toml: filter_limits.values: expected from 1 to 200000"),
        (
            "[[tokens]]\nname = 'a'\ntoken = 'a-token-of-sixteen'\nfilter = 'b'\n[[filters]]\nname = 'a'\ndomain = ['a']",
            "c.toml: tokens[0].filter of \"a\": there is no filter named \"b\"; add one as [[filters]]",
        ),
        ("[log_list]\nlists = []", "c.toml: log_list.lists: expected at least one list"),
        ("[log_list]\nstates = [\"fine\"]", "c.toml: log_list.states[0]: "),
        ("[log_list]\nexclude = [\"Google\"]", "c.toml: log_list.exclude[0]: rule \"Google\" is none of"),
    ] {
        let error = toml(text).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}\nnot {expected}");
        assert!(!error.contains('\n'), "{error}");
    }
}

#[test]
fn a_wrong_log_is_named_by_its_place() {
    for (log, expected) in [
        ("url = \"ct.example\"", "logs[1].url: expected a URL such as"),
        ("url = \"ftp://ct.example\"", "logs[1].url: expected a URL such as"),
        ("url = \"http://127.0.0.1:9001/\"", "logs[1].url: \"http://127.0.0.1:9001/\" is listed twice"),
        (
            "url = \"http://user:secret@b.example\"",
            "logs[1].url: expected a URL without user name and password, such as \"https://ct.example.com/2026\", found \
             \"http://***@b.example\"",
        ),
        ("description = \"x\"", "logs[1] \"x\": missing field `url`"),
        (
            "url = \"http://b.example\"\nstart = \"now\"",
            "logs[1].start: invalid value: string \"now\", expected \"head\"",
        ),
        ("url = \"http://b.example\"\nkey = \"AAAA\"", "logs[1].key: expected a SubjectPublicKeyInfo"),
        ("url = \"http://b.example\"\nkey = \"!\"", "logs[1].key: expected base64"),
    ] {
        let error = loaded("c.toml", &format!("{ONE_LOG}[[logs]]\n{log}"), &[]).unwrap_err().to_string();
        assert!(error.starts_with(&format!("c.toml: {expected}")), "{error}\nnot {expected}");
    }
}

const SETTING: &str = "[[listed_logs]]\nlog_id = 'AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE='\n";

#[test]
fn a_setting_for_one_log_applies_to_that_log_alone() {
    let mut list = crate::log_list::built_in::snapshot().unwrap().list;
    list.logs[0].log_id = [1; 32];
    let text = format!("{SETTING}verify = 'off'\nresume_from = 7\nbecause = ' it is lost '\n");
    let config = toml(&text).unwrap();
    let lists = config.lists.clone().unwrap();
    let logs = lists.select(&list, 1_779_667_200 /* 2026-05-25 */);
    let (one, others): (Vec<_>, Vec<_>) = logs.iter().partition(|log| log.source.log_id() == Some([1; 32]));
    let decision = Some(Decision { resume_from: 7, because: "it is lost".into() });
    assert_eq!((one[0].verification(), &one[0].decision), (Verification::Off, &decision));
    assert!(others.iter().all(|log| log.verification() == Verification::Signed && log.decision.is_none()));
    assert!(config.warnings()[0].contains("verify is off for AQEBAQEB"), "{:?}", config.warnings());

    let configured =
        loaded("c.toml", &format!("{ONE_LOG}resume_from = 7\nbecause = 'it is lost'\n"), &[]).unwrap();
    assert_eq!(configured.logs[0].decision, decision);
    assert_eq!(configured.warnings(), [""; 0]);
}

#[test]
fn a_wrong_setting_for_one_log_is_named() {
    let both =
        format!("[server]\nstreams = ['domains']\n[fetch]\nnames_tiles = true\n{SETTING}verify = 'enforce'");
    let long = format!("{SETTING}resume_from = 7\nbecause = '{}'", "x".repeat(1_001));
    for (text, problem) in [
        ("[[listed_logs]]\nlog_id = 'AQEB'".into(), "listed_logs[0].log_id"),
        (format!("{SETTING}{SETTING}"), "listed_logs[1].log_id: the log is listed twice"),
        (format!("{SETTING}resume_from = 7"), "listed_logs[0].because: expected the reason"),
        (format!("{SETTING}resume_from = 7\nbecause = ' '"), "listed_logs[0].because: expected the reason"),
        (format!("{SETTING}because = 'x'"), "resume_from, which is not set"),
        (
            format!("{ONE_LOG}[[logs]]\nurl = 'http://b.example'\nresume_from = 7"),
            "logs[1].because: expected the reason",
        ),
        (long, "at most 1,000 bytes"),
        (both, "listed_logs[0].verify: entries of names tiles cannot be verified"),
    ] {
        let error = toml(&text).unwrap_err().to_string();
        assert!(error.contains(problem), "{text}: {error}");
    }
}

#[test]
fn catching_up_is_limited_by_file_and_by_environment() {
    let limit = |config: Result<Config, ConfigError>| config.unwrap().logs[0].watch.catch_up;
    assert_eq!(limit(toml("")), None);
    let file = format!("[fetch]\ncatch_up = 1000\n{ONE_LOG}");
    assert_eq!(limit(loaded("c.toml", &file, &[])), Some(1000));
    for (value, expected) in [("all", None), ("7", Some(7))] {
        assert_eq!(limit(loaded("c.toml", &file, &[("CERTSTREAM_FETCH_CATCH_UP", value)])), expected);
    }
}

#[test]
fn a_wrong_environment_variable_is_named() {
    for (variable, value, expected) in [
        (
            "CERTSTREAM_CLIENTS_RING_BITES",
            "1",
            "CERTSTREAM_CLIENTS_RING_BITES: unknown variable; the nearest known one is CERTSTREAM_CLIENTS_RING_BYTES",
        ),
        (
            "CERTSTREAM_CLIENTS_RING_BYTES",
            "x",
            "CERTSTREAM_CLIENTS_RING_BYTES: clients.ring_bytes: invalid value",
        ),
        (
            "CERTSTREAM_HEARTBEAT_INTERVAL",
            "x",
            "CERTSTREAM_HEARTBEAT_INTERVAL: heartbeat.interval: invalid value",
        ),
        ("STATS_URL", "x", "STATS_URL: server.stats_path: expected a path"),
        ("PORT", "http", "PORT: expected a port number"),
    ] {
        let error = env(&[(variable, value)]).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}\nnot {expected}");
    }
}

/// A section that is no table must not hide the restrictions of the environment.
#[test]
fn a_section_without_keys_hides_no_variable_and_an_array_is_no_section() {
    let deny = [("CERTSTREAM_ACCESS_DENY", r#"["192.0.2.0/24"]"#)];
    let refused = |config: Config| config.access.admit_peer([192, 0, 2, 1].into()).is_err();
    for (name, text) in [("c.yaml", "access:\n"), ("c.json", r#"{"access":null}"#), ("c.toml", "[access]\n")]
    {
        assert!(refused(loaded(name, text, &deny).unwrap()), "{name}");
    }
    for (name, text) in
        [("c.json", r#"{"access":[]}"#), ("c.yaml", "access: []\n"), ("c.toml", "access = []\n")]
    {
        let error = loaded(name, text, &deny).unwrap_err().to_string();
        assert!(error.contains("access: expected a section with keys"), "{error}");
    }
    for (text, expected) in [
        ("[[output]]\nname = 'a'", "c.toml: output: there is no such list; did you mean outputs?"),
        ("[filters]\nname = 'a'", "c.toml: filters: expected a list; in TOML, [[filters]] begins each item"),
        (
            "[[outputs]]\nname = 'a'\n[outputs]\nname = 'b'",
            "c.toml: line 3: duplicate key outputs; in TOML, [[outputs]] begins each item",
        ),
        ("[[acess]]\ndeny = []", "c.toml: acess: expected a section with keys"),
    ] {
        assert_eq!(loaded("c.toml", text, &[]).unwrap_err().to_string(), expected);
    }
    let error = loaded("c.json", r#"{"access":{"deny":["192.0.2.0/24"]},"access":{}}"#, &[]).unwrap_err();
    assert!(error.to_string().contains("the key \"access\" is repeated"), "{error}");
    for (name, text) in
        [("c.yaml", "access:\n  deny: ['192.0.2.0/24']\naccess: {}\n"), ("c.toml", "[access]\n[access]\n")]
    {
        assert!(loaded(name, text, &[]).is_err(), "{name}");
    }
}

#[test]
fn a_file_that_is_missing_or_broken_is_named() {
    let error = load(Some(Path::new("no/such.toml")), []).unwrap_err().to_string();
    assert!(error.starts_with("no/such.toml: cannot be read: No such file"), "{error}");
    for (name, text) in
        [("c.toml", "[server\n"), ("c.yaml", "a: [b"), ("c.json", "{"), ("c.ini", ""), ("c.json", "[]")]
    {
        let error = loaded(name, text, &[]).unwrap_err().to_string();
        assert!(error.starts_with(&format!("{name}: ")) && !error.contains('\n'), "{error}");
    }
}

#[test]
fn no_logs_at_all_is_an_error_that_says_what_to_do() {
    let error = loaded("c.toml", "[log_list]\nenabled = false", &[]).unwrap_err().to_string();
    assert!(error.starts_with("c.toml: logs: no logs to watch; enable log_list, or list some"), "{error}");
}

#[test]
fn without_a_file_chromes_list_is_followed() {
    let config = load(None, []).unwrap();
    assert_eq!(config.lists.unwrap().sources, [crate::log_list::ListSource::CHROME]);
    assert!(config.logs.is_empty());
}

/// It does not answer pings meanwhile, and the last one before may just have been answered.
#[test]
fn a_client_may_pause_for_a_minute() {
    let pause = Duration::from_secs(60);
    let clients = toml("").unwrap().clients;
    assert!(clients.stall_timeout > pause);
    assert!(clients.pong_timeout > clients.ping_interval + pause);
}

#[test]
fn the_logs_of_a_list_are_watched_with_their_own_protocol_and_key() {
    let lists = load(None, []).unwrap().lists.unwrap();
    let snapshot = crate::log_list::built_in::snapshot().unwrap().list;
    let logs = lists.select(&snapshot, 1_779_667_200 /* 2026-05-25 */);
    assert!(logs.len() > 30, "{}", logs.len());
    for log in &logs {
        if let LogEndpoint::StaticCt(of) = &log.endpoint {
            assert!(of.key.is_some() && !of.origin.contains("://") && !of.origin.ends_with('/'), "{log:?}");
        }
        assert!(log.listed.is_some() && !log.operator.is_empty(), "{log:?}");
    }
    let is_static = |log: &&LogConfig| matches!(log.endpoint, LogEndpoint::StaticCt(_));
    assert!(logs.iter().filter(is_static).count() > 10);
}

#[test]
fn nobody_is_an_admin_where_clients_connect_unless_it_is_written() {
    let local: std::net::IpAddr = [127, 0, 0, 1].into();
    let access = |text: &str| toml(text).unwrap().access;
    let unwritten = access("");
    assert!(!unwritten.admins.contain(local) && !unwritten.listener_admins.contain(local));
    let unwritten = access("[admin]\nlisten = '127.0.0.1:9'");
    assert!(!unwritten.admins.contain(local) && unwritten.listener_admins.contain(local));
    let nobody = access("[admin]\nlisten = '127.0.0.1:9'\nallow = []");
    assert!(!nobody.admins.contain(local) && !nobody.listener_admins.contain(local));
    let written = access("[admin]\nlisten = '127.0.0.1:9'\nallow = ['127.0.0.1']\nhosts = ['Stats.example']");
    assert!(written.admins.contain(local) && written.listener_admins.contain(local));
    assert_eq!(written.admin_hosts, ["stats.example"]);
    let config = env(&[("CERTSTREAM_ADMIN_ALLOW", "[\"127.0.0.0/8\"]")]).unwrap();
    assert!(config.access.admins.contain(local));
    assert!(config.warnings()[0].starts_with("admin.allow holds this machine itself"));
    let elsewhere = toml("[admin]\nallow = ['127.0.0.1']\nlisten = '127.0.0.1:9'").unwrap();
    assert_eq!(elsewhere.warnings(), Vec::<String>::new());
    assert_eq!(toml("").unwrap().warnings(), Vec::<String>::new());
}

#[test]
fn errors_show_no_line_of_the_file_and_no_control_characters() {
    for (name, text) in [
        ("c.toml", "[[tokens]]\nname = 'a'\ntoken = 'a-secret-of-sixteen"),
        ("c.toml", "[[tokens]]\nname = 'a'\ntoken = 'a-secret-of-sixteen' x"),
        ("c.toml", "[[tokens]]\nname = 'a'\ntoken = ['a-secret-of-sixteen']"),
        ("c.yaml", "tokens:\n- name: a\n  token: \"a-secret-of-sixteen\n  sha256: ["),
        ("c.yaml", "tokens:\n- name: a\n  token: {a-secret-of-sixteen: 1}"),
        ("c.json", "{\"tokens\": [{\"name\": \"a\", \"token\": \"a-secret-of-sixteen\" x}]}"),
        ("c.json", "{\"tokens\": [{\"name\": \"a\", \"token\": [\"a-secret-of-sixteen\"]}]}"),
    ] {
        let error = loaded(name, text, &[]).unwrap_err().to_string();
        assert!(!error.contains("a-secret") && error.starts_with(name), "{text}: {error}");
    }
    for text in
        ["\"a\\u001b[31mb\" = 1", "[logging]\nlevel = \"\\u001b[31m\"", "[log_list]\nlists = [\"\\u202ex\"]"]
    {
        let error = toml(text).unwrap_err().to_string();
        assert!(error.contains("\\u{") && !error.contains(['\u{1b}', '\u{202e}']), "{error:?}");
    }
}

#[test]
fn a_file_of_any_size_is_not_read() {
    let text = format!("{}\n{ONE_LOG}", "#".repeat(5 << 20));
    let error = loaded("c.toml", &text, &[]).unwrap_err().to_string();
    assert!(error.starts_with("c.toml: cannot be read: it is larger than 4194304 bytes"), "{error}");
}

#[test]
fn logs_that_nobody_vouches_for_are_fetched_from_the_public_internet_only() {
    let mut list = crate::log_list::built_in::snapshot().unwrap().list;
    let reaches = |text: &str, list: &crate::ct::log_list::LogList| {
        let lists = toml(text).unwrap().lists.unwrap();
        let logs = lists.select(list, 1_779_667_200 /* 2026-05-25 */);
        let reach = logs[0].reach;
        assert!(logs.iter().all(|log| log.reach == reach));
        reach
    };
    assert_eq!(reaches("", &list), Reach::Anywhere, "the list that is built in was signed");
    list.logs.iter_mut().for_each(|log| log.vouched_for = false);
    assert_eq!(reaches("", &list), Reach::PublicOnly);
    assert_eq!(reaches("[log_list]\nallow_internal = true", &list), Reach::Anywhere);
    assert_eq!(toml("").unwrap().logs[0].reach, Reach::Anywhere, "the operator has named it");
}
