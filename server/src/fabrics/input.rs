//! What people say a fabric is: from JSON, a form or a command, checked field by field.
//!
//! Invariant: every complaint names its field and what to do; none repeats what may be secret; nothing is
//! sent anywhere.

use domain::{
    connection::{Access, AccessKind, Field, Mistake, PlanInput, Secret, ServerUrl, WatchPlan},
    topic::FabricId,
};
use engine::cluster::{
    access::{self, AccessError},
    kubeconfig::{Asked, KubeconfigError, Permissions, Read},
};
use serde::{Deserialize, Serialize};

/// What is wrong with a field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Complaint {
    /// Which field, as in forms and in the API.
    pub field: &'static str,
    /// What is wrong with it.
    pub problem: String,
    /// What to do.
    pub remedy: String,
}

impl Complaint {
    /// A complaint.
    pub fn new(field: &'static str, problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { field, problem: problem.into(), remedy: remedy.into() }
    }

    fn on(field: Field, problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(field.word(), problem, remedy)
    }

    /// Both in one sentence.
    pub fn sentence(&self) -> String {
        format!("{}; {}", self.problem, self.remedy)
    }
}

impl From<Mistake> for Complaint {
    fn from(mistake: Mistake) -> Self {
        let field = mistake.field();
        let text = mistake.to_string();
        // The field is named beside it already.
        let problem = text.strip_prefix(&format!("{field}: ")).unwrap_or(&text).to_owned();
        Self::on(field, problem, mistake.remedy())
    }
}

/// A connection as it is entered.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum AccessInput {
    /// By a kubeconfig.
    Kubeconfig {
        /// Its text.
        kubeconfig: Secret,
        /// The context; none or empty: the current one.
        #[serde(default)]
        context: Option<String>,
    },
    /// By address, authority and token.
    Direct {
        /// Address of the API server.
        server: String,
        /// PEM of the authorities to trust; none or empty: those of the system.
        #[serde(default)]
        authority: Option<String>,
        /// The token.
        token: Secret,
        /// Name that the certificate must carry; none or empty: the address's host.
        #[serde(default)]
        tls_server_name: Option<String>,
    },
    /// As a pod of the cluster itself.
    InCluster {},
}

impl AccessInput {
    /// Which way it is.
    pub const fn kind(&self) -> AccessKind {
        match self {
            Self::Kubeconfig { .. } => AccessKind::Kubeconfig,
            Self::Direct { .. } => AccessKind::Direct,
            Self::InCluster {} => AccessKind::InCluster,
        }
    }

    /// The connection, or all that is wrong with it. What is wrong in the cluster is no mistake here.
    pub async fn read(&self, permissions: Permissions) -> Result<Access, Vec<Complaint>> {
        let access = match self {
            Self::Kubeconfig { kubeconfig, context } => {
                Access::Kubeconfig { text: kubeconfig.clone(), context: filled(context.as_ref()) }
            }
            Self::Direct { server, authority, token, tls_server_name } => Access::Direct {
                server: address(server, token)?,
                ca_pem: filled(authority.as_ref()),
                token: Secret::new(token.expose().trim()),
                tls_server_name: filled(tls_server_name.as_ref()),
            },
            Self::InCluster {} => Access::InCluster,
        };
        match access::target(&access, permissions).await {
            // A place that this process is not in now may be where it runs tomorrow.
            Ok(_) | Err(AccessError::NotInCluster { .. }) => Ok(access),
            Err(error) => Err(vec![complaint(error)]),
        }
    }
}

/// The address; where it is wrong, what is missing of the rest is said with it.
fn address(server: &str, token: &Secret) -> Result<ServerUrl, Vec<Complaint>> {
    server.parse::<ServerUrl>().map_err(|mistake| {
        let mut complaints = vec![mistake.into()];
        if token.expose().trim().is_empty() {
            complaints.push(Mistake::Empty { field: Field::Token }.into());
        }
        complaints
    })
}

