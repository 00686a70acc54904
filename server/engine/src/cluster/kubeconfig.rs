//! Kubeconfigs as people have them, parsed once at the door: from a file, or as pasted text.
//!
//! Client certificates, tokens, rotating token files, exec plugins and `proxy-url` are kube-rs' work;
//! what it does not support is refused by name, instead of failing later as "unauthorized". What pasted text
//! may ask of this machine (to run a program, to read a file) is for [`Permissions`] to say.
//!
//! Invariant: no credential is ever part of an error's text; nothing is sent anywhere.

use std::{
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use domain::connection::LARGEST_KUBECONFIG;
use kube::config::{AuthInfo, Cluster, KubeConfigOptions, Kubeconfig};

pub use super::target::Target;

/// Longest wait for a connection.
pub(super) const CONNECT_DEADLINE: Duration = Duration::from_secs(5);

/// What a kubeconfig may ask of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permissions {
    /// To run programs that give credentials.
    pub exec: bool,
    /// To read files.
    pub files: bool,
}

impl Permissions {
    /// Everything: for who named a file of this machine on the command line.
    pub const ALL: Self = Self { exec: true, files: true };
    /// Nothing: for who pasted text into a page.
    pub const NONE: Self = Self { exec: false, files: false };
}

/// Where a kubeconfig came from, as its errors name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A file.
    File(PathBuf),
    /// A form.
    Pasted,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "the kubeconfig {}", path.display()),
            Self::Pasted => f.write_str("the pasted kubeconfig"),
        }
    }
}

/// What pasted text asks of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// To run a program.
    Exec,
    /// To read the file under this key.
    File(&'static str),
    /// To read the file under this key, by a path that begins nowhere.
    RelativeFile(&'static str),
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exec => f.write_str("`exec`, which runs a program on this machine"),
            Self::File(key) => write!(f, "`{key}`, which reads a file of this machine"),
            Self::RelativeFile(key) => write!(f, "`{key}` with a relative path"),
        }
    }
}

impl Asked {
    /// What to do instead.
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::Exec => {
                "use a token instead (`kubectl create token` for a service account), or allow exec plugins in the configuration"
            }
            Self::File(_) => {
                "embed the data: paste what `kubectl config view --raw --flatten --minify` prints, or allow file references in the configuration"
            }
            Self::RelativeFile(_) => {
                "embed the data: paste what `kubectl config view --raw --flatten --minify` prints, or write the whole path"
            }
        }
    }
}

/// Why a kubeconfig cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KubeconfigError {
    /// The file cannot be read.
    #[error("could not read {from}")]
    Read {
        /// The file.
        from: Source,
        /// Why not.
        #[source]
        cause: std::io::Error,
    },
    /// It is too large to be a kubeconfig.
    #[error("{from} is larger than 1 MiB; is it the right one?")]
    TooLarge {
        /// Which one.
        from: Source,
    },
    /// It is not a kubeconfig.
    #[error("{from} does not parse")]
    Parse {
        /// Which one.
        from: Source,
        /// Why not; kept back where it might repeat what was pasted.
        #[source]
        cause: Option<Box<kube::config::KubeconfigError>>,
    },
    /// There is no context to use.
    #[error("{from} has no context {wanted}; it has: {known}")]
    NoContext {
        /// Which one.
        from: Source,
        /// What was asked for.
        wanted: String,
        /// What there is.
        known: String,
    },
    /// It asks for something that we do not do.
    #[error(
        "user `{user}` in {from} uses `{what}`, which is not supported; use a token, a client certificate or an exec plugin"
    )]
    Unsupported {
        /// Which one.
        from: Source,
        /// The user entry.
        user: String,
        /// The key.
        what: &'static str,
    },
    /// It asks something of this machine that is not allowed.
    #[error("{entry} in {from} uses {asked}; {}", asked.remedy())]
    Refused {
        /// Which one.
        from: Source,
        /// The entry, as in "user `admin`".
        entry: String,
        /// What it asks.
        asked: Asked,
    },
    /// It cannot be turned into a client.
    #[error("could not make a client from context `{context}` of {from}")]
    Client {
        /// Which one.
        from: Source,
        /// The context.
        context: String,
        /// Why not.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// A kubeconfig that was read.
#[derive(Clone)]
pub struct Read {
    config: Kubeconfig,
    from: Source,
}

impl fmt::Debug for Read {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Read").field("from", &self.from).finish_non_exhaustive()
    }
}

