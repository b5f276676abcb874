//! What the kernel program tells at once: first packets of suspect flows, neighbours heard with a new MAC.

use std::collections::VecDeque;
use std::io;

use analyzer_ebpf::maps::{self, event_kind, name};
use analyzer_ebpf::pod;
use aya::Ebpf;
use aya::maps::{MapData, RingBuf};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::counted::{Event, Heard, Key};
use super::error::BpfError;
use super::programs::take_as;

/// Events taken from the ring at once, so that a storm of them does not keep a loop from its other work.
const BATCH: usize = 256;

/// The ring of events, not yet bound to a runtime.
#[derive(Debug)]
pub struct Events {
    ring: Ring,
}

/// The stream of events.
#[derive(Debug)]
pub struct EventStream {
    ring: AsyncFd<Ring>,
    taken: VecDeque<Event>,
    unknown: u64,
}

struct Ring(RingBuf<MapData>);

impl std::fmt::Debug for Ring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(name::EVENTS)
    }
}

impl std::os::fd::AsRawFd for Ring {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.0.as_raw_fd()
    }
}

impl Events {
    pub(super) fn new(object: &mut Ebpf) -> Result<Self, BpfError> {
        Ok(Self { ring: Ring(take_as(object, name::EVENTS)?) })
    }

    /// Listens. Must be called within a tokio runtime with I/O enabled.
    ///
    /// # Errors
    /// The runtime cannot wait for the ring.
    pub fn listen(self) -> Result<EventStream, BpfError> {
        #[expect(unsafe_code, reason = "tokio asks for a promise about the descriptor")]
        // SAFETY: the ring owns its descriptor, never replaces it, and closes it only when it is dropped.
        let ring = unsafe { AsyncFd::register_with_interest(self.ring, Interest::READABLE) };
        let ring = ring.map_err(|error| BpfError::map(name::EVENTS, "wait for events", error.into_parts().1))?;
        Ok(EventStream { ring, taken: VecDeque::new(), unknown: 0 })
    }
}

impl EventStream {
    /// The next event. Nothing is lost where the wait is given up.
    ///
    /// # Errors
    /// The runtime is shutting down.
    pub async fn next(&mut self) -> Result<Event, BpfError> {
        loop {
            if let Some(event) = self.taken.pop_front() {
                return Ok(event);
            }
            let failed = |error: io::Error| BpfError::map(name::EVENTS, "wait for events", error);
            let mut ready = self.ring.readable_mut().await.map_err(failed)?;
            let ring = &mut ready.get_inner_mut().0;
            let mut is_empty = false;
            while self.taken.len() < BATCH {
                let Some(item) = ring.next() else {
                    is_empty = true;
                    break;
                };
                match pod::read(&item).and_then(parse) {
                    Some(event) => self.taken.push_back(event),
                    None => self.unknown += 1,
                }
            }
            if is_empty {
                ready.clear_ready();
            }
        }
    }

    /// The next event where one is there by now.
    pub fn taken(&mut self) -> Option<Event> {
        self.taken.pop_front()
    }

    /// Records of the ring that could not be read; more than none means that the kernel program is of another version.
    pub fn unknown(&self) -> u64 {
        self.unknown
    }
}

/// What a record of the ring tells; `None` where another version of the kernel program wrote it.
pub fn parse(event: maps::Event) -> Option<Event> {
    let suspect = |key| Event::Suspect { key, at_ns: event.at_ns };
    match event.kind {
        event_kind::SUSPECT4 => pod::read(&event.key).map(Key::V4).map(suspect),
        event_kind::SUSPECT6 => pod::read(&event.key).map(Key::V6).map(suspect),
        event_kind::HEARD => {
            let key: maps::HeardKey = pod::read(&event.key)?;
            Some(Event::Heard(Heard::new(key, maps::HeardAt { first_ns: event.at_ns, last_ns: event.at_ns })))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_by_kind() {
        let mut key = [0; 56];
        key[..4].copy_from_slice(&[192, 0, 2, 1]);
        let event = |kind| maps::Event { at_ns: 7, kind, zero: 0, key };
        let Some(Event::Suspect { key: Key::V4(flow), at_ns: 7 }) = parse(event(event_kind::SUSPECT4)) else {
            panic!("no suspect")
        };
        assert_eq!(flow.src, [192, 0, 2, 1]);
        assert!(matches!(parse(event(event_kind::SUSPECT6)), Some(Event::Suspect { key: Key::V6(_), .. })));
        assert!(matches!(parse(event(event_kind::HEARD)), Some(Event::Heard(heard)) if heard.first_ns == 7));
        assert_eq!(parse(event(99)), None);
    }
}
