//! Tests with small HTTP servers instead of logs.

use super::*;
use crate::http_client::{HttpSettings, Proxies, Reach, TlsClient};
use crate::log_client::{OperatorLimits, requests_beside};
use openssl::sha::sha256;
use std::cell::Cell;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const DER: &[u8] = b"not a certificate, but it has a hash";

/// What a server does with a request for the issuer.
#[derive(Clone, Copy, PartialEq)]
enum Answer {
    Serves,
    Refuses,
    Hangs,
}

/// Returns the prefix of the server, and the number of its requests.
async fn server(answer: Answer) -> (String, Rc<Cell<usize>>) {
    let (listener, requests) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), Rc::new(Cell::new(0)));
    let prefix = format!("http://{}/", listener.local_addr().unwrap());
    let (counted, path) = (requests.clone(), format!("GET /issuer/{} ", hex(&sha256(DER))));
    actix::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 1024];
            let length = stream.read(&mut request).await.unwrap();
            assert!(request[..length].starts_with(path.as_bytes()));
            counted.set(counted.get() + 1);
            let (status, body) = match answer {
                Answer::Serves => ("200 OK", DER),
                Answer::Refuses => ("404 Not Found", b"".as_slice()),
                Answer::Hangs => {
                    std::mem::forget(stream);
                    continue;
                }
            };
            let length = body.len();
            let head = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
            stream.write_all(&[head.as_bytes(), body].concat()).await.unwrap();
        }
    });
    (prefix, requests)
}

fn settings(sends_chains: bool) -> FetchSettings {
    FetchSettings {
        http: HttpSettings {
            tls: TlsClient::new().unwrap(),
            proxies: Proxies::none(),
            reach: Reach::Anywhere,
            timeout: Duration::from_secs(5),
            user_agent: "certstream-server-test".into(),
        },
        limits: Arc::new(OperatorLimits::new(10, 1000, requests_beside())),
        traffic: Arc::default(),
        memory: Arc::default(),
        issuer_wait: Duration::from_secs(60),
        sends_chains: Arc::new(move || sends_chains),
        names_tiles: false,
    }
}

fn issuers_of(prefix: &str, issuers: &Arc<Issuers>, settings: &FetchSettings) -> Rc<ChainIssuers> {
    let http = Rc::new(Http::new(settings));
    Rc::new(ChainIssuers::new(http, prefix, issuers.clone(), settings, true))
}

fn wanted() -> BTreeSet<Fingerprint> {
    BTreeSet::from([sha256(DER)])
}

#[actix::test]
async fn an_issuer_is_asked_for_in_other_logs_before_the_log_is_asked_twice() {
    let ((own, own_requests), (other, other_requests)) =
        (server(Answer::Refuses).await, server(Answer::Serves).await);
    let (issuers, settings) = (Arc::new(Issuers::in_memory()), settings(true));
    let log = issuers_of(&own, &issuers, &settings);
    assert!(log.fetch(wanted()).await.is_err(), "there is no other log");
    assert!(log.fetch(wanted()).await.is_err());
    assert_eq!((own_requests.get(), other_requests.get()), (2, 0));

    let (issuers, own_before) = (Arc::new(Issuers::in_memory()), own_requests.get());
    let (log, _other) = (issuers_of(&own, &issuers, &settings), issuers_of(&other, &issuers, &settings));
    log.fetch(wanted()).await.unwrap();
    assert!(issuers.get(&sha256(DER)).is_some());
    assert_eq!((own_requests.get() - own_before, other_requests.get()), (1, 1));
    log.fetch(wanted()).await.unwrap();
    assert_eq!(other_requests.get(), 1, "it is known");
}

#[actix::test]
async fn a_few_other_logs_are_asked_and_none_again_and_again() {
    let (own, own_requests) = server(Answer::Refuses).await;
    let (issuers, settings) = (Arc::new(Issuers::in_memory()), settings(true));
    let log = issuers_of(&own, &issuers, &settings);
    let (mut others, mut counts) = (Vec::new(), Vec::new());
    for _ in 0..MAX_OTHER_LOGS + 2 {
        let (prefix, requests) = server(Answer::Refuses).await;
        others.push(issuers_of(&prefix, &issuers, &settings));
        counts.push(requests);
    }
    for _ in 0..3 {
        assert!(log.fetch(wanted()).await.is_err());
    }
    let asked = counts.iter().map(|requests| requests.get()).collect::<Vec<_>>();
    assert_eq!((own_requests.get(), asked), (3, vec![1, 1, 1, 1, 0, 0]));
}

#[actix::test]
async fn the_same_operator_is_asked_first_and_a_log_that_is_gone_is_not() {
    let issuers = Arc::new(Issuers::in_memory());
    let (ours, theirs) = (settings(true), settings(true));
    let offers = ["http://c/", "http://b/"].map(|prefix| issuers.offer(prefix, &theirs));
    let own = ["http://a/", "http://own/"].map(|prefix| issuers.offer(prefix, &ours));
    let others =
        || issuers.others("http://own/", &ours).into_iter().map(|(prefix, _)| prefix).collect::<Vec<_>>();
    assert_eq!(others(), ["http://a/", "http://c/", "http://b/"]);
    drop(offers);
    assert_eq!(others(), ["http://a/"]);
    drop(own);
}

#[actix::test]
async fn entries_do_not_wait_long_for_chains_that_nobody_receives() {
    let (own, requests) = server(Answer::Hangs).await;
    let (issuers, settings) = (Arc::new(Issuers::in_memory()), settings(false));
    let log = issuers_of(&own, &issuers, &settings);
    let begin = Instant::now();
    log.fetch(wanted()).await.unwrap();
    assert!(log.is_given_up(&sha256(DER)));
    let first = begin.elapsed();
    assert!((SHORT_WAIT..2 * SHORT_WAIT).contains(&first), "{first:?}");
    log.fetch(wanted()).await.unwrap();
    assert!(begin.elapsed() - first < SHORT_WAIT, "the next entries do not wait at all");
    assert_eq!(requests.get(), 1, "and the request goes on");
}
