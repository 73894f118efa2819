use super::*;
use crate::config;
use crate::live_config::LiveSettings;
use crate::transport::{Claim, Io, Tcp};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

async fn paths(reader: &mut RequestReader, mut bytes: &[u8]) -> (Vec<String>, Option<String>) {
    let mut paths = Vec::new();
    loop {
        match reader.next(&mut bytes).await {
            Ok(Some(request)) => paths.push(request.path().to_string()),
            Ok(None) => return (paths, None),
            Err(error) => return (paths, Some(error.to_string())),
        }
    }
}

/// A reader that returns its content in parts.
struct Parts(Vec<Vec<u8>>);

impl AsyncRead for Parts {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.0.is_empty() {
            buffer.put_slice(&self.0.remove(0));
        }
        Poll::Ready(Ok(()))
    }
}

#[actix_web::test]
async fn where_requests_are_cut_does_not_matter() {
    let request = prop_oneof![
        "/[a-z]{1,20}".prop_map(|path| format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")),
        "/[a-z]{1,20}".prop_map(|path| format!("\r\nGET {path} HTTP/1.1\nHost: a\n\n")),
        "[a-z]{1,5000}".prop_map(|long| format!("HEAD /l HTTP/1.1\r\nHost: a\r\nx: {long}\r\n\r\n")),
        "[ -~\r\n]{0,60}",
    ];
    let requests = prop::collection::vec(request, 0..8).prop_map(|requests| requests.concat());
    let cases = (requests, prop::collection::vec(1usize..4000, 1..100));
    TestRunner::default()
        .run(&cases, |(bytes, cuts)| {
            let mut parts = Parts(Vec::new());
            let mut rest = bytes.as_bytes();
            for cut in cuts.iter().cycle() {
                let (part, next) = rest.split_at((*cut).min(rest.len()));
                parts.0.push(part.to_vec());
                rest = next;
                if rest.is_empty() {
                    break;
                }
            }
            let cut = futures_util::FutureExt::now_or_never(async {
                let mut reader = RequestReader::new(ServiceConfig::default());
                let mut paths = Vec::new();
                while let Ok(Some(request)) = reader.next(&mut parts).await {
                    paths.push(request.path().to_string());
                }
                paths
            });
            let whole = futures_util::FutureExt::now_or_never(paths(
                &mut RequestReader::new(ServiceConfig::default()),
                bytes.as_bytes(),
            ));
            prop_assert_eq!(cut, whole.map(|(paths, _)| paths));
            Ok(())
        })
        .expect("no counterexample");
}

#[actix_web::test]
async fn a_head_has_a_longest_length() {
    let head = |length| {
        let begin = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
        format!("{begin}{}\r\n\r\n", "x".repeat(length - begin.len() - 4))
    };
    let read = async |bytes: String| {
        paths(&mut RequestReader::new(ServiceConfig::default()), bytes.as_bytes()).await
    };
    assert_eq!(read(head(MAX_REQUEST_HEAD)).await, (vec!["/".to_string()], None));
    let too_long = Some(RequestError::TooLarge.to_string());
    assert_eq!(read(head(MAX_REQUEST_HEAD + 1)).await, (vec![], too_long.clone()));
    assert_eq!(read("x".repeat(1 << 20)).await.1, too_long);
}

/// The buffer of a head is released while the connection waits for the next one.
#[actix_web::test]
async fn an_idle_connection_keeps_no_buffer() {
    let mut reader = RequestReader::new(ServiceConfig::default());
    let read = paths(&mut reader, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!((read.0.len(), reader.buffer.capacity()), (1, 0));
}

/// A client that has read only the beginning of a large answer must not keep the rest uncounted.
#[actix_web::test]
async fn an_answer_counts_whole_while_its_head_is_not_taken() {
    const BODY: usize = 10 << 20;
    let config = config::load(None, []).expect("the defaults");
    let connections = Arc::new(Connections::default());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a listener");
    let client = tokio::net::TcpStream::connect(listener.local_addr().expect("an address"));
    let (_client, accepted) = tokio::join!(client, listener.accept());
    let (stream, peer) = accepted.expect("a connection");
    let stream = Arc::new(stream);
    let (registration, record) = connections.register(&stream, peer.ip());
    let claim = Claim { _slots: Vec::new(), _registration: registration };
    while stream.try_write(&[0; 1 << 16]).is_ok() {}
    let mut conversation = Conversation {
        io: Transport::new(Io::Clear(Tcp::new(stream, record)), claim),
        peer,
        reader: RequestReader::new(ServiceConfig::default()),
        settings: Settings {
            live: Arc::new(LiveConfig::new(LiveSettings::of(&config))),
            counters: Arc::default(),
            connections: connections.clone(),
            patience: Duration::MAX,
        },
    };
    let answer = HttpResponse::Ok().body(vec![0; BODY]);
    let taken = timeout(Duration::from_millis(100), conversation.answer(answer, false)).await;
    assert!(taken.is_err(), "the client takes nothing");
    connections.keep_within(usize::MAX, &Counters::default());
    assert!(connections.held() > BODY, "{} bytes", connections.held());
}