/// A text, unless it is empty.
pub fn filled(text: Option<&String>) -> Option<String> {
    text.map(|text| text.trim()).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// What to paste.
const FLATTENED: &str = "paste what `kubectl config view --raw --flatten --minify` prints";

fn complaint(error: AccessError) -> Complaint {
    match error {
        AccessError::Mistake(mistake) => mistake.into(),
        AccessError::Kubeconfig(error) => of_kubeconfig(&error),
        AccessError::Client { .. } => Complaint::on(
            Field::Server,
            "no connection can be made of address, authority and token",
            "check that each was pasted whole",
        ),
        AccessError::NotInCluster { .. } => Complaint::new(
            "access",
            "this process does not run as a pod with a service account",
            "choose another way of access, or run HNP in the cluster",
        ),
    }
}

fn of_kubeconfig(error: &KubeconfigError) -> Complaint {
    let on = |problem: String, remedy: &str| Complaint::on(Field::Kubeconfig, problem, remedy);
    match error {
        KubeconfigError::Parse { .. } => {
            on("this is no kubeconfig: it does not read as YAML of its form".to_owned(), FLATTENED)
        }
        KubeconfigError::TooLarge { .. } => on("it is larger than 1 MiB".to_owned(), FLATTENED),
        KubeconfigError::NoContext { known, .. } if known.is_empty() => {
            on("this is no kubeconfig: there is no context in it".to_owned(), FLATTENED)
        }
        KubeconfigError::NoContext { wanted, known, .. } => Complaint::on(
            Field::Context,
            format!("the kubeconfig has no context {wanted}"),
            format!("choose one of: {known}"),
        ),
        KubeconfigError::Unsupported { user, what, .. } => on(
            format!("user `{user}` in it uses `{what}`, which is not supported"),
            "use a token or a client certificate",
        ),
        KubeconfigError::Refused { entry, asked, .. } => {
            let kind = match asked {
                Asked::Exec => "a program",
                Asked::File(_) | Asked::RelativeFile(_) => "a file",
            };
            on(
                format!("{entry} in it uses {asked}; a pasted kubeconfig may not refer to {kind}"),
                asked.remedy(),
            )
        }
        KubeconfigError::Read { .. } => on("it cannot be read".to_owned(), FLATTENED),
        KubeconfigError::Client { context, .. } => on(
            format!(
                "context `{context}` of it cannot be used: a certificate, key or address in it is damaged"
            ),
            FLATTENED,
        ),
    }
}

/// What is to be watched, as it is entered; whether at all is said elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WatchInput {
    /// Names of kinds; none: all.
    pub kinds: Option<Vec<String>>,
    /// Namespaces; empty: all.
    pub namespaces: Vec<String>,
    /// A label selector; empty or none: any.
    pub labels: Option<String>,
}

impl WatchInput {
    /// The plan, or all that is wrong with it.
    pub fn read(self) -> Result<WatchPlan, Vec<Complaint>> {
        let Self { kinds, namespaces, labels } = self;
        let labels = labels.unwrap_or_default();
        let input = PlanInput { enabled: true, kinds, namespaces, labels };
        WatchPlan::parse(&input)
            .map_err(|mistakes| mistakes.into_iter().map(Complaint::from).collect())
    }
}

/// The name of a fabric.
pub fn name(text: &str) -> Result<FabricId, Complaint> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Complaint::new("name", "nothing was given", "give the fabric a name"));
    }
    let nearest = FabricId::from_context(text);
    let id: FabricId = text.parse().map_err(|_| {
        let shown: String = text.chars().filter(|c| !c.is_control()).take(80).collect();
        Complaint::new(
            "name",
            format!("`{shown}` is no fabric name"),
            format!("use 1 to 63 lower-case letters, digits, `-` or `.`, for example `{nearest}`"),
        )
    })?;
    if id.is_reserved() {
        let problem = format!("`{id}` means something else where fabrics are named");
        let remedy = format!("choose another name, for example `{nearest}`");
        return Err(Complaint::new("name", problem, remedy));
    }
    Ok(id)
}

