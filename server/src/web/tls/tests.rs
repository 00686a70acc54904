//! Which files can be served, and what is said of the others.

use std::path::PathBuf;

use rcgen::{CertificateParams, KeyPair, date_time_ymd};

use super::*;

struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let name = format!("hnp-tls-{}-{:x}", std::process::id(), rand::random::<u64>());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, cert: &str, key: &str) -> TlsFiles {
        let files = TlsFiles { cert: self.0.join("cert.pem"), key: self.0.join("key.pem") };
        std::fs::write(&files.cert, cert).unwrap();
        std::fs::write(&files.key, key).unwrap();
        files
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A certificate from one year to another, and its key.
fn pair(from: i32, until: i32) -> (String, String) {
    let mut params = CertificateParams::new(vec!["hnp.example".to_owned()]).unwrap();
    params.not_before = date_time_ymd(from, 1, 1);
    params.not_after = date_time_ymd(until, 1, 1);
    let key = KeyPair::generate().unwrap();
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

#[test]
fn what_cannot_be_served_is_refused_with_the_file_and_the_reason() {
    let folder = Folder::new();
    let (cert, key) = pair(2000, 4000);
    let (old, old_key) = pair(2000, 2001);
    let (coming, coming_key) = pair(3000, 3001);
    let (_, other_key) = pair(2000, 4000);
    let missing = TlsFiles { cert: folder.0.join("absent.pem"), key: folder.0.join("absent.key") };
    let said = |files: &TlsFiles| {
        format!("{:#}", anyhow::Error::new(Certificate::open(files).unwrap_err()))
    };
    let text = said(&missing);
    assert!(text.contains("absent.pem") && text.contains("No such file"), "{text}");
    for (cert, key, says) in [
        ("", key.as_str(), "cert.pem holds no certificate"),
        (key.as_str(), key.as_str(), "cert.pem holds no certificate"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", &key, "no certificate"),
        (&cert, "", "key.pem holds no private key"),
        (&cert, &cert, "key.pem holds no private key"),
        (&cert, &other_key, "does not belong to"),
        (&old, &old_key, "2001"),
        (&coming, &coming_key, "3000"),
    ] {
        let text = said(&folder.write(cert, key));
        assert!(text.contains(says), "{says}: {text}");
        assert!(!text.contains("BEGIN PRIVATE KEY-----\n"), "no key is shown: {text}");
    }
    assert!(Certificate::open(&folder.write(&cert, &key)).is_ok());
}

#[test]
fn a_change_of_the_files_is_seen_and_a_bad_one_changes_nothing() {
    let folder = Folder::new();
    let (cert, key) = pair(2000, 4000);
    let certificate = Certificate::open(&folder.write(&cert, &key)).unwrap();
    let serves = || certificate.desk.0.lock().unwrap().end_entity_cert().unwrap().to_vec();
    let first = serves();
    assert!(matches!(certificate.look(), Look::Same));

    let (new, new_key) = pair(2000, 4000);
    folder.write(&new, &key);
    assert!(matches!(certificate.look(), Look::Bad(TlsError::Mismatch { .. })), "half written");
    assert!(matches!(certificate.look(), Look::Same), "told once");
    assert_eq!(serves(), first);
    folder.write(&new, &new_key);
    assert!(matches!(certificate.look(), Look::New));
    assert_ne!(serves(), first);
    std::fs::remove_file(folder.0.join("key.pem")).unwrap();
    assert!(matches!(certificate.look(), Look::Bad(TlsError::Read { .. })));
    assert_ne!(serves(), first, "what is served stays");
}

#[test]
fn the_key_is_not_shown() {
    let folder = Folder::new();
    let (cert, key) = pair(2000, 4000);
    let shown = format!("{:?}", Certificate::open(&folder.write(&cert, &key)).unwrap());
    assert!(shown.starts_with("Certificate") && !shown.contains("PRIVATE"), "{shown}");
}
