//! The names of the logs that are watched by default.

use crate::ct::log_list::tests::real_list;
use crate::ct::log_list::{LogList, Selection};
use crate::log_list::ListSource;
use crate::log_list::built_in::snapshot;

const NOW: i64 = 1_779_667_200; // 2026-05-25

#[rustfmt::skip]
const WATCHED: &[&str] = &[
    "Google 'Argon2026h1' log",
    "Google 'Argon2026h2' log",
    "Google 'Argon2027h1'",
    "Google 'Xenon2026h1' log",
    "Google 'Xenon2026h2' log",
    "Google 'Xenon2027h1'",
    "Cloudflare 'Nimbus2026'",
    "Cloudflare 'Nimbus2027'",
    "DigiCert 'Wyvern2026h1'",
    "DigiCert 'Wyvern2026h2'",
    "DigiCert 'Wyvern2027h1'",
    "DigiCert 'Wyvern2027h2'",
    "DigiCert 'Sphinx2026h1'",
    "DigiCert 'Sphinx2026h2'",
    "DigiCert 'sphinx2027h1'",
    "DigiCert 'sphinx2027h2'",
    "Sectigo 'Mammoth2026h1'",
    "Sectigo 'Mammoth2026h2'",
    "Sectigo 'Sabre2026h1'",
    "Sectigo 'Sabre2026h2'",
    "Sectigo 'Elephant2026h1'",
    "Sectigo 'Elephant2026h2'",
    "Sectigo 'Elephant2027h1'",
    "Sectigo 'Elephant2027h2'",
    "Sectigo 'Tiger2026h1'",
    "Sectigo 'Tiger2026h2'",
    "Sectigo 'Tiger2027h1'",
    "Sectigo 'Tiger2027h2'",
    "Let's Encrypt 'Sycamore2026h1'",
    "Let's Encrypt 'Sycamore2026h2'",
    "Let's Encrypt 'Sycamore2027h1'",
    "Let's Encrypt 'Sycamore2027h2'",
    "Let's Encrypt 'Willow2026h1'",
    "Let's Encrypt 'Willow2026h2'",
    "Let's Encrypt 'Willow2027h1'",
    "Let's Encrypt 'Willow2027h2'",
    "TrustAsia 'log2026a'",
    "TrustAsia 'log2026b'",
    "TrustAsia 'HETU2027'",
    "TrustAsia Luoshu2027",
    "Geomys 'Tuscolo2026h1'",
    "Geomys 'Tuscolo2026h2'",
    "Geomys 'Tuscolo2027h1'",
    "Geomys 'Tuscolo2027h2'",
    "IPng Networks 'Halloumi2026h1'",
    "IPng Networks 'Halloumi2026h2a'",
    "IPng Networks 'Halloumi2027h1'",
    "IPng Networks 'Halloumi2027h2'",
    "IPng Networks 'Gouda2026h1'",
    "IPng Networks 'Gouda2026h2'",
    "IPng Networks 'Gouda2027h1'",
    "IPng Networks 'Gouda2027h2'",
];

fn watched(list: &LogList) -> Vec<&str> {
    Selection::default().select(list, NOW).into_iter().map(|log| log.description.as_str()).collect()
}

#[test]
fn every_log_of_the_built_in_snapshot_that_should_be_watched_is() {
    let snapshot = snapshot().unwrap();
    assert_eq!(snapshot.broken, []);
    assert_eq!(watched(&snapshot.list), WATCHED);
    assert_eq!(snapshot.list.timestamp.unwrap().to_rfc3339(), "2026-05-29T13:42:48+00:00");
}

#[test]
fn every_log_of_chromes_real_list_that_should_be_watched_is() {
    let Some((json, signature)) = real_list() else { return };
    let parsed = ListSource::CHROME.believe(&json, Some(&signature)).unwrap();
    assert_eq!(watched(&parsed.list), WATCHED);
}

#[test]
fn the_snapshot_tells_of_each_log_what_the_list_does_that_it_was_made_from() {
    let Some((json, signature)) = real_list() else { return };
    let made_from = ListSource::CHROME.believe(&json, Some(&signature)).unwrap().list;
    assert_eq!(made_from, snapshot().unwrap().list);
}

#[test]
fn retired_logs_and_placeholders_are_not_watched() {
    let list = snapshot().unwrap().list;
    let left_out: Vec<&str> =
        list.logs.iter().map(|log| log.description.as_str()).filter(|name| !WATCHED.contains(name)).collect();
    assert_eq!(
        left_out,
        [
            "Let's Encrypt 'Oak2026h1'",
            "Let's Encrypt 'Oak2026h2'",
            "Bogus placeholder log to unbreak misbehaving CT libraries",
            "Bogus RFC6962 log to avoid breaking misbehaving CT libraries",
        ]
    );
}
