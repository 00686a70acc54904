//! What may be said of X.509 certificates.
//!
//! Invariant: nothing is trusted here, only described; what cannot be read is no certificate.

use domain::{connection::CertificateView, hex::hex};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use sha2::{Digest, Sha256};
use x509_parser::{
    certificate::X509Certificate,
    extensions::GeneralName,
    prelude::{FromDer, ParsedExtension},
};

/// Most names of a certificate that are shown.
const MOST_NAMES: usize = 50;
/// Most bytes of a name that are shown: certificates come from strangers.
const LONGEST_NAME: usize = 256;

/// The certificates in a PEM text, DER; none where something in it cannot be read, or there is nothing.
pub fn from_pem(pem: &str) -> Option<Vec<Vec<u8>>> {
    let parsed = CertificateDer::pem_slice_iter(pem.as_bytes());
    let parsed = parsed.map(|der| der.ok().map(|der| der.as_ref().to_vec()));
    let certificates = parsed.collect::<Option<Vec<_>>>()?;
    let readable = certificates.iter().all(|der| X509Certificate::from_der(der).is_ok());
    (readable && !certificates.is_empty()).then_some(certificates)
}

/// What may be shown of a certificate; none where it cannot be read.
pub fn view(der: &[u8]) -> Option<CertificateView> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let names =
        certificate.extensions().iter().find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::SubjectAlternativeName(names) => Some(&names.general_names),
            _ => None,
        });
    let names = names.into_iter().flatten().take(MOST_NAMES).filter_map(name).collect();
    let validity = certificate.validity();
    Some(CertificateView {
        subject: shown(&certificate.subject().to_string()),
        issuer: shown(&certificate.issuer().to_string()),
        names,
        not_before_ms: validity.not_before.timestamp().saturating_mul(1_000),
        not_after_ms: validity.not_after.timestamp().saturating_mul(1_000),
        sha256: hex(&Sha256::digest(der)),
    })
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some(shown(name)),
        GeneralName::IPAddress(bytes) => {
            let short: Option<[u8; 4]> = (*bytes).try_into().ok();
            let long: Option<[u8; 16]> = (*bytes).try_into().ok();
            short
                .map(|four| std::net::IpAddr::from(four).to_string())
                .or_else(|| long.map(|sixteen| std::net::IpAddr::from(sixteen).to_string()))
        }
        _ => None,
    }
}

/// Bounded, and without control characters.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(LONGEST_NAME).collect()
}
