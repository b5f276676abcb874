//! The text of `tcpdump -e`, as people paste it.
//!
//! Read are versions 4.9 and 4.99, with and without -n, -v, -q and --number, and every form of time that tells when.
//! Hex and ASCII dumps are passed over.

mod clock;
mod head;
mod icmp;
mod meaning;
mod payload;
mod services;

use self::clock::{Clock, NoInstant, Stamp, begins_with_date};
use self::head::Head;
use self::meaning::{
    Before, Content, FrameRows, Meaning, holds_another, is_of_tshark, is_possible_frame, is_tunnel, meaning,
};
use self::payload::{Ipv4Header, Packet};
use super::nics::Nics;
use super::source::{Meter, Source};
use super::stream::ByteStream;
use super::warnings::Warnings;
use super::zone::Zone;
use super::{CaptureError, CaptureReader, Interface, Item, Options, Progress, Skipped, TextPayload, TextRecord};
use crate::paste::{Kind, Lines, Looks, Next};
use crate::types::{Position, Warning};

/// What a line is likely to be that may be of any text.
pub fn looks(line: &str) -> Option<Looks> {
    meaning::looks(line)
}

/// Longest line read. tcpdump with every option stays below it.
const MAX_LINE_LEN: usize = 64 * 1024;

/// Lines read before a text without any packet is taken for something else.
const MAX_FOREIGN_LINES: u64 = 1000;

/// A text that is being read.
pub(super) struct TextReader {
    lines: Lines<ByteStream, FrameRows>,
    meter: Meter,
    warnings: Warnings,
    nics: Nics,
    clock: Clock,
    /// The NIC's name, where tcpdump printed on which one it listens.
    listening_on: Option<String>,
    /// A packet whose addresses are on the next line.
    begun: Option<Begun>,
    record: Option<TextRecord>,
    /// Whether a packet was met.
    recognised: bool,
    /// Whether lines of tshark were met.
    is_of_tshark: bool,
    /// Whether text without times is read.
    may_lack_times: bool,
    /// Whether times are held against those of other sources.
    are_times_compared: bool,
    /// Whether the frame before holds another.
    in_tunnel: bool,
    /// Whether the line before begins with a date and is no packet.
    is_behind_date: bool,
    /// Service names that stand for several ports and were told of.
    ambiguous: Vec<&'static str>,
    skipped: Skipped,
    ended: bool,
}

/// A packet of which tcpdump -v printed the IPv4 header; the addresses are on the next line.
#[derive(Clone, Copy)]
struct Begun {
    record: TextRecord,
    header: Ipv4Header,
    line: usize,
}

impl TextReader {
    pub(super) fn new(source: Source, options: &Options) -> Self {
        Self::below(source, options, 0)
    }

    /// A reader of lines below so many others of a file.
    pub(super) fn below(source: Source, options: &Options, before: usize) -> Self {
        Self {
            lines: Lines::new(source.stream, FrameRows, MAX_LINE_LEN).below(before),
            meter: source.meter,
            warnings: Warnings::new(source.file),
            nics: Nics::default(),
            clock: Clock::new(options.date, options.zone.clone()),
            listening_on: None,
            begun: None,
            record: None,
            recognised: false,
            is_of_tshark: false,
            may_lack_times: options.without_times,
            are_times_compared: options.are_times_compared,
            in_tunnel: false,
            is_behind_date: false,
            ambiguous: Vec::new(),
            skipped: Skipped::default(),
            ended: false,
        }
    }

