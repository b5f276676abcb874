//! The two ends of `cargo xtask bench conntrack`, which runs this in a network namespace: `fill` makes entries, `read`
//! reads and indexes the labelled ones as the daemon does.

#[path = "../../tests/common/ctnetlink.rs"]
mod ctnetlink;

use std::net::{Ipv4Addr, Ipv6Addr};
use std::process::ExitCode;

use analyzer::engine::fact::Connection;
use analyzer::netlink::conntrack::Table;
use analyzer::types::Tuple;
use analyzer::types::tuple::proto;

/// Entries made between two words on standard error.
const STRIDE: u32 = 100_000;

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args().skip(1).collect();
    let words: Vec<_> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["fill", entries, labelled_percent] => match (entries.parse(), labelled_percent.parse()) {
            (Ok(entries), Ok(percent)) => fill(entries, percent),
            _ => return usage(),
        },
        ["read"] => match Table::open().and_then(|table| table.labelled(usize::MAX)) {
            Ok((index, dumped)) => println!("{} {} {}", dumped.told, index.len(), index.bytes()),
            Err(error) => {
                eprintln!("error: {error}");
                return ExitCode::FAILURE;
            }
        },
        _ => return usage(),
    }
    ExitCode::SUCCESS
}

fn usage() -> ExitCode {
    eprintln!("usage: conntrack_table fill ENTRIES LABELLED_PERCENT | read (prints entries, labelled ones, bytes)");
    ExitCode::FAILURE
}

fn fill(entries: u32, labelled_percent: u32) {
    let mut writer = ctnetlink::Writer::open();
    for start in (0..entries).step_by(STRIDE as usize) {
        let part: Vec<_> = (start..entries.min(start + STRIDE)).map(|number| entry(number, labelled_percent)).collect();
        writer.create(&part);
        eprintln!("{} entries", start as usize + part.len());
    }
}

/// As a worker has them: UDP and TCP, a tenth of them IPv6, labels of four gateways in a router's zone.
fn entry(number: u32, labelled_percent: u32) -> Connection {
    let [a, b, c, d] = number.to_be_bytes();
    let (src, dst) = match number % 10 {
        0 => (Ipv6Addr::from(0xfd00 << 112 | u128::from(number)).into(), Ipv6Addr::from(0xfd01 << 112 | 5).into()),
        _ => (Ipv4Addr::new(172, 16 | a, b, c).into(), Ipv4Addr::new(10, 244, 0, d).into()),
    };
    let nw_proto = if number.is_multiple_of(3) { proto::TCP } else { proto::UDP };
    let orig = Tuple { src, dst, nw_proto, tp_src: (number >> 3) as u16 | 1024, tp_dst: 5005 };
    let is_labelled = number % 100 < labelled_percent;
    let label = if is_labelled { (0xee8d_82db_f900 + u128::from(number % 4)) << 32 } else { 0 };
    let (zone, mark) = if is_labelled { (35, 0x20000) } else { (64000, 1) };
    Connection { orig, reply: orig.reversed(), zone, mark, label, id: None, offloaded: false, dying: false }
}
