//! From an access, as registered, to a cluster that can be asked, and to what may be shown of it.
//!
//! Invariant: nothing is sent anywhere; no credential is in a view or in an error's text.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use domain::connection::{
    Access, AccessKind, AccessView, CertificateView, Credential, Field, Mistake, ServerUrl,
};
use kube::config::AuthInfo;
use serde_json::json;

use super::{
    certificate,
    kubeconfig::{KubeconfigError, Permissions, Read},
    target::Target,
};
use crate::chain::Chain;

/// Why an access cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// A field is wrong.
    #[error("{0}; {remedy}", remedy = .0.remedy())]
    Mistake(#[from] Mistake),
    /// The kubeconfig cannot be used.
    #[error(transparent)]
    Kubeconfig(#[from] KubeconfigError),
    /// No client can be made of address, authority and token.
    #[error("could not make a client for {server}")]
    Client {
        /// Address of the API server.
        server: String,
        /// Why not.
        #[source]
        cause: Box<kube::Error>,
    },
    /// This process does not run in a cluster.
    #[error(
        "this process does not run as a pod with a service account; choose another way of access, or run HNP in the cluster"
    )]
    NotInCluster {
        /// What is missing.
        #[source]
        cause: Box<kube::config::InClusterError>,
    },
}

impl AccessError {
    /// What is wrong and what to do, in a sentence.
    pub fn reason(&self) -> String {
        Chain(self).to_string()
    }
}

/// Makes a client; asks nobody.
pub async fn target(access: &Access, permissions: Permissions) -> Result<Target, AccessError> {
    access.check()?;
    match access {
        Access::Kubeconfig { text, context } => {
            let read = Read::pasted(text.expose())?;
            Ok(read.target(context.as_deref(), permissions).await?)
        }
        Access::Direct { server, ca_pem, token, tls_server_name } => {
            let uri = server.as_str().parse().map_err(|_| Mistake::Malformed {
                field: Field::Server,
                problem: "it is no address".to_owned(),
            })?;
            let mut config = kube::Config::new(uri);
            config.root_cert = ca_pem.as_deref().map(authorities).transpose()?;
            config.tls_server_name.clone_from(tls_server_name);
            config.auth_info = bearer(token.expose());
            Target::new(config, String::new()).map_err(|cause| unusable(server, cause))
        }
        Access::InCluster => {
            let config = kube::Config::incluster()
                .map_err(|cause| AccessError::NotInCluster { cause: Box::new(cause) })?;
            let server = config.cluster_url.to_string();
            Target::new(config, "in-cluster".to_owned())
                .map_err(|cause| AccessError::Client { server, cause: Box::new(cause) })
        }
    }
}

fn unusable(server: &ServerUrl, cause: kube::Error) -> AccessError {
    AccessError::Client { server: server.to_string(), cause: Box::new(cause) }
}

/// kube keeps tokens in a type of its own, which reads itself.
fn bearer(token: &str) -> AuthInfo {
    serde_json::from_value(json!({ "token": token })).unwrap_or_default()
}

fn authorities(pem: &str) -> Result<Vec<Vec<u8>>, Mistake> {
    certificate::from_pem(pem).ok_or_else(|| Mistake::Malformed {
        field: Field::Authority,
        problem: "a certificate in it cannot be read".to_owned(),
    })
}

/// What may be shown of an access; what is wrong with it is its `problem`.
pub fn view(access: &Access, permissions: Permissions) -> AccessView {
    let mut view = AccessView {
        kind: AccessKind::InCluster,
        server: None,
        context: None,
        contexts: Vec::new(),
        namespace: None,
        credential: Credential::TokenFile,
        authorities: Vec::new(),
        tls_server_name: None,
        verified: true,
        problem: access.check().err().map(|mistake| AccessError::from(mistake).reason()),
    };
    match access {
        Access::Kubeconfig { text, context } => {
            view.kind = AccessKind::Kubeconfig;
            view.credential = Credential::None;
            let filled = fill(&mut view, text.expose(), context.as_deref(), permissions);
            if let Err(error) = filled {
                view.problem = Some(Chain(&error).to_string());
            }
        }
        Access::Direct { server, ca_pem, tls_server_name, .. } => {
            view.kind = AccessKind::Direct;
            view.server = Some(server.to_string());
            view.credential = Credential::Token;
            view.tls_server_name.clone_from(tls_server_name);
            match ca_pem.as_deref().map(authorities).transpose() {
                Ok(ders) => view.authorities = views(&ders.unwrap_or_default()),
                Err(mistake) => view.problem = Some(AccessError::from(mistake).reason()),
            }
        }
        Access::InCluster => {}
    }
    view
}

