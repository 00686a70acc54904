//! What we say to an API server, and its answers: a list in pages, a watch line by line, a probe.
//!
//! Invariant: every answer has a bound in bytes and a deadline; a line that is not JSON never panics.

use std::time::Duration;

use bytes::BytesMut;
use domain::kind::Kind;
use http::{Method, Request, Response, StatusCode, response::Parts};
use http_body_util::BodyExt;
use kube::client::Body;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::timeout;

use super::{error::ClusterError, target::Target};
use crate::clock::now_ms;

/// Objects per page of a list: what kubectl asks for, small enough to keep answers short.
const PAGE: u32 = 500;
/// Most bytes of one page or one small answer.
const LARGEST_ANSWER: usize = 64 * 1024 * 1024;
/// Most bytes of one line of a watch: the API server's own limit of an object is 3 MiB.
const LARGEST_LINE: usize = 8 * 1024 * 1024;
/// Most objects of one kind that we hold.
pub const MOST_OBJECTS: usize = 200_000;
/// Deadline of one page of a list.
const LIST_DEADLINE: Duration = Duration::from_secs(30);
/// Deadline of a small read.
pub const PROBE_DEADLINE: Duration = Duration::from_secs(5);
/// Deadline for the head of a watch's answer.
const OPEN_DEADLINE: Duration = Duration::from_secs(10);

/// Where a kind is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// In all namespaces.
    Cluster,
    /// In one.
    Namespace(String),
}

/// What of a kind is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extent {
    /// Where.
    pub scope: Scope,
    /// Label selector; none: everything.
    pub labels: Option<std::sync::Arc<str>>,
}

impl Extent {
    /// Everything.
    pub const WHOLE: Self = Self { scope: Scope::Cluster, labels: None };

    /// The selector as a parameter of a query, with its separator.
    fn query(&self) -> String {
        let selector = self.labels.as_deref();
        selector.map(|labels| format!("&labelSelector={}", escape(labels))).unwrap_or_default()
    }
}

/// A whole list.
#[derive(Debug)]
pub struct Listed {
    /// `metadata.resourceVersion` of the list.
    pub version: String,
    /// The objects, with `apiVersion` and `kind` filled in.
    pub objects: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    metadata: PageMeta,
    items: Option<Vec<Value>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageMeta {
    resource_version: Option<String>,
    #[serde(rename = "continue")]
    next: Option<String>,
}

fn path(kind: Kind, scope: &Scope) -> String {
    let about = kind.about();
    let (group, version, plural) = (about.api.group, about.api.version, about.plural);
    match scope {
        Scope::Cluster => format!("/apis/{group}/{version}/{plural}"),
        Scope::Namespace(namespace) => {
            format!("/apis/{group}/{version}/namespaces/{namespace}/{plural}")
        }
    }
}

/// Reads all objects of a kind, page by page.
pub async fn list(target: &Target, kind: Kind, extent: &Extent) -> Result<Listed, ClusterError> {
    let mut objects = Vec::new();
    let mut next = String::new();
    loop {
        let uri = format!("{}?limit={PAGE}{}{next}", path(kind, &extent.scope), extent.query());
        let page: Page = read(target, &uri, "list", LIST_DEADLINE).await?;
        objects.extend(page.items.unwrap_or_default());
        if objects.len() > MOST_OBJECTS {
            return Err(ClusterError::TooLarge {
                action: "list",
                limit: "200,000 objects of one kind",
            });
        }
        if let Some(token) = page.metadata.next.filter(|token| !token.is_empty()) {
            next = format!("&continue={}", escape(&token));
            continue;
        }
        let version = page.metadata.resource_version.unwrap_or_default();
        for object in &mut objects {
            name_kind(kind, object);
        }
        return Ok(Listed { version, objects });
    }
}

/// The version at which the cluster stands now: of a list of one.
pub async fn current_version(
    target: &Target,
    kind: Kind,
    scope: &Scope,
) -> Result<String, ClusterError> {
    let uri = format!("{}?limit=1", path(kind, scope));
    let page: Page = read(target, &uri, "compare versions", PROBE_DEADLINE).await?;
    Ok(page.metadata.resource_version.unwrap_or_default())
}

/// Items of a list carry no `apiVersion` and `kind`; the objects we serve do.
fn name_kind(kind: Kind, object: &mut Value) {
    if let Value::Object(fields) = object {
        let about = kind.about();
        fields
            .entry("apiVersion")
            .or_insert_with(|| format!("{}/{}", about.api.group, about.api.version).into());
        fields.entry("kind").or_insert_with(|| about.name.into());
    }
}

/// What an API server says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Introduced {
    /// What it calls its version.
    pub version: String,
    /// By how much its clock is ahead of ours, in milliseconds, give or take a second; none where it names no time.
    pub ahead_ms: Option<i64>,
}

