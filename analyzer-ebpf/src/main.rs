//! The kernel program. What it does with a packet is told in [`analyzer_ebpf::maps`].
//!
//! Five entry points, one for each place that frames come from. None of them changes or drops a packet, and each lets
//! the programs behind it run; a sixth, for mirror ports alone, ends the way of the copies that they receive.
#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]
#![expect(unsafe_code, reason = "the license and the programs stand in sections of the object that loaders look for")]

mod prog;

use aya_ebpf::bindings::{
    TC_ACT_UNSPEC,
    xdp_action::{XDP_DROP, XDP_PASS},
};
use aya_ebpf::macros::{classifier, xdp};
use aya_ebpf::programs::{TcContext, XdpContext};

use prog::skb::{Egress, Ingress, Skb};
use prog::xdp::Buffer;
use prog::{judge, listen};

/// TC egress of a NIC: judges what leaves.
#[classifier]
fn egress(ctx: TcContext) -> i32 {
    judge::judge(&Skb::<Egress>::new(&ctx));
    TC_ACT_UNSPEC
}

/// TC ingress of a NIC: hears who answers.
#[classifier]
fn ingress(ctx: TcContext) -> i32 {
    listen::listen(&Skb::<Ingress>::new(&ctx));
    TC_ACT_UNSPEC
}

/// TC ingress of a mirror port: judges frames that left elsewhere.
#[classifier]
fn mirror(ctx: TcContext) -> i32 {
    judge::judge(&Skb::<Ingress>::new(&ctx));
    TC_ACT_UNSPEC
}

/// [`ingress`] before there is an skb.
#[xdp]
fn ingress_xdp(ctx: XdpContext) -> u32 {
    if let Some(buffer) = Buffer::new(&ctx) {
        listen::listen(&buffer);
    }
    XDP_PASS
}

/// [`mirror`] before there is an skb.
#[xdp]
fn mirror_xdp(ctx: XdpContext) -> u32 {
    if let Some(buffer) = Buffer::new(&ctx) {
        judge::judge(&buffer);
    }
    XDP_PASS
}

/// [`mirror_xdp`] of a port that nobody else uses: its frames go no further.
#[xdp]
fn mirror_xdp_consume(ctx: XdpContext) -> u32 {
    if let Some(buffer) = Buffer::new(&ctx) {
        judge::judge(&buffer);
    }
    XDP_DROP
}

/// None of the helpers in use is kept for programs under the GPL, on any kernel that has ring buffers.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 11] = *b"Apache-2.0\0";

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
