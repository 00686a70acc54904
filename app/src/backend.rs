//! What pages may ask of the server: the seam between delivery and engine.
//!
//! Invariant: implemented once in `server`, once by a test fake; no third time.

use std::sync::Arc;

use async_trait::async_trait;
use domain::{
    kind::Kind,
    object::ObjectKey,
    report::{ListPage, ListQuery, Me, ObjectPage, Overview, Relations},
    topic::FabricId,
};

use crate::api::ApiError;

/// Everything the pages may ask of the server.
#[async_trait]
pub trait Backend: Send + Sync {
    /// Who asks; none where nobody has to sign in.
    fn me(&self) -> Option<Me>;
    /// Every fabric and the newest events.
    async fn overview(&self) -> Result<Overview, ApiError>;
    /// The first rows of a list, in the query's order.
    async fn list(
        &self,
        fabric: FabricId,
        kind: Kind,
        query: ListQuery,
    ) -> Result<ListPage, ApiError>;
    /// An object with its relations and history.
    async fn object(
        &self,
        fabric: FabricId,
        kind: Kind,
        key: ObjectKey,
    ) -> Result<ObjectPage, ApiError>;
    /// Relations of an object, read anew.
    async fn relations(
        &self,
        fabric: FabricId,
        kind: Kind,
        key: ObjectKey,
    ) -> Result<Relations, ApiError>;
}

/// The backend of this request, from the context that the server provides to pages and server functions.
pub fn counter() -> Result<Arc<dyn Backend>, ApiError> {
    leptos::prelude::use_context::<Arc<dyn Backend>>()
        .ok_or_else(|| ApiError::Internal { message: "no backend in this context".to_owned() })
}
