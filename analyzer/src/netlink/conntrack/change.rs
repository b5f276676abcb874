//! Changes of single entries: the only requests of this program that write to the kernel's table.
//!
//! `IPCTNL_MSG_CT_DELETE` without a tuple is a flush of the whole table, host included, and with a zone alone, in Linux
//! before 6.8, too (`ctnetlink_del_conntrack`). So a [`Deletion`] is made of tuple, zone and id or not at all, and its
//! bytes always hold all three. An [`Update`] never has `NLM_F_CREATE`: it changes an entry that is there, or none.
//!
//! Neither looks before it acts; whoever uses them asks the table before and after.

use std::io;

use super::encode::{self, Encoder};
use super::message::{Message, Messages};
use super::{ANSWER_BYTES, Error, PATIENCE, Table, wire};
use crate::engine::label::Rewrite;
use crate::types::Tuple;

const DELETE: &str = "delete a conntrack entry";
const UPDATE: &str = "change a conntrack entry";

/// Deletes the one entry that has this original tuple, in this zone, under this id.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Deletion {
    orig: Tuple,
    zone: u16,
    id: u32,
}

/// Writes some bits of mark and label of the one entry that has this original tuple, in this zone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Update {
    orig: Tuple,
    zone: u16,
    rewrite: Rewrite,
}

/// What the kernel says of a change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// It is done.
    Done,
    /// There is no such entry (ENOENT): nothing was touched.
    NoSuchEntry,
}

impl Deletion {
    /// Names the entry. Zone 0 is the host's and is meant as such.
    pub fn new(orig: Tuple, zone: u16, id: u32) -> Self {
        Self { orig, zone, id }
    }

    fn into_bytes(self, sequence: u32) -> Vec<u8> {
        let flags = wire::NLM_F_REQUEST | wire::NLM_F_ACK;
        let mut message = Encoder::new(wire::CT_DELETE, flags, encode::family(&self.orig), sequence);
        message.tuple(self.orig);
        message.attribute(wire::CTA_ZONE, &self.zone.to_be_bytes());
        // An entry that has taken its place since has another, but for one of the same tuple at the same place in memory
        // (`nf_ct_get_id`).
        message.attribute(wire::CTA_ID, &self.id.to_be_bytes());
        message.into_bytes()
    }
}

impl Update {
    /// Names the entry and the bits.
    pub fn new(orig: Tuple, zone: u16, rewrite: Rewrite) -> Self {
        Self { orig, zone, rewrite }
    }

    fn into_bytes(self, sequence: u32) -> Vec<u8> {
        let flags = wire::NLM_F_REQUEST | wire::NLM_F_ACK;
        let mut message = Encoder::new(wire::CT_NEW, flags, encode::family(&self.orig), sequence);
        message.tuple(self.orig);
        message.attribute(wire::CTA_ZONE, &self.zone.to_be_bytes());
        // The kernel adds the value bit by bit (XOR) to what the mask leaves: it has no bits beside the mask.
        if let Some(mark) = self.rewrite.mark() {
            message.attribute(wire::CTA_MARK, &mark.value().to_be_bytes());
            message.attribute(wire::CTA_MARK_MASK, &mark.mask().to_be_bytes());
        }
        if let Some(label) = self.rewrite.label() {
            message.attribute(wire::CTA_LABELS, &label.value().to_ne_bytes());
            message.attribute(wire::CTA_LABELS_MASK, &label.mask().to_ne_bytes());
        }
        message.into_bytes()
    }
}

impl Table {
    /// Deletes an entry.
    ///
    /// # Errors
    /// Any but [`Error::Open`]; the entry may then be there or not.
    pub fn delete(&self, deletion: Deletion) -> Result<Answer, Error> {
        self.change(DELETE, |sequence| deletion.into_bytes(sequence))
    }

    /// Changes an entry.
    ///
    /// # Errors
    /// Any but [`Error::Open`]. ENOSPC means that the kernel keeps no label for the entry.
    pub fn update(&self, update: Update) -> Result<Answer, Error> {
        self.change(UPDATE, |sequence| update.into_bytes(sequence))
    }

    fn change(&self, action: &'static str, message: impl FnOnce(u32) -> Vec<u8>) -> Result<Answer, Error> {
        let sequence = self.socket.next_sequence();
        self.socket.send(&message(sequence)).map_err(|error| Error::new(action, error))?;
        let mut buffer = [0; ANSWER_BYTES];
        for _ in 0..PATIENCE {
            let bytes = self.socket.receive(&mut buffer).map_err(|error| Error::new(action, error))?;
            for message in Messages::new(bytes) {
                let message = message.map_err(|reason| Error::Senseless { action, reason })?;
                if message.sequence == sequence {
                    return acknowledged(action, &message);
                }
            }
        }
        Err(Error::Silent { action })
    }
}

/// Reads the answer to a change, which is an error message whatever became of it.
fn acknowledged(action: &'static str, message: &Message<'_>) -> Result<Answer, Error> {
    let senseless = |reason| Error::Senseless { action, reason };
    match message.error().map_err(senseless)? {
        Some(0) => Ok(Answer::Done),
        Some(wire::ENOENT) => Ok(Answer::NoSuchEntry),
        Some(number) => Err(Error::new(action, io::Error::from_raw_os_error(number))),
        None => Err(senseless(super::message::Malformed::Kind(message.kind))),
    }
}

#[cfg(test)]
mod tests;
