//! A cluster as we read it: kubeconfigs, requests, the gate that says whether it answers, and the
//! watch of one kind.
//!
//! kube-rs does TLS, authentication, proxies and the connection pool; what is said over HTTP is ours,
//! because we need each answer's status, each line's moment of arrival, and a bound on both.
//!
//! Invariant: nothing here knows a topic, a browser or another kind's watch.

pub mod access;
pub mod canary;
pub mod certificate;
pub mod error;
pub mod examine;
pub mod gate;
pub mod kubeconfig;
pub mod merge;
pub mod request;
pub mod review;
pub mod seen;
pub mod target;
pub mod watch;
pub mod wire;
