//! Dead letters as lines of JSON, to a file or to standard output, without holding more than one of them.

use super::{Control, Which, output, query};
use anyhow::Context;
use hyper::Method;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Writes every letter that matches.
pub(super) fn export(control: &Control, which: &Which, to: Option<&Path>) -> anyhow::Result<()> {
    let path = format!("/dead-letters/export{}", query(&which.body()));
    let Some(file) = to else {
        return control.read_lines(Method::GET, &path, None, |line| Ok(output::bit(line)?));
    };
    let count = to_file(control, &path, file)?;
    output::remark(format!("{count} dead letters written to {}", file.display()));
    Ok(())
}

/// The file is there under its name once it is whole and on disk. It holds what devices sent, so it is its owner's alone.
fn to_file(control: &Control, path: &str, file: &Path) -> anyhow::Result<u64> {
    let shown = file.display();
    anyhow::ensure!(!file.exists(), "{shown} is there already; name another file, or remove it");
    let begun = begun(file);
    let mut options = File::options();
    let made = options.write(true).create(true).truncate(true).mode(0o600).open(&begun);
    let mut writer =
        BufWriter::new(made.with_context(|| format!("the file {} can't be made", begun.display()))?);
    let mut count = 0;
    let written = control.read_lines(Method::GET, path, None, |line| {
        count += 1;
        writer.write_all(line).with_context(|| format!("{shown} can't be written"))
    });
    let kept = written.and_then(|()| {
        writer.flush()?;
        writer.get_ref().sync_all()?;
        std::fs::rename(&begun, file).with_context(|| format!("{shown} can't be given its name"))
    });
    if kept.is_err() {
        // A part must not be taken for the whole; what keeps it from being removed is the error that is told.
        let _ = std::fs::remove_file(&begun);
    }
    kept.map(|()| count)
}

fn begun(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".part");
    PathBuf::from(name)
}
