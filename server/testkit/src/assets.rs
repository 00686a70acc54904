//! Where the programs are: the folder that `KUBEBUILDER_ASSETS` names, or packed ones beside the repository.
//!
//! Invariant: a program is either there whole or not at all; unpacking is done under another name first.

use std::{
    env, fs,
    fs::File,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, ensure};

/// The program of that name, if this machine has it.
pub(crate) fn program(name: &str) -> anyhow::Result<Option<PathBuf>> {
    #[expect(
        clippy::disallowed_methods,
        reason = "tests are told by the environment where the programs are"
    )]
    let folder = env::var("KUBEBUILDER_ASSETS").ok();
    if let Some(folder) = folder {
        let path = Path::new(&folder).join(name);
        return Ok(path.is_file().then_some(path));
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let packed = root.join("../shared/tools/kube/bin").join(format!("{name}.xz"));
    if !packed.is_file() {
        return Ok(None);
    }
    unpack(&packed, &root.join("target/kube-assets"), name).map(Some)
}

fn unpack(packed: &Path, folder: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let path = folder.join(name);
    if path.is_file() {
        return Ok(path);
    }
    fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    let part = folder.join(format!("{name}.{}", std::process::id()));
    let out = File::create(&part).with_context(|| format!("make {}", part.display()))?;
    let status = Command::new("xz").arg("-dc").arg(packed).stdout(Stdio::from(out)).status();
    ensure!(status.context("run xz")?.success(), "xz could not unpack {}", packed.display());
    executable(&part)?;
    fs::rename(&part, &path).with_context(|| format!("put {} in place", path.display()))?;
    Ok(path)
}

fn executable(path: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
        .with_context(|| format!("chmod {}", path.display()))
}
