//! What may happen in a schedule, one at a time, and how often.
//!
//! Invariant: an act means something in every state of the world, so that any part of a schedule is one.

use proptest::prelude::*;

/// One thing that happens. Numbers are places in lists that are longer or shorter: they wrap around.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    /// An object is created or changed: cluster, kind, name, whether it is a leaf, whether it is large.
    Put(u8, u8, u8, bool, bool),
    /// An object is deleted: cluster, kind, name.
    Delete(u8, u8, u8),
    /// So many objects with names of their own come and go: cluster, kind, how many.
    Churn(u8, u8, u16),
    /// So many objects with names of their own come; the next such act takes them away.
    Crowd(u8, u8, u16),
    /// The version moves for reasons that nobody watches: cluster.
    Noise(u8),
    /// The history is compacted, up to so many versions ago: cluster.
    Compact(u8, u8),
    /// The storage is restored from a backup so many versions old: cluster.
    Rewind(u8, u8),
    /// Another cluster answers at the address.
    Exchange(u8),
    /// The definition of a kind goes, or comes back: cluster, kind.
    Definition(u8, u8),
    /// A watch delivers: replica, cluster, kind, at most so many changes.
    Watch(u8, u8, u8, u8),
    /// A watch breaks: replica, cluster, kind.
    Break(u8, u8, u8),
    /// A watch lists anew: replica, cluster, kind.
    Relist(u8, u8, u8),
    /// A watch begins anew so many versions back, and delivers again: replica, cluster, kind.
    Replay(u8, u8, u8, u8),
    /// Tombstones are forgotten but for so many: replica, cluster, kind.
    Forget(u8, u8, u8, u8),
    /// A process ends, and another begins in its place.
    Restart(u8),
    /// A fabric is taken away, or given back: replica, cluster.
    Fabric(u8, u8),
    /// So many events of a feed at once: replica, cluster, how many.
    Flood(u8, u8, u16),
    /// Bytes move between a client and its server: so many frames are heard, sent, delivered.
    Flow(u8, u8, u8, u8),
    /// All of it moves, both ways.
    Settle(u8),
    /// The server pings.
    Ping(u8),
    /// A socket breaks, and both ends know: client.
    Cut(u8),
    /// A socket breaks, and only the server knows: client.
    HalfOpen(u8),
    /// The frame that is next to arrive is swallowed.
    Swallow(u8),
    /// The client is led to another replica from the next dial on, and its socket breaks.
    Route(u8),
    /// The page is loaded anew.
    Page(u8),
    /// The client asks for something, instead of what collides with it: client, which.
    Want(u8, u8),
    /// The client wants something no longer: client, which.
    Leave(u8, u8),
    /// The server says goodbye: client, with a reason to come back or not.
    Bye(u8, bool),
    /// The browser says something: client, what.
    Browser(u8, u8),
    /// Time passes, in milliseconds.
    Time(u16),
}

/// One act; `lossy` says whether frames may be swallowed.
pub(crate) fn act(lossy: bool) -> impl Strategy<Value = Act> {
    // Mostly one cluster, kind, replica and client, so that things meet.
    let few = || prop_oneof![4 => Just(0_u8), 1 => Just(1_u8)];
    let name = || 0_u8..6;
    let client = || prop_oneof![3 => Just(0_u8), 1 => Just(1_u8)];
    let replica = || prop_oneof![3 => Just(0_u8), 2 => Just(1_u8)];
    let truth = prop_oneof![
        10 => (few(), few(), name(), any::<bool>(), prop::bool::weighted(0.04)).prop_map(|(a, b, c, d, e)| Act::Put(a, b, c, d, e)),
        5 => (few(), few(), name()).prop_map(|(a, b, c)| Act::Delete(a, b, c)),
        1 => (few(), few(), 1_u16..8).prop_map(|(a, b, c)| Act::Churn(a, b, c)),
        1 => few().prop_map(Act::Noise),
        1 => (few(), 0_u8..4).prop_map(|(a, b)| Act::Compact(a, b)),
    ];
    // Rarely more than waits for one connection: a thousand events take their time.
    let flood = prop_oneof![40 => 1_u16..6, 1 => Just(1_200_u16)];
    let trouble = prop_oneof![
        1 => (few(), 1_u8..12).prop_map(|(a, b)| Act::Rewind(a, b)),
        1 => few().prop_map(Act::Exchange),
        1 => (few(), few()).prop_map(|(a, b)| Act::Definition(a, b)),
        3 => (few(), few(), few(), 0_u8..4).prop_map(|(a, b, c, d)| Act::Forget(a, b, c, d)),
        2 => (0_u8..2).prop_map(Act::Restart),
        2 => (few(), few()).prop_map(|(a, b)| Act::Fabric(a, b)),
        4 => (few(), few(), few()).prop_map(|(a, b, c)| Act::Break(a, b, c)),
        3 => (few(), few(), few()).prop_map(|(a, b, c)| Act::Relist(a, b, c)),
        3 => (replica(), few(), few(), 1_u8..8).prop_map(|(a, b, c, d)| Act::Replay(a, b, c, d)),
        1 => (few(), few(), flood).prop_map(|(a, b, c)| Act::Flood(a, b, c)),
    ];
    let link = prop_oneof![
        3 => client().prop_map(Act::Cut),
        1 => client().prop_map(Act::HalfOpen),
        3 => client().prop_map(Act::Route),
        1 => client().prop_map(Act::Page),
        4 => (client(), 0_u8..32).prop_map(|(a, b)| Act::Want(a, b)),
        2 => (client(), 0_u8..32).prop_map(|(a, b)| Act::Leave(a, b)),
        1 => (client(), any::<bool>()).prop_map(|(a, b)| Act::Bye(a, b)),
        1 => (client(), 0_u8..4).prop_map(|(a, b)| Act::Browser(a, b)),
        2 => (1_u16..20_000).prop_map(Act::Time),
    ];
    let swallow = if lossy { 2 } else { 0 };
    prop_oneof![
        18 => truth,
        10 => (replica(), few(), few(), 0_u8..6).prop_map(|(a, b, c, d)| Act::Watch(a, b, c, d)),
        10 => (client(), 0_u8..4, 0_u8..6, 0_u8..6).prop_map(|(a, b, c, d)| Act::Flow(a, b, c, d)),
        2 => client().prop_map(Act::Settle),
        2 => client().prop_map(Act::Ping),
        5 => trouble,
        7 => link,
        swallow => client().prop_map(Act::Swallow),
    ]
}

