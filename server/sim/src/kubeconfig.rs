//! Writing a kubeconfig: one context per cluster, with a token.
//!
//! Invariant: the first context is the current one; nothing is written to disk here.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

/// One context.
#[derive(Clone, PartialEq, Eq)]
pub struct ContextEntry {
    /// Name of context, cluster and user.
    pub name: String,
    /// For example `http://127.0.0.1:16443`.
    pub server: String,
    /// Certificate to trust, as PEM, for HTTPS.
    pub ca_pem: Option<String>,
    /// Bearer token.
    pub token: String,
    /// Namespace of commands that name none.
    pub namespace: String,
}

impl std::fmt::Debug for ContextEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ContextEntry({} at {})", self.name, self.server)
    }
}

/// The YAML of a kubeconfig.
pub fn kubeconfig(contexts: &[ContextEntry]) -> String {
    let cluster = |entry: &ContextEntry| {
        let mut cluster = json!({"server": entry.server});
        if let (Some(pem), Some(map)) = (&entry.ca_pem, cluster.as_object_mut()) {
            map.insert("certificate-authority-data".to_owned(), STANDARD.encode(pem).into());
        }
        json!({"name": entry.name, "cluster": cluster})
    };
    let context = |entry: &ContextEntry| {
        json!({"name": entry.name,
            "context": {"cluster": entry.name, "user": entry.name, "namespace": entry.namespace}})
    };
    let user = |entry: &ContextEntry| json!({"name": entry.name, "user": {"token": entry.token}});
    let config = json!({
        "apiVersion": "v1", "kind": "Config",
        "current-context": contexts.first().map(|entry| entry.name.as_str()).unwrap_or_default(),
        "clusters": contexts.iter().map(cluster).collect::<Value>(),
        "contexts": contexts.iter().map(context).collect::<Value>(),
        "users": contexts.iter().map(user).collect::<Value>(),
    });
    // JSON is YAML; this only makes it pleasant to read, and cannot fail for plain maps and texts.
    serde_norway::to_string(&config).unwrap_or_else(|_| config.to_string())
}
