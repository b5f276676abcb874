//! Why nothing can be recorded.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why a recording cannot begin.
#[derive(Error, Debug)]
pub enum RecorderError {
    /// The folder of the files cannot be opened.
    #[error("cannot open the folder {}", .path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is something under the name of the file already.
    #[error("{} is there already, and nothing is written over: give another name, or remove it", .path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be made.
    #[error("cannot make {}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No thread can be started.
    #[error("cannot start the thread that writes")]
    Thread(#[source] io::Error),
}
