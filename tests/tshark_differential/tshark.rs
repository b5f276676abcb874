//! tshark: its runs, and its output.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Output;

use analyzer::types::Timestamp;

use crate::common::{TempDir, command, run};

/// Protocols that it dissects with, by their names in filters. Those of IPv6 extension headers begin with `ipv6.`.
const PROTOCOLS: [&str; 19] = [
    "ah",
    "arp",
    "dccp",
    "eth",
    "ethertype",
    "frame",
    "gre",
    "hip",
    "icmp",
    "icmpv6",
    "ieee8021ad",
    "ip",
    "ipv6",
    "sctp",
    "shim6",
    "tcp",
    "udp",
    "udplite",
    "vlan",
];

/// tshark with settings of its own, whatever the user's are.
pub(crate) struct Tshark {
    settings: TempDir,
}

/// A frame as it dissects it.
pub(crate) struct Packet {
    pub(crate) at: Timestamp,
    /// Bytes on the wire, and those of them in the capture.
    pub(crate) length: u32,
    pub(crate) captured: usize,
    /// Name of the NIC, where the capture tells one.
    pub(crate) nic: Option<String>,
    /// `frame.packet_flags_direction` of pcapng: 1 inbound, 2 outbound, 0 not told.
    pub(crate) direction: u64,
    /// Headers, in their order in the frame. Those that another quotes or holds stand behind it.
    pub(crate) layers: Vec<Layer>,
}

/// A header.
pub(crate) struct Layer {
    pub(crate) name: String,
    /// Where it starts in the frame.
    pub(crate) offset: usize,
    /// How many headers it is part of: 0, or more for an extension header or one quoted by ICMP.
    pub(crate) depth: usize,
    fields: Vec<Field>,
}

struct Field {
    name: String,
    /// As it is shown.
    text: String,
    /// Its bytes in hexadecimal.
    bytes: String,
}

/// What it makes of the fragments of a capture: the number of each frame that is a fragment of a datagram it could put
/// together, and that of the datagram's first one.
pub(crate) type Datagrams = BTreeMap<usize, usize>;

impl Tshark {
    pub(crate) fn new() -> Self {
        let protocols = run(command("tshark").args(["-G", "protocols"]));
        let names = protocols.lines().filter_map(|line| line.split('\t').nth(2));
        let is_wanted = |name: &str| PROTOCOLS.contains(&name) || name.starts_with("ipv6.");
        let disabled: String = names.filter(|name| !is_wanted(name)).map(|name| format!("{name}\n")).collect();
        assert!(disabled.lines().count() > 1000, "tshark has many protocols");
        let settings = TempDir::new();
        std::fs::write(settings.path().join("disabled_protos"), disabled).expect("the folder is ours");
        Self { settings }
    }

    /// Dissects every frame of a capture.
    pub(crate) fn dissect(&self, capture: &Path) -> Vec<Packet> {
        let arguments = ["-o", "ip.defragment:FALSE", "-o", "ipv6.defragment:FALSE", "-T", "pdml"];
        packets(&self.run(capture, &arguments))
    }

    /// Puts datagrams together, where the capture has fragments.
    pub(crate) fn datagrams(&self, capture: &Path, packets: &[Packet]) -> Datagrams {
        let is_fragment = |layer: &Layer| {
            layer.name == "ipv6.fraghdr" || layer.number("ip.frag_offset").is_some_and(|offset| offset != 0)
        };
        if !packets.iter().any(|packet| packet.layers.iter().any(is_fragment)) {
            return Datagrams::new();
        }
        let put_together = ["-o", "ip.defragment:TRUE", "-o", "ipv6.defragment:TRUE"];
        let fields = ["-T", "fields", "-E", "separator=;", "-e", "ip.fragment", "-e", "ipv6.fragment"];
        let text = self.run(capture, &[&put_together[..], &fields].concat());
        let mut datagrams = Datagrams::new();
        // The last frame of a datagram lists all of them, the one with the first part first.
        for list in text.lines().flat_map(|line| line.split(';')).filter(|list| !list.is_empty()) {
            let frames: Vec<usize> = list.split(',').map(|frame| frame.parse().expect("a frame number")).collect();
            datagrams.extend(frames.iter().map(|&frame| (frame, frames[0])));
        }
        datagrams
    }

