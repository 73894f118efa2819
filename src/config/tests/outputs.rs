use super::*;
use crate::config::{RecordKey, TargetConfig};

#[test]
fn what_is_wrong_with_an_output_is_named_by_its_key() {
    let of = |keys: &str| format!("[[filters]]\nname = 'mine'\nlog = ['a']\n[[outputs]]\nname = 'a'\n{keys}");
    for (keys, expected) in [
        ("type = 'file'", "outputs[0].dir of \"a\": expected the folder for the files"),
        (
            "type = 'file'\ndir = 'a'\nurl = 'https://a'",
            "outputs[0].url of \"a\": an output of type \"file\" has no such key",
        ),
        (
            "type = 'file'\ndir = 'a'\nrotate_bytes = 1",
            "outputs[0].rotate_bytes of \"a\": expected at least 1 MiB",
        ),
        (
            "type = 'file'\ndir = 'a'\nkeep_bytes = 1",
            "outputs[0].keep_bytes of \"a\": expected at least rotate_bytes",
        ),
        (
            "type = 'file'\ndir = 'a'\nbatch_wait = '2m'",
            "outputs[0].batch_wait of \"a\": expected at most 1m",
        ),
        (
            "type = 'file'\ndir = 'a'\nbatch_messages = 0",
            "outputs[0].batch_messages of \"a\": expected at least 1",
        ),
        (
            "type = 'file'\ndir = 'a'\nfilter = 'domian=a'",
            "outputs[0].filter of \"a\": domian: no such parameter; did you mean domain?",
        ),
        (
            "type = 'file'\ndir = 'a'\nfilter = 'cursor=5'",
            "outputs[0].filter of \"a\": cursor: no such parameter",
        ),
        (
            "type = 'file'\ndir = 'a'\nfilter = 'filter=yours'",
            "outputs[0].filter of \"a\": there is no filter named \"yours\"",
        ),
        (
            "type = 'file'\ndir = 'a'\nfilter = 'filter=mine&unique=issuance'",
            "outputs[0].filter of \"a\": unique: sends the first",
        ),
        ("type = 'webhook'", "outputs[0].url of \"a\": expected the URL that messages are sent to"),
        (
            "type = 'webhook'\nurl = 'ftp://a/'",
            "outputs[0].url of \"a\": expected a URL that begins with https://",
        ),
        (
            "type = 'webhook'\nurl = 'http://a/'",
            "outputs[0].url of \"a\": expected https://, because names are sent",
        ),
        (
            "type = 'webhook'\nurl = 'https://a/'\nsecret = ''",
            "outputs[0].secret of \"a\": expected a text that is not empty",
        ),
        (
            "type = 'webhook'\nurl = 'https://a/'\nsecret = 'just-15-letters'",
            "outputs[0].secret of \"a\": expected at least 16 characters",
        ),
        (
            "type = 'webhook'\nurl = 'https://a/'\nurl_file = 'b'",
            "outputs[0].url_file of \"a\": url is set as well",
        ),
        (
            "type = 'webhook'\nurl_file = 'no/such'",
            "outputs[0].url_file of \"a\": no/such cannot be read: No such file",
        ),
        (
            "type = 'webhook'\nurl = 'https://a/'\nheaders = { 'a b' = 'c' }",
            "outputs[0].headers of \"a\": \"a b\" is no header",
        ),
        (
            "type = 'webhook'\nurl = 'https://a/'\nheaders = { Host = 'c' }",
            "outputs[0].headers of \"a\": the output sets Host",
        ),
        (
            "type = 'webhook'\nurl = 'https://10.0.0.1/'",
            "outputs[0].url of \"a\": its address is not on the public internet",
        ),
        ("", "outputs[0] \"a\": missing field `type`"),
        (
            "type = 'file'\ncompres = true",
            "outputs[0].compres of \"a\": unknown field `compres`; did you mean `compress`?",
        ),
        (
            "type = 'file'\ndomain = ['a.example']",
            "outputs[0].domain of \"a\": unknown field `domain`; a filter is written as filter = \"domain=...\"",
        ),
        ("type = 'file'\ncolour = 'red'", "unknown field `colour`, expected one of `name`, "),
        ("type = 'rabbit'", "outputs[0].type of \"a\": unknown variant `rabbit`"),
        (
            "type = 'stdout'\n[[outputs]]\nname = 'a'\ntype = 'stdout'",
            "outputs[1].name of \"a\": \"a\" is also the name of another output",
        ),
        (
            "type = 'stdout'\n[[outputs]]\nname = 'b'\ntype = 'stdout'",
            "outputs[1].type of \"b\": another output has the standard output",
        ),
    ] {
        let error = toml(&of(keys)).unwrap_err().to_string();
        assert!(error.contains(expected), "{keys}: {error}");
    }
    let error = toml("[[outputs]]\nname = 'a/b'\ntype = 'stdout'").unwrap_err().to_string();
    assert!(error.contains("outputs[0].name of \"a/b\": expected 1 to 64 letters"), "{error}");
}

