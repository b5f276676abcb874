//! Tells of single packets what the kernel program makes of them: the object beside the daemon's, for a user who asks why
//! a flow is not seen. What it tells of is said in [`analyzer_ebpf::filter`].
//!
//! The judge is that of the daemon's program, word for word, with the daemon's maps; but what it would count is noted
//! here for the one packet, and told. Nothing else is written.
#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]
#![expect(unsafe_code, reason = "the license and the programs stand in sections of the object that loaders look for")]

/// The parts that the daemon's program has too, and in place of its books those of one packet.
#[path = "prog"]
mod prog {
    #[expect(dead_code, reason = "nobody listens here to who answers")]
    mod family;
    pub(crate) mod judge;
    #[expect(dead_code, reason = "the length is asked for at the hook of XDP")]
    mod linear;
    mod packet;
    pub(crate) mod skb;

    #[path = "../trace/cpu.rs"]
    mod cpu;
    #[path = "../trace/events.rs"]
    mod events;
    #[path = "../trace/flows.rs"]
    mod flows;
    #[path = "../trace/recent.rs"]
    mod recent;
    #[path = "../trace/tables.rs"]
    mod tables;
    #[path = "../trace/witness.rs"]
    pub(crate) mod witness;
}

use aya_ebpf::bindings::TC_ACT_UNSPEC;
use aya_ebpf::macros::classifier;
use aya_ebpf::programs::TcContext;

use prog::judge::judge;
use prog::skb::{Egress, Ingress, Skb};
use prog::witness::{Place, notice, tell};

/// Beside the daemon's `egress`.
#[classifier]
fn trace_egress(ctx: TcContext) -> i32 {
    let packet = Skb::<Egress>::new(&ctx);
    if notice(&packet, Place::Egress) {
        judge(&packet);
        tell(&ctx);
    }
    TC_ACT_UNSPEC
}

/// Beside the daemon's `ingress`, which judges nothing.
#[classifier]
fn trace_ingress(ctx: TcContext) -> i32 {
    if notice(&Skb::<Ingress>::new(&ctx), Place::Ingress) {
        tell(&ctx);
    }
    TC_ACT_UNSPEC
}

/// Beside the daemon's `mirror`.
#[classifier]
fn trace_mirror(ctx: TcContext) -> i32 {
    let packet = Skb::<Ingress>::new(&ctx);
    if notice(&packet, Place::Mirror) {
        judge(&packet);
        tell(&ctx);
    }
    TC_ACT_UNSPEC
}

/// None of the helpers in use is kept for programs under the GPL.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 11] = *b"Apache-2.0\0";

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
