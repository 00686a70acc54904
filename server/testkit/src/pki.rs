//! Certificates, keys and tokens for one run, in one folder.
//!
//! Invariant: made anew for every run, thrown away with it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;
use base64::{Engine, engine::general_purpose::STANDARD};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};

/// Files of one run.
#[derive(Debug)]
pub(crate) struct Pki {
    folder: PathBuf,
    ca_pem: String,
}

/// Users, their groups and tokens. The tokens are worth nothing outside of a test.
pub(crate) const USERS: [(&str, &str); 3] =
    [("admin", "system:masters"), ("reader", "readers"), ("nobody", "nobodies")];

/// The token of a user.
pub(crate) fn token(user: &str) -> String {
    format!("{user}-of-the-testkit")
}

impl Pki {
    /// Makes everything.
    pub(crate) fn make(folder: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
        let mut ca = CertificateParams::default();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        ca.distinguished_name.push(DnType::CommonName, "testkit CA");
        let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate()?)?;
        let names = ["localhost", "127.0.0.1", "10.0.0.1", "kubernetes.default.svc"];
        let mut leaf = CertificateParams::new(names.map(str::to_owned).to_vec())?;
        leaf.distinguished_name.push(DnType::CommonName, "kube-apiserver");
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate()?;
        let cert = leaf.signed_by(&key, &ca)?;
        let accounts = KeyPair::generate()?;
        let tokens: Vec<_> = USERS
            .iter()
            .map(|(user, group)| format!("{},{user},{user},\"{group}\"\n", token(user)))
            .collect();
        for (name, text) in [
            ("ca.crt", ca.pem()),
            ("server.crt", cert.pem()),
            ("server.key", key.serialize_pem()),
            ("sa.key", accounts.serialize_pem()),
            ("sa.pub", accounts.public_key_pem()),
            ("tokens.csv", tokens.concat()),
        ] {
            fs::write(folder.join(name), text).with_context(|| format!("write {name}"))?;
        }
        Ok(Self { folder: folder.to_owned(), ca_pem: ca.pem() })
    }

    /// Path of a file.
    pub(crate) fn file(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    /// The kubeconfig of a user.
    pub(crate) fn kubeconfig(&self, server: &str, user: &str) -> String {
        let ca = STANDARD.encode(&self.ca_pem);
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: test\n\
             clusters: [{{name: test, cluster: {{server: \"{server}\", certificate-authority-data: {ca}}}}}]\n\
             contexts: [{{name: test, context: {{cluster: test, user: {user}, namespace: default}}}}]\n\
             users: [{{name: {user}, user: {{token: {}}}}}]\n",
            token(user)
        )
    }
}
