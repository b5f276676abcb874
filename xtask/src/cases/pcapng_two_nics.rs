//! A pcapng of two NICs, members of a bond, with time stamps of two resolutions.

use std::borrow::Cow;
use std::time::Duration;

use anyhow::{Context, Result};
use pcap_file::pcapng::PcapNgWriter;
use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption, InterfaceTsResolution,
};
use pcap_file::{DataLink, Endianness};

use super::conntrack::{Detail, Entry, dump, label, mark};
use super::node::{GATEWAY_21, GATEWAY_22, GATEWAY_23, NODE, START, Tape, UPLINK_KEY, udp};
use super::ovn::{self, ECMP, Schema, lr_route_list, on_uplink};
use super::{File, gzip};

const NICS: [(&str, InterfaceTsResolution); 2] =
    [("ens1f0", InterfaceTsResolution::MICRO), ("ens1f1", InterfaceTsResolution::NANO)];

pub(super) fn files() -> Result<Vec<File>> {
    let stale = udp("198.51.100.9:5005", "10.131.0.7:40001");
    let healthy = udp("198.51.100.9:5005", "10.131.0.7:40002");
    let mut first = Tape::default();
    let mut second = Tape::default();
    for millis in [0, 1_000] {
        first.receive(millis, GATEWAY_22.mac, healthy)?;
        first.send(millis + 1, GATEWAY_22.mac, healthy.reversed())?;
        first.send(millis + 2, GATEWAY_23.mac, stale.reversed())?;
    }
    // The bond's hash moved the flow to its other member.
    for millis in [2_000, 3_000] {
        second.send(millis, GATEWAY_23.mac, stale.reversed())?;
        second.send(millis + 1, GATEWAY_22.mac, healthy.reversed())?;
    }

    let routes = [("10.131.0.7", "192.0.2.21", ECMP), ("10.131.0.7", "192.0.2.22", ECMP)];
    let labelled = |request, mac| Entry::of(request).zone(22).mark(mark(UPLINK_KEY)).label(label(mac));
    let entries = [labelled(stale, GATEWAY_23.mac), labelled(healthy, GATEWAY_22.mac)];
    let bindings = ovn::mac_bindings(Schema::V23, &on_uplink(&[GATEWAY_21, GATEWAY_22]));
    Ok(vec![
        ("capture.pcapng", pcapng([first, second])?),
        ("lr-route-list.txt.gz", gzip(lr_route_list(&routes).as_bytes())?),
        ("mac_binding.txt.gz", gzip(bindings.list().as_bytes())?),
        ("conntrack.txt.gz", gzip(dump(&entries, Detail::Plain).as_bytes())?),
    ])
}

/// A tape of each NIC in one file. Packets of the second come 123 ns after a full microsecond, which the first cannot
/// tell.
fn pcapng(tapes: [Tape; 2]) -> Result<Vec<u8>> {
    /// The word of flags says that a packet came in, or went out (epb_flags, draft-ietf-opsawg-pcapng section 4.3.1).
    const INBOUND: u32 = 1;
    const OUTBOUND: u32 = 2;
    let mut writer = PcapNgWriter::with_endianness(Vec::new(), Endianness::Little)?;
    for (name, resolution) in NICS {
        let options = vec![
            InterfaceDescriptionOption::IfName(Cow::from(name)),
            InterfaceDescriptionOption::IfTsResol(resolution),
        ];
        writer.write_pcapng_block(InterfaceDescriptionBlock { linktype: DataLink::ETHERNET, snaplen: 0, options })?;
    }
    for (interface_id, tape) in (0..).zip(tapes) {
        for (time, frame) in tape.frames() {
            let is_from_node = frame.get(6..12) == Some(&NODE.mac);
            let block = EnhancedPacketBlock {
                interface_id,
                timestamp: time + Duration::from_nanos(123 * u64::from(interface_id)),
                original_len: frame.len().try_into()?,
                data: Cow::from(frame),
                options: vec![EnhancedPacketOption::Flags(if is_from_node { OUTBOUND } else { INBOUND })],
            };
            writer.write_pcapng_block(block).with_context(|| format!("a packet at {:?}", time - START))?;
        }
    }
    Ok(writer.into_inner())
}
