//! Kubeconfigs as people have them, parsed once at the door.
//!
//! Client certificates, tokens, rotating token files, exec plugins and `proxy-url` are kube-rs' work;
//! what it does not support is refused by name, instead of failing later as "unauthorized".
//!
//! Invariant: no credential is ever part of an error's text.

use std::path::{Path, PathBuf};

use domain::hex::hex;
use kube::config::{AuthInfo, KubeConfigOptions, Kubeconfig};
use sha2::{Digest, Sha256};

/// Longest kubeconfig that is read, in bytes.
const LARGEST_BYTES: u64 = 1024 * 1024;

/// Why a kubeconfig cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KubeconfigError {
    /// The file cannot be read.
    #[error("could not read the kubeconfig {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        cause: std::io::Error,
    },
    /// The file is too large to be a kubeconfig.
    #[error("the kubeconfig {path} is larger than 1 MiB; is it the right file?")]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// It is not a kubeconfig.
    #[error("the kubeconfig {path} does not parse")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        cause: Box<kube::config::KubeconfigError>,
    },
    /// There is no context to use.
    #[error("the kubeconfig {path} has no context {wanted}; it has: {known}")]
    NoContext {
        /// The file.
        path: PathBuf,
        /// What was asked for.
        wanted: String,
        /// What there is.
        known: String,
    },
    /// It asks for something that we do not do.
    #[error(
        "user `{user}` in the kubeconfig {path} uses `{what}`, which is not supported; use a token, a client certificate or an exec plugin"
    )]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// The user entry.
        user: String,
        /// The key.
        what: &'static str,
    },
    /// It cannot be turned into a client.
    #[error("could not make a client from context `{context}` of the kubeconfig {path}")]
    Client {
        /// The file.
        path: PathBuf,
        /// The context.
        context: String,
        /// Why not.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// A cluster that can be asked.
#[derive(Clone)]
pub struct Target {
    /// The client; cheap to clone.
    pub client: kube::Client,
    /// Address of the API server.
    pub server: String,
    /// Name of the context.
    pub context: String,
    /// The context's namespace, watched where a cluster-wide list is forbidden.
    pub namespace: String,
    /// Stands for the cluster's identity where no uid may be read: hash of URL and CA.
    pub fallback_identity: String,
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Target")
            .field("server", &self.server)
            .field("context", &self.context)
            .finish_non_exhaustive()
    }
}

/// Names of the contexts in a kubeconfig, the current one first.
pub fn contexts(path: &Path) -> Result<Vec<String>, KubeconfigError> {
    let config = read(path)?;
    let mut names: Vec<String> =
        config.contexts.iter().map(|context| context.name.clone()).collect();
    if let Some(current) = &config.current_context {
        names.sort_by_key(|name| name != current);
    }
    Ok(names)
}

/// Makes a client for a context of a kubeconfig (none: the current one).
pub async fn target(path: &Path, context: Option<&str>) -> Result<Target, KubeconfigError> {
    let config = read(path)?;
    let context = wanted_context(path, &config, context)?;
    refuse_unsupported(path, &config, &context)?;
    let fail = |cause: Box<dyn std::error::Error + Send + Sync>| KubeconfigError::Client {
        path: path.to_owned(),
        context: context.clone(),
        cause,
    };
    let options =
        KubeConfigOptions { context: Some(context.clone()), ..KubeConfigOptions::default() };
    let mut config = kube::Config::from_custom_kubeconfig(config, &options)
        .await
        .map_err(|cause| fail(Box::new(cause)))?;
    config.connect_timeout = Some(std::time::Duration::from_secs(5));
    // Our own retries are visible on screen and share one backoff per cluster; hidden ones would lie.
    config.default_retry = false;
    let server = config.cluster_url.to_string().trim_end_matches('/').to_owned();
    let namespace = config.default_namespace.clone();
    let fallback_identity =
        fallback_identity(&server, config.root_cert.as_deref().unwrap_or_default());
    let client = kube::Client::try_from(config).map_err(|cause| fail(Box::new(cause)))?;
    Ok(Target { client, server, context, namespace, fallback_identity })
}

fn fallback_identity(server: &str, authorities: &[Vec<u8>]) -> String {
    let mut hash = Sha256::new();
    hash.update(server.as_bytes());
    for authority in authorities {
        hash.update(authority);
    }
    hex(&hash.finalize())
}

