//! Server functions: what a page asks when it opens. Each delegates in three lines.

#![expect(missing_docs, reason = "the macro makes argument structs whose fields cannot carry docs")]

use domain::{
    kind::Kind,
    object::ObjectKey,
    report::{ListPage, ListQuery, ObjectPage, Overview, Relations},
    topic::FabricId,
};
use leptos::prelude::*;
use serde::{Deserialize, Serialize};

use crate::codec::{Lean, LeanJson};

/// The only error that crosses to the browser: closed, without causes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum ApiError {
    /// There is no fabric of this name.
    #[error("there is no fabric `{fabric}`; the overview lists those that are watched")]
    NoFabric {
        /// The name.
        fabric: String,
    },
    /// The request did not reach the server, or not in one piece.
    #[error("the server could not be asked: {message}")]
    Transport {
        /// What the transport says.
        message: String,
    },
    /// Something that should not happen.
    #[error("the server failed: {message}")]
    Internal {
        /// What failed.
        message: String,
    },
}

impl FromServerFnError for ApiError {
    type Encoder = Lean;

    fn from_server_fn_error(error: ServerFnErrorErr) -> Self {
        Self::Transport { message: error.to_string() }
    }
}

/// Asks for the overview.
#[server(prefix = "/api/page", endpoint = "overview", input = server_fn::codec::Json, output = LeanJson)]
pub async fn read_overview() -> Result<Overview, ApiError> {
    crate::backend::counter()?.overview().await
}

/// Asks for what surrounds every page: the overview without its events.
#[server(prefix = "/api/page", endpoint = "frame", input = server_fn::codec::Json, output = LeanJson)]
pub async fn read_frame() -> Result<Overview, ApiError> {
    let overview = crate::backend::counter()?.overview().await?;
    Ok(Overview { feeds: std::collections::BTreeMap::new(), ..overview })
}

/// Asks for a list.
#[server(prefix = "/api/page", endpoint = "list", input = server_fn::codec::Json, output = LeanJson)]
pub async fn read_list(
    fabric: FabricId,
    kind: Kind,
    query: ListQuery,
) -> Result<ListPage, ApiError> {
    crate::backend::counter()?.list(fabric, kind, query).await
}

/// Asks for an object.
#[server(prefix = "/api/page", endpoint = "object", input = server_fn::codec::Json, output = LeanJson)]
pub async fn read_object(
    fabric: FabricId,
    kind: Kind,
    key: ObjectKey,
) -> Result<ObjectPage, ApiError> {
    crate::backend::counter()?.object(fabric, kind, key).await
}

/// Asks for relations.
#[server(prefix = "/api/page", endpoint = "relations", input = server_fn::codec::Json, output = LeanJson)]
pub async fn read_relations(
    fabric: FabricId,
    kind: Kind,
    key: ObjectKey,
) -> Result<Relations, ApiError> {
    crate::backend::counter()?.relations(fabric, kind, key).await
}
