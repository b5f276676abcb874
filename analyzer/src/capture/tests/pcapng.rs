//! pcapng files made in memory.

use super::*;
use crate::capture::pcapng::PcapngBlocks;

/// Writes blocks.
#[derive(Clone, Default)]
pub(crate) struct Pcapng {
    pub(crate) big: bool,
    pub(crate) bytes: Vec<u8>,
}

pub(crate) const SECTION: u32 = 0x0a0d_0d0a;
pub(crate) const INTERFACE: u32 = 1;
pub(crate) const OBSOLETE_PACKET: u32 = 2;
pub(crate) const SIMPLE_PACKET: u32 = 3;
pub(crate) const ENHANCED_PACKET: u32 = 6;

impl Pcapng {
    pub(crate) fn new(big: bool) -> Self {
        let mut file = Self { big, bytes: Vec::new() };
        file.section();
        file
    }

    fn word(&self, number: u32) -> [u8; 4] {
        if self.big { number.to_be_bytes() } else { number.to_le_bytes() }
    }

    fn half(&self, number: u16) -> [u8; 2] {
        if self.big { number.to_be_bytes() } else { number.to_le_bytes() }
    }

    pub(crate) fn block(&mut self, kind: u32, body: &[u8]) -> &mut Self {
        let len = self.word(12 + body.len() as u32);
        let block = [&self.word(kind), &len, body, &len].concat();
        self.bytes.extend(block);
        self
    }

    pub(crate) fn section(&mut self) -> &mut Self {
        let body = [&self.word(0x1a2b_3c4d)[..], &self.half(1), &self.half(0), &[0xff; 8]].concat();
        self.block(SECTION, &body)
    }

    pub(crate) fn option(&self, code: u16, value: &[u8]) -> Vec<u8> {
        let padding = vec![0; value.len().next_multiple_of(4) - value.len()];
        [&self.half(code)[..], &self.half(value.len() as u16), value, &padding].concat()
    }

    pub(crate) fn interface(&mut self, link_type: u16, options: &[(u16, &[u8])]) -> &mut Self {
        let mut body = [&self.half(link_type)[..], &self.half(0), &self.word(0)].concat();
        for (code, value) in options {
            body.extend(self.option(*code, value));
        }
        if !options.is_empty() {
            body.extend([0; 4]);
        }
        self.block(INTERFACE, &body)
    }

    pub(crate) fn packet(
        &mut self,
        kind: u32,
        interface: u32,
        ticks: u64,
        frame: &Frame,
        flags: Option<u32>,
    ) -> &mut Self {
        let (_, _, data, orig_len, _) = frame;
        let interface = match kind {
            OBSOLETE_PACKET => [self.half(interface as u16), self.half(0)].concat(),
            _ => self.word(interface).to_vec(),
        };
        let mut body = [
            &interface[..],
            &self.word((ticks >> 32) as u32),
            &self.word(ticks as u32),
            &self.word(data.len() as u32),
            &self.word(*orig_len),
            data,
            &vec![0; data.len().next_multiple_of(4) - data.len()],
        ]
        .concat();
        if let Some(flags) = flags {
            let flags = self.word(flags);
            body.extend(self.option(2, &flags));
            body.extend([0; 4]);
        }
        self.block(kind, &body)
    }
}

