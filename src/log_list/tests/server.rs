//! A server of a list with scripted responses, and a client for it.

use crate::ct::log_list::tests::{list_of, rfc6962};
use crate::http_client::{HttpSettings, Proxies, Reach, TlsClient};
use crate::log_list::source::Signed;
use crate::log_list::{InForce, ListSource, LogListClient};
use actix_web::body::SizedStream;
use actix_web::dev::ServerHandle;
use actix_web::http::header;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::sign::Signer;
use serde_json::{Value, json};
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

/// The responses of the server.
#[derive(Clone, Default)]
pub struct Script {
    pub list: Vec<u8>,
    pub signature: Vec<u8>,
    pub etag: Option<&'static str>,
    pub last_modified: Option<&'static str>,
    /// Status of both responses; 0 stands for 200.
    pub status: u16,
    /// Ends the body of the list this many bytes before its declared length.
    pub cut: usize,
    /// Redirects requests for the list to this URL.
    pub redirect: Option<String>,
    pub hang: bool,
}

impl Script {
    /// A signed list of these logs.
    pub fn of(names: &[&str]) -> Self {
        let logs: Vec<Value> = names.iter().map(|name| rfc6962(name)).collect();
        Script::signed(list_of(&logs, &[]).to_string().into_bytes())
    }

    /// A signed list of these logs, with a timestamp on the given day of May 2026.
    pub fn of_day(day: u8, names: &[&str]) -> Self {
        let logs: Vec<Value> = names.iter().map(|name| rfc6962(name)).collect();
        let mut list = list_of(&logs, &[]);
        list["log_list_timestamp"] = json!(format!("2026-05-{day:02}T10:00:00Z"));
        Script::signed(list.to_string().into_bytes())
    }

    pub fn signed(list: Vec<u8>) -> Self {
        let mut signer = Signer::new(MessageDigest::sha256(), key()).unwrap();
        Script { signature: signer.sign_oneshot_to_vec(&list).unwrap(), list, ..Script::default() }
    }
}

fn key() -> &'static PKey<Private> {
    static KEY: OnceLock<PKey<Private>> = OnceLock::new();
    KEY.get_or_init(|| PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap())
}

#[derive(Default)]
struct Shared {
    script: Mutex<Script>,
    /// Path, If-None-Match and If-Modified-Since of each request.
    requests: Mutex<Vec<String>>,
}

/// The server. It stops with the test's runtime.
pub struct ListServer {
    shared: Arc<Shared>,
    pub url: String,
    _handle: ServerHandle,
}

impl ListServer {
    pub fn start(script: Script) -> Self {
        let shared = Arc::new(Shared { script: Mutex::new(script), ..Shared::default() });
        let data = web::Data::from(shared.clone());
        let app = move || App::new().app_data(data.clone()).default_service(web::to(answer));
        let server = HttpServer::new(app).workers(1).disable_signals();
        let server = server.bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let url = format!("http://{}", server.addrs()[0]);
        let server = server.run();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        ListServer { shared, url, _handle: handle }
    }

    pub fn says(&self, script: Script) {
        *self.shared.script.lock().unwrap() = script;
    }

    /// The requests since the last call.
    pub fn requests(&self) -> Vec<String> {
        std::mem::take(&mut *self.shared.requests.lock().unwrap())
    }

    pub fn source(&self) -> ListSource {
        let key_pem = String::from_utf8(key().public_key_to_pem().unwrap()).unwrap();
        let signed = Signed { url: format!("{}/list.sig", self.url).into(), key_pem: key_pem.into() };
        ListSource { signed: Some(signed), ..self.unsigned() }
    }

    pub fn unsigned(&self) -> ListSource {
        let url = format!("{}/list.json", self.url).into();
        ListSource { name: "a test's list".into(), url, signed: None }
    }

    pub fn client(&self, dir: &Path) -> LogListClient {
        LogListClient::new(self.source(), dir, &settings())
    }
}

/// The list of `source` that is in force with the files of `dir`, before any request.
pub fn in_force(source: &ListSource, dir: &Path) -> InForce {
    LogListClient::new(source.clone(), dir, &settings()).in_force().clone()
}

pub fn settings() -> HttpSettings {
    HttpSettings {
        proxies: Proxies::none(),
        reach: Reach::Anywhere,
        tls: TlsClient::new().unwrap(),
        timeout: Duration::from_millis(1500),
        user_agent: "certstream-server-test".into(),
    }
}

async fn answer(shared: web::Data<Shared>, request: HttpRequest) -> HttpResponse {
    let script = shared.script.lock().unwrap().clone();
    let header = |name| request.headers().get(name).map(|value| value.to_str().unwrap().to_string());
    let conditions = [header(header::IF_NONE_MATCH), header(header::IF_MODIFIED_SINCE)];
    let mut line = request.path().to_string();
    conditions.iter().flatten().for_each(|condition| line += &format!(" {condition}"));
    shared.requests.lock().unwrap().push(line);
    if script.hang {
        std::future::pending::<()>().await;
    }
    if script.status != 0 {
        return HttpResponse::build(script.status.try_into().unwrap()).body("an error page");
    }
    if request.path() == "/list.sig" {
        return HttpResponse::Ok().body(script.signature);
    }
    if let (Some(location), "/list.json") = (script.redirect, request.path()) {
        return HttpResponse::Found().insert_header((header::LOCATION, location)).finish();
    }
    let known = |value: Option<&str>, condition: &Option<String>| {
        condition.as_deref().is_some_and(|condition| Some(condition) == value)
    };
    if known(script.etag, &conditions[0]) || known(script.last_modified, &conditions[1]) {
        return HttpResponse::NotModified().finish();
    }
    let mut response = HttpResponse::Ok();
    script.etag.map(|etag| response.insert_header((header::ETAG, etag)));
    script.last_modified.map(|date| response.insert_header((header::LAST_MODIFIED, date)));
    let declared = script.list.len() as u64;
    let sent = Bytes::copy_from_slice(&script.list[..script.list.len() - script.cut]);
    let pause = Duration::from_millis(if script.cut == 0 { 0 } else { 50 });
    // Without the pause, actix detects that the body is too short before it has sent the headers.
    let end = stream::once(actix_web::rt::time::sleep(pause)).map(|()| Ok(Bytes::new()));
    response.body(SizedStream::new(declared, stream::iter([Ok::<_, actix_web::Error>(sent)]).chain(end)))
}