/// Names of the contexts in a kubeconfig, the current one first.
pub fn contexts(path: &Path) -> Result<Vec<String>, KubeconfigError> {
    Ok(Read::file(path)?.contexts())
}

/// Makes a client for a context of a kubeconfig (none: the current one).
pub async fn target(path: &Path, context: Option<&str>) -> Result<Target, KubeconfigError> {
    Read::file(path)?.target(context, Permissions::ALL).await
}

impl Read {
    /// From a file.
    pub fn file(path: &Path) -> Result<Self, KubeconfigError> {
        let from = Source::File(path.to_owned());
        let fail = |cause| KubeconfigError::Read { from: from.clone(), cause };
        if std::fs::metadata(path).map_err(fail)?.len() > LARGEST_KUBECONFIG as u64 {
            return Err(KubeconfigError::TooLarge { from });
        }
        match Kubeconfig::read_from(path) {
            Ok(config) => Ok(Self { config, from }),
            Err(cause) => Err(KubeconfigError::Parse { from, cause: Some(Box::new(cause)) }),
        }
    }

    /// From text. What the parser says of it may repeat a line with a credential, so that is not passed on.
    pub fn pasted(text: &str) -> Result<Self, KubeconfigError> {
        let from = Source::Pasted;
        if text.len() > LARGEST_KUBECONFIG {
            return Err(KubeconfigError::TooLarge { from });
        }
        match Kubeconfig::from_yaml(text) {
            Ok(config) => Ok(Self { config, from }),
            Err(_) => Err(KubeconfigError::Parse { from, cause: None }),
        }
    }

    /// Names of the contexts, the current one first.
    pub fn contexts(&self) -> Vec<String> {
        let config = &self.config;
        let mut names: Vec<String> =
            config.contexts.iter().map(|context| context.name.clone()).collect();
        if let Some(current) = &config.current_context {
            names.sort_by_key(|name| name != current);
        }
        names
    }

    /// The context that is meant: the named one, else the current one, else the only one.
    pub fn context(&self, wanted: Option<&str>) -> Result<String, KubeconfigError> {
        let config = &self.config;
        let known = || config.contexts.iter().map(|context| context.name.as_str());
        let only = || (config.contexts.len() == 1).then(|| known().next()).flatten();
        let wanted = wanted.or(config.current_context.as_deref()).or_else(only);
        match wanted {
            Some(name) if known().any(|context| context == name) => Ok(name.to_owned()),
            _ => Err(KubeconfigError::NoContext {
                from: self.from.clone(),
                wanted: wanted.map_or("named as current".to_owned(), |name| format!("`{name}`")),
                known: known().collect::<Vec<_>>().join(", "),
            }),
        }
    }

    /// Makes a client for a context (none: the current one).
    pub async fn target(
        self,
        context: Option<&str>,
        permissions: Permissions,
    ) -> Result<Target, KubeconfigError> {
        let context = self.context(context)?;
        self.refuse(&context, permissions)?;
        let from = self.from;
        let fail = |cause: Box<dyn std::error::Error + Send + Sync>| KubeconfigError::Client {
            from: from.clone(),
            context: context.clone(),
            cause,
        };
        let options =
            KubeConfigOptions { context: Some(context.clone()), ..KubeConfigOptions::default() };
        let config = kube::Config::from_custom_kubeconfig(self.config, &options)
            .await
            .map_err(|cause| fail(Box::new(cause)))?;
        Target::new(config, context.clone()).map_err(|cause| fail(Box::new(cause)))
    }

