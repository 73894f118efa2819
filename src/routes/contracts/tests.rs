//! Compares the documents with the routes, their parameters, and each other.

use super::*;
use crate::evidence::Misbehaviour;
use crate::filter::Parameter;
use crate::message::Stream;
use crate::routes::query::parameters;
use crate::routes::register::Register;
use crate::routes::{Audience, Paths, register};
use actix_web::App;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

fn parsed(document: &Document) -> Value {
    serde_json::from_str(document.text).unwrap_or_else(|error| panic!("{}: {error}", document.name))
}

/// All documents, by their path below that of `/openapi.json`.
fn all() -> Vec<(String, Value)> {
    let schemas = SCHEMAS.iter().map(|schema| (format!("schemas/{}", schema.name), parsed(schema)));
    let documents = [&OPEN_API, &ASYNC_API].map(|document| (document.name.to_string(), parsed(document)));
    schemas.chain(documents).collect()
}

/// The names of the members of the object at `pointer`.
fn members(value: &Value, pointer: &str) -> BTreeSet<String> {
    let object = value.pointer(pointer).and_then(Value::as_object);
    object.unwrap_or_else(|| panic!("{pointer} is an object")).keys().cloned().collect()
}

/// What `value`, which may be a reference in `document`, stands for.
fn followed<'v>(document: &'v Value, value: &'v Value) -> &'v Value {
    match value["$ref"].as_str().and_then(|reference| reference.strip_prefix('#')) {
        Some(pointer) => document.pointer(pointer).unwrap_or_else(|| panic!("{pointer} exists")),
        None => value,
    }
}

fn references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get("$ref").and_then(Value::as_str).map(String::from));
            members.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

/// Names of the parameters of streams in the query string, as the server knows them.
fn of_streams() -> BTreeSet<String> {
    parameters().chain(Parameter::ALL.map(Parameter::name)).map(String::from).collect()
}

#[test]
fn each_file_is_served() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/routes/contracts/schemas");
    let files = std::fs::read_dir(folder).expect("the folder").map(|file| file.expect("a file").file_name());
    let files: BTreeSet<_> = files.map(|name| name.into_string().expect("UTF-8")).collect();
    let served: BTreeSet<_> = SCHEMAS.iter().map(|schema| schema.name.to_string()).collect();
    assert_eq!(served, files);
    let open_api = parsed(&OPEN_API);
    let names = &open_api["paths"]["/schemas/{name}"]["get"]["parameters"][0]["schema"]["enum"];
    let names: BTreeSet<String> = serde_json::from_value(names.clone()).expect("names");
    assert_eq!(served, names);
}

#[test]
fn each_reference_leads_to_something() {
    let all = all();
    let mut count = 0;
    for (path, document) in &all {
        let mut found = Vec::new();
        references(document, &mut found);
        count += found.len();
        for reference in found {
            let (file, pointer) = reference.split_once('#').unwrap_or((&reference, ""));
            let folder = path.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
            let target = if file.is_empty() { path.clone() } else { folder + file };
            let target = all.iter().find(|(path, _)| *path == target);
            let is_there = target.is_some_and(|(_, document)| document.pointer(pointer).is_some());
            assert!(is_there, "{path}: {reference}");
        }
    }
    assert!(count > 100, "{count} references were checked");
}

/// The places of objects that may have any members.
fn open_objects(value: &Value, place: &str, found: &mut Vec<String>) {
    let is_closed = value.get("additionalProperties").is_some() || value["maxProperties"] == 0;
    if value["type"] == "object" && !is_closed {
        found.push(place.into());
    }
    match value {
        Value::Object(members) => {
            members.iter().for_each(|(name, value)| open_objects(value, &format!("{place}/{name}"), found));
        }
        Value::Array(items) => items.iter().for_each(|value| open_objects(value, place, found)),
        _ => {}
    }
}

#[test]
fn no_schema_allows_members_that_it_does_not_have() {
    let mut found = Vec::new();
    SCHEMAS.iter().for_each(|schema| open_objects(&parsed(schema), schema.name, &mut found));
    assert_eq!(found, [""; 0]);
}

/// The members that an object may lack, of objects that need any.
fn optional_members(value: &Value, found: &mut BTreeSet<String>) {
    if let (Some(required), Some(properties)) =
        (value["required"].as_array(), value["properties"].as_object())
        && value["type"] == "object"
    {
        found.extend(
            properties.keys().filter(|name| !required.contains(&Value::from(name.as_str()))).cloned(),
        );
    }
    match value {
        Value::Object(members) => members.values().for_each(|value| optional_members(value, found)),
        Value::Array(items) => items.iter().for_each(|value| optional_members(value, found)),
        _ => {}
    }
}

