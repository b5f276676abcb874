//! Our programs at the hooks of a NIC, from attaching to detaching.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::{fmt, mem};

use super::clsact::{self, Place, Placed, Side};
use super::error::BpfError;
use super::hooks::{HookKind, xdp_holder, xdp_programs};
use super::map::Map;
use super::rtnl::errno;
use super::sys::{AttachType, link_create, link_flag, link_ifindex};

/// A NIC to attach to, in the network namespace of the calling thread.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Nic {
    /// Its name, for messages.
    pub name: String,
    /// Its index in the kernel.
    pub ifindex: u32,
    /// Its index in our own table, which flow keys hold.
    pub index: u8,
}

/// How XDP programs run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum XdpMode {
    /// By the driver. Attaching may interrupt traffic for a moment.
    Native,
    /// By the network stack, after the packet has its skb.
    Generic,
}

/// Where we listen to what a NIC receives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ingress {
    /// Not at all: nobody is heard, and requests are not known.
    Nowhere,
    /// TC.
    Tc,
    /// XDP.
    Xdp(XdpMode),
}

/// Our turn among other programs at the same TC hook.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Position {
    /// Before all: what others drop or redirect is seen too, what they change is not.
    First,
    /// After all.
    Last,
}

/// Which form of TC hook is taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TcForm {
    /// TCX, and clsact where the kernel has no TCX.
    Auto,
    /// clsact, whatever the kernel has.
    Clsact,
}

/// What is attached to a NIC, and how.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AttachOptions {
    /// Where we listen to what comes in.
    pub ingress: Ingress,
    /// Whether the NIC is a mirror port: what it receives left elsewhere and is judged; what it sends is not looked
    /// at. Then [`Ingress::Nowhere`] counts as [`Ingress::Tc`].
    pub mirror: bool,
    /// Whether frames of a mirror port that XDP sees go no further.
    pub consumes: bool,
    /// Our turn among other TC programs.
    pub tcx_position: Position,
    /// Form of the TC hooks.
    pub tc: TcForm,
}

impl Default for AttachOptions {
    fn default() -> Self {
        Self { ingress: Ingress::Tc, mirror: false, consumes: false, tcx_position: Position::First, tc: TcForm::Auto }
    }
}

/// How a program is attached.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Mode {
    /// A TCX link.
    Tcx,
    /// A filter in clsact.
    Clsact,
    /// An XDP link, run by the driver.
    XdpNative,
    /// An XDP link, run by the network stack.
    XdpGeneric,
    /// AF_XDP sockets that the driver writes to by itself.
    AfxdpZeroCopy,
    /// AF_XDP sockets that frames are copied to.
    AfxdpCopy,
    /// AF_XDP sockets behind an XDP link that the network stack runs.
    AfxdpGeneric,
}

impl Mode {
    /// How an XDP program runs.
    pub(super) fn of(how: XdpMode) -> Self {
        match how {
            XdpMode::Native => Self::XdpNative,
            XdpMode::Generic => Self::XdpGeneric,
        }
    }

    /// The mode's stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcx => "tcx",
            Self::Clsact => "clsact",
            Self::XdpNative => "xdp-native",
            Self::XdpGeneric => "xdp-generic",
            Self::AfxdpZeroCopy => "afxdp-zero-copy",
            Self::AfxdpCopy => "afxdp-copy",
            Self::AfxdpGeneric => "afxdp-generic",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A loaded program: what it is called, its descriptor, its id.
#[derive(Clone, Copy)]
pub(super) struct Loaded<'a> {
    pub(super) name: &'static str,
    pub(super) fd: BorrowedFd<'a>,
    pub(super) id: u32,
}

#[derive(Debug)]
enum Hold {
    /// Ends with the descriptor, and so with the process.
    Link(OwnedFd, Mode),
    Filter(Placed),
}

/// Our programs at a NIC. Dropping it detaches them.
#[derive(Debug)]
pub struct Attachment {
    nic: Nic,
    /// Where the NIC is made known to the programs, which its attachment takes back.
    nics: Option<Arc<Map<u32, u32>>>,
    /// Egress before ingress.
    holds: Vec<Hold>,
    /// Whether clsact was added by us, or by an earlier run.
    added_clsact: bool,
    remarks: Vec<String>,
    is_released: bool,
}

impl Attachment {
    /// Makes the NIC known to the programs, with none attached yet.
    pub(super) fn new(nic: &Nic, nics: Arc<Map<u32, u32>>) -> Result<Self, BpfError> {
        nics.update(&nic.ifindex, &u32::from(nic.index))?;
        let mut attachment = Self::beside(nic);
        attachment.nics = Some(nics);
        Ok(attachment)
    }

    /// The same for programs beside those that the NIC is known to.
    pub(super) fn beside(nic: &Nic) -> Self {
        Self {
            nic: nic.clone(),
            nics: None,
            holds: Vec::new(),
            added_clsact: false,
            remarks: Vec::new(),
            is_released: false,
        }
    }

    /// Removes the filters that an earlier process left at the NIC.
    pub(super) fn sweep(&mut self) -> Result<(), BpfError> {
        let swept = clsact::sweep(self.nic.ifindex);
        let swept =
            swept.map_err(|error| BpfError::hook(&self.nic.name, "remove the filters of an earlier run", error))?;
        self.added_clsact |= swept.added_clsact;
        self.remarks.extend(swept.left);
        Ok(())
    }

