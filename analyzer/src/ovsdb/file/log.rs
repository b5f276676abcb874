//! The log of records that a database file is: `OVSDB <magic> <length> <sha1>`, a new-line, and that many bytes of JSON
//! (ovsdb(5), "File Formats").

use std::io::{BufRead, Read};

use sha1::{Digest, Sha1};

use super::RecordError;

/// Longest header line: magic, 20 digits, SHA-1 and blanks stay well below.
const MAX_HEADER: u64 = 128;

/// Longest record that is read. The largest are snapshots; gigabytes of JSON are more than ovsdb-server survives.
const MAX_RECORD: u64 = 4 << 30;

/// The kind of a file, which each of its records repeats.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// `OVSDB JSON`.
    Standalone,
    /// `OVSDB CLUSTER`.
    Clustered,
}

/// A record whose checksum is right.
pub(super) struct Record<'a> {
    pub(super) kind: Kind,
    pub(super) json: &'a str,
}

/// The records of a file.
pub(super) struct Records<R> {
    reader: R,
    kind: Option<Kind>,
    /// Where the last record begins.
    start: u64,
    /// Where the next one begins.
    end: u64,
    buffer: Vec<u8>,
    /// Whether the buffer holds what is there of a record that is cut.
    is_cut: bool,
}

impl<R: BufRead> Records<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, kind: None, start: 0, end: 0, buffer: Vec::new(), is_cut: false }
    }

    /// Offset in the file of the record last asked for.
    pub(super) fn offset(&self) -> u64 {
        self.start
    }

    /// What is there of the record at which reading ended, where the file ends within it.
    pub(super) fn torn(&self) -> &[u8] {
        if self.is_cut { &self.buffer } else { &[] }
    }

    /// Reads a record; `None` at the end of the file. After an error there is no telling where the next one begins.
    pub(super) fn next(&mut self) -> Result<Option<Record<'_>>, RecordError> {
        self.start = self.end;
        self.buffer.clear();
        let header_size = (&mut self.reader).take(MAX_HEADER).read_until(b'\n', &mut self.buffer)?;
        if header_size == 0 {
            return Ok(None);
        }
        let header = Header::parse(&self.buffer).ok_or(RecordError::Header)?;
        if *self.kind.get_or_insert(header.kind) != header.kind {
            return Err(RecordError::Kind);
        }
        if header.length > MAX_RECORD {
            return Err(RecordError::Length(header.length));
        }
        self.buffer.clear();
        // Grows with what the file really holds, whatever the header claims.
        let found = (&mut self.reader).take(header.length).read_to_end(&mut self.buffer)? as u64;
        if found < header.length {
            self.is_cut = true;
            return Err(RecordError::Cut { found, expected: header.length });
        }
        if Sha1::digest(&self.buffer).as_slice() != header.sha1 {
            return Err(RecordError::Checksum);
        }
        self.end = self.start.saturating_add(header_size as u64).saturating_add(header.length);
        let json = std::str::from_utf8(&self.buffer).map_err(|_| RecordError::Encoding)?;
        Ok(Some(Record { kind: header.kind, json }))
    }
}

struct Header {
    kind: Kind,
    length: u64,
    sha1: [u8; 20],
}

impl Header {
    fn parse(line: &[u8]) -> Option<Self> {
        let line = std::str::from_utf8(line).ok()?.strip_suffix('\n')?;
        let mut words = line.split(' ');
        let kind = match (words.next()?, words.next()?) {
            ("OVSDB", "JSON") => Kind::Standalone,
            ("OVSDB", "CLUSTER") => Kind::Clustered,
            _ => return None,
        };
        let length = words.next()?.parse().ok().filter(|length| *length > 0)?;
        let sha1 = sha1_from_hex(words.next()?)?;
        words.next().is_none().then_some(Self { kind, length, sha1 })
    }
}

fn sha1_from_hex(text: &str) -> Option<[u8; 20]> {
    let digits: Vec<u8> = text
        .chars()
        .map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect::<Option<_>>()?;
    let bytes: Vec<u8> = digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect();
    if digits.len() == 40 { bytes.try_into().ok() } else { None }
}

#[cfg(test)]
pub(super) mod tests {
    use std::fmt::Write;

    use super::*;

    /// A record as the server writes it.
    pub(in super::super) fn record(magic: &str, json: &str) -> Vec<u8> {
        let sha1 = Sha1::digest(json).iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").unwrap();
            text
        });
        format!("OVSDB {magic} {} {sha1}\n{json}", json.len()).into_bytes()
    }

    fn all(bytes: &[u8]) -> Result<Vec<String>, String> {
        let mut records = Records::new(bytes);
        let mut found = Vec::new();
        while let Some(record) = records.next().map_err(|error| error.to_string())? {
            found.push(record.json.to_owned());
        }
        Ok(found)
    }

    #[test]
    fn records_follow_each_other() {
        // The fifth record of fixtures/clustered.db, as ovsdb-server 3.1.0 wrote it.
        let real = b"OVSDB CLUSTER 19 33b55e534f126a112da3b4dfe7189f3c84fca362\n{\"commit_index\":2}\n";
        assert_eq!(all(real), Ok(vec!["{\"commit_index\":2}\n".to_owned()]));
        let altered = real.map(|byte| if byte == b'2' { b'3' } else { byte });
        assert!(all(&altered).is_err());

        let two = [record("JSON", "{}\n"), record("JSON", "{\"a\":1}\n")].concat();
        assert_eq!(all(&two), Ok(vec!["{}\n".to_owned(), "{\"a\":1}\n".to_owned()]));
        let mut records = Records::new(two.as_slice());
        records.next().unwrap();
        assert_eq!(records.offset(), 0);
        records.next().unwrap();
        assert_eq!(records.offset(), record("JSON", "{}\n").len() as u64);
    }

    #[test]
    fn every_cut_is_told() {
        let whole = record("CLUSTER", "{\"term\":1}\n");
        for end in 1..whole.len() {
            assert!(all(&whole[..end]).is_err(), "{end}");
        }
        assert_eq!(all(&whole[..whole.len() - 1]), Err("the file ends in mid-record, after 10 of 11 bytes".to_owned()));
    }

    #[test]
    fn broken_headers() {
        let sha1 = "a".repeat(40);
        let cases = [
            ("\0\0\0\0".to_owned(), "expected the header"),
            (format!("OVSDB JSON 3 {sha1}x\n"), "expected the header"),
            (format!("OVSDB JSON 3 {}\n", &sha1[1..]), "expected the header"),
            (format!("OVSDB JSON 0 {sha1}\n"), "expected the header"),
            (format!("OVSDB JSON -1 {sha1}\n"), "expected the header"),
            (format!("OVSDB XML 3 {sha1}\n"), "expected the header"),
            (format!("OVSDB JSON 3 {sha1} 4\n"), "expected the header"),
            ("x".repeat(1000), "expected the header"),
            (format!("OVSDB JSON {} {sha1}\n{{}}", u64::MAX), "beyond what is read"),
            (format!("OVSDB JSON {} {sha1}\n{{}}", MAX_RECORD), "mid-record, after 2 of"),
        ];
        for (bytes, message) in cases {
            let error = all(bytes.as_bytes()).unwrap_err();
            assert!(error.contains(message), "{bytes}: {error}");
        }
        let mixed = [record("JSON", "{}\n"), record("CLUSTER", "{}\n")].concat();
        assert_eq!(all(&mixed), Err("the record's kind is not that of the file".to_owned()));
    }
}