    /// Reads the line that was reached.
    fn read_line(&mut self) -> Result<(), CaptureError> {
        let begun = self.begun.take();
        let is_behind_date = std::mem::take(&mut self.is_behind_date);
        let line = self.lines.line();
        let number = line.number();
        let text = if line.kind == Kind::Data { line.text } else { "" };
        let before = Before {
            begun: begun.map(|begun| begun.header),
            recognised: self.recognised,
            without_times: if self.recognised { self.clock.lacks_times() } else { self.may_lack_times },
            in_tunnel: std::mem::take(&mut self.in_tunnel),
        };
        let meaning = meaning(text, line.is_whole, before);
        if let (Some(begun), false) = (begun, matches!(meaning, Meaning::Addresses(_))) {
            unfinished(begun, &mut self.skipped, &mut self.warnings);
        }
        let file = || self.warnings.file();
        match meaning {
            Meaning::More => Ok(()),
            Meaning::Listening(nic) => {
                self.listening_on = Some(nic.to_owned());
                Ok(())
            }
            Meaning::Frame { stamp: Stamp::TimeOfDay(0), .. } | Meaning::NoTime if !self.recognised => {
                // The first time is 0 where times are differences.
                Err(CaptureError::NoTimes { file: file(), line: number })
            }
            Meaning::NoMacs if !self.recognised => Err(CaptureError::NoMacs { file: file(), line: number }),
            Meaning::Frame { stamp, .. } if is_behind_date && !matches!(stamp, Stamp::Dated(..)) => {
                self.lose(number, "the date of this line may stand in the line before")
            }
            Meaning::Frame { stamp, head, content } => {
                let nic = head.interface.or(self.listening_on.as_deref());
                let interface =
                    self.nics.intern(nic).ok_or_else(|| CaptureError::TooManyInterfaces { file: file() })?;
                self.recognised = true;
                self.in_tunnel = stamp == Stamp::Missing && is_tunnel(text);
                let Head { eth_src, eth_dst, tags, length, body, .. } = head;
                if holds_another(body) && !is_tunnel(text) {
                    self.lose(number, "another frame stands behind the first in this line; the first was read")?;
                }
                let at = match self.clock.at(stamp, number) {
                    Ok(at) => at,
                    Err(NoInstant::OutOfRange) => return self.lose(number, "a time before 1970 or after 2554"),
                    Err(NoInstant::PassedOver) => {
                        let zone = self.clock.zone().map_or("this zone", Zone::name);
                        let reason = format!("there was no such time in {zone}: clocks were put forward over it");
                        return self.lose(number, &reason);
                    }
                };
                let record = TextRecord { at, interface, tags, eth_src, eth_dst, length, payload: TextPayload::Other };
                match content {
                    Content::Packet(packet) => self.finish(record, packet),
                    Content::Begun(header) => self.begun = Some(Begun { record, header, line: number }),
                }
                Ok(())
            }
            Meaning::Addresses(packet) => match (begun, packet) {
                (Some(begun), Ok(packet)) => {
                    self.finish(begun.record, packet);
                    Ok(())
                }
                (_, Err(reason)) => self.lose(number, &reason),
                (None, Ok(_)) => Ok(()),
            },
            Meaning::Unreadable(reason) => {
                self.recognised = true;
                let is_frame = is_possible_frame(text);
                if is_frame { self.lose(number, &reason) } else { self.skip(number, &reason) }
            }
            Meaning::NoMacs => self.skip(number, "a packet without MAC addresses"),
            Meaning::NoTime | Meaning::Foreign if is_possible_frame(text) => {
                self.lose(number, "no line of `tcpdump -e`")
            }
            Meaning::NoTime | Meaning::Foreign => {
                self.is_of_tshark |= is_of_tshark(text);
                self.is_behind_date = begins_with_date(text);
                self.skip(number, "no line of `tcpdump -e`")
            }
        }
    }

    fn finish(&mut self, record: TextRecord, packet: Packet) {
        if let Some(service) = packet.ambiguous.filter(|service| !self.ambiguous.contains(service)) {
            self.ambiguous.push(service);
            let (name, ports) = service.split_once(' ').unwrap_or((service, ""));
            self.warnings.push(Position::Line(self.lines.line().number()), || {
                format!(
                    "service name {name} stands for the ports {ports}; the first is taken, `tcpdump -n` tells which"
                )
            });
        }
        let tags = if packet.later_fragment { record.tags.with_later_fragment() } else { record.tags };
        self.record = Some(TextRecord { tags, payload: packet.payload, ..record });
    }

    /// Passes over a line that is a frame, or may be one: it is not known what left.
    fn lose(&mut self, number: usize, reason: &str) -> Result<(), CaptureError> {
        self.skipped.frames += 1;
        self.pass_over(number, reason)
    }

