//! Reading a function's log from its files, its last lines first and then what is added. Everything here blocks.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Most bytes of each file that are looked through for the last lines.
const LOOKED_THROUGH_BYTES_MAX: u64 = 1 << 20;

/// A place in the log of one function. It follows the file when that is replaced by the next one.
#[derive(Debug)]
pub struct LogReader {
    path: PathBuf,
    /// Not there as long as the function has not printed anything.
    file: Option<File>,
}

impl LogReader {
    /// Opens the log at `path`. Gives its last lines, `lines_max` at most, as far as they are in the last MiB of the file and its
    /// predecessor.
    ///
    /// # Errors
    /// When a file is there and can't be read.
    pub fn open(path: &Path, lines_max: usize) -> io::Result<(Vec<u8>, Self)> {
        let mut text = Vec::new();
        for path in [super::log_file::predecessor(path), path.to_owned()] {
            if let Some(mut file) = open(&path)? {
                let length = file.metadata()?.len();
                file.seek(SeekFrom::Start(length.saturating_sub(LOOKED_THROUGH_BYTES_MAX)))?;
                (&mut file).take(LOOKED_THROUGH_BYTES_MAX).read_to_end(&mut text)?;
            }
        }
        let mut file = open(path)?;
        if let Some(file) = &mut file {
            file.seek(SeekFrom::End(0))?;
        }
        Ok((last_lines(text, lines_max), Self { path: path.to_owned(), file }))
    }

    /// What was added since, `bytes_max` at most; nothing when there is nothing yet.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn read(&mut self, bytes_max: u64) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        if let Some(file) = &mut self.file {
            file.take(bytes_max).read_to_end(&mut text)?;
        }
        if text.is_empty() && self.is_replaced()? {
            self.file = open(&self.path)?;
            if let Some(file) = &mut self.file {
                file.take(bytes_max).read_to_end(&mut text)?;
            }
        }
        Ok(text)
    }

    fn is_replaced(&self) -> io::Result<bool> {
        let Some(file) = &self.file else { return Ok(true) };
        match std::fs::metadata(&self.path) {
            Ok(there) => Ok(there.ino() != file.metadata()?.ino()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn open(path: &Path) -> io::Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn last_lines(mut text: Vec<u8>, lines_max: usize) -> Vec<u8> {
    let ends = text.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n');
    // The last line ends with its own.
    let from = ends.skip(lines_max).map(|(at, _)| at + 1).next().unwrap_or(0);
    text.split_off(from)
}

#[cfg(test)]
mod tests {
    use super::super::log_file::LogFile;
    use super::*;

    #[test]
    fn the_last_lines_come_first_and_then_what_is_added_over_a_change_of_files() {
        let directory = tempfile::tempdir().unwrap();
        let log = LogFile::open(directory.path(), "f", 1_000).unwrap();
        let path = directory.path().join("f.log");
        for number in 0..20 {
            log.write("i", "r", &format!("line {number}"));
        }
        let (first, mut reader) = LogReader::open(&path, 12).unwrap();
        let first = String::from_utf8(first).unwrap();
        assert_eq!(first.lines().count(), 12);
        assert!(first.ends_with(" i r line 19\n"), "{first}");

        let mut read = String::new();
        for number in 20..60 {
            log.write("i", "r", &format!("line {number}"));
            read.push_str(&String::from_utf8(reader.read(1 << 20).unwrap()).unwrap());
        }
        let numbers: Vec<&str> = read.lines().map(|line| line.rsplit(' ').next().unwrap()).collect();
        assert_eq!(numbers, (20..60).map(|number| number.to_string()).collect::<Vec<_>>());
        assert_eq!(reader.read(1 << 20).unwrap(), b"");
    }

    #[test]
    fn a_log_that_is_not_there_yet_is_empty_until_it_comes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("f.log");
        let (first, mut reader) = LogReader::open(&path, 10).unwrap();
        assert_eq!((first, reader.read(10).unwrap()), (Vec::new(), Vec::new()));
        std::fs::write(&path, "now\n").unwrap();
        assert_eq!(reader.read(10).unwrap(), b"now\n");
        assert_eq!(last_lines(b"a\nb\n".to_vec(), 0), b"");
        assert_eq!(last_lines(b"a\nb".to_vec(), 9), b"a\nb");
    }
}