#[test]
fn few_members_may_be_missing() {
    let mut found = BTreeSet::new();
    SCHEMAS.iter().for_each(|schema| optional_members(&parsed(schema), &mut found));
    let of_reasons = Parameter::ALL.map(Parameter::name).into_iter().chain(["filter", "name"]);
    let others = ["cluster", "fault", "matched", "parse_error"];
    assert_eq!(found, of_reasons.chain(others).map(String::from).collect());
}

#[test]
fn open_api_has_the_routes() {
    let settings = Paths { streams: Stream::ALL.to_vec(), stats: "/stats".into() };
    let mut registered = Vec::new();
    let _ = App::new().configure(|app| {
        registered = register(Register::new(app), Audience::ClientsAndAdmins, &settings);
    });
    let registered: BTreeSet<_> = registered.into_iter().collect();
    assert!(registered.len() > 15, "{registered:?}");
    assert_eq!(members(&parsed(&OPEN_API), "/paths"), registered);
}

#[test]
fn both_documents_have_the_parameters_of_streams() {
    let schema = SCHEMAS.iter().find(|schema| schema.name == "stream_query.json").expect("a schema");
    assert_eq!(members(&parsed(schema), "/properties"), of_streams());
    let (open_api, async_api) = (parsed(&OPEN_API), parsed(&ASYNC_API));
    for path in ["/", "/full-stream", "/lite-stream", "/domains-only", "/sse", "/ndjson"] {
        let operation = &followed(&open_api, &open_api["paths"][path])["get"];
        let parameters = operation["parameters"].as_array().expect("parameters").iter();
        let parameters = parameters.map(|parameter| followed(&open_api, parameter));
        let in_query = parameters.filter(|parameter| parameter["in"] == "query");
        let names: BTreeSet<_> = in_query.map(|p| p["name"].as_str().expect("a name").to_string()).collect();
        assert_eq!(names, of_streams(), "{path}");
        let channels = async_api["channels"].as_object().expect("channels");
        let (name, channel) = channels.iter().find(|(_, c)| c["address"] == path).expect("a channel");
        let mut operations = async_api["operations"].as_object().expect("operations").values();
        let reference = format!("#/channels/{name}");
        let operation =
            operations.find(|o| o["channel"]["$ref"] == reference.as_str()).expect("an operation");
        let query = match channel.pointer("/bindings/ws/query") {
            Some(query) => query,
            None => operation.pointer("/bindings/http/query").expect("a query"),
        };
        assert_eq!(query["$ref"], "schemas/stream_query.json", "{path}");
    }
}

#[test]
fn a_log_alert_has_each_kind_of_misbehaviour() {
    let schema = SCHEMAS.iter().find(|schema| schema.name == "log_alert.json").expect("a schema");
    let kinds = &parsed(schema)["properties"]["data"]["properties"]["kind"]["enum"];
    let kinds: BTreeSet<String> = serde_json::from_value(kinds.clone()).expect("kinds");
    assert_eq!(kinds, Misbehaviour::KINDS.into_iter().chain(["skipped"]).map(String::from).collect());
}

#[test]
fn the_documents_have_the_version_of_the_server() {
    for document in [&OPEN_API, &ASYNC_API] {
        assert_eq!(parsed(document)["info"]["version"], env!("CARGO_PKG_VERSION"), "{}", document.name);
    }
}

#[cfg(feature = "cluster")]
#[test]
fn the_readiness_of_a_cluster_has_its_members() {
    use crate::routes::{ClusterFigures, IngesterFigures};
    use std::time::Duration;
    let ingester = IngesterFigures { node: "a".into(), logs: vec![Value::Null], delivering: 1, pending: 2 };
    let (behind, known_ago) = (3, Duration::from_secs(4));
    let figures =
        ClusterFigures { role: "edge", is_edge: true, behind, known_ago, ingesters: vec![ingester] };
    let described = figures.describe();
    let schema = SCHEMAS.iter().find(|schema| schema.name == "ready.json").map(parsed).expect("a schema");
    let cluster = &schema["properties"]["cluster"];
    let ingester = &cluster["properties"]["ingesters"]["items"];
    for (schema, value) in [(cluster, &described), (ingester, &described["ingesters"][0])] {
        assert_eq!(members(schema, "/properties"), members(value, ""));
        assert_eq!(
            schema["required"].as_array().map(Vec::len),
            value.as_object().map(|members| members.len())
        );
    }
}
