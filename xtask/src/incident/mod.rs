//! Writes the incident of bug 2095444 as cases: the capture rebuilt from its 19 printed lines, and the dumps beside it.

mod dumps;
mod packets;

use std::process::ExitCode;

use anyhow::Result;

use crate::project;

/// Writes the files of both cases. READMEs and expectations are written by hand or by `bless`.
pub(crate) fn run() -> Result<ExitCode> {
    project::write_cases(files()?)?;
    Ok(ExitCode::SUCCESS)
}

/// Every generated file, by its path under pcaps/.
fn files() -> Result<Vec<(String, Vec<u8>)>> {
    let mut files = vec![
        ("bz2095444/capture.pcap".to_owned(), packets::pcap()?),
        ("bz2095444-text/capture.txt".to_owned(), packets::text().into_bytes()),
        // Lines of tcpdump hold no date.
        ("bz2095444-text/args".to_owned(), format!("--date\n{}\n", packets::DATE).into_bytes()),
    ];
    for case in ["bz2095444", "bz2095444-text"] {
        for (name, content) in dumps::DUMPS {
            files.push((format!("{case}/{name}"), content.as_bytes().to_vec()));
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn committed_files_are_those_that_the_generator_writes() {
        for (path, content) in files().unwrap() {
            let committed = fs::read(project::root().join("pcaps").join(&path)).unwrap();
            assert!(committed == content, "pcaps/{path} differs: run `cargo xtask incident`");
        }
    }
}
