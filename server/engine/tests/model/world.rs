//! Clusters, processes and browsers, and what happens among them, in simulated time.
//!
//! Invariant: the same schedule gives the same world; nothing is checked here, only kept ready for checks.

use std::collections::BTreeMap;

use domain::wire::link::Input;

use super::{
    acts::Act,
    audit::Broken,
    check,
    client::{Client, wants},
    cluster::{Cluster, KINDS},
    flood::flood,
    replica::Replica,
};

/// Replicas of the server.
const REPLICAS: usize = 2;
/// Browsers.
const CLIENTS: usize = 2;
/// What every client wants from the start.
const FIRST_WANTS: [&[u8]; CLIENTS] = [&[0, 9, 11], &[6, 12]];

/// Rewrites what the server says, as a broken server would.
pub(crate) type Sabotage = fn(&str) -> Option<String>;

/// See the module.
pub(crate) struct World {
    pub(crate) clusters: Vec<Cluster>,
    pub(crate) replicas: Vec<Replica>,
    pub(crate) clients: Vec<Client>,
    /// Which timeline of its cluster an epoch counts.
    pub(crate) eras: check::Eras,
    /// Per process and topic: the epoch, and the newest version held of each key in it.
    pub(crate) newest: BTreeMap<String, (String, BTreeMap<String, u64>)>,
    pub(crate) now: u64,
    pub(super) jitter: u64,
    processes: u32,
    crowds: Vec<(usize, usize, u16)>,
    /// Frames that passed, both ways.
    pub(super) said: u64,
    /// The feed that the frame at hand is from.
    pub(super) feed: String,
    pub(super) mode: Mode,
}

/// There are two of everything.
fn two(at: u8) -> usize {
    usize::from(at) % 2
}

fn browser(what: u8) -> Input {
    match what {
        0 => Input::Wake,
        1 => Input::Online,
        2 => Input::Offline,
        _ => Input::RetryNow,
    }
}

/// How a schedule is run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mode {
    /// Frames are rewritten on their way.
    pub(crate) sabotage: Option<Sabotage>,
    /// Everything that is done and said is printed.
    pub(crate) told: bool,
    /// Steps of making a schedule smaller that breaks a promise.
    pub(crate) most_shrinks: u64,
}

impl Default for Mode {
    fn default() -> Self {
        Self { sabotage: None, told: false, most_shrinks: 4_000 }
    }
}

impl World {
    pub(crate) fn new(mode: Mode) -> Result<Self, Broken> {
        let mut clusters: Vec<Cluster> = ["a", "b"].map(Cluster::new).into();
        for cluster in &mut clusters {
            for of in 0..KINDS.len() {
                cluster.put(of, "n0", true, false);
                cluster.put(of, "n1", false, false);
            }
        }
        let mut world = Self {
            replicas: Vec::new(),
            clients: (0..CLIENTS).map(|_| Client::new(0)).collect(),
            eras: check::Eras::default(),
            newest: BTreeMap::new(),
            now: 1_000_000,
            jitter: 0,
            processes: 0,
            crowds: Vec::new(),
            feed: String::new(),
            said: 0,
            mode,
            clusters,
        };
        for _ in 0..REPLICAS {
            world.processes += 1;
            let replica = Replica::start(world.processes, &world.clusters);
            world.replicas.push(replica);
        }
        for (client, firsts) in FIRST_WANTS.iter().enumerate() {
            for which in *firsts {
                world.want(client, *which)?;
            }
            world.input(client, Input::Start)?;
        }
        Ok(world)
    }

    /// Lets something happen, and looks whether the promises hold.
    pub(crate) fn act(&mut self, act: Act) -> Result<(), Broken> {
        self.now += 1;
        self.tell(|| format!("{act:?}"));
        self.perform(act)?;
        self.time_out()?;
        self.reconcile();
        check::present(self)
    }

    pub(super) fn tell(&self, what: impl FnOnce() -> String) {
        if self.mode.told {
            println!("{}", what().chars().take(400).collect::<String>());
        }
    }

    /// As [`Self::act`], without a look at the promises.
    pub(crate) fn perform(&mut self, act: Act) -> Result<(), Broken> {
        if self.happens_in_a_cluster(act) || self.happens_in_a_replica(act) {
            return Ok(());
        }
        self.happens_to_a_client(act)
    }

    /// Does what happens in a cluster; false if it happens elsewhere.
    fn happens_in_a_cluster(&mut self, act: Act) -> bool {
        match act {
            Act::Put(c, k, name, leaf, large) => {
                self.clusters[two(c)].put(two(k), &format!("n{name}"), leaf, large);
            }
            Act::Delete(c, k, name) => {
                self.clusters[two(c)].delete(two(k), &format!("n{name}"));
            }
            Act::Churn(c, k, n) => {
                for at in 0..n {
                    self.clusters[two(c)].put(two(k), &format!("churn{at}"), true, false);
                    self.clusters[two(c)].delete(two(k), &format!("churn{at}"));
                }
            }
            Act::Crowd(c, k, n) => self.crowd(two(c), two(k), n),
            Act::Noise(c) => self.clusters[two(c)].version += 1,
            Act::Compact(c, back) => {
                let cluster = &mut self.clusters[two(c)];
                let upto = cluster.version.saturating_sub(back.into());
                cluster.compacted = cluster.compacted.max(upto);
            }
            Act::Rewind(c, back) => self.rewind(two(c), back.into()),
            Act::Exchange(c) => {
                self.clusters[two(c)].exchange();
                for replica in &mut self.replicas {
                    replica.greet(two(c), &self.clusters[two(c)]);
                }
            }
            Act::Definition(c, k) => self.clusters[two(c)].toggle_kind(two(k)),
            _ => return false,
        }
        true
    }

