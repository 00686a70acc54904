//! The TLS listener from outside: pages, probes and the live link over it.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, header::AUTHORIZATION};
use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};
use server::config::TlsFiles;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName, pem::PemObject as _},
    },
};
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest as _};

use testkit::account::TOKEN;

use crate::house::{Answer, Folder, PATIENCE, TestHouse, Yard};

/// A certificate for this machine that is its own authority.
pub(crate) struct Authority {
    pub(crate) cert: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let names = ["localhost", "127.0.0.1"].map(str::to_owned).to_vec();
        let key = KeyPair::generate().unwrap();
        let cert = CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
        Self { cert: cert.pem(), key: key.serialize_pem() }
    }

    pub(crate) fn write(&self, folder: &Folder) -> TlsFiles {
        folder.write("tls.crt", self.cert.as_bytes());
        folder.write("tls.key", self.key.as_bytes());
        let file = |name: &str| folder.path().join(name);
        TlsFiles { cert: file("tls.crt"), key: file("tls.key") }
    }

    /// What a client has that trusts it and nobody else.
    fn trusted(&self) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.cert.as_bytes()).unwrap()).unwrap();
        ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth()
    }

    /// A client that is the admin of every test house.
    fn client(&self) -> reqwest::Client {
        let builder = reqwest::Client::builder().use_preconfigured_tls(self.trusted());
        let token =
            HeaderMap::from_iter([(AUTHORIZATION, format!("Bearer {TOKEN}").parse().unwrap())]);
        builder.default_headers(token).pool_max_idle_per_host(0).build().unwrap()
    }

    async fn connect(&self, house: &TestHouse) -> std::io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(house.address).await?;
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(self.trusted())).connect(name, stream).await
    }
}

fn https(house: &TestHouse, path: &str) -> String {
    format!("https://{}{path}", house.address)
}

async fn encrypted() -> (TestHouse, Authority) {
    let yard = Yard::vlab().await;
    let authority = Authority::new();
    let files = authority.write(&yard.folder);
    let house = TestHouse::on(yard, |config| config.tls = Some(files)).await;
    house.twelve_live().await;
    (house, authority)
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_and_the_live_link_work_over_tls_and_browsers_are_told_to_stay_there() {
    let (house, authority) = encrypted().await;
    let http = authority.client();
    for path in
        ["/", "/f/test", "/healthz", "/metrics", "/api/v1/session", "/nonsense", "/api/v1/x"]
    {
        let answer = Answer::of(http.get(https(&house, path))).await;
        assert!(answer.status < 500, "{path}: {}", answer.status);
        assert!(answer.header("strict-transport-security").contains("max-age="), "{path}");
    }
    let foreign = http.post(https(&house, "/api/page/overview")).header("origin", house.url(""));
    Answer::of(foreign).await.is_problem(403, "csrf");

    let stream = authority.connect(&house).await.unwrap();
    let mut request = format!("wss://{}/api/v1/live", house.address).into_client_request().unwrap();
    let own = format!("https://{}", house.address);
    request.headers_mut().insert("authorization", format!("Bearer {TOKEN}").parse().unwrap());
    request.headers_mut().insert("origin", own.parse().unwrap());
    request.headers_mut().insert("sec-websocket-protocol", "hnp.live.v1".parse().unwrap());
    let (mut socket, _) = tokio_tungstenite::client_async(request, stream).await.unwrap();
    let hello = json!({"t": "hello", "protocol": 1, "topics": [{"topic": "objects/test/Switch"}]});
    futures::SinkExt::send(&mut socket, Message::text(hello.to_string())).await.unwrap();
    let synced = timeout(PATIENCE, async {
        while let Some(Ok(message)) = futures::StreamExt::next(&mut socket).await {
            let Message::Text(text) = message else { continue };
            let frame: Value = serde_json::from_str(&text).unwrap();
            if frame["t"] == "synced" {
                return true;
            }
        }
        false
    });
    assert_eq!(synced.await, Ok(true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_certificate_is_served_to_who_comes_and_nobody_is_dropped() {
    let (house, authority) = encrypted().await;
    let mut old = authority.connect(&house).await.unwrap();
    let mut ask = async || {
        let host = house.address;
        let request = format!("GET /healthz HTTP/1.1\r\nhost: {host}\r\n\r\n");
        old.write_all(request.as_bytes()).await.unwrap();
        let mut answer = vec![0; 4_096];
        let n = timeout(PATIENCE, old.read(&mut answer)).await.unwrap().unwrap();
        assert!(
            answer[..n].starts_with(b"HTTP/1.1 200"),
            "{}",
            String::from_utf8_lossy(&answer[..n])
        );
    };
    ask().await;
    let next = Authority::new();
    next.write(&house.yard.folder);
    assert!(matches!(house.tls.as_ref().unwrap().look(), server::web::tls::Look::New));
    ask().await;
    assert!(authority.connect(&house).await.is_err(), "the old one is no longer served");
    assert!(next.connect(&house).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_speaks_plain_http_to_it_or_nothing_at_all_is_told_or_cut_off() {
    let (house, authority) = encrypted().await;
    let mut plain = TcpStream::connect(house.address).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    timeout(PATIENCE, plain.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("https"), "{answer}");

    let mut silent = TcpStream::connect(house.address).await.unwrap();
    let mut garbage = TcpStream::connect(house.address).await.unwrap();
    garbage.write_all(&[0; 64]).await.unwrap();
    let mut rest = Vec::new();
    let _ = timeout(PATIENCE, garbage.read_to_end(&mut rest)).await.unwrap();
    let ended = timeout(PATIENCE, silent.read(&mut [0; 1])).await.expect("cut off after 10 s");
    assert!(matches!(ended, Ok(0) | Err(_)), "nothing is said to who says nothing");
    assert!(authority.connect(&house).await.is_ok(), "others are served");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_cannot_be_served_keeps_the_server_from_starting() {
    let folder = Folder::new();
    let (one, other) = (Authority::new(), Authority::new());
    one.write(&folder);
    folder.write("tls.key", other.key.as_bytes());
    folder.write(
        "hnp.toml",
        b"listen = \"127.0.0.1:0\"\n[tls]\ncert_file = \"tls.crt\"\nkey_file = \"tls.key\"\n",
    );
    let ended = crate::process::Hnp::run(folder.path(), &["serve"]).await;
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.err.contains("does not belong to") && ended.err.contains("tls.crt"),
        "{}",
        ended.err
    );

    one.write(&folder);
    let mut hnp = crate::process::Hnp::start(folder.path(), &["serve"]);
    let line = timeout(Duration::from_mins(1), hnp.line()).await.unwrap().unwrap();
    let url = line.strip_prefix("HNP serves at ").unwrap();
    assert!(url.starts_with("https://"), "{line}");
    let anybody = reqwest::Client::builder().use_preconfigured_tls(one.trusted()).build().unwrap();
    let answer = Answer::of(anybody.get(format!("{url}/healthz"))).await;
    assert_eq!(answer.status, 200);
    hnp.terminate();
    assert_eq!(hnp.end().await.code, Some(0));
}
