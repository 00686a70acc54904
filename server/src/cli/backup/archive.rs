//! The one file that a backup is: a tar with `manifest.json`, `hnp.db` and, where asked for, `secret.key`.
//!
//! Invariant: what is unpacked is written to names of our choosing, readable by the owner only, and never
//! over anything; nothing is believed of an archive that its manifest and digest do not bear out.

use std::{
    fs::{self, File},
    io::{self, Read, Write as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail, ensure};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The form of archives that this build writes and reads.
const FORMAT: u32 = 1;
/// Longest manifest, in bytes.
const LONGEST_MANIFEST: u64 = 64 << 10;
/// Longest key file, in bytes.
const LONGEST_KEY: u64 = 64 << 10;
/// Bytes that are copied at once.
const CHUNK: usize = 1 << 20;

const MANIFEST: &str = "manifest.json";
const DATABASE: &str = "hnp.db";
const KEY: &str = "secret.key";

/// What an archive says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::cli) struct Manifest {
    /// The form of the archive.
    pub(in crate::cli) format: u32,
    /// The version of HNP that made it.
    pub(in crate::cli) version: String,
    /// The schema of the database in it.
    pub(in crate::cli) schema: usize,
    /// When it was made, RFC 3339.
    pub(in crate::cli) created: String,
    /// Bytes of the database.
    pub(in crate::cli) database_bytes: u64,
    /// SHA-256 of the database, hexadecimal.
    pub(in crate::cli) database_sha256: String,
    /// Name of the key that its secrets are sealed with.
    pub(in crate::cli) key: String,
    /// Whether the key is in the archive.
    pub(in crate::cli) holds_key: bool,
    /// Number of the last entry of the audit log.
    pub(in crate::cli) audit_entries: u64,
    /// Digest of that entry; none: the log was not whole.
    pub(in crate::cli) audit_head: Option<String>,
}

impl Manifest {
    /// The manifest of a copy of a database; what the caller knows is filled in after.
    pub(in crate::cli) fn of(database: &Path) -> anyhow::Result<Self> {
        let mut file = File::open(database).context("could not read the copy")?;
        let (bytes, digest) =
            copied(&mut file, &mut io::sink()).context("could not read the copy")?;
        Ok(Self {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            schema: engine::store::sqlite::SCHEMA,
            created: String::new(),
            database_bytes: bytes,
            database_sha256: digest,
            key: String::new(),
            holds_key: false,
            audit_entries: 0,
            audit_head: None,
        })
    }
}

/// Files that are removed when this goes, unless they were kept.
#[derive(Debug, Default)]
pub(in crate::cli) struct Scraps(Vec<PathBuf>);

impl Scraps {
    /// A name beside a file that nobody has, removed when this goes.
    pub(in crate::cli) fn beside(&mut self, file: &Path, what: &str) -> PathBuf {
        let name = file.file_name().map(|name| name.to_string_lossy().into_owned());
        let name = format!(".{}.{what}-{:016x}", name.unwrap_or_default(), rand::random::<u64>());
        let path = file.with_file_name(name);
        for suffix in ["", "-wal", "-shm", "-journal"] {
            self.0.push(format!("{}{suffix}", path.display()).into());
        }
        path
    }
}

impl Drop for Scraps {
    fn drop(&mut self) {
        for path in &self.0 {
            let _ = fs::remove_file(path);
        }
    }
}

fn new_file(path: &Path) -> io::Result<File> {
    let mut options = fs::OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.write(true).create_new(true).open(path)
}

/// Copies all bytes; returns how many, and their digest.
fn copied(from: &mut dyn Read, to: &mut dyn io::Write) -> io::Result<(u64, String)> {
    let (mut hash, mut bytes, mut chunk) = (Sha256::new(), 0, vec![0; CHUNK]);
    loop {
        let read = from.read(&mut chunk)?;
        let Some(some) = chunk.get(..read).filter(|some| !some.is_empty()) else { break };
        hash.update(some);
        to.write_all(some)?;
        bytes += u64::try_from(read).unwrap_or_default();
    }
    Ok((bytes, domain::hex::hex(&hash.finalize())))
}

/// Writes an archive to a new file. Half of one is removed.
pub(in crate::cli) fn write(
    file: &Path,
    manifest: &Manifest,
    database: &Path,
    key: Option<&Path>,
) -> anyhow::Result<()> {
    let place = file.display();
    let out = new_file(file).with_context(|| format!("could not make {place}"))?;
    let done = fill(out, manifest, database, key);
    if done.is_err() {
        let _ = fs::remove_file(file);
    }
    done.with_context(|| format!("could not write {place}"))
}

