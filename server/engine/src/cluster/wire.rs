//! A look at the wire below HTTP: does the name resolve, is the port open, who proves to be whom.
//!
//! Invariant: nothing is ever sent over a connection opened here but a TLS handshake, so that it may be
//! completed with whoever answers; every look has a deadline.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use domain::{
    connection::{CertificateView, TlsFault},
    state::Cause,
    time::Timestamp,
};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, ProtocolVersion, RootCertStore,
    SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::CryptoProvider,
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};
use tokio_rustls::TlsConnector;

use super::{certificate, error::ClusterError, target::Endpoint};
use crate::{chain::Chain, clock::now_ms};

/// Deadline of each look.
pub const DEADLINE: Duration = Duration::from_secs(4);
/// Most addresses that are tried.
const MOST_ADDRESSES: usize = 4;

/// What a handshake showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handshake {
    /// Version of TLS that was agreed on, in words.
    pub version: Option<String>,
    /// Certificates that were sent, the server's own first.
    pub chain: Vec<CertificateView>,
    /// What is wrong, and in which words; none where all is well.
    pub fault: Option<(TlsFault, String)>,
}

impl Handshake {
    fn failed(fault: TlsFault, why: String) -> Self {
        Self { version: None, chain: Vec::new(), fault: Some((fault, why)) }
    }
}

/// Nobody answered within the deadline.
pub(super) fn late() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("no answer in {} s", DEADLINE.as_secs()))
}

/// Addresses of a host.
pub async fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let found = timeout(DEADLINE, lookup_host((host, port))).await.map_err(|_| late())??;
    Ok(found.take(MOST_ADDRESSES).collect())
}

/// A connection to the first address that takes one, and which that was.
pub async fn connect(addresses: &[SocketAddr]) -> io::Result<(TcpStream, SocketAddr)> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    let trying = async {
        for address in addresses {
            match TcpStream::connect(address).await {
                Ok(stream) => return Ok((stream, *address)),
                Err(error) => last = error,
            }
        }
        Err(last)
    };
    timeout(DEADLINE, trying).await.unwrap_or_else(|_| Err(late()))
}

/// A handshake, as far as it gets; nothing is said after it.
pub async fn handshake(endpoint: &Endpoint, stream: TcpStream) -> Handshake {
    let name = endpoint.expected_name();
    let Ok(server_name) = ServerName::try_from(name.to_owned()) else {
        let why = format!("`{name}` is no name that a certificate can carry");
        return Handshake::failed(TlsFault::Name, why);
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let record = Arc::new(Record::new(endpoint, Arc::clone(&provider)));
    let config =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = match config {
        Ok(config) => config
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&record) as Arc<dyn ServerCertVerifier>)
            .with_no_client_auth(),
        Err(error) => return Handshake::failed(TlsFault::Handshake, error.to_string()),
    };
    let shaking = TlsConnector::from(Arc::new(config)).connect(server_name, stream);
    let shaken = timeout(DEADLINE, shaking).await.unwrap_or_else(|_| Err(late()));
    let noted = record.noted();
    let version = shaken.as_ref().ok().and_then(|stream| stream.get_ref().1.protocol_version());
    let chain: Vec<CertificateView> =
        noted.chain.iter().filter_map(|der| certificate::view(der)).collect();
    let fault = match (noted.verdict, shaken) {
        (Some(Err(error)), _) => Some(judged(&error, chain.first(), endpoint)),
        // The certificate was well; a server may still refuse us, for want of a client's for example.
        (Some(Ok(())), _) | (None, Ok(_)) => None,
        (None, Err(error)) => Some((TlsFault::Handshake, unspoken(&error))),
    };
    Handshake { version: version.map(words), chain, fault }
}

fn words(version: ProtocolVersion) -> String {
    match version {
        ProtocolVersion::TLSv1_3 => "TLS 1.3".to_owned(),
        ProtocolVersion::TLSv1_2 => "TLS 1.2".to_owned(),
        other => format!("{other:?}"),
    }
}

/// Words for a handshake that did not get as far as a certificate.
fn unspoken(error: &io::Error) -> String {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::InvalidMessage(_)) => {
            "who answers there does not speak TLS (is the address an `http://` one?)".to_owned()
        }
        _ => format!("the TLS handshake failed: {}", Chain(error)),
    }
}

