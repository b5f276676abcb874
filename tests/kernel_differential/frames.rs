//! Frames between a few stations and addresses, by chance.

use crate::numbers::Numbers;

/// Stations of the link.
pub(crate) const STATIONS: [[u8; 6]; 5] =
    [[2, 0, 0, 0, 0, 0xa], [2, 0, 0, 0, 0, 0xb], [2, 0, 0, 0, 0, 0xc], [2, 0, 0, 0, 0, 0xd], [2, 0, 0, 0, 1, 0xa]];

const GROUPS: [[u8; 6]; 2] = [[0xff; 6], [0x33, 0x33, 0, 0, 0, 1]];

/// IPv4 addresses; the last three are of special kinds.
pub(crate) const ADDRS4: [[u8; 4]; 10] = [
    [10, 244, 0, 5],
    [10, 244, 0, 4],
    [10, 244, 1, 7],
    [10, 1, 0, 5],
    [192, 0, 2, 1],
    [198, 51, 100, 7],
    [198, 51, 100, 6],
    [169, 254, 0, 1],
    [224, 0, 0, 5],
    [255, 255, 255, 255],
];

/// IPv6 addresses; the last two are of special kinds.
pub(crate) const ADDRS6: [[u8; 16]; 7] = [
    [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
    [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    [0x20, 1, 0xd, 0xb8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5],
    [0xfd, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9],
    [0x20, 1, 0xd, 0xb9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7],
    [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
    [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
];

/// Ports: two of nobody, BFD over one hop and over several, its echo, tunnels.
const PORTS: [u16; 10] = [4000, 4001, 4002, 5000, 3784, 4784, 3785, 6081, 4789, 4500];

/// Numbers by chance, the same ones from the same seed.
pub(crate) struct Dice(Numbers);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Numbers::new(seed))
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        if end == 0 { 0 } else { (self.0.next() >> 33) as usize % end }
    }

    pub(crate) fn one_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }

    pub(crate) fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    fn byte(&mut self) -> u8 {
        self.0.next() as u8
    }
}

/// A frame that `BPF_PROG_TEST_RUN` takes.
pub(crate) fn frame(dice: &mut Dice) -> Vec<u8> {
    loop {
        let mut frame = whole_frame(dice);
        if dice.one_in(15) {
            for _ in 0..=dice.below(3) {
                let at = dice.below(frame.len());
                frame[at] = dice.byte();
            }
        }
        if dice.one_in(15) {
            frame.truncate(14 + dice.below(frame.len() - 13));
        }
        if is_taken(&frame) {
            return frame;
        }
    }
}

/// Whether a test run makes an skb of a frame: one that ends inside of an IP header it refuses.
fn is_taken(frame: &[u8]) -> bool {
    match frame[12..14] {
        [0x08, 0x00] => frame.len() >= 34,
        [0x86, 0xdd] => frame.len() >= 54,
        _ => true,
    }
}

fn whole_frame(dice: &mut Dice) -> Vec<u8> {
    // Half of them to one station, so that it takes all that the reserve has for one.
    let eth_dst = match dice.below(50) {
        0..2 => *dice.pick(&GROUPS),
        2..26 => STATIONS[1],
        _ => *dice.pick(&STATIONS),
    };
    let mut frame = [eth_dst, *dice.pick(&STATIONS)].concat();
    if dice.one_in(6) {
        for _ in 0..=dice.below(3) {
            frame.extend(dice.pick(&[0x8100_u16, 0x88a8]).to_be_bytes());
            frame.extend([0, dice.below(3) as u8]);
        }
    }
    match dice.below(20) {
        0 => arp(dice, &mut frame),
        1 => {
            frame.extend(dice.pick(&[0x88cc_u16, 0x8809, 0x8847, 60]).to_be_bytes());
            frame.extend([0; 46]);
        }
        2..7 => ipv6(dice, &mut frame),
        _ => ipv4(dice, &mut frame),
    }
    frame
}

fn arp(dice: &mut Dice, frame: &mut Vec<u8>) {
    frame.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, 1 + dice.below(3) as u8]);
    frame.extend(dice.pick(&STATIONS));
    frame.extend(dice.pick(&ADDRS4));
    frame.extend([0; 6]);
    frame.extend(dice.pick(&ADDRS4));
}