    /// Passes over a line that is no frame.
    fn skip(&mut self, number: usize, reason: &str) -> Result<(), CaptureError> {
        self.skipped.lines += 1;
        self.pass_over(number, reason)
    }

    fn pass_over(&mut self, number: usize, reason: &str) -> Result<(), CaptureError> {
        if !self.recognised && self.skipped.lines + self.skipped.frames >= MAX_FOREIGN_LINES {
            return Err(self.foreign());
        }
        self.warnings.push(Position::Line(number), || format!("line passed over: {reason}"));
        Ok(())
    }

    fn foreign(&self) -> CaptureError {
        let found = match self.is_of_tshark {
            true => "the one-line text of tshark, which names no MACs: give the capture that it read",
            false => "text without a packet as tcpdump prints it",
        };
        CaptureError::Unrecognised { file: self.warnings.file(), found }
    }

    fn end(&mut self) -> Result<(), CaptureError> {
        self.ended = true;
        if let Some(begun) = self.begun.take() {
            unfinished(begun, &mut self.skipped, &mut self.warnings);
        }
        if !self.recognised && self.skipped != Skipped::default() {
            return Err(self.foreign());
        }
        let stream = self.lines.reader();
        if let Some(reason) = stream.early_end() {
            self.skipped.ends += 1;
            self.warnings.push(Position::Offset(stream.offset()), || reason);
        }
        self.remark_times();
        Ok(())
    }

    /// Says what is not known of the times.
    fn remark_times(&mut self) {
        let clock = &self.clock;
        if clock.lacks_times() {
            self.warnings.push(Position::Whole, || {
                "the lines have no times (option -t): when these packets left is not known, only their order".to_owned()
            });
        }
        if clock.date_missed() {
            self.warnings.push(Position::Whole, || {
                let day = clock.first_day();
                format!(
                    "the lines have no date, so {day} is taken; give the day of the first line with `--date YYYY-MM-DD`"
                )
            });
        }
        if self.are_times_compared && clock.lacks_zone() {
            self.warnings.push(Position::Whole, || {
                "its times are taken as UTC, as those of the other sources are; `--timezone` tells otherwise".to_owned()
            });
        }
        if let (Some(line), Some(zone)) = (clock.guessed(), clock.zone()) {
            self.warnings.push(Position::Line(line), || {
                let zone = zone.name();
                format!("from here on times come twice in {zone}, where clocks were put back; the first ones are taken")
            });
        }
    }
}

impl CaptureReader for TextReader {
    fn advance(&mut self) -> Result<bool, CaptureError> {
        self.record = None;
        while !self.ended {
            match self.lines.advance() {
                Ok(Next::Line) => self.read_line()?,
                Ok(Next::TooLong) => self.lose(self.lines.line().number(), "longer than any line of tcpdump")?,
                // Why a stream fails, it tells at its end.
                Ok(Next::End) | Err(_) => self.end()?,
            }
            if self.record.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn item(&self) -> Option<Item<'_>> {
        self.record.map(Item::Text)
    }

    fn interfaces(&self) -> &[Interface] {
        self.nics.as_slice()
    }

    fn take_warnings(&mut self) -> Vec<Warning> {
        self.warnings.take()
    }

    fn skipped(&self) -> Skipped {
        self.skipped
    }

    fn progress(&self) -> Progress {
        self.meter.progress()
    }

    fn lacks_times(&self) -> bool {
        self.clock.lacks_times()
    }
}

/// Gives up a packet whose addresses did not follow.
fn unfinished(begun: Begun, skipped: &mut Skipped, warnings: &mut Warnings) {
    skipped.frames += 1;
    warnings.push(Position::Line(begun.line), || {
        "line passed over: the addresses, which `tcpdump -v` prints on the next line, are missing".to_owned()
    });
}

/// The number behind `label` in `text`. More text must follow, else the line may be cut in the number.
fn number_after<T: std::str::FromStr>(text: &str, label: &str) -> Option<T> {
    let (_, rest) = text.split_once(label)?;
    let end = rest.find(|digit: char| !digit.is_ascii_digit())?;
    rest.get(..end)?.parse().ok()
}

#[cfg(test)]
mod tests;