/// Fills in what a kubeconfig says, as far as it can be read.
fn fill(
    view: &mut AccessView,
    text: &str,
    context: Option<&str>,
    permissions: Permissions,
) -> Result<(), KubeconfigError> {
    let read = Read::pasted(text)?;
    view.contexts = read.contexts();
    let context = read.context(context)?;
    let entries = read.entries(&context);
    view.namespace = entries.namespace.map(str::to_owned);
    view.credential = entries.auth.map_or(Credential::None, credential);
    if let Some(about) = entries.about {
        view.server.clone_from(&about.server);
        view.tls_server_name.clone_from(&about.tls_server_name);
        view.verified = !about.insecure_skip_tls_verify.unwrap_or_default();
        let data = about.certificate_authority_data.as_deref();
        view.authorities = data.map(embedded).unwrap_or_default();
    }
    let refused = read.refuse(&context, permissions);
    view.context = Some(context);
    refused
}

fn credential(auth: &AuthInfo) -> Credential {
    if auth.exec.is_some() {
        Credential::Exec
    } else if auth.token.is_some() {
        Credential::Token
    } else if auth.token_file.is_some() {
        Credential::TokenFile
    } else if auth.client_certificate_data.is_some() || auth.client_certificate.is_some() {
        Credential::ClientCertificate
    } else {
        Credential::None
    }
}

/// Certificates as kubeconfigs embed them: PEM in base64.
fn embedded(data: &str) -> Vec<CertificateView> {
    let pem = STANDARD.decode(data).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    pem.and_then(|pem| certificate::from_pem(&pem)).map(|ders| views(&ders)).unwrap_or_default()
}

fn views(ders: &[Vec<u8>]) -> Vec<CertificateView> {
    ders.iter().filter_map(|der| certificate::view(der)).collect()
}

#[cfg(test)]
mod tests {
    use domain::connection::Secret;

    use super::*;

    fn pasted(text: &str) -> Access {
        Access::Kubeconfig { text: Secret::new(text), context: None }
    }

    const TWO: &str = "apiVersion: v1\nkind: Config\ncurrent-context: b\nclusters: [{name: c, cluster: {server: \"https://10.0.0.1:6443\", insecure-skip-tls-verify: true}}]\ncontexts: [{name: a, context: {cluster: c, user: u}}, {name: b, context: {cluster: c, user: u, namespace: net}}]\nusers: [{name: u, user: {token: planted}}]\n";

    #[test]
    fn a_view_shows_what_is_in_a_kubeconfig_and_no_credential() {
        let view = view(&pasted(TWO), Permissions::NONE);
        assert_eq!(view.contexts, ["b", "a"]);
        assert_eq!(
            (view.server.as_deref(), view.namespace.as_deref(), view.credential, view.verified),
            (Some("https://10.0.0.1:6443"), Some("net"), Credential::Token, false)
        );
        assert_eq!(view.problem, None);
        assert!(!serde_json::to_string(&view).unwrap().contains("planted"));
    }

    #[tokio::test]
    async fn what_is_refused_is_the_views_problem_and_the_targets_error() {
        let access = pasted(&TWO.replace("token: planted", "tokenFile: /etc/planted"));
        let problem = view(&access, Permissions::NONE).problem.unwrap();
        assert!(problem.contains("--flatten"), "{problem}");
        let error = target(&access, Permissions::NONE).await.unwrap_err().reason();
        assert_eq!(error, problem);
    }

    #[tokio::test]
    async fn an_address_and_a_token_make_a_target_without_asking_anybody() {
        let access = Access::Direct {
            server: "https://no-such-host.invalid:6443".parse().unwrap(),
            ca_pem: None,
            token: Secret::new("planted"),
            tls_server_name: Some("kubernetes".to_owned()),
        };
        let target = target(&access, Permissions::NONE).await.unwrap();
        assert_eq!(target.endpoint.expected_name(), "kubernetes");
        assert_eq!(
            (target.endpoint.host.as_str(), target.endpoint.port),
            ("no-such-host.invalid", 6443)
        );
        assert!(!format!("{target:?}").contains("planted"));
    }

    #[tokio::test]
    async fn outside_of_a_cluster_that_way_is_an_error_that_says_so() {
        let reason = target(&Access::InCluster, Permissions::NONE).await.unwrap_err().reason();
        assert!(reason.contains("pod"), "{reason}");
    }
}