fn read(path: &Path) -> Result<Kubeconfig, KubeconfigError> {
    let fail = |cause| KubeconfigError::Read { path: path.to_owned(), cause };
    if std::fs::metadata(path).map_err(fail)?.len() > LARGEST_BYTES {
        return Err(KubeconfigError::TooLarge { path: path.to_owned() });
    }
    Kubeconfig::read_from(path)
        .map_err(|cause| KubeconfigError::Parse { path: path.to_owned(), cause: Box::new(cause) })
}

fn wanted_context(
    path: &Path,
    config: &Kubeconfig,
    wanted: Option<&str>,
) -> Result<String, KubeconfigError> {
    let known = || config.contexts.iter().map(|context| context.name.as_str());
    let only = || (config.contexts.len() == 1).then(|| known().next()).flatten();
    let wanted = wanted.or(config.current_context.as_deref()).or_else(only);
    match wanted {
        Some(name) if known().any(|context| context == name) => Ok(name.to_owned()),
        _ => Err(KubeconfigError::NoContext {
            path: path.to_owned(),
            wanted: wanted.map_or("named as current".to_owned(), |name| format!("`{name}`")),
            known: known().collect::<Vec<_>>().join(", "),
        }),
    }
}

fn refuse_unsupported(
    path: &Path,
    config: &Kubeconfig,
    context: &str,
) -> Result<(), KubeconfigError> {
    let context = config
        .contexts
        .iter()
        .find(|entry| entry.name == context)
        .and_then(|entry| entry.context.as_ref());
    let Some(user) = context.and_then(|context| context.user.clone()) else { return Ok(()) };
    let auth = config
        .auth_infos
        .iter()
        .find(|entry| entry.name == user)
        .and_then(|entry| entry.auth_info.as_ref());
    match auth.and_then(unsupported) {
        Some(what) => Err(KubeconfigError::Unsupported { path: path.to_owned(), user, what }),
        None => Ok(()),
    }
}

/// The key of a user entry that we do not support, if it has one.
fn unsupported(auth: &AuthInfo) -> Option<&'static str> {
    if auth.auth_provider.is_some() {
        return Some("auth-provider");
    }
    // API servers dropped basic authentication in 1.19.
    auth.password.is_some().then_some("username and password")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::Chain;

    fn file(name: &str, text: &str) -> PathBuf {
        let dir =
            std::env::temp_dir().join(format!("hnp-kubeconfig-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let path = dir.join("config");
        std::fs::write(&path, text).unwrap();
        path
    }

    fn config(user: &str) -> String {
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: prod\nclusters: [{{name: c, cluster: {{server: \"http://127.0.0.1:1\"}}}}]\n\
             contexts: [{{name: prod, context: {{cluster: c, user: u, namespace: net}}}}, {{name: lab, context: {{cluster: c, user: u}}}}]\nusers: [{{name: u, user: {user}}}]\n"
        )
    }

    #[tokio::test]
    async fn a_token_and_a_namespace_are_read() {
        let path = file("token", &config("{token: abc}"));
        let target = target(&path, None).await.unwrap();
        assert_eq!(
            (target.context.as_str(), target.namespace.as_str(), target.server.as_str()),
            ("prod", "net", "http://127.0.0.1:1")
        );
        assert_eq!(contexts(&path).unwrap(), ["prod", "lab"]);
        assert!(!format!("{target:?}").contains("abc"));
    }

    #[tokio::test]
    async fn what_we_do_not_do_is_refused_by_name() {
        for (user, what) in [
            ("{auth-provider: {name: oidc, config: {}}}", "auth-provider"),
            ("{username: a, password: planted-secret}", "username and password"),
        ] {
            let path = file("unsupported", &config(user));
            let error = target(&path, None).await.unwrap_err();
            let text = Chain(&error).to_string();
            assert!(text.contains(what) && text.contains("user `u`"), "{text}");
            assert!(!text.contains("planted-secret"));
        }
    }

    #[tokio::test]
    async fn a_missing_context_names_those_there_are() {
        let path = file("context", &config("{token: abc}"));
        let text = target(&path, Some("nope")).await.unwrap_err().to_string();
        assert!(text.contains("`nope`") && text.contains("prod, lab"), "{text}");
    }

    #[tokio::test]
    async fn a_file_that_is_no_kubeconfig_is_a_clear_error() {
        let text = Chain(&target(Path::new("/nonexistent/kubeconfig"), None).await.unwrap_err())
            .to_string();
        assert!(text.contains("/nonexistent/kubeconfig"), "{text}");
        assert!(target(&file("garbage", "\u{0}\u{1}:["), None).await.is_err());
        assert!(target(&file("empty", "{}"), None).await.is_err());
    }
}