    pub(super) fn add_tc(
        &mut self,
        program: Loaded<'_>,
        is_egress: bool,
        options: &AttachOptions,
    ) -> Result<(), BpfError> {
        let (at, side) = match is_egress {
            true => (AttachType::TcxEgress, Side::Egress),
            false => (AttachType::TcxIngress, Side::Ingress),
        };
        if options.tc == TcForm::Auto {
            let flags = match options.tcx_position {
                Position::First => link_flag::FIRST,
                Position::Last => link_flag::LAST,
            };
            match link_create(program.fd, self.nic.ifindex, at, flags) {
                Ok(link) => {
                    self.holds.push(Hold::Link(link, Mode::Tcx));
                    return Ok(());
                }
                // This kernel has no TCX, or was built without it.
                Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::EOPNOTSUPP)) => {}
                Err(error) => return Err(BpfError::hook(&self.nic.name, "attach by TCX", error)),
            }
        }
        let place = match options.tcx_position {
            Position::First => Place::First,
            Position::Last => Place::Last,
        };
        let program_id = (program.fd, program.id);
        let placed = clsact::place(self.nic.ifindex, side, place, program.name, program_id, self.added_clsact);
        let placed = placed.map_err(|refused| match refused {
            clsact::Refused::Qdisc(kind) => BpfError::QdiscInTheWay { nic: self.nic.name.clone(), kind },
            clsact::Refused::Io(error) => BpfError::hook(&self.nic.name, "attach by clsact", error),
        })?;
        self.added_clsact |= placed.added_clsact();
        if !placed.is_locked() {
            let remark =
                "no lock was to be had for our filter: another start may take it for left behind and remove it";
            self.remarks.push(remark.to_owned());
        }
        self.holds.push(Hold::Filter(placed));
        Ok(())
    }

    /// Refuses where a program of another has the NIC's XDP slot.
    pub(super) fn need_xdp_slot(&self) -> Result<(), BpfError> {
        // Where it cannot be asked, attaching tells.
        let programs = xdp_programs(self.nic.ifindex).unwrap_or_default();
        match programs.iter().any(|(hook, _)| *hook != HookKind::XdpOffloaded) {
            true => Err(xdp_holder(&self.nic.name, self.nic.ifindex)),
            false => Ok(()),
        }
    }

    pub(super) fn add_xdp(&mut self, program: Loaded<'_>, how: XdpMode, mode: Mode) -> Result<(), BpfError> {
        let flags = match how {
            XdpMode::Native => link_flag::XDP_NATIVE,
            XdpMode::Generic => link_flag::XDP_GENERIC,
        };
        // A link never replaces a program. aya would fall back to a way that does.
        match link_create(program.fd, self.nic.ifindex, AttachType::Xdp, flags) {
            Ok(link) => self.holds.push(Hold::Link(link, mode)),
            Err(error) if matches!(error.raw_os_error(), Some(libc::EBUSY | libc::EEXIST)) => {
                return Err(xdp_holder(&self.nic.name, self.nic.ifindex));
            }
            Err(error) => return Err(BpfError::hook(&self.nic.name, "attach by XDP", error)),
        }
        Ok(())
    }

    /// What is worth saying of how it went.
    pub fn remarks(&self) -> &[String] {
        &self.remarks
    }

    /// The NIC.
    pub fn nic(&self) -> &Nic {
        &self.nic
    }

    /// How our programs are attached, egress before ingress.
    pub fn modes(&self) -> impl Iterator<Item = Mode> {
        self.holds.iter().map(|hold| match hold {
            Hold::Link(_, mode) => *mode,
            Hold::Filter(_) => Mode::Clsact,
        })
    }

    /// Whether all our programs are still where they were attached. False where the NIC is gone, or where somebody
    /// removed a filter of ours: then packets pass unseen.
    pub fn is_in_place(&self) -> Result<bool, BpfError> {
        for hold in &self.holds {
            let found = match hold {
                Hold::Link(link, _) => link_ifindex(link.as_fd()).map(|ifindex| ifindex == Some(self.nic.ifindex)),
                Hold::Filter(placed) => match placed.is_in_place() {
                    Err(error) if errno(&error) == Some(libc::ENODEV) => Ok(false),
                    other => other,
                },
            };
            if !found.map_err(|error| BpfError::hook(&self.nic.name, "see whether we are attached", error))? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Detaches our programs. A NIC that is gone is no error.
    ///
    /// # Errors
    /// The first failure; the rest is detached all the same.
    pub fn detach(mut self) -> Result<(), BpfError> {
        self.release()
    }

    fn release(&mut self) -> Result<(), BpfError> {
        let mut result = Ok(());
        if mem::replace(&mut self.is_released, true) {
            return result;
        }
        for hold in self.holds.drain(..) {
            if let Hold::Filter(placed) = hold {
                let removed = placed.remove().map_err(|error| BpfError::hook(&self.nic.name, "detach", error));
                result = result.and(removed);
            }
        }
        result.and(self.nics.as_ref().map_or(Ok(()), |nics| nics.delete(&self.nic.ifindex)))
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        // There is nobody to tell; what stays is removed by the next start.
        let _ = self.release();
    }
}