    /// Does what happens in a process; false if it happens elsewhere.
    fn happens_in_a_replica(&mut self, act: Act) -> bool {
        match act {
            Act::Watch(r, c, k, most) => {
                let cluster = &self.clusters[two(c)];
                self.replicas[two(r)].watch(two(c), two(k), cluster, most.into());
            }
            Act::Break(r, c, k) => self.replicas[two(r)].break_watch(two(c), two(k)),
            Act::Relist(r, c, k) => {
                self.replicas[two(r)].relist(two(c), two(k), &self.clusters[two(c)]);
            }
            Act::Replay(r, c, k, back) => {
                let cluster = &self.clusters[two(c)];
                self.replicas[two(r)].replay(two(c), two(k), cluster, back.into());
            }
            Act::Forget(r, c, k, most) => {
                if let Some(topic) = self.replicas[two(r)].topic(&self.clusters[two(c)], two(k)) {
                    topic.forget_deletes(most.into());
                }
            }
            Act::Restart(r) => self.restart(two(r)),
            Act::Fabric(r, c) => self.toggle_fabric(two(r), two(c)),
            Act::Flood(r, c, n) => flood(&self.replicas[two(r)], &self.clusters[two(c)], n),
            _ => return false,
        }
        true
    }

    fn happens_to_a_client(&mut self, act: Act) -> Result<(), Broken> {
        match act {
            Act::Flow(c, up, send, down) => self.flow(two(c), up, send, down),
            Act::Settle(c) => self.settle(two(c)),
            Act::Ping(c) => {
                self.ping(two(c));
                Ok(())
            }
            Act::Cut(c) => self.cut(two(c)),
            Act::HalfOpen(c) => {
                if let Some(conn) = &mut self.clients[two(c)].conn {
                    conn.session = None;
                    conn.down.clear();
                }
                Ok(())
            }
            Act::Swallow(c) => {
                self.swallow(two(c));
                Ok(())
            }
            Act::Route(c) => {
                let route = &mut self.clients[two(c)].route;
                *route = (*route + 1) % REPLICAS;
                self.cut(two(c))
            }
            Act::Page(c) => self.page(two(c)),
            Act::Want(c, which) => self.want(two(c), which),
            Act::Leave(c, which) => self.leave(two(c), &wants(which).topic),
            Act::Bye(c, back) => self.bye(two(c), back),
            Act::Browser(c, what) => self.input(two(c), browser(what)),
            Act::Time(ms) => {
                if ms > 10_000 {
                    (0..CLIENTS).for_each(|client| self.ping(client));
                    (0..CLIENTS).try_for_each(|client| self.settle(client))?;
                }
                self.now += u64::from(ms);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn crowd(&mut self, cluster: usize, kind: usize, n: u16) {
        let known = self.crowds.iter().position(|(c, k, _)| (*c, *k) == (cluster, kind));
        let cluster_at = cluster;
        let cluster = &mut self.clusters[cluster];
        if let Some(known) = known {
            let (_, _, n) = self.crowds.remove(known);
            (0..n).for_each(|at| cluster.delete(kind, &format!("crowd{at}")));
        } else {
            (0..n).for_each(|at| cluster.put(kind, &format!("crowd{at}"), at % 2 == 0, false));
            self.crowds.push((cluster_at, kind, n));
        }
    }

    /// While the storage is restored nobody writes; watches break and have to list before anything goes on.
    /// Whoever had not seen all of what is undone could not know that it is: how often the storage went
    /// back is counted per process.
    fn rewind(&mut self, at: usize, back: u64) {
        for replica in &mut self.replicas {
            for of in 0..KINDS.len() {
                replica.watch(at, of, &self.clusters[at], usize::MAX);
            }
        }
        self.clusters[at].rewind(back);
        for replica in &mut self.replicas {
            for of in 0..KINDS.len() {
                replica.watch(at, of, &self.clusters[at], 0);
            }
        }
    }

    /// Whether a keeper that begins anew would count a storage that went back under the epoch from before.
    fn would_forget_a_rewind(&self, at: usize) -> bool {
        self.clusters[at].rewinds > 0
    }

    fn restart(&mut self, replica: usize) {
        if (0..self.clusters.len()).any(|at| self.would_forget_a_rewind(at)) {
            return;
        }
        for client in &mut self.clients {
            if let Some(conn) = client.conn.as_mut().filter(|conn| conn.replica == replica) {
                conn.session = None;
                conn.down.clear();
                conn.closes = true;
            }
        }
        self.processes += 1;
        self.replicas[replica] = Replica::start(self.processes, &self.clusters);
    }

    pub(crate) fn toggle_fabric(&mut self, replica: usize, at: usize) {
        if self.replicas[replica].keeps(at) {
            self.replicas[replica].close(at);
        } else if !self.would_forget_a_rewind(at) {
            self.replicas[replica].open(at, &self.clusters[at]);
        }
    }

    /// Live links are told of topics that came and went, as soon as that happens.
    fn reconcile(&mut self) {
        for client in &mut self.clients {
            if let Some(session) = client.conn.as_mut().and_then(|conn| conn.session.as_mut()) {
                session.reconcile();
            }
        }
        self.eras.note(&self.clusters, &self.replicas);
    }
}