fn ipv4(dice: &mut Dice, frame: &mut Vec<u8>) {
    let options = if dice.one_in(12) { 1 + dice.below(10) } else { 0 };
    let nw_proto = *dice.pick(&[17, 17, 17, 17, 6, 6, 1, 132, 50, 47]);
    let payload = l4(dice, nw_proto);
    let fragment = match dice.below(20) {
        0 => 0x2000,
        1 => 0x00b9,
        2 => 0x20b9,
        _ => 0,
    };
    frame.extend([8, 0, 0x45 + options as u8, 0]);
    frame.extend(((20 + options * 4 + payload.len()) as u16).to_be_bytes());
    frame.extend([0, dice.below(4) as u8]);
    frame.extend(u16::to_be_bytes(fragment));
    frame.extend([*dice.pick(&[255, 64]), nw_proto, 0, 0]);
    // Sources are of special kinds less often than destinations.
    let src = if dice.one_in(20) { dice.pick(&ADDRS4) } else { dice.pick(&ADDRS4[..7]) };
    frame.extend(src);
    let dst = if dice.one_in(5) { dice.pick(&ADDRS4) } else { dice.pick(&ADDRS4[..7]) };
    frame.extend(dst);
    frame.extend(vec![1; options * 4]);
    frame.extend(payload);
}

fn ipv6(dice: &mut Dice, frame: &mut Vec<u8>) {
    let nw_proto = *dice.pick(&[17, 17, 17, 6, 58, 58, 132, 50, 59]);
    let mut payload = l4(dice, nw_proto);
    let mut next = nw_proto;
    if dice.one_in(8) {
        // A fragment header, of one of the three kinds.
        let place = *dice.pick(&[0x0001_u16, 0x05c8, 0x05c9]);
        payload = [&[next, 0][..], &place.to_be_bytes(), &[0, 0, 0, 9], &payload].concat();
        next = 44;
    }
    for _ in 0..dice.below(14).saturating_sub(11) {
        let kind = *dice.pick(&[0, 43, 60]);
        payload = [&[next, 0, 1, 4, 0, 0, 0, 0][..], &payload].concat();
        next = kind;
    }
    frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
    frame.extend((payload.len() as u16).to_be_bytes());
    frame.extend([next, *dice.pick(&[255, 64])]);
    let src = if dice.one_in(10) { dice.pick(&ADDRS6) } else { dice.pick(&ADDRS6[..5]) };
    frame.extend(src);
    let dst = if dice.one_in(5) { dice.pick(&ADDRS6) } else { dice.pick(&ADDRS6[..5]) };
    frame.extend(dst);
    frame.extend(payload);
}

/// What an IP packet carries.
fn l4(dice: &mut Dice, nw_proto: u8) -> Vec<u8> {
    match nw_proto {
        17 => {
            let dst = if dice.one_in(4) { *dice.pick(&PORTS) } else { *dice.pick(&PORTS[..4]) };
            let mut udp = [dice.pick(&PORTS[..4]).to_be_bytes(), dst.to_be_bytes()].concat();
            udp.extend([0, 32, 0, 0]);
            // As a BFD control packet begins: version 1, its length.
            udp.extend([0x20, 0xc0, 3, 24]);
            udp.extend([0; 20]);
            udp
        }
        58 if dice.one_in(2) => {
            // Neighbour discovery, with the address of a station as its option.
            let (kind, fixed, option) = *dice.pick(&[(133, 8, 1), (134, 16, 1), (135, 24, 1), (136, 24, 2)]);
            let mut message = vec![kind, 0, 0, 0, 0, 0, 0, 0];
            message.extend(dice.pick(&ADDRS6));
            message.resize(fixed, 0);
            message.extend([option, 1]);
            message.extend(dice.pick(&STATIONS));
            message
        }
        1 | 58 => [&[*dice.pick(&[8, 0, 3, 128, 129]), 0, 0, 0, 0, dice.below(3) as u8, 0, 0][..], &[0; 20]].concat(),
        _ => {
            let ports = [dice.pick(&PORTS).to_be_bytes(), dice.pick(&PORTS[..4]).to_be_bytes()].concat();
            [&ports[..], &[0; 8], &[0x50, 0x10], &[0; 10]].concat()
        }
    }
}
