//! The ring of keys: where it comes from, how its file is made, read and replaced.
//!
//! Invariant: the file is never readable by others, not even for a moment; it is replaced whole or not at
//! all; a file that is missing, though secrets need it, is never made anew.

use std::{
    fmt, fs,
    io::{self, ErrorKind, Write as _},
    path::{Path, PathBuf},
    time::SystemTime,
};

use zeroize::Zeroizing;

use super::{
    VaultError,
    keys::{Key, random},
};

/// What a key's line begins with: the version of its form.
const PREFIX: &str = "hnp1:";
/// Longest key file that is read, in bytes: some hundred keys.
const LONGEST: u64 = 64 << 10;
/// The first lines of the file.
const HEAD: &str = "# The keys of HNP, the newest first. They open the credentials of all fabrics and prove that the audit\n# log is whole. Keep a copy apart from the database and its backups.\n";

/// Where keys come from.
pub enum KeySource {
    /// A file; made with the first key where there is none yet.
    File(PathBuf),
    /// A value from the environment: one key, or several parted by commas, the newest first.
    Value(Zeroizing<String>),
}

impl fmt::Debug for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Value(_) => f.write_str("Value(…)"),
        }
    }
}

impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "the key file {}", path.display()),
            Self::Value(_) => f.write_str("the environment"),
        }
    }
}

/// By what it is seen that a file is another one than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
    #[cfg(unix)]
    inode: u64,
}

impl Stamp {
    fn of(data: &fs::Metadata) -> Self {
        Self {
            modified: data.modified().ok(),
            length: data.len(),
            #[cfg(unix)]
            inode: std::os::unix::fs::MetadataExt::ino(data),
        }
    }
}

/// At least one key, the newest first.
pub(super) struct Ring {
    newest: Key,
    older: Vec<Key>,
}

impl Ring {
    pub(super) fn newest(&self) -> &Key {
        &self.newest
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &Key> {
        std::iter::once(&self.newest).chain(&self.older)
    }

    pub(super) fn by_id(&self, id: &str) -> Option<&Key> {
        self.keys().find(|key| key.id().as_str() == id)
    }

    /// With one key more, the newest now.
    pub(super) fn with(self, key: Key) -> Self {
        let older = std::iter::once(self.newest).chain(self.older).collect();
        Self { newest: key, older }
    }

    /// The newest alone.
    pub(super) fn without_older(self) -> Self {
        Self { newest: self.newest, older: Vec::new() }
    }

    fn of(mut keys: Vec<Key>) -> Option<Self> {
        if keys.is_empty() {
            return None;
        }
        let older = keys.split_off(1);
        Some(Self { newest: keys.pop()?, older })
    }
}

/// The ring of a source; for a file, what it is recognized by.
pub(super) fn open(
    source: &KeySource,
    known: Option<&str>,
) -> Result<(Ring, Option<Stamp>), VaultError> {
    let path = match source {
        KeySource::Value(text) => {
            let keys = text.split([',', ' ', '\n']).map(str::trim).filter(|text| !text.is_empty());
            let keys: Option<Vec<Key>> = keys.map(Key::from_text).collect();
            let ring = keys.and_then(Ring::of).ok_or(VaultError::Value)?;
            return Ok((ring, None));
        }
        KeySource::File(path) => path,
    };
    match read(path) {
        Err(VaultError::Read { source, .. }) if source.kind() == ErrorKind::NotFound => {}
        done => return done.map(|(ring, stamp)| (ring, Some(stamp))),
    }
    if let Some(known) = known {
        return Err(VaultError::Missing { path: path.clone(), id: known.to_owned() });
    }
    make(path).map_err(|source| VaultError::Write { path: path.clone(), source })??;
    // Read, since another process may have been first.
    read(path).map(|(ring, stamp)| (ring, Some(stamp)))
}

/// The ring, if its file is another one than that of the stamp.
pub(super) fn refreshed(
    source: &KeySource,
    stamp: Option<&Stamp>,
) -> Result<Option<(Ring, Option<Stamp>)>, VaultError> {
    let KeySource::File(path) = source else { return Ok(None) };
    let data = fs::metadata(path).map_err(|source| unread(path, source))?;
    if Some(&Stamp::of(&data)) == stamp {
        return Ok(None);
    }
    read(path).map(|(ring, stamp)| Some((ring, Some(stamp))))
}

fn unread(path: &Path, source: io::Error) -> VaultError {
    VaultError::Read { path: path.to_owned(), source }
}

fn read(path: &Path) -> Result<(Ring, Stamp), VaultError> {
    let mut file = fs::File::open(path).map_err(|source| unread(path, source))?;
    let data = file.metadata().map_err(|source| unread(path, source))?;
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::PermissionsExt::mode(&data.permissions()) & 0o777;
        if mode & 0o077 != 0 {
            return Err(VaultError::Exposed { path: path.to_owned(), mode });
        }
    }
    if data.len() > LONGEST {
        return Err(VaultError::Malformed { path: path.to_owned(), line: 1 });
    }
    let mut text = Zeroizing::new(String::new());
    io::Read::read_to_string(&mut file, &mut text).map_err(|source| unread(path, source))?;
    let lines = text.lines().map(str::trim).enumerate();
    let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let keys: Result<Vec<Key>, VaultError> = lines
        .map(|(n, line)| {
            let key = line.strip_prefix(PREFIX).and_then(Key::from_hex);
            key.ok_or_else(|| VaultError::Malformed { path: path.to_owned(), line: n + 1 })
        })
        .collect();
    let ring = Ring::of(keys?).ok_or_else(|| VaultError::Empty { path: path.to_owned() })?;
    Ok((ring, Stamp::of(&data)))
}

/// Makes the file with a first key; leaves one that is there.
fn make(path: &Path) -> io::Result<Result<(), VaultError>> {
    let key = match Key::random() {
        Ok(key) => key,
        Err(error) => return Ok(Err(error)),
    };
    let ring = Ring { newest: key, older: Vec::new() };
    let fresh = written(path, &ring)?;
    // Takes the name only where nobody has it.
    let linked = fs::hard_link(&fresh, path);
    let _ = fs::remove_file(&fresh);
    match linked {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(Ok(())),
        Err(error) => Err(error),
        Ok(()) => settled(path).map(Ok),
    }
}

/// Puts a ring in place of what is in the file.
pub(super) fn replace(path: &Path, ring: &Ring) -> Result<(), VaultError> {
    let replaced = written(path, ring).and_then(|fresh| {
        let renamed = fs::rename(&fresh, path);
        if renamed.is_err() {
            let _ = fs::remove_file(&fresh);
        }
        renamed?;
        settled(path)
    });
    replaced.map_err(|source| VaultError::Write { path: path.to_owned(), source })
}

/// The folder of a file.
fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Makes sure that a name in a folder is on disk.
fn settled(path: &Path) -> io::Result<()> {
    fs::File::open(folder(path))?.sync_all()
}

/// A new file beside another, with a ring in it, on disk.
fn written(path: &Path, ring: &Ring) -> io::Result<PathBuf> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder(path))?;
    let suffix: [u8; 8] = random().map_err(io::Error::other)?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let fresh = folder(path).join(format!(".{name}.{}", domain::hex::hex(&suffix)));
    let mut text = Zeroizing::new(HEAD.to_owned());
    for key in ring.keys() {
        text.push_str(PREFIX);
        text.push_str(&key.to_hex());
        text.push('\n');
    }
    let mut options = fs::OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.write(true).create_new(true).open(&fresh)?;
    let done = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    if done.is_err() {
        let _ = fs::remove_file(&fresh);
    }
    done.map(|()| fresh)
}
