//! Loading the kernel program and attaching its parts.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;

use analyzer_ebpf::maps::{PacketCount, name, program};
use aya::maps::{Map as AyaMap, MapError, PerCpuArray};
use aya::programs::{Program, ProgramError, SchedClassifier, Xdp};
use aya::{Ebpf, EbpfError, EbpfLoader, Pod};
use rustix::process::{Resource, Rlimit};

use super::attach::{AttachOptions, Attachment, Ingress, Loaded, Mode, Nic};
use super::error::{BpfError, is_denied};
use super::events::Events;
use super::map::Map;
use super::readings::Readings;
use super::sizes::Sizes;
use super::table::Table;

/// The compiled kernel program.
static OBJECT: &[u8] = aya::include_bytes_aligned!("../../ebpf/analyzer.bpf.o");

/// What it was built with, and of what.
static BUILD: &str = include_str!("../../ebpf/analyzer.bpf.toml");

/// Lines of the verifier's log that a message holds; the reason stands at its end.
const LOG_LINES: usize = 12;

/// The loaded programs.
#[derive(Debug)]
pub struct Programs {
    object: Ebpf,
    nics: Arc<Map<u32, u32>>,
}

/// Everything that is loaded.
#[derive(Debug)]
pub struct Parts {
    /// Attaches.
    pub programs: Programs,
    /// The set that packets are judged by.
    pub table: Table,
    /// What was counted.
    pub readings: Readings,
    /// What is to be looked at now.
    pub events: Events,
}

/// Loads the programs for TC and makes all maps. Nothing is attached, and no set is loaded.
///
/// # Errors
/// No rights, a kernel that lacks something, or a verifier that refuses: the message says which and what to do.
pub fn load(sizes: &Sizes) -> Result<Parts, BpfError> {
    let mut object = make(OBJECT, |loader| sizes.apply(loader))?;
    for name in [program::EGRESS, program::INGRESS, program::MIRROR] {
        let program: &mut SchedClassifier = typed(&mut object, name)?;
        program.load().map_err(|error| refused(name, error))?;
    }
    Ok(Parts {
        table: Table::in_kernel(&mut object)?,
        readings: Readings::new(&mut object)?,
        events: Events::new(&mut object)?,
        programs: Programs { nics: Arc::new(take(&mut object, name::NICS)?), object },
    })
}

impl Programs {
    /// Attaches to a NIC: the egress and ingress programs, or the mirror program.
    ///
    /// # Errors
    /// Where a part cannot be attached, none stays attached.
    pub fn attach(&mut self, nic: &Nic, options: &AttachOptions) -> Result<Attachment, BpfError> {
        let mut attachment = Attachment::new(nic, Arc::clone(&self.nics))?;
        let (by_tc, by_xdp) = match options.mirror {
            true if options.consumes => (program::MIRROR, program::MIRROR_XDP_CONSUME),
            true => (program::MIRROR, program::MIRROR_XDP),
            false => (program::INGRESS, program::INGRESS_XDP),
        };
        if let Ingress::Xdp(_) = options.ingress {
            // Whoever holds the slot may have filters here, which are to stay then.
            attachment.need_xdp_slot()?;
        }
        attachment.sweep()?;
        if !options.mirror {
            attachment.add_tc(self.tc(program::EGRESS)?, true, options)?;
        }
        match options.ingress {
            Ingress::Nowhere if !options.mirror => {}
            Ingress::Nowhere | Ingress::Tc => attachment.add_tc(self.tc(by_tc)?, false, options)?,
            // Last: a NIC may drop packets while a program is put in.
            Ingress::Xdp(how) => attachment.add_xdp(load_xdp(&mut self.object, by_xdp)?, how, Mode::of(how))?,
        }
        Ok(attachment)
    }

    /// Ids of our programs that are loaded.
    pub fn ids(&self) -> Vec<u32> {
        self.object.programs().filter_map(|(_, program)| program.info().ok()).map(|info| info.id()).collect()
    }

    fn tc(&mut self, name: &'static str) -> Result<Loaded<'_>, BpfError> {
        loaded(&mut self.object, name)
    }

    /// Indices of NICs in flow keys, by those of the kernel.
    pub(super) fn nics(&self) -> &Arc<Map<u32, u32>> {
        &self.nics
    }
}

/// Loads an XDP program, unless it is loaded. It is loaded when it is first asked for: most machines never do.
pub(super) fn load_xdp<'a>(object: &'a mut Ebpf, name: &'static str) -> Result<Loaded<'a>, BpfError> {
    let program: &mut Xdp = typed(object, name)?;
    match program.load() {
        Ok(()) | Err(ProgramError::AlreadyLoaded) => {}
        Err(error) => return Err(refused(name, error)),
    }
    let id = program.info().map_err(|error| refused(name, error))?.id();
    Ok(Loaded { name, fd: program.fd().map_err(|error| refused(name, error))?.as_fd(), id })
}

/// A program for TC that is loaded.
pub(super) fn loaded<'a>(object: &'a mut Ebpf, name: &'static str) -> Result<Loaded<'a>, BpfError> {
    let program: &mut SchedClassifier = typed(object, name)?;
    let id = program.info().map_err(|error| refused(name, error))?.id();
    Ok(Loaded { name, fd: program.fd().map_err(|error| refused(name, error))?.as_fd(), id })
}

/// SHA-256 of the sources of the kernel program, in hexadecimal. Programs of one digest do the same.
pub fn sources_digest() -> &'static str {
    let line = BUILD.lines().find_map(|line| line.strip_prefix("sources = \""));
    line.and_then(|rest| rest.strip_suffix('"')).unwrap_or_default()
}

