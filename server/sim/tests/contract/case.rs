//! A case: a sentence and how to find out whether it is true.

use std::pin::Pin;

use crate::subject::Subject;

/// What a case gives.
pub(crate) type Outcome<'a> = Pin<Box<dyn Future<Output = anyhow::Result<()>> + 'a>>;

/// One case.
pub(crate) struct Case {
    /// The sentence.
    pub(crate) name: &'static str,
    /// The proof.
    pub(crate) run: for<'a> fn(&'a Subject) -> Outcome<'a>,
}

/// Makes a list of cases from functions whose names are sentences.
#[macro_export]
macro_rules! cases {
    ($($name:ident),+ $(,)?) => {
        pub(crate) const CASES: &[$crate::case::Case] =
            &[$($crate::case::Case { name: stringify!($name), run: |subject| Box::pin($name(subject)) }),+];
    };
}