/// What a kubeconfig is called: the contexts in it, and the one that is meant unless another is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contexts {
    /// All of them, the current one first.
    pub all: Vec<String>,
    /// The one that is meant.
    pub meant: Option<String>,
}

/// Reads the contexts of a pasted kubeconfig; none where it is no kubeconfig.
pub fn contexts(text: &Secret) -> Option<Contexts> {
    let read = Read::pasted(text.expose()).ok()?;
    Some(Contexts { all: read.contexts(), meant: read.context(None).ok() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pasted(text: &str) -> AccessInput {
        AccessInput::Kubeconfig { kubeconfig: Secret::new(text), context: None }
    }

    fn config(user: &str) -> String {
        format!(
            "apiVersion: v1\nkind: Config\nclusters: [{{name: c, cluster: {{server: \"http://127.0.0.1:1\"}}}}]\n\
             contexts: [{{name: one, context: {{cluster: c, user: u}}}}, {{name: two, context: {{cluster: c, user: u}}}}]\nusers: [{{name: u, user: {user}}}]\n"
        )
    }

    async fn complaints(input: AccessInput) -> Vec<Complaint> {
        input.read(Permissions::NONE).await.unwrap_err()
    }

    #[tokio::test]
    async fn every_mistake_names_its_field_and_what_to_do() {
        let exec = config("{exec: {apiVersion: client.authentication.k8s.io/v1, command: x, interactiveMode: Never}}")
            .replace("clusters", "current-context: one\nclusters");
        let direct = |server: &str, token: &str| AccessInput::Direct {
            server: server.to_owned(),
            authority: Some("planted".to_owned()).filter(|_| !token.is_empty()),
            token: Secret::new(token),
            tls_server_name: None,
        };
        for (input, fields, remedy) in [
            (pasted("planted: [secret"), &["kubeconfig"][..], "--flatten"),
            (pasted(""), &["kubeconfig"], "--flatten"),
            (pasted(&config("{token: planted}")), &["context"], "one, two"),
            (pasted(&exec), &["kubeconfig"], "token"),
            (direct("10.0.0.1", ""), &["server", "token"], "https://"),
            (direct("https://10.0.0.1", "planted"), &["authority"], "PEM"),
        ] {
            let found = complaints(input).await;
            assert_eq!(found.iter().map(|found| found.field).collect::<Vec<_>>(), fields);
            let text = format!("{found:?}");
            assert!(text.contains(remedy) && !text.contains("planted"), "{text}");
        }
    }

    #[test]
    fn contexts_are_told_and_none_is_guessed() {
        let found = contexts(&Secret::new(config("{token: a}"))).unwrap();
        assert_eq!((found.all.len(), found.meant), (2, None));
        assert_eq!(contexts(&Secret::new("a: [")), None);
    }

    #[test]
    fn a_bad_name_comes_with_a_good_one() {
        let complaint = name("Admin@Prod").unwrap_err();
        assert!(complaint.remedy.contains("`admin-prod`"), "{complaint:?}");
        assert!(name(" prod ").is_ok());
        for reserved in ["new", "all", "everywhere"] {
            let complaint = name(reserved).unwrap_err();
            assert!(complaint.remedy.contains(&format!("`{reserved}-fabric`")), "{complaint:?}");
        }
    }

    #[test]
    fn watch_configuration_is_checked_field_by_field() {
        let input = WatchInput {
            kinds: Some(vec!["Nonsense".to_owned()]),
            namespaces: vec!["UPPER".to_owned()],
            labels: Some("a in".to_owned()),
        };
        let fields: Vec<_> = input.read().unwrap_err().iter().map(|c| c.field).collect();
        assert_eq!(fields, ["kinds", "namespaces", "labels"]);
        assert_eq!(WatchInput::default().read().unwrap(), WatchPlan::default());
    }
}