/// The frames in both byte orders, every form of time, both timed kinds of block, with and without blocks of no
/// interest, in one section and in two.
pub(crate) fn all_forms(frames: &[Frame]) -> Vec<Vec<u8>> {
    let mut files = Vec::new();
    for big in [false, true] {
        let offset = 1_600_000_000_i64;
        let offset_bytes = if big { offset.to_be_bytes() } else { offset.to_le_bytes() };
        type Time<'a> = (&'a [(u16, &'a [u8])], fn(u64) -> u64);
        let times: [Time; 3] = [
            (&[], |nanos| nanos / 1000),
            (&[(9, &[9])], |nanos| nanos),
            (&[(14, &offset_bytes), (9, &[6])], |nanos| nanos / 1000 - 1_600_000_000_000_000),
        ];
        for (options, ticks) in times {
            for kind in [ENHANCED_PACKET, OBSOLETE_PACKET] {
                let mut file = Pcapng::new(big);
                file.interface(1, options);
                for (index, frame) in frames.iter().enumerate() {
                    file.packet(kind, 0, ticks(frame.0), frame, None).block(0x0bad_f00d, &[1, 2, 3, 4]);
                    if index == 0 {
                        file.section().interface(1, options);
                    }
                }
                files.push(file.bytes);
            }
        }
    }
    files
}

#[test]
fn interfaces_have_names_and_resolutions_of_their_own() {
    let frame = &frames()[0];
    let mut file = Pcapng::new(false);
    file.interface(1, &[(2, b"ens1f0")]).interface(1, &[(2, b"ens1f1"), (9, &[9])]);
    file.packet(ENHANCED_PACKET, 1, START, frame, Some(2));
    file.packet(ENHANCED_PACKET, 0, START / 1000, frame, Some(1));
    file.section().interface(1, &[(2, b"ens1f1"), (9, &[3])]);
    file.packet(OBSOLETE_PACKET, 0, START / 1_000_000, frame, Some(2));
    let frames = read(&file.bytes).unwrap().frames;
    let told: Vec<_> = frames.iter().map(|(at, nic, _, _, way)| (*at, nic.as_deref().unwrap(), *way)).collect();
    assert_eq!(
        told,
        [
            (START, "ens1f1", Direction::Outbound),
            (START, "ens1f0", Direction::Inbound),
            (START - 315_000, "ens1f1", Direction::Outbound),
        ]
    );
}

#[test]
fn binary_fractions_of_a_second() {
    let frame = &frames()[0];
    let mut file = Pcapng::new(false);
    file.interface(1, &[(9, &[0x80 | 3])]).packet(ENHANCED_PACKET, 0, 1_654_814_908 << 3 | 5, frame, None);
    assert_eq!(read(&file.bytes).unwrap().frames[0].0, 1_654_814_908_625_000_000);
}

#[test]
fn simple_packets_take_the_time_before() {
    let (at, _, data, ..) = &frames()[0];
    let mut file = Pcapng::new(true);
    file.interface(1, &[]).packet(ENHANCED_PACKET, 0, at / 1000, &frames()[0], None);
    let body = [&60_u32.to_be_bytes()[..], data].concat();
    file.block(SIMPLE_PACKET, &body).block(SIMPLE_PACKET, &body);
    let read = read(&file.bytes).unwrap();
    assert_eq!(read.frames, vec![frames()[0].clone(); 3]);
    assert_eq!(read.warnings.len(), 1);
    assert!(read.warnings[0].message.contains("hold no time"));
}

#[test]
fn every_cut_leaves_the_frames_before_it() {
    let frames = frames();
    for file in all_forms(&frames) {
        let mut most = 0;
        for len in 0..file.len() {
            match read(&file[..len]) {
                Ok(read) => {
                    assert_eq!(read.frames, frames[..read.frames.len()], "{len}");
                    assert!(read.frames.len() >= most, "{len}");
                    most = read.frames.len();
                    assert!(read.warnings.len() <= 1);
                }
                Err(error) => assert!(len < 28, "{len}: {error}"),
            }
        }
        assert_eq!(most, frames.len());
    }
}

#[test]
fn a_damaged_length_ends_the_file_there() {
    let frame = &frames()[0];
    for (len, reason) in [(0xffff_fff0, "block length 4294967280"), (8, "block length 8"), (61, "block length 61")] {
        let mut file = Pcapng::new(false);
        file.interface(1, &[]).packet(ENHANCED_PACKET, 0, START / 1000, frame, None);
        let offset = file.bytes.len();
        file.packet(ENHANCED_PACKET, 0, START / 1000, frame, None);
        file.bytes[offset + 4..offset + 8].copy_from_slice(&u32::to_le_bytes(len));
        let read = read(&file.bytes).unwrap();
        assert_eq!(read.frames, frames()[..1]);
        let told = read.warnings[0].to_string();
        assert!(told.starts_with(&format!("x.pcap at offset {offset}: {reason}")), "{told}");
    }
    // An interface description is kept in memory, so less is believed of it.
    let mut file = Pcapng::new(false);
    file.block(INTERFACE, &vec![0; 300_000]);
    assert!(read(&file.bytes).unwrap().warnings[0].message.contains("block length 300012"));
}

#[test]
fn a_block_without_sense_is_passed_over() {
    let frame = &frames()[0];
    let mut file = Pcapng::new(false);
    file.interface(1, &[]).interface(1, &[(9, &[0])]);
    file.packet(ENHANCED_PACKET, 7, START / 1000, frame, None);
    file.block(ENHANCED_PACKET, &[0; 8]);
    file.packet(ENHANCED_PACKET, 1, u64::MAX / 2, frame, None);
    file.packet(ENHANCED_PACKET, 0, START / 1000, frame, None);
    let read = read(&file.bytes).unwrap();
    assert_eq!(read.frames, frames()[..1]);
    assert_eq!((read.skipped.frames, read.warnings.len()), (3, 3));
    assert!(read.warnings[0].message.contains("7"), "{:?}", read.warnings[0]);
    assert!(read.warnings[2].message.contains("2554"), "{:?}", read.warnings[2]);
}

#[test]
fn frames_of_other_link_types_are_counted() {
    let frame = &frames()[0];
    let mut file = Pcapng::new(false);
    file.interface(189, &[(2, b"usbmon0")]).packet(ENHANCED_PACKET, 0, 0, frame, None);
    let Err(error) = read(&file.bytes) else { panic!("nothing to judge") };
    assert!(error.to_string().starts_with("x.pcap: frames of link type 189 (USB)"), "{error}");
    file.interface(1, &[]).packet(ENHANCED_PACKET, 1, START / 1000, frame, None);
    let read = read(&file.bytes).unwrap();
    assert_eq!((read.frames.len(), read.skipped.frames), (1, 1));
    assert!(read.warnings[0].message.starts_with("interface usbmon0: frames of link type 189"));
}

#[test]
fn too_many_interfaces() {
    let mut file = Pcapng::new(false);
    for index in 0..256 {
        file.interface(1, &[(2, format!("veth{index}").as_bytes())]);
    }
    let Err(error) = read(&file.bytes) else { panic!("256 NICs") };
    assert!(error.to_string().contains("above 255"), "{error}");
}

/// What a step gives, in a form that can be compared, and the bytes that it takes.
fn told(step: Step) -> (Option<usize>, String) {
    match step {
        Step::Frame(frame, len) => (Some(len), format!("{frame:?}")),
        Step::Other(len) => (Some(len), "other".to_owned()),
        Step::More(len) => (None, format!("more than {len}")),
        Step::Damaged(reason) => (None, reason),
        Step::Unusable(error) => (None, error.to_string()),
    }
}

/// All steps, by the short way where it reads a block, or always by the long one.
fn steps(file: &[u8], is_short: bool) -> Option<(Vec<String>, String)> {
    let mut stream = ByteStream::new(Box::new(std::io::Cursor::new(file.to_vec())));
    let mut blocks = PcapngBlocks::new("x.pcap".into(), &mut stream).ok()?;
    let (mut rest, mut all) = (&file[stream.offset() as usize..], Vec::new());
    loop {
        let offset = (file.len() - rest.len()) as u64;
        let step = if is_short { blocks.step(rest, offset) } else { blocks.any_block(rest, offset) };
        let (len, step) = told(step);
        all.push(step);
        let Some(len) = len else { break };
        rest = &rest[len..];
    }
    let notes = format!("{:?} {:?} {:?}", blocks.skipped(), blocks.notes().take_warnings(), blocks.finish());
    Some((all, notes))
}

/// Kind of block, interface, time, data, flags, and what else the block needs.
type Any = (u8, u32, u64, Vec<u8>, Option<u32>, u8);

/// What stands in a file: packets of any kind with any options, interfaces of any resolution, sections, nonsense.
fn block() -> impl Strategy<Value = Any> {
    let ticks = prop_oneof![4 => START / 1000..START / 1000 + 9, 4 => START..START + 9, 1 => any::<u64>()];
    let data = proptest::collection::vec(any::<u8>(), 0..9);
    let flags = prop_oneof![2 => Just(None), 1 => (0..5_u32).prop_map(Some)];
    (0..16_u8, 0..4_u32, ticks, data, flags, any::<u8>())
}

fn file(big: bool, blocks: &[Any]) -> Vec<u8> {
    let mut file = Pcapng::new(big);
    let offset = if big { 1_600_000_000_i64.to_be_bytes() } else { 1_600_000_000_i64.to_le_bytes() };
    file.interface(1, &[]).interface(1, &[(2, b"ens1f0"), (9, &[9])]);
    for (kind, interface, ticks, data, flags, any) in blocks {
        let orig_len = (data.len() as u32 + u32::from(*any % 8)).saturating_sub(1);
        let frame = (0, None, data.clone(), orig_len, Direction::Unknown);
        match kind {
            0 => file.interface(u16::from(*any % 3 == 0) * 112 + 1, &[(9, &[*any])]),
            1 => file.interface(u16::from(*any), &[(14, &offset)]),
            2 => {
                file.big ^= *any % 2 == 1;
                file.section().interface(1, &[(9, &[*any % 11])])
            }
            3 => file.packet(SIMPLE_PACKET, *interface, *ticks, &frame, *flags),
            4 => file.packet(OBSOLETE_PACKET, *interface, *ticks, &frame, *flags),
            5 => file.block(ENHANCED_PACKET, data),
            6 => file.block(u32::from(*any), &[7; 8]),
            7 => {
                let option = file.option(u16::from(*any % 6), data);
                let body = [&[0; 20][..], &option].concat();
                file.block(ENHANCED_PACKET, &body)
            }
            _ => file.packet(ENHANCED_PACKET, *interface, *ticks, &frame, *flags),
        };
    }
    file.bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// The short way is told from the long one by nothing but its time, in files that are whole and in damaged ones.
    #[test]
    fn the_short_way_reads_what_the_long_one_does(
        big in any::<bool>(),
        blocks in proptest::collection::vec(block(), 0..20),
        flips in proptest::collection::vec((any::<u32>(), any::<u8>()), 0..3),
    ) {
        let mut file = file(big, &blocks);
        for (position, value) in flips {
            let position = position as usize % file.len();
            file[position] = value;
        }
        prop_assert_eq!(steps(&file, true), steps(&file, false));
    }
}
