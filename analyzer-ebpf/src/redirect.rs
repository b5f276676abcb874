//! Gives the frames of a mirror port to AF_XDP sockets, one socket a receive queue.
#![no_std]
#![no_main]
#![expect(unsafe_code, reason = "the license and the programs stand in sections of the object that loaders look for")]

use analyzer_ebpf::maps::PacketCount;
use aya_ebpf::bindings::xdp_action::XDP_PASS;
use aya_ebpf::macros::{map, xdp};
use aya_ebpf::maps::{PerCpuArray, XskMap};
use aya_ebpf::programs::XdpContext;

/// Receive queues that a NIC has at most; user space sets how many.
const QUEUES: u32 = 1;

#[map]
static SOCKETS: XskMap = XskMap::with_max_entries(QUEUES, 0);

#[map]
static PASSED: PerCpuArray<PacketCount> = PerCpuArray::with_max_entries(1, 0);

/// Frames that lie in one buffer.
#[xdp]
fn redirect(ctx: XdpContext) -> u32 {
    give(&ctx)
}

/// Frames of any length.
#[xdp(frags)]
fn redirect_frags(ctx: XdpContext) -> u32 {
    give(&ctx)
}

/// Gives a frame to the socket of its queue. Where there is none, the stack has it, and it is counted.
#[inline(always)]
fn give(ctx: &XdpContext) -> u32 {
    match SOCKETS.redirect(ctx.rx_queue_index(), u64::from(XDP_PASS)) {
        Ok(action) if action != XDP_PASS => action,
        _ => {
            count(ctx.data_end().saturating_sub(ctx.data()) as u64);
            XDP_PASS
        }
    }
}

#[inline(always)]
fn count(bytes: u64) {
    if let Some(passed) = PASSED.get_ptr_mut(0) {
        // SAFETY: The value belongs to this CPU, and programs of one CPU do not interrupt each other here.
        unsafe {
            (*passed).packets += 1;
            (*passed).bytes += bytes;
        }
    }
}

/// None of the helpers in use is kept for programs under the GPL.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 11] = *b"Apache-2.0\0";

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