/// Takes a map out of the object.
pub(super) fn take<K: Pod, V: Pod>(object: &mut Ebpf, name: &'static str) -> Result<Map<K, V>, BpfError> {
    let data = match object.take_map(name).ok_or(BpfError::Absent { name })? {
        AyaMap::Array(data) | AyaMap::HashMap(data) | AyaMap::LruHashMap(data) | AyaMap::LpmTrie(data) => data,
        _ => return Err(BpfError::Layout { name }),
    };
    Map::new(name, data)
}

/// Takes a map of a type that aya knows how to read.
pub(super) fn take_as<T: TryFrom<AyaMap, Error = MapError>>(
    object: &mut Ebpf,
    name: &'static str,
) -> Result<T, BpfError> {
    let map = object.take_map(name).ok_or(BpfError::Absent { name })?;
    T::try_from(map).map_err(|_| BpfError::Layout { name })
}

/// Number of next hops that can be counted.
pub(super) fn nexthops_len(object: &Ebpf) -> Result<u32, BpfError> {
    let map = object.map(name::NEXTHOPS).ok_or(BpfError::Absent { name: name::NEXTHOPS })?;
    let array = PerCpuArray::<_, PacketCount>::try_from(map);
    Ok(array.map_err(|_| BpfError::Layout { name: name::NEXTHOPS })?.len())
}

/// Makes the maps of an object, of the sizes that are set. Its programs are yet to be loaded.
///
/// Kernels before 5.11 count maps against RLIMIT_MEMLOCK; where they refuse, the limit is raised.
pub(super) fn make(object: &[u8], set_sizes: impl Fn(&mut EbpfLoader<'_>)) -> Result<Ebpf, BpfError> {
    let load = || {
        let mut loader = EbpfLoader::new();
        set_sizes(&mut loader);
        loader.load(object)
    };
    let is_denied_map = |error: &EbpfError| map_error(error).is_some_and(|(_, error)| is_denied(error));
    let result = match load() {
        Err(error) if is_denied_map(&error) && raise_memlock() => load(),
        result => result,
    };
    result.map_err(|error| match error {
        EbpfError::MapError(MapError::CreateError { name, io_error }) if is_denied(&io_error) => {
            BpfError::denied(format!("make the map {name}"), io_error)
        }
        EbpfError::MapError(MapError::CreateError { name, io_error }) => {
            BpfError::Create { hint: hint(&name, &io_error), map: name, source: io_error }
        }
        other => BpfError::Object(Box::new(other)),
    })
}

fn map_error(error: &EbpfError) -> Option<(&str, &io::Error)> {
    match error {
        EbpfError::MapError(MapError::CreateError { name, io_error }) => Some((name, io_error)),
        _ => None,
    }
}

/// Raises the limit of locked memory as far as it goes. Returns whether there is none any more.
pub fn raise_memlock() -> bool {
    rustix::process::setrlimit(Resource::Memlock, Rlimit { current: None, maximum: None }).is_ok()
}

fn hint(map: &str, error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(libc::EINVAL) if map == name::EVENTS => "; ring buffers need Linux 5.8",
        Some(libc::ENOMEM | libc::E2BIG) => "; a smaller size would do with less memory",
        _ => "",
    }
}

pub(super) fn typed<'a, P>(object: &'a mut Ebpf, name: &'static str) -> Result<&'a mut P, BpfError>
where
    &'a mut P: TryFrom<&'a mut Program>,
{
    let program = object.program_mut(name).ok_or(BpfError::Absent { name })?;
    <&mut P>::try_from(program).map_err(|_| BpfError::Absent { name })
}

pub(super) fn refused(program: &'static str, error: ProgramError) -> BpfError {
    match error {
        ProgramError::LoadError { io_error, verifier_log } => {
            let log = verifier_log.to_string();
            // The verifier says EACCES of programs too; without a log it is about rights.
            if log.trim().is_empty() && is_denied(&io_error) {
                return BpfError::denied(format!("load the program {program}"), io_error);
            }
            BpfError::Refused { program, source: io_error, log: last_lines(&log) }
        }
        other => BpfError::Load { program, source: Box::new(other) },
    }
}

fn last_lines(log: &str) -> String {
    let lines: Vec<&str> = log.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_of_the_sources_is_known() {
        let digest = sources_digest();
        assert!(digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()), "{digest}");
    }

    #[test]
    fn log_is_cut_to_its_end() {
        let log: String = (0..100).map(|line| format!("{line}: r0 = 0\n\n")).collect();
        let cut = last_lines(&log);
        assert_eq!(cut.lines().count(), LOG_LINES);
        assert!(cut.ends_with("99: r0 = 0"));
        assert_eq!(last_lines(""), "");
    }
}