fn fill(out: File, manifest: &Manifest, database: &Path, key: Option<&Path>) -> anyhow::Result<()> {
    let mut tar = tar::Builder::new(io::BufWriter::new(out));
    let text = serde_json::to_vec_pretty(manifest)?;
    append(&mut tar, MANIFEST, &mut text.as_slice(), u64::try_from(text.len())?)?;
    for (name, path) in [(DATABASE, Some(database)), (KEY, key)] {
        let Some(path) = path else { continue };
        let mut file = File::open(path)?;
        let bytes = file.metadata()?.len();
        append(&mut tar, name, &mut file, bytes)?;
    }
    let mut out = tar.into_inner()?;
    out.flush()?;
    out.get_ref().sync_all()?;
    Ok(())
}

fn append(
    tar: &mut tar::Builder<impl io::Write>,
    name: &str,
    from: &mut dyn Read,
    bytes: u64,
) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o600);
    header.set_size(bytes);
    tar.append_data(&mut header, name, from)
}

/// An archive, unpacked.
#[derive(Debug)]
pub(in crate::cli) struct Unpacked {
    /// What it says of itself.
    pub(in crate::cli) manifest: Manifest,
    /// Where the key is; none: it held none.
    pub(in crate::cli) key: Option<PathBuf>,
}

/// Unpacks an archive: its database and, if it holds one, its key, to new files.
pub(in crate::cli) fn read(file: &Path, database: &Path, key: &Path) -> anyhow::Result<Unpacked> {
    let from = File::open(file).context("could not be read")?;
    let mut tar = tar::Archive::new(io::BufReader::new(from));
    let mut entries = tar.entries().context("is no backup")?;
    let first = entries.next().context("is empty")?.context("is no backup of HNP")?;
    let manifest = manifest(first)?;
    let mut found = (false, None);
    for entry in entries {
        let mut entry = entry.context("is damaged, or was not written to its end")?;
        let name = entry.path_bytes().into_owned();
        if name == DATABASE.as_bytes() && !found.0 {
            database_of(&manifest, &mut entry, database)?;
            found.0 = true;
        } else if name == KEY.as_bytes() && found.1.is_none() {
            ensure!(entry.size() <= LONGEST_KEY, "has too long a key");
            let mut out = new_file(key).context("could not be unpacked")?;
            let unpacked = copied(&mut entry, &mut out).and_then(|_| out.sync_all());
            unpacked.context("could not be unpacked")?;
            found.1 = Some(key.to_owned());
        } else {
            bail!("holds `{}`, which no backup has", String::from_utf8_lossy(&name).escape_debug());
        }
    }
    ensure!(found.0, "holds no database: it was not written to its end");
    ensure!(manifest.holds_key == found.1.is_some(), "does not hold what its manifest says");
    Ok(Unpacked { manifest, key: found.1 })
}

fn manifest(entry: tar::Entry<'_, impl Read>) -> anyhow::Result<Manifest> {
    /// What all forms have.
    #[derive(Deserialize)]
    struct Form {
        format: u32,
        version: String,
        schema: usize,
    }
    ensure!(*entry.path_bytes() == *MANIFEST.as_bytes(), "is no backup of HNP: it has no manifest");
    let mut text = String::new();
    entry.take(LONGEST_MANIFEST).read_to_string(&mut text).context("has no readable manifest")?;
    let form: Form = serde_json::from_str(&text).context("has no readable manifest")?;
    let known = engine::store::sqlite::SCHEMA;
    ensure!(
        form.format == FORMAT && form.schema <= known,
        "was made by HNP {}, which is newer than this one: use that version",
        form.version.escape_debug()
    );
    serde_json::from_str(&text).context("has no readable manifest")
}

fn database_of(
    manifest: &Manifest,
    entry: &mut tar::Entry<'_, impl Read>,
    to: &Path,
) -> anyhow::Result<()> {
    ensure!(entry.size() == manifest.database_bytes, "is damaged: its database has another length");
    let mut out = new_file(to).context("could not be unpacked")?;
    let done = copied(entry, &mut out).and_then(|done| out.sync_all().map(|()| done));
    let (bytes, digest) = done.context("could not be unpacked")?;
    ensure!(
        bytes == manifest.database_bytes && digest == manifest.database_sha256,
        "is damaged: its database is not the one that was put in"
    );
    Ok(())
}
