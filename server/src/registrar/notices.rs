//! What concerns one person reaches them: kept in the directory, told on their live links as the topic `me`.
//!
//! Invariant: there is one way to a link, through the directory, whichever process told; nobody is told what is
//! addressed to somebody else.

use std::collections::BTreeSet;

use domain::{
    account::UserName,
    feed::{Event, EventData, EventType},
    state::Severity,
    time::Timestamp,
};
use engine::{clock::now_ms, hub::feed::FeedTopic, store::StoreError};

use super::Registrar;

/// Notices that a link begins with, and most that are read at once.
const NEWEST: usize = 200;

/// Something to tell a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// How grave.
    pub severity: Severity,
    /// One sentence.
    pub message: String,
    /// Address on this server of what it concerns.
    pub link: Option<String>,
}

impl Registrar {
    /// Tells a person something. What cannot be kept is said in the log: nobody's work fails over it.
    pub async fn tell_person(&self, user: &UserName, word: Word) {
        let now = now_ms();
        let time = Timestamp::from_unix_ms(now).map_or_else(|_| String::new(), |at| at.to_string());
        let make = |position: u64| {
            let event = event(position, &time, &word);
            serde_json::to_string(&event).unwrap_or_default()
        };
        match self.directory.tell(user, now, &make).await {
            Ok(_) => self.standings.stir(),
            Err(error) => tracing::warn!(%error, %user, "a notice could not be kept"),
        }
    }

    /// Brings what is addressed to these people to their links, and lets go of everybody else.
    pub(super) async fn deliver(&self, people: &BTreeSet<UserName>) -> Result<(), StoreError> {
        self.hub.keep_personal(people);
        for user in people {
            self.catch_up(user).await?;
        }
        Ok(())
    }

    /// Brings the feed of somebody up to what the directory holds.
    pub(super) async fn catch_up(&self, user: &UserName) -> Result<(), StoreError> {
        let held = self.hub.personal(user);
        let after = held.as_ref().map_or(0, |feed| feed.head());
        let list = self.directory.notices(user, after, NEWEST).await?;
        let told = list.notices.into_iter().map(|notice| (notice.position, notice.text.into()));
        if let Some(feed) = held {
            told.for_each(|(position, text)| feed.take_over(position, text));
        } else {
            let feed = FeedTopic::resumed(list.epoch.into(), list.head + 1, told.collect());
            self.hub.add_personal(user, feed);
        }
        Ok(())
    }
}

fn event(position: u64, time: &str, word: &Word) -> Event {
    Event {
        specversion: "1.0".to_owned(),
        id: position.to_string(),
        source: "/me".to_owned(),
        kind: EventType::Notice,
        subject: None,
        time: time.to_owned(),
        data: EventData::said(word.severity, word.message.clone(), word.link.clone()),
    }
}
