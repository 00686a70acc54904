//! Runs schedules by their number, and makes one that breaks a promise as small as it gets.
//!
//! Invariant: a number always stands for the same schedule of the same length.

use proptest::{
    strategy::{Strategy as _, ValueTree as _},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

use super::{
    acts::{Act, schedule},
    audit::Broken,
    check,
    cluster::KINDS,
    world::{Mode, World},
};

/// Rounds after the last act, in which everything heals.
const ROUNDS: usize = 12;
/// A schedule that broke a promise.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) seed: u64,
    pub(crate) schedule: Vec<Act>,
    pub(crate) broken: Broken,
}

/// Runs one schedule to its end.
pub(crate) fn run(schedule: &[Act], mode: Mode) -> Result<(), Broken> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _context = runtime.enter();
    let mut world = World::new(mode)?;
    for act in schedule {
        world.act(*act)?;
    }
    heal(&mut world)?;
    check::finally(&world)
}

/// How an act names a place in a list.
fn place(at: usize) -> u8 {
    u8::try_from(at).unwrap_or_default()
}

/// Everything comes back, and time passes until all is quiet.
fn heal(world: &mut World) -> Result<(), Broken> {
    for at in 0..world.clusters.len() {
        for of in 0..KINDS.len() {
            if !world.clusters[at].served[of] {
                world.act(Act::Definition(place(at), place(of)))?;
            }
        }
        for replica in 0..world.replicas.len() {
            if !world.replicas[replica].keeps(at) {
                world.toggle_fabric(replica, at);
            }
        }
    }
    for round in 0..ROUNDS {
        let before = world.said();
        for replica in 0..place(world.replicas.len()) {
            for at in 0..place(world.clusters.len()) {
                for of in 0..place(KINDS.len()) {
                    world.perform(Act::Watch(replica, at, of, u8::MAX))?;
                }
            }
        }
        for client in 0..world.clients.len() {
            if world.has_ended(client) {
                world.act(Act::Browser(place(client), 3))?;
            }
            if round == 1 {
                world.ask_again(client)?;
            }
            world.act(Act::Settle(place(client)))?;
            world.ping(client);
            world.act(Act::Settle(place(client)))?;
        }
        // Pings and their answers, and nothing else.
        if round > 2 && world.said() <= before + 6 * world.clients.len() as u64 && world.all_live()
        {
            return Ok(());
        }
        world.act(Act::Time(8_000))?;
    }
    Ok(())
}

/// The schedule of a number, and what it breaks, made small.
pub(crate) fn try_seed(seed: u64, mode: Mode) -> Option<Found> {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let mut tree = schedule().new_tree(&mut runner).unwrap();
    let broken = run(&tree.current(), mode).err()?;
    let mut found = Found { seed, schedule: tree.current(), broken };
    let mut may_shrink = tree.simplify();
    for _ in 0..mode.most_shrinks {
        if !may_shrink {
            break;
        }
        may_shrink = match run(&tree.current(), mode) {
            Err(broken) if broken.promise == found.broken.promise => {
                found = Found { seed, schedule: tree.current(), broken };
                tree.simplify()
            }
            _ => tree.complicate(),
        };
    }
    Some(found)
}
