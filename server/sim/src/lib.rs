//! An embedded API server: an honest subset of the Kubernetes API, for demos and tests, with faults on request.
//!
//! It stands where a cluster stands, below a real client: discovery, lists with pages, watches, patches, server-side
//! apply, schema checks, tokens. [`Cluster`] is the handle; [`Cluster::router`] and [`Cluster::serve`] put it on a
//! socket, [`Cluster::apply`] and its neighbours write from within the process, [`Cluster::fault`] breaks it.
//! What it does not do (strategic merge of lists, conversion between versions, CEL rules, protobuf) it refuses in
//! the words of the API instead of pretending.
//!
//! How to read it: a request enters at `http`, is looked up in `resource`, changes objects through `write`, and
//! ends in `store`, from where `http::watching` tells everyone.
//!
//! Invariant: no kind is named in code (the tables of `builtin`, `admission` and the seed excepted); nothing here
//! knows the engine or a Kubernetes client.

pub mod admission;
mod builtin;
mod cluster;
mod core;
pub mod definition;
mod discovery;
pub mod fault;
mod fields;
mod http;
mod kubeconfig;
pub mod life;
mod managed;
mod openapi;
pub mod options;
mod patch;
mod policy;
mod protobuf;
pub mod resource;
mod schema;
pub mod seed;
mod selector;
mod serve;
pub mod status;
mod store;
mod table;
mod tls;
mod write;

pub use admission::Admission;
pub use cluster::Cluster;
pub use fault::Fault;
pub use kubeconfig::{ContextEntry, kubeconfig};
pub use options::{Clock, FaultRoute, Options, Rights, Token, Tokens};
pub use resource::ResourceId;
pub use status::{Reason, Status};
pub use tls::{Tls, TlsError, Validity};