/// What is wrong with a certificate, said with its names and dates.
fn judged(
    error: &rustls::Error,
    leaf: Option<&CertificateView>,
    endpoint: &Endpoint,
) -> (TlsFault, String) {
    let (subject, issuer) = leaf.map_or(("?", "?"), |leaf| (&*leaf.subject, &*leaf.issuer));
    let now = now_ms();
    // Of what is wrong at once, that which is nearest to the certificate itself is said.
    if let Some(leaf) = leaf.filter(|leaf| leaf.not_after_ms < now) {
        let until = moment(leaf.not_after_ms);
        return (
            TlsFault::Expired,
            format!("the certificate of {subject} was valid until {until}, it is expired"),
        );
    }
    if let Some(leaf) = leaf.filter(|leaf| leaf.not_before_ms > now) {
        let from = moment(leaf.not_before_ms);
        let why = format!("the certificate of {subject} is not valid before {from}");
        return (TlsFault::NotYetValid, why);
    }
    let rustls::Error::InvalidCertificate(error) = error else {
        return (
            TlsFault::Certificate,
            format!("the certificate of {subject} is refused: {error}"),
        );
    };
    match error {
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            let names = leaf.map(|leaf| leaf.names.join(", ")).unwrap_or_default();
            let names = if names.is_empty() { "no name at all".to_owned() } else { names };
            let wanted = endpoint.expected_name();
            (TlsFault::Name, format!("the certificate is for {names}, not for `{wanted}`"))
        }
        CertificateError::UnknownIssuer => {
            let trusted = if endpoint.roots.is_some() || endpoint.roots_file.is_some() {
                "the given certificate authority"
            } else {
                "any authority that this system trusts"
            };
            let why =
                format!("the certificate of {subject} is signed by {issuer}, not by {trusted}");
            (TlsFault::Authority, why)
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => (
            TlsFault::Expired,
            format!("an authority above the certificate of {subject} is expired"),
        ),
        CertificateError::BadSignature => {
            let why = format!(
                "the certificate of {subject} is signed by an authority that is named {issuer} as the given one is, but is another one (was the cluster made anew?)"
            );
            (TlsFault::Authority, why)
        }
        other => {
            (TlsFault::Certificate, format!("the certificate of {subject} is refused: {other:?}"))
        }
    }
}

/// A time in words.
pub fn moment(at_ms: i64) -> String {
    Timestamp::from_unix_ms(at_ms).map_or_else(|_| "?".to_owned(), |time| time.to_string())
}

/// What to do about a fault.
pub const fn remedy(fault: TlsFault) -> &'static str {
    match fault {
        TlsFault::Authority => {
            "give the certificate authority that signed it (in a kubeconfig: `certificate-authority-data`)"
        }
        TlsFault::Name => {
            "use one of the certificate's names as the address, or set `tls-server-name` to it"
        }
        TlsFault::Expired => "renew the API server's certificates",
        TlsFault::NotYetValid => "check the clock of this machine and the certificate's dates",
        TlsFault::Certificate => "renew the API server's certificate",
        TlsFault::Handshake => "check host and port, and whether a proxy stands between",
    }
}

/// Why a probe failed, in a sentence that says what to do: of TLS, with the certificate's names and dates.
pub async fn explain(endpoint: &Endpoint, error: &ClusterError) -> String {
    let plain = || error.reason();
    if error.cause() != Cause::Tls || endpoint.proxy.is_some() || !endpoint.encrypted {
        return plain();
    }
    let looked = async {
        let addresses = resolve(&endpoint.host, endpoint.port).await.ok()?;
        let (stream, _) = connect(&addresses).await.ok()?;
        handshake(endpoint, stream).await.fault
    };
    match looked.await {
        Some((fault, why)) => format!("{why}; {}", remedy(fault)),
        None => plain(),
    }
}

/// Takes note of what a server shows, and lets the handshake go on whatever it is.
struct Record {
    judge: Result<Arc<WebPkiServerVerifier>, String>,
    provider: Arc<CryptoProvider>,
    verified: bool,
    noted: Mutex<Noted>,
}

#[derive(Debug, Default, Clone)]
struct Noted {
    chain: Vec<Vec<u8>>,
    verdict: Option<Result<(), rustls::Error>>,
}

impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Record")
    }
}

impl Record {
    fn new(endpoint: &Endpoint, provider: Arc<CryptoProvider>) -> Self {
        let judge = WebPkiServerVerifier::builder_with_provider(
            Arc::new(roots(endpoint)),
            Arc::clone(&provider),
        );
        let judge = judge.build().map_err(|error| error.to_string());
        Self { judge, provider, verified: endpoint.verified, noted: Mutex::default() }
    }

    fn noted(&self) -> Noted {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Authorities to trust: as the client does.
fn roots(endpoint: &Endpoint) -> RootCertStore {
    let mut store = RootCertStore::empty();
    let of_file = endpoint.roots_file.as_ref().and_then(|path| {
        let text = std::fs::read_to_string(path).ok()?;
        certificate::from_pem(&text)
    });
    match of_file.as_ref().or(endpoint.roots.as_ref()) {
        Some(ders) => {
            store.add_parsable_certificates(
                ders.iter().map(|der| CertificateDer::from(der.clone())),
            );
        }
        None => {
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    store
}

impl ServerCertVerifier for Record {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verdict = match &self.judge {
            _ if !self.verified => Ok(()),
            Ok(judge) => judge
                .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
                .map(drop),
            // No authority at all is trusted.
            Err(_) => Err(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)),
        };
        let chain = std::iter::once(end_entity).chain(intermediates);
        *self.noted.lock().unwrap_or_else(PoisonError::into_inner) = Noted {
            chain: chain.map(|der| der.as_ref().to_vec()).collect(),
            verdict: Some(verdict),
        };
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