/// Asks for the server's version: the probe. Costs the server nothing, and needs working credentials.
pub async fn version(target: &Target) -> Result<Introduced, ClusterError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Info {
        git_version: String,
    }
    let action = "ask for the version";
    let asked = now_ms();
    let (head, info) = read_with_head::<Info>(target, "/version", action, PROBE_DEADLINE).await?;
    let answered = now_ms();
    let date = head.headers.get(http::header::DATE).and_then(|date| date.to_str().ok());
    let date = date.and_then(|date| httpdate::parse_http_date(date).ok());
    let date = date.and_then(|date| date.duration_since(std::time::UNIX_EPOCH).ok());
    let ahead_ms = date.and_then(|date| i64::try_from(date.as_millis()).ok()).map(|date| {
        // The header counts whole seconds: half of one is what it is off by in the mean.
        date + 500 - i64::midpoint(asked, answered)
    });
    Ok(Introduced { version: info.git_version, ahead_ms })
}

/// The uid that stands for the cluster's storage: of `kube-system`, else of a CRD; none if neither may be read.
pub async fn identity(target: &Target) -> Result<Option<String>, ClusterError> {
    let about = Kind::Switch.about();
    let crd = format!(
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{}.{}",
        about.plural, about.api.group
    );
    for uri in ["/api/v1/namespaces/kube-system", &crd] {
        match read::<Value>(target, uri, "read the cluster's identity", PROBE_DEADLINE).await {
            Ok(object) => {
                if let Some(uid) = object.pointer("/metadata/uid").and_then(Value::as_str) {
                    return Ok(Some(uid.to_owned()));
                }
            }
            Err(ClusterError::Status { code: 403 | 404, .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// Versions in which the cluster serves a kind's group; empty if it does not know the group.
pub async fn served_versions(target: &Target, kind: Kind) -> Result<Vec<String>, ClusterError> {
    #[derive(Deserialize)]
    struct Group {
        versions: Vec<GroupVersion>,
    }
    #[derive(Deserialize)]
    struct GroupVersion {
        version: String,
    }
    let uri = format!("/apis/{}", kind.about().api.group);
    match read::<Group>(target, &uri, "discover a group", PROBE_DEADLINE).await {
        Ok(group) => Ok(group.versions.into_iter().map(|version| version.version).collect()),
        Err(ClusterError::Status { code: 404, .. }) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// A watch's stream of lines.
pub struct Lines<B = Body> {
    body: B,
    rest: BytesMut,
    scanned: usize,
}

impl<B> std::fmt::Debug for Lines<B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lines").field("rest", &self.rest.len()).finish_non_exhaustive()
    }
}

impl<B> Lines<B>
where
    B: http_body::Body<Data = bytes::Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    /// The next line; none when the server ended the watch.
    ///
    /// # Cancel safety
    /// Nothing is taken from the buffer before a line is complete.
    pub async fn next(&mut self) -> Result<Option<BytesMut>, ClusterError> {
        loop {
            if let Some(at) = self.rest.iter().skip(self.scanned).position(|byte| *byte == b'\n') {
                let line = self.rest.split_to(self.scanned + at + 1);
                self.scanned = 0;
                return Ok(Some(line));
            }
            self.scanned = self.rest.len();
            if self.rest.len() > LARGEST_LINE {
                return Err(ClusterError::TooLarge { action: "watch", limit: "8 MiB in one line" });
            }
            match self.body.frame().await {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.rest.extend_from_slice(&data);
                    }
                }
                Some(Err(error)) => {
                    return Err(ClusterError::Broken {
                        action: "watch",
                        message: error.to_string(),
                    });
                }
                None if self.rest.is_empty() => return Ok(None),
                None => {
                    return Err(ClusterError::Protocol {
                        action: "watch",
                        message: "the last line is cut off".to_owned(),
                    });
                }
            }
        }
    }
}

/// How a watch begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin<'a> {
    /// After this version.
    After(&'a str),
    /// With the whole list as events, ended by a bookmark (`sendInitialEvents`).
    Initial,
}

/// Opens a watch that the server ends by itself after `seconds`.
pub async fn watch(
    target: &Target,
    kind: Kind,
    extent: &Extent,
    begin: Begin<'_>,
    seconds: u64,
) -> Result<Lines, ClusterError> {
    let begin = match begin {
        Begin::After(version) => format!("resourceVersion={}", escape(version)),
        Begin::Initial => "sendInitialEvents=true&resourceVersionMatch=NotOlderThan".to_owned(),
    };
    let uri = format!(
        "{}?watch=true&allowWatchBookmarks=true&timeoutSeconds={seconds}&{begin}{}",
        path(kind, &extent.scope),
        extent.query()
    );
    let request = Request::builder().method(Method::GET).uri(uri).body(Body::empty());
    let response = send(target, request, "watch", OPEN_DEADLINE).await?;
    Ok(Lines { body: response.into_body(), rest: BytesMut::new(), scanned: 0 })
}

/// Reads a small answer.
pub(super) async fn read<T: for<'de> Deserialize<'de>>(
    target: &Target,
    uri: &str,
    action: &'static str,
    deadline: Duration,
) -> Result<T, ClusterError> {
    Ok(read_with_head(target, uri, action, deadline).await?.1)
}

async fn read_with_head<T: for<'de> Deserialize<'de>>(
    target: &Target,
    uri: &str,
    action: &'static str,
    deadline: Duration,
) -> Result<(Parts, T), ClusterError> {
    let request = Request::builder().method(Method::GET).uri(uri).body(Body::empty());
    answered(target, request, action, deadline).await
}

/// Posts a small object, and reads what comes back.
pub(super) async fn post<T: for<'de> Deserialize<'de>>(
    target: &Target,
    uri: &str,
    body: &Value,
    action: &'static str,
) -> Result<T, ClusterError> {
    let request = Request::builder().method(Method::POST).uri(uri);
    let request = request.header(http::header::CONTENT_TYPE, "application/json");
    let request = request.body(Body::from(body.to_string().into_bytes()));
    Ok(answered(target, request, action, PROBE_DEADLINE).await?.1)
}

async fn answered<T: for<'de> Deserialize<'de>>(
    target: &Target,
    request: http::Result<Request<Body>>,
    action: &'static str,
    deadline: Duration,
) -> Result<(Parts, T), ClusterError> {
    let answer = async {
        let (head, body) = send(target, request, action, deadline).await?.into_parts();
        let bytes = collect(body, action).await?;
        let value = serde_json::from_slice(&bytes);
        value
            .map(|value| (head, value))
            .map_err(|error| ClusterError::Protocol { action, message: error.to_string() })
    };
    timeout(deadline, answer)
        .await
        .unwrap_or(Err(ClusterError::Timeout { action, seconds: deadline.as_secs() }))
}

async fn send(
    target: &Target,
    request: http::Result<Request<Body>>,
    action: &'static str,
    deadline: Duration,
) -> Result<Response<Body>, ClusterError> {
    let request =
        request.map_err(|error| ClusterError::Protocol { action, message: error.to_string() })?;
    let answer = timeout(deadline, target.client.send(request)).await;
    let response =
        answer.map_err(|_| ClusterError::Timeout { action, seconds: deadline.as_secs() })?;
    let response =
        response.map_err(|cause| ClusterError::Connect { action, cause: Box::new(cause) })?;
    if response.status().is_success() { Ok(response) } else { Err(refusal(response, action).await) }
}

async fn refusal(response: Response<Body>, action: &'static str) -> ClusterError {
    let status = response.status();
    let body = timeout(PROBE_DEADLINE, collect(response.into_body(), action)).await;
    let said = body
        .ok()
        .and_then(Result::ok)
        .and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    let said = said
        .as_ref()
        .and_then(|status| status.get("message"))
        .and_then(Value::as_str)
        .map(str::to_owned);
    let message = said.unwrap_or_else(|| reason_phrase(status));
    ClusterError::Status {
        action,
        code: status.as_u16(),
        message: message.chars().take(500).collect(),
    }
}

fn reason_phrase(status: StatusCode) -> String {
    status.canonical_reason().unwrap_or("no message").to_owned()
}

async fn collect(mut body: Body, action: &'static str) -> Result<BytesMut, ClusterError> {
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame =
            frame.map_err(|error| ClusterError::Broken { action, message: error.to_string() })?;
        if let Ok(data) = frame.into_data() {
            bytes.extend_from_slice(&data);
        }
        if bytes.len() > LARGEST_ANSWER {
            return Err(ClusterError::TooLarge { action, limit: "64 MiB" });
        }
    }
    Ok(bytes)
}

/// Percent-encodes what may stand in a query value.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.extend(
                [byte >> 4, byte & 15]
                    .iter()
                    .filter_map(|digit| char::from_digit(u32::from(*digit), 16))
                    .map(|digit| digit.to_ascii_uppercase()),
            );
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_escaped_for_a_query() {
        assert_eq!(escape("a+/=&b"), "a%2B%2F%3D%26b");
    }

    #[test]
    fn paths_follow_the_table() {
        assert_eq!(
            path(Kind::Switch, &Scope::Cluster),
            "/apis/wiring.githedgehog.com/v1beta1/switches"
        );
        assert_eq!(
            path(Kind::Vpc, &Scope::Namespace("net".into())),
            "/apis/vpc.githedgehog.com/v1beta1/namespaces/net/vpcs"
        );
    }

    async fn lines(chunks: Vec<&'static str>) -> Vec<Result<Option<String>, String>> {
        let stream = futures::stream::iter(chunks.into_iter().map(|chunk| {
            Ok::<_, std::io::Error>(http_body::Frame::data(bytes::Bytes::from(chunk)))
        }));
        let body = http_body_util::StreamBody::new(stream);
        let mut lines = Lines { body, rest: BytesMut::new(), scanned: 0 };
        let mut out = Vec::new();
        loop {
            let line = lines.next().await;
            let end = !matches!(line, Ok(Some(_)));
            out.push(
                line.map(|line| line.map(|line| String::from_utf8_lossy(&line).into_owned()))
                    .map_err(|error| error.to_string()),
            );
            if end {
                return out;
            }
        }
    }

    #[tokio::test]
    async fn lines_are_put_together_from_any_chunks() {
        assert_eq!(
            lines(vec!["{\"a\"", ":1}\n{\"b\":", "2}\n"]).await,
            [Ok(Some("{\"a\":1}\n".into())), Ok(Some("{\"b\":2}\n".into())), Ok(None)]
        );
    }

    #[tokio::test]
    async fn half_a_line_at_the_end_is_an_error() {
        let lines = lines(vec!["{\"a\":1}\n{\"b\""]).await;
        assert!(lines[1].as_ref().unwrap_err().contains("cut off"));
    }
}
