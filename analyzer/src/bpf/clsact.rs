//! The fallback of kernels without TCX: filters in the clsact qdisc (tc-bpf(8)).
//!
//! A filter stays when its process dies, so ours are marked: by a handle, and by a name that also says whether we
//! added the qdisc; and each has a lock that its process holds. The next start removes those whose lock is free. Nothing
//! without the mark is ever removed, nor a clsact that holds anything else. Where two processes watch one NIC by clsact,
//! the later takes a filter behind the earlier's, and whoever goes last takes the qdisc with them.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use netlink_packet_core::{NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::tc::{TcAttribute, TcBpfFlags, TcFilterBpfOption, TcHandle, TcMessage, TcOption};

use super::filter_lock::{FilterLock, FilterPlace};
use super::rtnl::{self, Answer, u32_at};

/// Handle of our filters.
const HANDLE: u32 = 0x4e48_4f50;
/// Start of the name of our filters.
const NAME: &str = "analyzer/";
/// End of their name where we added the qdisc.
const ADDED: &str = "+clsact";
/// `htons(ETH_P_ALL)`, all protocols.
const ETH_P_ALL: u32 = (libc::ETH_P_ALL as u16).to_be() as u32;
const CLSACT: &str = "clsact";
/// Places whose lock others have, after which ours goes without one: whoever holds them all means us no good.
const MAX_TAKEN: usize = 64;
const BPF: &str = "bpf";
/// `struct tcmsg`.
const TCMSG_LEN: usize = 20;
const TCA_KIND: u16 = 1;
const TCA_OPTIONS: u16 = 2;
const TCA_CHAIN: u16 = 11;
const TCA_BPF_NAME: u16 = 7;
const TCA_BPF_ID: u16 = 11;
const RTM_NEWQDISC: u16 = 36;
const RTM_NEWTFILTER: u16 = 44;

/// A hook of clsact.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Side {
    Ingress,
    Egress,
}

impl Side {
    const ALL: [Self; 2] = [Self::Ingress, Self::Egress];

    fn parent(self) -> TcHandle {
        let minor = match self {
            Self::Ingress => TcHandle::MIN_INGRESS,
            Self::Egress => TcHandle::MIN_EGRESS,
        };
        TcHandle { major: u16::MAX, minor }
    }

    /// The place of a filter of ours.
    fn place(self, ifindex: u32, priority: u16) -> FilterPlace {
        FilterPlace { ifindex, parent: self.parent().into(), handle: HANDLE, priority }
    }
}

/// A filter as the kernel lists it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Filter {
    pub(super) kind: String,
    pub(super) priority: u16,
    pub(super) protocol: u32,
    pub(super) handle: u32,
    pub(super) chain: u32,
    /// Name of a bpf filter, often of its program.
    pub(super) name: Option<String>,
    /// Id of its program.
    pub(super) program: Option<u32>,
}

impl Filter {
    pub(super) fn is_ours(&self) -> bool {
        self.kind == BPF && self.handle == HANDLE && self.name.as_ref().is_some_and(|name| name.starts_with(NAME))
    }

    fn says_we_added_clsact(&self) -> bool {
        self.is_ours() && self.name.as_ref().is_some_and(|name| name.ends_with(ADDED))
    }
}

/// Where among the filters ours goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    First,
    Last,
}

/// Our filter at one hook, with what is needed to remove it.
#[derive(Debug)]
pub(super) struct Placed {
    ifindex: u32,
    side: Side,
    program: u32,
    added_clsact: bool,
    /// `None` where none was to be had: another start may take the filter for left behind.
    lock: Option<FilterLock>,
}

/// What became of the filters that bear our mark.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Swept {
    /// Whether one of them said that the qdisc was added by us. What is left of it is ours to remove.
    pub(super) added_clsact: bool,
    /// Filters that stay because their lock cannot be looked up, in words.
    pub(super) left: Vec<String>,
}

