//! The programs that tell of single packets: loaded beside the daemon's, with the daemon's maps.
//!
//! They log a line for each packet that their filter takes (aya-log, whose ring buffer is there on every kernel that has
//! the daemon's). Nothing that they do changes a packet, a map of the daemon's, or what the daemon counts.

use std::fmt;
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, PoisonError};

use analyzer_ebpf::filter::{self, Filter, name, program};
use aya::Ebpf;
use aya::maps::{Map, MapData, PerCpuArray};
use aya::programs::SchedClassifier;
use aya_log::EbpfLogger;
use log::{Log, Metadata, Record};

use super::attach::{AttachOptions, Attachment, Ingress, Nic};
use super::error::BpfError;
use super::programs::{self, Programs, take, take_as, typed};
use super::sys;
use super::table::Table;
use super::traced::Traced;

/// The compiled programs.
static OBJECT: &[u8] = aya::include_bytes_aligned!("../../ebpf/analyzer-trace.bpf.o");

/// The map that lines are logged to; its name is aya-log's.
const LOG: &str = "AYA_LOGS";
/// Bytes that a line takes there.
const LINE_BYTES: u32 = 1024;
/// Bytes that it has at least.
const MIN_LOG_BYTES: u32 = 128 << 10;

/// The loaded programs.
pub struct Tracer {
    object: Ebpf,
    matched: PerCpuArray<MapData, u64>,
    log: EbpfLogger<Lines>,
    lines: Lines,
}

impl fmt::Debug for Tracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tracer")
    }
}

/// Lines that the programs logged.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Log for Lines {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        // A line is pushed whole or not at all.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(record.args().to_string());
    }

    fn flush(&self) {}
}

impl Tracer {
    /// Loads the programs with the maps of those that are loaded. Nothing is attached.
    ///
    /// # Errors
    /// As [`programs::load`].
    pub fn load(daemon: &Programs, table: &Table, filter: &Filter) -> Result<Self, BpfError> {
        // Lines are taken each second at the latest.
        let bytes = (filter.per_second * LINE_BYTES * 2).next_power_of_two().max(MIN_LOG_BYTES);
        let mut object = programs::make(OBJECT, |loader| _ = loader.map_max_entries(LOG, bytes))?;
        let shared: Vec<_> = table.descriptors().chain([daemon.nics().descriptor()]).collect();
        let mut places = Vec::new();
        for name in filter::SHARED {
            let absent = BpfError::Absent { name };
            let Some((_, theirs)) = shared.iter().find(|(known, _)| *known == name) else { return Err(absent) };
            let place = object.take_map(name).ok_or(absent)?;
            let (Map::Array(data) | Map::HashMap(data) | Map::LpmTrie(data)) = place else {
                return Err(BpfError::Layout { name });
            };
            // The programs name maps by the numbers of their descriptors, so the place must stay what it is until they
            // are loaded: aya has put the numbers in by now. libbpf puts maps of others in their places likewise.
            sys::replace(data.fd().as_fd(), *theirs).map_err(|error| BpfError::map(name, "share", error))?;
            places.push(data);
        }
        let own = take::<u32, Filter>(&mut object, name::FILTER)?;
        own.update(&0, filter)?;
        for name in [program::EGRESS, program::INGRESS, program::MIRROR] {
            let program: &mut SchedClassifier = typed(&mut object, name)?;
            program.load().map_err(|error| programs::refused(name, error))?;
        }
        drop(places);
        let matched = take_as(&mut object, name::MATCHED)?;
        let lines = Lines::default();
        let log = EbpfLogger::init_with_logger(&mut object, lines.clone());
        let log = log.map_err(|_| BpfError::Absent { name: LOG })?;
        Ok(Self { object, matched, log, lines })
    }

    /// Attaches beside the daemon's programs, at the hooks that these have.
    ///
    /// # Errors
    /// Where a part cannot be attached, none stays attached.
    pub fn attach(&mut self, nic: &Nic, options: &AttachOptions) -> Result<Attachment, BpfError> {
        let mut attachment = Attachment::beside(nic);
        attachment.sweep()?;
        if options.mirror {
            attachment.add_tc(programs::loaded(&mut self.object, program::MIRROR)?, false, options)?;
            return Ok(attachment);
        }
        attachment.add_tc(programs::loaded(&mut self.object, program::EGRESS)?, true, options)?;
        if options.ingress != Ingress::Nowhere {
            attachment.add_tc(programs::loaded(&mut self.object, program::INGRESS)?, false, options)?;
        }
        Ok(attachment)
    }

    /// Packets that the filter took so far, told or not.
    ///
    /// # Errors
    /// The map cannot be read.
    pub fn matched(&self) -> Result<u64, BpfError> {
        let failed = |error| BpfError::map(name::MATCHED, "read", std::io::Error::other(error));
        Ok(self.matched.get(&0, 0).map_err(failed)?.iter().sum())
    }

    /// Packets that were told since this was asked last.
    pub fn take(&mut self) -> Vec<Traced> {
        self.log.flush();
        let lines = std::mem::take(&mut *self.lines.0.lock().unwrap_or_else(PoisonError::into_inner));
        lines.iter().filter_map(|line| Traced::read(line)).collect()
    }
}
