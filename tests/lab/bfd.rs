//! BFD (RFC 5880) as a gateway answers it: the asynchronous mode over one hop (RFC 5881), without authentication.

use std::net::{IpAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::netns::Netns;
use crate::received::unless_late;

/// Destination of control packets.
pub(crate) const PORT: u16 = 3784;
/// What a control packet without authentication has.
const LEN: usize = 24;
/// Packets that come from farther away are no neighbour's.
const TTL: u32 = 255;
/// Names our side of the session.
const OWN_DISCRIMINATOR: u32 = 1;
/// Of the protocol.
const VERSION: u8 = 1;

/// States of a session, as they are sent.
const DOWN: u8 = 1;
const INIT: u8 = 2;
const UP: u8 = 3;

/// Answers each control packet that comes to an address, until it is dropped.
pub(crate) struct Responder {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Responder {
    /// Begins to answer. The address is one of the namespace's.
    pub(crate) fn start(netns: &Netns, own: IpAddr) -> Self {
        let socket = netns.inside(|| UdpSocket::bind((own, PORT)).expect("the address is the gateway's"));
        socket.set_ttl(TTL).expect("it is a socket");
        socket.set_read_timeout(Some(Duration::from_millis(100))).expect("it is longer than nothing");
        let is_over = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&is_over);
        let thread = thread::spawn(move || answer(&socket, &until));
        Self { is_over, thread: Some(thread) }
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        let ended = self.thread.take().map(JoinHandle::join);
        if ended.is_none_or(|ended| ended.is_err()) {
            eprintln!("BFD was not answered to the end");
        }
    }
}

fn answer(socket: &UdpSocket, until: &AtomicBool) {
    let mut state = DOWN;
    let mut packet = [0; 64];
    while !until.load(Ordering::Relaxed) {
        let Some((len, from)) = unless_late(|| socket.recv_from(&mut packet)) else { continue };
        if len < LEN || packet[0] >> 5 != VERSION {
            continue;
        }
        state = next(state, packet[1] >> 6);
        // The intervals are the other side's, and each of its packets is answered with one.
        let mut reply = [0; LEN];
        reply[..4].copy_from_slice(&[VERSION << 5, state << 6, packet[2], LEN as u8]);
        reply[4..8].copy_from_slice(&OWN_DISCRIMINATOR.to_be_bytes());
        reply[8..12].copy_from_slice(&packet[4..8]);
        reply[12..20].copy_from_slice(&packet[12..20]);
        // The link may have gone down meanwhile.
        let _ = socket.send_to(&reply, (from.ip(), PORT));
    }
}

/// The state that follows when the other side tells of its own (RFC 5880 section 6.2).
fn next(state: u8, told: u8) -> u8 {
    match (state, told) {
        (DOWN, DOWN) => INIT,
        (DOWN | INIT, INIT) | (INIT, UP) => UP,
        (UP, DOWN) => DOWN,
        (state, _) => state,
    }
}