/// Why a filter was not placed.
#[derive(Debug)]
pub(super) enum Refused {
    /// Another qdisc is where clsact would be.
    Qdisc(String),
    Io(io::Error),
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Adds our filter at a hook, and clsact where it is missing.
pub(super) fn place(
    ifindex: u32,
    side: Side,
    place: Place,
    name: &str,
    program: (BorrowedFd<'_>, u32),
    added_before: bool,
) -> Result<Placed, Refused> {
    let added = match qdisc(ifindex)? {
        Some(kind) if kind == CLSACT => added_before,
        Some(kind) => return Err(Refused::Qdisc(kind)),
        None => {
            add_clsact(ifindex)?;
            true
        }
    };
    match add_locked(ifindex, side, place, name, program.0, added) {
        Ok(lock) => Ok(Placed { ifindex, side, program: program.1, added_clsact: added, lock }),
        Err(error) => {
            remove_empty_clsact(ifindex, added)?;
            Err(error.into())
        }
    }
}

/// Adds our filter at the first place that has a lock to be had.
fn add_locked(
    ifindex: u32,
    side: Side,
    place: Place,
    name: &str,
    program: BorrowedFd<'_>,
    added: bool,
) -> io::Result<Option<FilterLock>> {
    let mut taken = Vec::new();
    loop {
        let priority = priority(&filters(ifindex, side)?, place, &taken);
        let lock = FilterLock::take(side.place(ifindex, priority));
        if matches!(lock, Ok(None)) && taken.len() < MAX_TAKEN {
            taken.push(priority);
            continue;
        }
        match add_filter(ifindex, side, priority, name, program, added) {
            // Another process was quicker.
            Err(error) if rtnl::errno(&error) == Some(libc::EEXIST) && taken.len() < MAX_TAKEN => taken.push(priority),
            result => return result.map(|()| lock.ok().flatten()),
        }
    }
}

impl Placed {
    /// Whether a lock tells others that the filter is in use.
    pub(super) fn is_locked(&self) -> bool {
        self.lock.is_some()
    }

    /// Whether we added the qdisc.
    pub(super) fn added_clsact(&self) -> bool {
        self.added_clsact
    }

    /// Whether the filter is where it was placed, with our program.
    pub(super) fn is_in_place(&self) -> io::Result<bool> {
        Ok(filters(self.ifindex, self.side)?.iter().any(|filter| self.is_it(filter)))
    }

    fn is_it(&self, filter: &Filter) -> bool {
        filter.is_ours() && filter.program == Some(self.program)
    }

    /// Removes the filter, and clsact where we added it and it holds nothing else. A NIC that is gone is no error.
    ///
    /// The kernel cannot be told to delete a qdisc only if it is empty: a filter that another process adds in the
    /// microseconds between our look and the deletion goes with it.
    pub(super) fn remove(&self) -> io::Result<()> {
        let removed = filters(self.ifindex, self.side).and_then(|filters| {
            filters
                .iter()
                .filter(|filter| self.is_it(filter))
                .try_for_each(|filter| delete_filter(self.ifindex, self.side, filter))?;
            remove_empty_clsact(self.ifindex, self.added_clsact)
        });
        unless_gone(removed)
    }
}

/// Removes what an earlier process left on a NIC: its filters, and clsact where it added that and nothing else is in it.
/// What a process still uses stays.
pub(super) fn sweep(ifindex: u32) -> io::Result<Swept> {
    let mut swept = Swept::default();
    if qdisc(ifindex)?.is_none_or(|kind| kind != CLSACT) {
        return Ok(swept);
    }
    for side in Side::ALL {
        for filter in filters(ifindex, side)?.iter().filter(|filter| filter.is_ours()) {
            swept.added_clsact |= filter.says_we_added_clsact();
            // Held until the filter is gone, so that nobody takes the place meanwhile.
            match FilterLock::take(side.place(ifindex, filter.priority)) {
                Ok(Some(_lock)) => delete_filter(ifindex, side, filter)?,
                Ok(None) => {}
                Err(error) => swept.left.push(format!(
                    "the filter {} of priority {} stays, as it cannot be told whether a process uses it: {error}",
                    filter.name.as_deref().unwrap_or_default(),
                    filter.priority
                )),
            }
        }
    }
    remove_empty_clsact(ifindex, swept.added_clsact)?;
    Ok(swept)
}

/// The filters at a hook, in the order in which they run; none where there is no clsact.
pub(super) fn filters(ifindex: u32, side: Side) -> io::Result<Vec<Filter>> {
    let message = message(ifindex, TcHandle::UNSPEC, side.parent());
    let answers = rtnl::request(RouteNetlinkMessage::GetTrafficFilter(message), NLM_F_DUMP)?;
    let is_filter = |answer: &&Answer| answer.message_type == RTM_NEWTFILTER;
    // Each priority is also listed by itself, with no handle.
    Ok(answers.iter().filter(is_filter).filter_map(parse).filter(|filter| filter.handle != 0).collect())
}

/// Kind of the qdisc at the place of clsact.
pub(super) fn qdisc(ifindex: u32) -> io::Result<Option<String>> {
    let message = message(ifindex, TcHandle::UNSPEC, TcHandle::UNSPEC);
    let answers = rtnl::request(RouteNetlinkMessage::GetQueueDiscipline(message), NLM_F_DUMP)?;
    let clsact = u32::from(TcHandle { major: u16::MAX, minor: 0 });
    let found = answers.iter().find(|answer| {
        answer.message_type == RTM_NEWQDISC
            && u32_at(&answer.payload, 4) == Some(ifindex)
            && u32_at(&answer.payload, 8) == Some(clsact)
    });
    Ok(found.and_then(kind))
}

fn parse(answer: &Answer) -> Option<Filter> {
    let info = u32_at(&answer.payload, 16)?;
    let mut filter = Filter {
        kind: kind(answer)?,
        priority: (info >> 16) as u16,
        protocol: info & 0xffff,
        handle: u32_at(&answer.payload, 8)?,
        chain: 0,
        name: None,
        program: None,
    };
    for (attribute, value) in answer.attributes(TCMSG_LEN) {
        match attribute {
            TCA_CHAIN => filter.chain = u32_at(value, 0)?,
            TCA_OPTIONS if filter.kind == BPF => {
                for (option, value) in rtnl::attributes(value) {
                    match option {
                        TCA_BPF_NAME => filter.name = Some(rtnl::text(value)),
                        TCA_BPF_ID => filter.program = u32_at(value, 0),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    Some(filter)
}

fn kind(answer: &Answer) -> Option<String> {
    let (_, value) = answer.attributes(TCMSG_LEN).find(|(attribute, _)| *attribute == TCA_KIND)?;
    Some(rtnl::text(value))
}

fn message(ifindex: u32, handle: TcHandle, parent: TcHandle) -> TcMessage {
    let mut message = TcMessage::with_index(ifindex.cast_signed());
    message.header.handle = handle;
    message.header.parent = parent;
    message
}

fn clsact_message(ifindex: u32) -> TcMessage {
    let mut message = message(ifindex, TcHandle { major: u16::MAX, minor: 0 }, TcHandle::CLSACT);
    message.attributes.push(TcAttribute::Kind(CLSACT.to_owned()));
    message
}

fn add_clsact(ifindex: u32) -> io::Result<()> {
    rtnl::change(RouteNetlinkMessage::NewQueueDiscipline(clsact_message(ifindex)), NLM_F_CREATE | NLM_F_EXCL)
}

fn remove_empty_clsact(ifindex: u32, added: bool) -> io::Result<()> {
    if !added || qdisc(ifindex)?.is_none_or(|kind| kind != CLSACT) {
        return Ok(());
    }
    for side in Side::ALL {
        if !filters(ifindex, side)?.is_empty() {
            return Ok(());
        }
    }
    match rtnl::change(RouteNetlinkMessage::DelQueueDiscipline(clsact_message(ifindex)), 0) {
        // Whoever else went at the same time has removed it.
        Err(_) if qdisc(ifindex)?.is_none_or(|kind| kind != CLSACT) => Ok(()),
        other => other,
    }
}

fn add_filter(
    ifindex: u32,
    side: Side,
    priority: u16,
    name: &str,
    program: BorrowedFd<'_>,
    added: bool,
) -> io::Result<()> {
    let name = format!("{NAME}{name}{}", if added { ADDED } else { "" });
    let mut message = message(ifindex, HANDLE.into(), side.parent());
    message.header.info = u32::from(priority) << 16 | ETH_P_ALL;
    message.attributes.push(TcAttribute::Kind(BPF.to_owned()));
    let options = [
        TcFilterBpfOption::ProgFd(program.as_raw_fd().cast_unsigned()),
        TcFilterBpfOption::ProgName(name),
        TcFilterBpfOption::Flags(TcBpfFlags::DirectAction),
    ];
    message.attributes.push(TcAttribute::Options(options.map(TcOption::Bpf).to_vec()));
    rtnl::change(RouteNetlinkMessage::NewTrafficFilter(message), NLM_F_CREATE | NLM_F_EXCL)
}

fn delete_filter(ifindex: u32, side: Side, filter: &Filter) -> io::Result<()> {
    let mut message = message(ifindex, filter.handle.into(), side.parent());
    message.header.info = u32::from(filter.priority) << 16 | filter.protocol;
    message.attributes.push(TcAttribute::Kind(filter.kind.clone()));
    message.attributes.push(TcAttribute::Chain(filter.chain));
    match rtnl::change(RouteNetlinkMessage::DelTrafficFilter(message), 0) {
        Err(error) if rtnl::errno(&error) == Some(libc::ENOENT) => Ok(()),
        other => other,
    }
}

/// The first, or last, priority that ours can have: one is of one kind of filter and one protocol only, and of one of
/// ours. The first is behind those of ours that are there. Those in `taken` are not to be had.
fn priority(filters: &[Filter], place: Place, taken: &[u16]) -> u16 {
    let is_free = |priority: &u16| {
        let mut there = filters.iter().filter(|filter| filter.chain == 0 && filter.priority == *priority);
        let suits = match place {
            Place::First => {
                there.all(|filter| filter.kind == BPF && filter.protocol == ETH_P_ALL && filter.handle != HANDLE)
            }
            // Within a priority a new bpf filter comes first, so ours has one to itself.
            Place::Last => there.next().is_none(),
        };
        suits && !taken.contains(priority)
    };
    let ours = filters.iter().filter(|filter| filter.is_ours()).map(|filter| filter.priority).max().unwrap_or(0);
    let found = match place {
        Place::First => (ours.saturating_add(1)..=u16::MAX).chain(1..=ours).find(is_free),
        Place::Last => (1..=u16::MAX).rev().find(is_free),
    };
    // 0 lets the kernel choose, which then says that there is none left.
    found.unwrap_or(0)
}

/// What fails because the NIC is gone has nothing left to do.
fn unless_gone(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if rtnl::errno(&error) == Some(libc::ENODEV) => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(priority: u16, kind: &str) -> Filter {
        let kind = kind.to_owned();
        Filter { kind, priority, protocol: ETH_P_ALL, handle: 1, chain: 0, name: None, program: None }
    }

    #[test]
    fn first_and_last_priority() {
        let filters = [filter(1, "u32"), filter(2, "bpf"), filter(0xffff, "bpf")];
        assert_eq!(priority(&[], Place::First, &[]), 1);
        assert_eq!(priority(&[], Place::Last, &[]), 0xffff);
        assert_eq!(priority(&filters, Place::First, &[]), 2);
        assert_eq!(priority(&filters, Place::First, &[2, 3]), 4);
        assert_eq!(priority(&filters, Place::Last, &[]), 0xfffe);
        assert_eq!(priority(&filters[1..], Place::First, &[]), 1);
        let ours =
            |priority| Filter { handle: HANDLE, name: Some("analyzer/egress".to_owned()), ..filter(priority, "bpf") };
        assert_eq!(priority(&[filter(1, "bpf"), ours(3)], Place::First, &[]), 4);
        assert_eq!(priority(&[ours(1)], Place::Last, &[0xffff]), 0xfffe);
        assert_eq!(priority(&[ours(0xffff)], Place::First, &[]), 1);
    }

    #[test]
    fn only_our_mark_is_ours() {
        let ours = Filter { handle: HANDLE, name: Some("analyzer/egress".to_owned()), ..filter(1, "bpf") };
        assert!(ours.is_ours() && !ours.says_we_added_clsact());
        assert!(Filter { name: Some("analyzer/egress+clsact".to_owned()), ..ours.clone() }.says_we_added_clsact());
        for other in [
            Filter { handle: 1, ..ours.clone() },
            Filter { name: None, ..ours.clone() },
            Filter { name: Some("bpf_lxc.o".to_owned()), ..ours.clone() },
            Filter { kind: "u32".to_owned(), ..ours.clone() },
        ] {
            assert!(!other.is_ours(), "{other:?}");
        }
    }
}
