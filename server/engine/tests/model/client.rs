//! A browser without a browser: the real link, and sockets that are two queues of texts.
//!
//! Invariant: a frame passes as JSON text, through the same readers as in the product.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use domain::wire::{
    View, Want,
    link::{Line, Link},
};
use engine::hub::session::Session;

use super::{
    audit::{Audit, Broken},
    check,
    cluster::LEAVES,
    replica::Replica,
};

/// A frame on its way to a client.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) text: String,
    /// The feed that it is from, if it is from one.
    pub(crate) feed: String,
}

/// One socket, and the server's half of the connection.
pub(crate) struct Conn {
    pub(crate) line: Line,
    /// None: the server is gone, and the client does not know.
    pub(crate) session: Option<Session>,
    pub(crate) replica: usize,
    /// `hello` was heard: before, the server says nothing.
    pub(crate) greeted: bool,
    /// A ping arrived on it.
    pub(crate) pinged: bool,
    /// Said by the client, not heard yet.
    pub(crate) up: VecDeque<String>,
    /// Said by the server, not delivered yet.
    pub(crate) down: VecDeque<Said>,
    /// The server closed it: the client learns that after everything else.
    pub(crate) closes: bool,
    /// Topics that were revoked here and have not come back.
    pub(crate) revoked: BTreeSet<String>,
    /// Topics that were told to be complete on this connection.
    pub(crate) synced: BTreeSet<String>,
    /// What was swallowed since the last ping.
    pub(crate) unnoticed: Unnoticed,
}

/// What was swallowed, and nobody need have noticed yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unnoticed {
    /// Nothing.
    Nothing,
    /// Something that may have lost its meaning meanwhile.
    Something,
    /// Numbered changes; so many losses were counted before.
    Changes { lost: u64 },
}

impl Conn {
    pub(crate) fn new(line: Line, session: Session, replica: usize) -> Self {
        Self {
            line,
            session: Some(session),
            replica,
            greeted: false,
            pinged: false,
            up: VecDeque::new(),
            down: VecDeque::new(),
            closes: false,
            revoked: BTreeSet::new(),
            synced: BTreeSet::new(),
            unnoticed: Unnoticed::Nothing,
        }
    }

    /// The server says what it has to say, and closes.
    pub(crate) fn close(&mut self, replicas: &[Replica]) -> Result<(), Broken> {
        while let Some(said) = self.next(replicas)? {
            self.down.push_back(said);
        }
        self.session = None;
        self.closes = true;
        Ok(())
    }

    /// What the server says next.
    pub(crate) fn next(&mut self, replicas: &[Replica]) -> Result<Option<Said>, Broken> {
        let Some(text) = self.session.as_mut().and_then(Session::next_text) else {
            return Ok(None);
        };
        let feed = check::said(&text, self, replicas)?;
        Ok(Some(Said { text, feed }))
    }

    /// Whether all that was said has arrived.
    pub(crate) fn is_idle(&self) -> bool {
        self.up.is_empty()
            && self.down.is_empty()
            && self.session.as_ref().is_some_and(|session| !session.has_more())
    }
}

/// See the module.
pub(crate) struct Client {
    pub(crate) link: Link,
    pub(crate) wants: BTreeMap<String, Want>,
    pub(crate) conn: Option<Conn>,
    /// The last word of a line that was given up.
    pub(crate) late: Vec<(Line, String)>,
    /// The replica that the next dial leads to.
    pub(crate) route: usize,
    pub(crate) audit: Audit,
    /// Frames with content that were swallowed.
    pub(crate) swallowed: u64,
}

impl Client {
    pub(crate) fn new(route: usize) -> Self {
        Self {
            link: Link::new("model"),
            wants: BTreeMap::new(),
            conn: None,
            late: Vec::new(),
            route,
            audit: Audit::default(),
            swallowed: 0,
        }
    }

    /// The socket is no more; the last that was under way on it still comes, later.
    pub(crate) fn drop_conn(&mut self) {
        if let Some(mut conn) = self.conn.take() {
            self.late =
                conn.down.pop_back().map(|said| (conn.line, said.text)).into_iter().collect();
        }
    }

    /// The want under which a topic is followed.
    pub(crate) fn want(&self, topic: &str) -> Option<&Want> {
        self.wants.get(topic).or_else(|| {
            self.wants.values().find(|want| want.topic.contains('*') && covers(&want.topic, topic))
        })
    }
}

/// What clients ask for.
pub(crate) fn wants(which: u8) -> Want {
    let topics = [
        "objects/a/Switch",
        "objects/a/Switch",
        "objects/a/Switch",
        "objects/a/Switch",
        "objects/a/Server",
        "objects/b/Switch",
        "objects/*/Switch",
        "objects/a/*",
        "objects/*/*",
        "state/a",
        "state/*",
        "feed/a",
        "feed/*",
    ];
    let topic = topics[usize::from(which) % topics.len()];
    let mut want = Want::rows(topic);
    let objects = topic.starts_with("objects/");
    match which % 5 {
        1 if objects => want.view = View::Full,
        2 if objects => want.labels = Some(LEAVES.to_owned()),
        3 if objects => {
            want.keys = Some(["default/n0", "default/n2", "default/n3"].map(str::to_owned).into());
        }
        _ => {}
    }
    want
}

/// Whether a topic or wildcard holds another one.
pub(crate) fn covers(wide: &str, narrow: &str) -> bool {
    let (wide, narrow): (Vec<&str>, Vec<&str>) =
        (wide.split('/').collect(), narrow.split('/').collect());
    wide.len() == narrow.len()
        && wide.iter().zip(&narrow).all(|(wide, narrow)| *wide == "*" || wide == narrow)
}

/// Whether two wants would follow one topic.
pub(crate) fn collide(one: &str, other: &str) -> bool {
    let (one, other): (Vec<&str>, Vec<&str>) =
        (one.split('/').collect(), other.split('/').collect());
    one.len() == other.len()
        && one.iter().zip(&other).all(|(one, other)| *one == "*" || *other == "*" || one == other)
}
