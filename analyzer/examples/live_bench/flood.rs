//! Millions of frames a second out of a veth, from one CPU: the kernel runs a program that redirects each frame to it
//! (`BPF_F_TEST_XDP_LIVE_FRAMES` of bpf(2)). Its peer must have an XDP program, or GRO.
#![expect(unsafe_code, reason = "bpf(2) is given pointers to instructions and to a frame")]

use std::io::{self, Read};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;

use anyhow::{Context, Result};
use etherparse::PacketBuilder;

use crate::{clock, set};

const BPF_PROG_LOAD: libc::c_long = 5;
const BPF_PROG_TEST_RUN: libc::c_long = 10;
const BPF_LINK_CREATE: libc::c_long = 28;
const BPF_PROG_TYPE_XDP: u32 = 6;
const BPF_XDP: u32 = 37;
const XDP_DROP: i32 = 1;
const BPF_F_TEST_XDP_LIVE_FRAMES: u32 = 1 << 1;

/// Frames that the kernel takes through the program together.
const BATCH: u32 = 64;
/// Frames of one system call.
const REPEAT: u32 = 65_536;
/// Offset of the UDP source port, which each frame has at random: 65,536 flows.
const SOURCE_PORT: i16 = 34;

/// `struct bpf_insn`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Instruction {
    code: u8,
    registers: u8,
    offset: i16,
    immediate: i32,
}

#[repr(C)]
#[derive(Default)]
struct Load {
    prog_type: u32,
    insn_cnt: u32,
    insns: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buf: u64,
    kern_version: u32,
    prog_flags: u32,
}

#[repr(C)]
struct Link {
    prog_fd: u32,
    target_ifindex: u32,
    attach_type: u32,
    flags: u32,
}

#[repr(C)]
#[derive(Default)]
struct TestRun {
    prog_fd: u32,
    retval: u32,
    data_size_in: u32,
    data_size_out: u32,
    data_in: u64,
    data_out: u64,
    repeat: u32,
    duration: u32,
    ctx_size_in: u32,
    ctx_size_out: u32,
    ctx_in: u64,
    ctx_out: u64,
    flags: u32,
    cpu: u32,
    batch_size: u32,
    pad: u32,
}

/// Sends frames of 94 bytes out of a NIC for some time, and prints how many and how long. `idle` makes it slower: so many
/// numbers at random are drawn for each frame.
pub(crate) fn run(nic: &str, seconds: u64, idle: usize) -> Result<()> {
    let program = load(&sender(set::nic(nic)?.ifindex, idle)).context("cannot load the program that sends")?;
    let frame = frame();
    let begun = clock::now();
    let mut sent = 0;
    while clock::now() - begun < Duration::from_secs(seconds) {
        send(&program, &frame).context("the kernel does not send (Linux 5.18)")?;
        sent += u64::from(REPEAT);
    }
    println!("sent\t{sent}\t{}", (clock::now() - begun).as_nanos());
    Ok(())
}

/// Drops all frames that a NIC receives, until standard input ends: the least that reading them can cost.
pub(crate) fn sink(nic: &str) -> Result<()> {
    let program = load(&[instruction(0xb7, 0, 0, 0, XDP_DROP), instruction(0x95, 0, 0, 0, 0)])?;
    let mut attributes = Link {
        prog_fd: program.as_raw_fd().cast_unsigned(),
        target_ifindex: set::nic(nic)?.ifindex,
        attach_type: BPF_XDP,
        flags: 0,
    };
    // SAFETY: The attributes are laid out as `union bpf_attr` is.
    let _link = unsafe { bpf(BPF_LINK_CREATE, &mut attributes) }.context("cannot attach by XDP")?;
    eprintln!("dropping what comes in");
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

fn frame() -> Vec<u8> {
    let builder = PacketBuilder::ethernet2([0x0a, 0x58, 0x0a, 0, 0, 1], [2, 0, 0, 0, 0, 1]);
    let builder = builder.ipv4([10, 0, 1, 1], [172, 16, 0, 1], 64).udp(0, 53);
    let mut frame = Vec::new();
    builder.write(&mut frame, &[0x78; 52]).expect("memory takes it");
    frame
}

fn instruction(code: u8, dst: u8, src: u8, offset: i16, immediate: i32) -> Instruction {
    Instruction { code, registers: src << 4 | dst, offset, immediate }
}

/// The program that sends. The frame begins at r2 and ends at r3; a port at random goes in, and the frame goes out.
fn sender(ifindex: u32, idle: usize) -> Vec<Instruction> {
    let draw = instruction(0x85, 0, 0, 0, 7);
    let mut program = vec![instruction(0xbf, 6, 1, 0, 0)];
    program.extend(std::iter::repeat_n(draw, idle + 1));
    program.extend([
        instruction(0x61, 2, 6, 0, 0),
        instruction(0x61, 3, 6, 4, 0),
        instruction(0xbf, 4, 2, 0, 0),
        instruction(0x07, 4, 0, 0, i32::from(SOURCE_PORT) + 2),
        instruction(0x2d, 4, 3, 1, 0),
        instruction(0x6b, 2, 0, SOURCE_PORT, 0),
        instruction(0xb7, 1, 0, 0, ifindex.cast_signed()),
        instruction(0xb7, 2, 0, 0, 0),
        instruction(0x85, 0, 0, 0, 23),
        instruction(0x95, 0, 0, 0, 0),
    ]);
    program
}

fn load(program: &[Instruction]) -> io::Result<OwnedFd> {
    let mut attributes = Load {
        prog_type: BPF_PROG_TYPE_XDP,
        insn_cnt: program.len() as u32,
        insns: program.as_ptr() as u64,
        license: c"GPL".as_ptr() as u64,
        ..Load::default()
    };
    // SAFETY: The attributes are laid out as `union bpf_attr` is, and what they point to outlives the call.
    let fd = unsafe { bpf(BPF_PROG_LOAD, &mut attributes) }?;
    // SAFETY: The kernel has just made the descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn send(program: &OwnedFd, frame: &[u8]) -> io::Result<()> {
    let mut attributes = TestRun {
        prog_fd: program.as_raw_fd().cast_unsigned(),
        data_size_in: frame.len() as u32,
        data_in: frame.as_ptr() as u64,
        repeat: REPEAT,
        flags: BPF_F_TEST_XDP_LIVE_FRAMES,
        batch_size: BATCH,
        ..TestRun::default()
    };
    // SAFETY: As above.
    unsafe { bpf(BPF_PROG_TEST_RUN, &mut attributes) }.map(drop)
}

/// Calls bpf(2).
///
/// # Safety
/// The attributes are as the command wants them, and each pointer in them is valid.
unsafe fn bpf<T>(command: libc::c_long, attributes: &mut T) -> io::Result<i32> {
    // SAFETY: The caller says so.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, &raw mut *attributes, size_of::<T>()) };
    i32::try_from(result).ok().filter(|&result| result >= 0).ok_or_else(io::Error::last_os_error)
}
