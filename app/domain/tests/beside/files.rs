//! Finds documents that stand beside the repository, and reads them.
//!
//! Invariant: a machine without them is told so in one line, and passes.

use std::path::{Path, PathBuf};

use serde::Deserialize as _;
use serde_json::Value;

/// The folder that a variable names, else the one of this name in `shared` beside the repository.
/// None, with a line that says so, if there is none.
pub(crate) fn folder(variable: &str, name: &str) -> Option<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "a test is told where its documents are")]
    let named = std::env::var(variable).ok().map(PathBuf::from);
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared").join(name);
    let folder = named.unwrap_or_else(beside);
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: no folder {} and {variable} names none", folder.display());
    None
}

/// Every document of every YAML file of a folder, with the file's name.
pub(crate) fn documents(folder: &Path) -> Vec<(String, Value)> {
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    paths.sort();
    let mut found = Vec::new();
    for path in paths {
        let text = std::fs::read_to_string(&path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        for document in serde_norway::Deserializer::from_str(&text) {
            let value = Value::deserialize(document).unwrap();
            if !value.is_null() {
                found.push((name.clone(), value));
            }
        }
    }
    found
}
