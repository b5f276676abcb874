//! The files: made one after the other, and the oldest removed.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, openat, statat, unlinkat};
use rustix::io::Errno;

use super::error::RecorderError;
use super::name::Name;
use crate::owned::folder_of;
use crate::types::Timestamp;

/// A file is read and written by its owner alone.
const MODE: Mode = Mode::RUSR.union(Mode::WUSR);

/// When the next file is begun, and how many stay.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rotation {
    /// Bytes of a file at which it is closed.
    pub bytes: u64,
    /// Files that are kept, the present one with them.
    pub files: usize,
}

/// The files of a run.
#[derive(Debug)]
pub(super) struct Files {
    folder: OwnedFd,
    name: Name,
    rotation: Option<Rotation>,
    made: VecDeque<Made>,
    number: u32,
    /// The file that is written. None where the next could not be made yet.
    present: Option<Present>,
}

/// A file that we made.
#[derive(Debug)]
struct Made {
    name: String,
    /// Device and inode, by which it is known again.
    id: (u64, u64),
}

#[derive(Debug)]
struct Present {
    file: File,
    len: u64,
}

impl Files {
    /// Makes the first file.
    ///
    /// # Errors
    /// There is one of this name, or it cannot be made.
    pub(super) fn open(name: &Name, rotation: Option<Rotation>, now: Timestamp) -> Result<Self, RecorderError> {
        let path = folder_of(name.path());
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = openat(CWD, path, flags, Mode::empty());
        let folder = folder.map_err(|errno| RecorderError::Folder { path: path.to_owned(), source: errno.into() })?;
        let mut files = Self { folder, name: name.clone(), rotation, made: VecDeque::new(), number: 0, present: None };
        match files.begin(now) {
            Ok(()) => Ok(files),
            Err(source) => {
                let path = files.path_of(&files.next_name(now));
                Err(match source.kind() {
                    io::ErrorKind::AlreadyExists => RecorderError::Exists { path },
                    _ => RecorderError::File { path, source },
                })
            }
        }
    }

    fn next_name(&self, now: Timestamp) -> String {
        match self.rotation {
            Some(_) => self.name.numbered(self.number + 1, now),
            None => self.name.only(),
        }
    }

    fn path_of(&self, name: &str) -> PathBuf {
        self.name.path().with_file_name(OsStr::new(name))
    }

    /// Makes the next file. Where there is something of its name, be it a link, it is left alone.
    fn begin(&mut self, now: Timestamp) -> io::Result<()> {
        let name = self.next_name(now);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = File::from(openat(&self.folder, name.as_str(), flags, MODE)?);
        let metadata = file.metadata()?;
        self.made.push_back(Made { name, id: (metadata.dev(), metadata.ino()) });
        self.number += 1;
        self.present = Some(Present { file, len: 0 });
        Ok(())
    }

    /// Closes the present file: what comes next goes into another.
    pub(super) fn close(&mut self) {
        self.present = None;
    }

    /// Makes the next file, and removes the oldest ones that are too many then.
    ///
    /// # Errors
    /// It cannot be made, or there are too many already. It is tried again with the next call.
    pub(super) fn rotate(&mut self, now: Timestamp) -> io::Result<()> {
        self.present = None;
        // Those that could not be removed the last time.
        self.trim()?;
        self.begin(now)?;
        // Where one cannot be, the next file is not made.
        let _ = self.trim();
        Ok(())
    }

    /// Removes all files.
    ///
    /// # Errors
    /// One cannot be removed.
    pub(super) fn remove_all(&mut self) -> io::Result<()> {
        self.present = None;
        self.remove_oldest(0)
    }

    fn trim(&mut self) -> io::Result<()> {
        self.remove_oldest(self.rotation.map_or(usize::MAX, |rotation| rotation.files))
    }

    /// Removes the oldest files but for so many.
    fn remove_oldest(&mut self, but: usize) -> io::Result<()> {
        while self.made.len() > but
            && let Some(oldest) = self.made.front()
        {
            let removed = match self.id_of(&oldest.name) {
                // What somebody else put in its place is not ours.
                Ok(id) if id != oldest.id => Ok(()),
                Ok(_) => unlinkat(&self.folder, oldest.name.as_str(), AtFlags::empty()),
                Err(errno) => Err(errno),
            };
            match removed {
                Ok(()) | Err(Errno::NOENT) => drop(self.made.pop_front()),
                Err(errno) => {
                    return Err(io::Error::other(format!("cannot remove {}: {}", oldest.name, io::Error::from(errno))));
                }
            }
        }
        Ok(())
    }

    fn id_of(&self, name: &str) -> rustix::io::Result<(u64, u64)> {
        let stat = statat(&self.folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
        Ok((stat.st_dev, stat.st_ino))
    }

    /// Whether a file is written.
    pub(super) fn is_open(&self) -> bool {
        self.present.is_some()
    }

    /// Length of the present file.
    pub(super) fn len(&self) -> u64 {
        self.present.as_ref().map_or(0, |present| present.len)
    }

    /// Appends all of the bytes to the present file, or nothing.
    ///
    /// # Errors
    /// The disk does not take them.
    pub(super) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(Present { file, len }) = &mut self.present else {
            return Err(io::ErrorKind::NotFound.into());
        };
        match file.write_all(bytes) {
            Ok(()) => {
                *len += bytes.len() as u64;
                Ok(())
            }
            Err(error) => {
                // What is half written could not be read, nor what comes behind it.
                file.set_len(*len)?;
                file.seek(SeekFrom::Start(*len))?;
                Err(error)
            }
        }
    }

    /// The file that is written, or was last.
    pub(super) fn path(&self) -> PathBuf {
        self.made.back().map_or_else(|| self.name.path().to_owned(), |made| self.path_of(&made.name))
    }

    /// How many files were made.
    pub(super) fn made(&self) -> u32 {
        self.number
    }
}

#[cfg(test)]
mod tests;