    /// The entries that a context names.
    pub(super) fn entries(&self, context: &str) -> Entries<'_> {
        let config = &self.config;
        let chosen = config.contexts.iter().find(|entry| entry.name == context);
        let chosen = chosen.and_then(|entry| entry.context.as_ref());
        let user = chosen.and_then(|context| context.user.as_deref()).unwrap_or_default();
        let cluster = chosen.map(|context| context.cluster.as_str()).unwrap_or_default();
        let auth = config.auth_infos.iter().find(|entry| entry.name == user);
        let about = config.clusters.iter().find(|entry| entry.name == cluster);
        Entries {
            namespace: chosen.and_then(|context| context.namespace.as_deref()),
            user,
            auth: auth.and_then(|entry| entry.auth_info.as_ref()),
            cluster,
            about: about.and_then(|entry| entry.cluster.as_ref()),
        }
    }

    /// Refuses what we do not do, and what is not allowed.
    pub(super) fn refuse(
        &self,
        context: &str,
        permissions: Permissions,
    ) -> Result<(), KubeconfigError> {
        let entries = self.entries(context);
        let from = || self.from.clone();
        if let Some(what) = entries.auth.and_then(unsupported) {
            let user = entries.user.to_owned();
            return Err(KubeconfigError::Unsupported { from: from(), user, what });
        }
        for (entry, asked) in entries.asked(self.from == Source::Pasted) {
            let allowed = match asked {
                Asked::Exec => permissions.exec,
                Asked::File(_) => permissions.files,
                Asked::RelativeFile(_) => false,
            };
            if !allowed {
                return Err(KubeconfigError::Refused { from: from(), entry, asked });
            }
        }
        Ok(())
    }
}

/// What a context names.
pub(super) struct Entries<'a> {
    pub(super) namespace: Option<&'a str>,
    user: &'a str,
    pub(super) auth: Option<&'a AuthInfo>,
    cluster: &'a str,
    pub(super) about: Option<&'a Cluster>,
}

impl Entries<'_> {
    /// What is asked of this machine, by which entry.
    fn asked(&self, pasted: bool) -> Vec<(String, Asked)> {
        let mut all = Vec::new();
        let file = |key: &'static str, path: &str| {
            // Of a file, what is relative was made absolute as it was read.
            if pasted && Path::new(path).is_relative() {
                Asked::RelativeFile(key)
            } else {
                Asked::File(key)
            }
        };
        if let Some(path) = self.about.and_then(|about| about.certificate_authority.as_deref()) {
            let entry = format!("cluster `{}`", self.cluster);
            all.push((entry, file("certificate-authority", path)));
        }
        let Some(auth) = self.auth else { return all };
        let user = format!("user `{}`", self.user);
        if auth.exec.is_some() {
            all.push((user.clone(), Asked::Exec));
        }
        for (key, path) in [
            ("client-certificate", &auth.client_certificate),
            ("client-key", &auth.client_key),
            ("tokenFile", &auth.token_file),
        ] {
            if let Some(path) = path {
                all.push((user.clone(), file(key, path)));
            }
        }
        all
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

    async fn pasted(user: &str, permissions: Permissions) -> Result<Target, KubeconfigError> {
        Read::pasted(&config(user))?.target(None, permissions).await
    }

    #[tokio::test]
    async fn pasted_text_may_neither_run_programs_nor_read_files_unless_allowed() {
        let run = "{exec: {apiVersion: client.authentication.k8s.io/v1, command: /bin/false, interactiveMode: Never}}";
        for (user, what) in [
            (run, "exec"),
            ("{tokenFile: /etc/passwd}", "tokenFile"),
            ("{tokenFile: passwd}", "tokenFile"),
            ("{client-certificate: /a, client-key: /b}", "client-certificate"),
            ("{token: planted, client-key: /b}", "client-key"),
        ] {
            let error = pasted(user, Permissions::NONE).await.unwrap_err();
            assert!(matches!(error, KubeconfigError::Refused { .. }), "{error}");
            let text = Chain(&error).to_string();
            assert!(text.contains(what) && text.contains("user `u`"), "{text}");
            assert!(!text.contains("planted") && !text.contains("/etc"), "{text}");
        }
        let relative = pasted("{tokenFile: passwd}", Permissions::ALL).await.unwrap_err();
        assert!(matches!(relative, KubeconfigError::Refused { .. }), "{relative}");
        assert!(pasted("{token: abc}", Permissions::NONE).await.is_ok());
        let path = file("tokenfile", "abc");
        let user = format!("{{tokenFile: {}}}", path.display());
        assert!(pasted(&user, Permissions { exec: false, files: true }).await.is_ok());
    }

    #[tokio::test]
    async fn text_that_does_not_parse_is_not_repeated() {
        for text in ["users: [planted-secret", "token: {planted-secret: [}", "planted-secret"] {
            let error = Read::pasted(text).err().map(|error| Chain(&error).to_string());
            assert!(!error.unwrap_or_default().contains("planted-secret"));
        }
        let most = "#".repeat(LARGEST_KUBECONFIG + 1);
        assert!(matches!(Read::pasted(&most), Err(KubeconfigError::TooLarge { .. })));
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
