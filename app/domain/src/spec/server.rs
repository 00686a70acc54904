//! Server: a machine that is connected to the fabric.
//!
//! Invariant: a server has no ports of its own; connections name them.

use super::shape::shape;

shape! {
    /// What a server should be.
    ServerSpec {
        /// For people.
        description: String = "description",
        /// Name of a server profile; unused.
        profile: String = "profile",
    }
}
