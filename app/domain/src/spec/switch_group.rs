//! Switch group: a bare name; switches join by listing it.
//!
//! Invariant: a group has no content of its own.

use super::shape::shape;

shape! {
    /// What a switch group should be: nothing but there.
    SwitchGroupSpec {}
}
