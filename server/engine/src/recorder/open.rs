//! What a fabric's records say before anything is observed.

use std::{collections::BTreeMap, sync::Arc};

use domain::{kind::Kind, topic::FabricId};

use super::clerk::Pace;
use crate::{
    hub::feed::FeedTopic,
    store::{EventQuery, Origin, Store, StoreError},
};

/// Events that a feed holds in memory from the start; older ones are read from the database.
const NEWEST: usize = 1_000;

/// The records of a fabric, opened.
#[derive(Debug)]
pub struct Opened {
    /// Where they lie.
    pub store: Arc<dyn Store>,
    /// Names this process in leases.
    pub holder: String,
    /// How often things are done.
    pub pace: Pace,
    /// The feed, with its newest events.
    pub feed: Arc<FeedTopic>,
    /// Where each kind's versions come from, and the newest version recorded.
    pub origins: BTreeMap<Kind, (Origin, u64)>,
}

/// Opens the records of a fabric.
pub async fn open(
    store: Arc<dyn Store>,
    fabric: &FabricId,
    holder: String,
    pace: Pace,
) -> Result<Opened, StoreError> {
    let kept = store.feed(fabric).await?;
    let query = EventQuery { newest_first: true, limit: NEWEST, ..EventQuery::default() };
    let mut events = store.events(fabric, &query).await?;
    events.reverse();
    let events = events.into_iter().map(|event| (event.position, event.text)).collect();
    let feed = Arc::new(FeedTopic::resumed(kept.epoch.into(), kept.head + 1, events));
    let origins = store.origins(fabric).await?;
    Ok(Opened { store, holder, pace, feed, origins })
}