#[test]
fn the_secrets_of_an_output_are_never_shown() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("url"), "https://hooks.example/s3cret\n").unwrap();
    let url = dir.path().join("url");
    let text = format!(
        "[[outputs]]\nname = 'a'\ntype = 'webhook'\nurl_file = {url:?}\nsecret = 's3cret-of-sixteen'\nheaders = {{ Authorization = 'Bearer s3cret' }}"
    );
    let config = toml(&text).unwrap();
    assert!(!format!("{config:?}").contains("s3cret"));
    assert!(!serde_json::to_string(&config.written).unwrap().contains("s3cret"));
    let TargetConfig::Webhook(webhook) = &config.outputs[0].target else { panic!("a webhook") };
    assert_eq!(webhook.url.reveal(), "https://hooks.example/s3cret");
    let other = toml(&text.replace("s3cret-of-sixteen", "another-of-sixteen")).unwrap();
    assert_eq!(crate::config::changed_keys(&config.written, &other.written), ["outputs"]);
}

#[cfg(feature = "kafka")]
#[test]
fn what_is_wrong_with_an_output_to_kafka_is_named_by_its_key() {
    let of = |keys: &str| format!("[[outputs]]\nname = 'a'\ntype = 'kafka'\n{keys}");
    let with_brokers = |keys: &str| of(&format!("brokers = ['a:9092']\n{keys}"));
    for (text, expected) in [
        (of(""), "outputs[0].brokers of \"a\": expected at least one HOST:PORT"),
        (of("brokers = ['a']"), "outputs[0].brokers of \"a\": expected at least one HOST:PORT"),
        (of("brokers = ['a:1,b:2']"), "outputs[0].brokers of \"a\": expected at least one HOST:PORT"),
        (with_brokers("topic = 'a b'"), "outputs[0].topic of \"a\": expected 1 to 249 letters"),
        (
            with_brokers("partitioner = 'random'"),
            "outputs[0].partitioner of \"a\": expected one of murmur2_random, ",
        ),
        (with_brokers("key = 'domain'"), "outputs[0].key of \"a\": unknown variant `domain`"),
        (with_brokers("key = 'log'\nstream = 'domains'"), "outputs[0].key of \"a\": expected \"none\""),
        (
            with_brokers("tls_ca = 'a'"),
            "outputs[0].tls of \"a\": expected true, because certificates are given",
        ),
        (
            with_brokers("tls = true\ntls_key = 'a'"),
            "outputs[0].tls_certificate of \"a\": expected a PEM file",
        ),
        (
            with_brokers("sasl = 'PLAIN'\nusername = 'a'\npassword = 'b'"),
            "outputs[0].sasl of \"a\": expected tls = true",
        ),
        (
            with_brokers("sasl = 'SCRAM-SHA-256'"),
            "outputs[0].username of \"a\": expected the name of the user",
        ),
        (with_brokers("username = 'a'"), "outputs[0].password of \"a\": expected the password of username"),
        (with_brokers("password = 'a'"), "outputs[0].username of \"a\": expected the name of the user"),
        (with_brokers("username = 'a'\npassword = 'b'"), "outputs[0].sasl of \"a\": expected a mechanism"),
        (
            with_brokers("properties = { acks = '0' }"),
            "outputs[0].properties of \"a\": the output sets acks itself",
        ),
        (
            with_brokers("servers = ['nats://a']"),
            "outputs[0].servers of \"a\": an output of type \"kafka\" has no such key",
        ),
        (
            "[[outputs]]\nname = 'a'\ntype = 'file'\ndir = 'b'\ntls_ca = 'c'".into(),
            "no such key; \"kafka\" and \"nats\" have it",
        ),
    ] {
        let error = toml(&text).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
    let config = toml(&with_brokers("stream = 'domains'")).expect("a right configuration");
    let TargetConfig::Kafka(kafka) = &config.outputs[0].target else { panic!("{config:?}") };
    assert_eq!((kafka.topic.as_str(), kafka.key), ("certstream-domains", RecordKey::None));
}

#[cfg(feature = "nats")]
#[test]
fn what_is_wrong_with_an_output_to_nats_is_named_by_its_key() {
    let of = |keys: &str| {
        format!("[[outputs]]\nname = 'a'\ntype = 'nats'\nservers = ['nats://a']\njetstream = 'A'\n{keys}")
    };
    for (text, expected) in [
        (of("").replace("nats://a", "a"), "outputs[0].servers of \"a\": expected at least one URL"),
        (of("").replace("'A'", "'a.b'"), "outputs[0].jetstream of \"a\": expected the name of a stream"),
        (of("subject = 'a..{log}'"), "outputs[0].subject of \"a\": expected words with dots"),
        (of("subject = 'a.{logs}'"), "outputs[0].subject of \"a\": expected words with dots"),
        (of("subject = 'a.*'"), "outputs[0].subject of \"a\": expected words with dots"),
        (of("subject = '$JS.API'"), "outputs[0].subject of \"a\": expected words with dots"),
        (
            of("subject = '{log}'\nstream = 'domains'"),
            "outputs[0].subject of \"a\": messages of the domains stream have no log",
        ),
        (of("tls_certificate = 'a'"), "outputs[0].tls_key of \"a\": expected a PEM file"),
    ] {
        let error = toml(&text).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
    let config = toml(&of("")).expect("a right configuration");
    let TargetConfig::Nats(nats) = &config.outputs[0].target else { panic!("{config:?}") };
    assert_eq!(nats.subject, "certstream.{stream}.{log}");
}