    fn run(&self, capture: &Path, arguments: &[&str]) -> String {
        let mut command = command("tshark");
        command.env("WIRESHARK_CONFIG_DIR", self.settings.path()).env("TZ", "UTC").arg("-n").arg("-r").arg(capture);
        let Output { status, stdout, stderr } = command.args(arguments).output().expect("tshark can be run");
        let complaint = String::from_utf8_lossy(&stderr);
        // A capture that is cut in mid-record is read up to there.
        assert!(status.success() || complaint.contains("cut short"), "{}: {complaint}", capture.display());
        String::from_utf8(stdout).expect("its output is UTF-8")
    }
}

impl Packet {
    /// The first header of this name.
    pub(crate) fn layer(&self, name: &str) -> Option<&Layer> {
        self.layers.iter().find(|layer| layer.name == name)
    }
}

impl Layer {
    /// A number that is shown in decimal or hexadecimal.
    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.numbers(&[name]).next()
    }

    /// The numbers of all fields with one of these names, in their order.
    pub(crate) fn numbers(&self, names: &[&str]) -> impl Iterator<Item = u64> {
        let fields = self.fields.iter().filter(move |field| names.contains(&&*field.name));
        fields.map(|Field { name, text, .. }| {
            let number = match (text.strip_prefix("0x"), text.as_str()) {
                // Later versions write them out.
                (None, "True") => Ok(1),
                (None, "False") => Ok(0),
                (None, decimal) => decimal.parse(),
                (Some(digits), _) => u64::from_str_radix(digits, 16),
            };
            number.unwrap_or_else(|error| panic!("{name} {text:?}: {error}"))
        })
    }

    /// An address.
    pub(crate) fn octets<const N: usize>(&self, name: &str) -> Option<[u8; N]> {
        let field = self.fields.iter().find(|field| field.name == name)?;
        let octet = |index: usize| u8::from_str_radix(&field.bytes[2 * index..2 * index + 2], 16);
        assert_eq!(field.bytes.len(), 2 * N, "{name} {}", field.bytes);
        Some(std::array::from_fn(|index| octet(index).expect("hexadecimal")))
    }
}

/// Reads PDML, which tshark writes an element a line.
fn packets(pdml: &str) -> Vec<Packet> {
    let mut packets = Vec::new();
    let (mut layers, mut open) = (Vec::new(), Vec::new());
    for line in pdml.lines().map(str::trim_start) {
        if line.starts_with("<packet>") {
            open.clear();
        } else if line.starts_with("<proto ") {
            let offset = attribute(line, "pos").map_or(0, |text| text.parse().expect("a number"));
            let name = attribute(line, "name").expect("protocols have names").to_owned();
            open.push(layers.len());
            layers.push(Layer { name, offset, depth: open.len() - 1, fields: Vec::new() });
            if line.ends_with("/>") {
                open.pop();
            }
        } else if line.starts_with("</proto>") {
            open.pop().expect("it was opened");
        } else if line.starts_with("<field ") {
            let text = |key| attribute(line, key).unwrap_or_default().to_owned();
            let innermost = *open.last().expect("fields are in protocols");
            layers[innermost].fields.push(Field { name: text("name"), text: text("show"), bytes: text("value") });
        } else if line.starts_with("</packet>") {
            packets.push(packet(std::mem::take(&mut layers)));
        }
    }
    packets
}

/// The value of an attribute. Values hold no quotation marks; those that hold other marks are not used here.
fn attribute<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    let (_, behind) = line.split_once(&format!(" {key}=\""))?;
    behind.split_once('"').map(|(value, _)| value)
}

fn packet(layers: Vec<Layer>) -> Packet {
    let frame = layers.iter().find(|layer| layer.name == "frame").expect("each has the layer `frame`");
    let number = |name| frame.number(name).unwrap_or_else(|| panic!("no {name}"));
    let text = |name: &str| frame.fields.iter().find(|field| field.name == name).map(|field| field.text.clone());
    let time = text("frame.time_epoch").expect("frames have times");
    let (seconds, nanos) = time.split_once('.').expect("nine digits behind the point");
    let nanos: u64 = format!("{seconds}{nanos}").parse().expect("a time");
    Packet {
        at: Timestamp::from_nanos(nanos),
        length: number("frame.len") as u32,
        captured: number("frame.cap_len") as usize,
        nic: text("frame.interface_name"),
        direction: frame.number("frame.packet_flags_direction").unwrap_or(0),
        layers,
    }
}
