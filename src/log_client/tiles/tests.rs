use super::*;
use crate::http_client::{HttpSettings, Proxies, Reach, TlsClient};
use crate::log_client::{AnswerMemory, FetchSettings, OperatorLimits, requests_beside};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const TIMEOUT: Duration = Duration::from_millis(500);

/// A TileLeaf with `certificate`, whose chain is `fingerprints`.
fn leaf(certificate: &[u8], fingerprints: &[u8]) -> Vec<u8> {
    let mut leaf = 99u64.to_be_bytes().to_vec();
    leaf.extend([0, 0]);
    leaf.extend(&(certificate.len() as u32).to_be_bytes()[1..]);
    leaf.extend(certificate);
    // The leaf_index is 0.
    leaf.extend([0, 8, 0, 0, 5, 0, 0, 0, 0, 0]);
    leaf.extend((fingerprints.len() as u16).to_be_bytes());
    leaf.extend(fingerprints);
    leaf
}

fn tiles(url: &str) -> (Tiles, Arc<AnswerMemory>) {
    let memory = Arc::new(AnswerMemory::default());
    let settings = FetchSettings {
        http: HttpSettings {
            tls: TlsClient::new().unwrap(),
            proxies: Proxies::none(),
            reach: Reach::Anywhere,
            timeout: TIMEOUT,
            user_agent: "certstream-server-test".into(),
        },
        limits: Arc::new(OperatorLimits::new(10, 1000, requests_beside())),
        traffic: Arc::default(),
        memory: memory.clone(),
        issuer_wait: Duration::from_secs(60),
        sends_chains: Arc::new(|| true),
        names_tiles: false,
    };
    let (http, issuers) = (Rc::new(Http::new(&settings)), Arc::new(Issuers::in_memory()));
    (Tiles::new(http, &settings, url, LeafIndex::Required, issuers), memory)
}

fn first(tile: &[u8]) -> TileLeaf<'_> {
    tile::leaves(tile).next().unwrap().unwrap()
}

#[actix::test]
async fn an_entry_is_read_from_its_tile() {
    let tile = [leaf(b"leaf", &[]), vec![0; 1 << 20]].concat();
    let fetched = tiles("http://127.0.0.1:1").0.entry(0, first(&tile)).unwrap();
    let Ok(Content::Entry(entry)) = fetched.content else { panic!("an entry") };
    assert_eq!((&entry.certificate[..], entry.fault), (b"leaf".as_slice(), None));
}

#[actix::test]
async fn an_entry_that_is_too_large_has_its_place_in_the_tree() {
    let tile = Bytes::from(leaf(&vec![7; 5 << 20], &[]));
    let fetched = tiles("http://127.0.0.1:1").0.entry(0, first(&tile)).unwrap();
    let undecodable = fetched.content.unwrap_err();
    assert_eq!(undecodable.reason, "certificate and chain have 5242880 bytes, at most 4194304 are sent");
    assert_eq!(
        fetched.leaf_hash,
        Some(crate::ct::merkle::leaf_hash(&tile::merkle_tree_leaf(&tile[..tile.len() - 2])))
    );
}

/// Serves a tile whose issuer never arrives.
async fn without_issuers(tile: Vec<u8>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    actix::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let tile = tile.clone();
            actix::spawn(async move {
                let mut request = [0; 1024];
                let length = stream.read(&mut request).await.unwrap();
                if !request[..length].starts_with(b"GET /tile/data/") {
                    return std::future::pending().await;
                }
                let head =
                    format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", tile.len());
                stream.write_all(&[head.as_bytes(), &tile].concat()).await.unwrap();
            });
        }
    });
    port
}

#[actix::test]
async fn a_tile_that_waits_for_its_issuers_is_counted_and_does_not_wait_for_ever() {
    let fingerprints: Vec<u8> = (0..64u8).flat_map(|n| [n; 32]).collect();
    let tile = leaf(&vec![7; 100_000], &fingerprints);
    let port = without_issuers(tile.clone()).await;
    let (tiles, memory) = tiles(&format!("http://127.0.0.1:{port}"));
    let range = Range { start: 0, end_exclusive: 1, confirming: false };
    let begin = Instant::now();
    let fetched = tiles.entries(range);
    let counted = async {
        tokio::time::sleep(TIMEOUT / 2).await;
        memory.bytes()
    };
    let (fetched, counted) = futures_util::future::join(fetched, counted).await;
    assert_eq!(counted, tile.len());
    assert!(
        matches!(&fetched, Err(FetchError::Issuer { error, .. }) if matches!(**error, FetchError::Http(HttpError::Timeout(_)))),
        "{fetched:?}"
    );
    assert!(begin.elapsed() < 10 * TIMEOUT, "one time-out for all of them");
    assert_eq!(memory.bytes(), tile.len(), "it is kept, and counted still");
    tiles.kept.borrow_mut().clear();
    assert_eq!(memory.bytes(), 0);
}
