//! What people see: pages, widgets, the live store and its link.
//!
//! The same components render on the server (`ssr`) and wake up in the browser (`hydrate`).
//!
//! Invariant: nothing here reads a cluster, a file or a database; pages ask [`api`], the server answers
//! through the trait in `backend`.

pub use answer::StatusHook;
pub use domain;
pub use router::App;
pub use shell::shell;

mod answer;
pub mod api;
#[cfg(feature = "ssr")]
pub mod backend;
mod browser;
mod codec;
pub mod fabrics;
pub mod feeds;
pub mod frame;
pub mod links;
pub mod live;
pub mod office;
pub mod page;
pub mod router;
pub mod shell;
pub mod table;
pub mod toasts;
pub mod ui;