/// As [`motif`]: what comes and goes where it is not heard.
fn unheard() -> impl Strategy<Value = Vec<Act>> {
    let (replica, client, name) = (|| 0_u8..2, || 0_u8..2, || 0_u8..6);
    prop_oneof![
        // A watch begins anew, and what comes again came and went unheard.
        (replica(), client(), 1_u8..4).prop_map(|(r, client, back)| {
            vec![
                Act::Watch(r, 0, 0, 9),
                Act::Churn(0, 0, 2),
                Act::Relist(r, 0, 0),
                Act::Replay(r, 0, 0, back),
                Act::Watch(r, 0, 0, 1),
                Act::Page(client),
                Act::Settle(client),
            ]
        }),
        // What one process told comes and goes for a later one at once.
        (0_u8..2, replica(), client(), name()).prop_map(|(which, r, client, name)| {
            vec![
                Act::Delete(0, 0, name),
                Act::Watch(r, 0, 0, 9),
                Act::Watch(1 - r, 0, 0, 9),
                Act::Want(client, which),
                Act::Put(0, 0, name, true, false),
                Act::Watch(r, 0, 0, 9),
                Act::Watch(1 - r, 0, 1, 9),
                Act::Settle(client),
                Act::Route(client),
                Act::Browser(client, 3),
                Act::Settle(client),
                Act::Delete(0, 0, name),
                Act::Watch(1 - r, 0, 0, 9),
                Act::Settle(client),
            ]
        }),
    ]
}

/// What takes several acts in a row to come about, and would be rare by chance.
fn motif() -> impl Strategy<Value = Vec<Act>> {
    let few = || prop_oneof![4 => Just(0_u8), 1 => Just(1_u8)];
    let (replica, client, name) = (|| 0_u8..2, few, || 0_u8..6);
    prop_oneof![
        // A client comes to a process that hears later than the one it came from.
        (0_u8..4, replica(), client(), name()).prop_map(|(which, r, client, name)| {
            let put = Act::Put(0, 0, name, true, false);
            vec![
                Act::Watch(r, 0, 0, 9),
                Act::Watch(1 - r, 0, 0, 9),
                Act::Want(client, which),
                Act::Settle(client),
                put,
                put,
                Act::Watch(r, 0, 0, 9),
                Act::Watch(1 - r, 0, 1, 9),
                Act::Settle(client),
                Act::Route(client),
                // At once, and not after its patience.
                Act::Browser(client, 3),
                Act::Settle(client),
                Act::Watch(1 - r, 0, 0, 1),
                Act::Settle(client),
            ]
        }),
        // A watch begins anew behind what it told, and somebody comes from nothing.
        (few(), replica(), client(), name()).prop_map(|(c, r, client, name)| {
            let put = Act::Put(c, 0, name, true, false);
            vec![
                put,
                put,
                Act::Watch(r, c, 0, 9),
                Act::Replay(r, c, 0, 2),
                Act::Watch(r, c, 0, 1),
                Act::Page(client),
                Act::Settle(client),
            ]
        }),
        // More than fits into one frame waits.
        (few(), replica(), client(), name()).prop_map(|(c, r, client, name)| {
            let put = |at: u8| Act::Put(c, 0, (name + at) % 6, at.is_multiple_of(2), at < 4);
            let mut acts: Vec<Act> = (0..6).map(put).collect();
            acts.extend([Act::Watch(r, c, 0, 9), Act::Flow(client, 0, 2, 2), Act::Cut(client)]);
            acts
        }),
    ]
}

/// A schedule.
pub(crate) fn schedule() -> impl Strategy<Value = Vec<Act>> {
    let part = |lossy: bool| {
        prop_oneof![
            40 => act(lossy).prop_map(|act| vec![act]),
            1 => prop_oneof![3 => motif(), 2 => unheard()],
        ]
    };
    any::<bool>()
        .prop_flat_map(move |lossy| prop::collection::vec(part(lossy), 1..70))
        .prop_map(|parts| parts.concat())
}
