//! Where the servers differ, by name and with the reason.

use crate::subject::Server;

/// Something that one of the servers does otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Difference {
    /// No `sendInitialEvents`.
    NoWatchList,
    /// No `fieldValidation`, no warnings: unknown fields go silently.
    NoFieldValidation,
    /// No namespaces: objects may be made in any.
    NoNamespaces,
    /// No access reviews.
    NoAccessReview,
    /// No aggregated discovery and no `OpenAPI` version 3.
    NoAggregatedDiscovery,
    /// A version that is no number is a 500.
    UnreadableVersionIsAFailure,
    /// Server-side apply knows no schema of custom resources: every list has one owner.
    SchemalessApply,
    /// The list of groups does not follow the definitions.
    NoGroupList,
    /// Old versions stay readable after a compaction of etcd, because a watch cache holds them.
    CacheOutlivesCompaction,
}

/// All differences.
const ALL: &[(Server, Difference, &str)] = &[
    (Server::Full, Difference::NoWatchList, "kube-apiserver 1.20 is older than WatchList"),
    (
        Server::Full,
        Difference::NoFieldValidation,
        "kube-apiserver 1.20 is older than fieldValidation",
    ),
    (Server::Full, Difference::NoAggregatedDiscovery, "kube-apiserver 1.20 has neither"),
    (
        Server::Full,
        Difference::UnreadableVersionIsAFailure,
        "kube-apiserver 1.20 does not classify the error",
    ),
    (
        Server::Full,
        Difference::SchemalessApply,
        "kube-apiserver 1.20 deduces the types of custom resources",
    ),
    (
        Server::Crd,
        Difference::NoGroupList,
        "the list of groups is the business of an aggregator, which is not there",
    ),
    (
        Server::Crd,
        Difference::CacheOutlivesCompaction,
        "release 1.36 answers exact lists and pages from snapshots in its cache",
    ),
    (Server::Crd, Difference::NoNamespaces, "the CRD server serves custom resources alone"),
    (Server::Crd, Difference::NoAccessReview, "the CRD server has no authorization API"),
];

/// Why a server differs, if it does.
pub(crate) fn reason(server: Server, difference: Difference) -> Option<&'static str> {
    ALL.iter()
        .find(|(whose, what, _)| *whose == server && *what == difference)
        .map(|(.., why)| *why)
}
