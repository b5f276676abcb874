//! Frames that are copied beside being counted, to be recorded.
//!
//! All of them, or of each flow the first ones: whether a flow violates is known only behind the batch, so these are handed
//! over with it. Nothing here waits: what finds no room is not copied.

use std::sync::Arc;

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::TryRecvError;

use super::socket::Socket;
use crate::capture::FrameRef;
use crate::recorder::{Frame, Frames, Inlet, Settings};
use crate::replay::{Flow, Intake, Newcomers};

/// Bytes of first frames that go with a batch at most.
const MOST_FIRST: usize = 8 << 20;
/// Bytes of frames that are handed over for writing at once.
const BUNCH: usize = 1 << 20;
/// Flows that wait to be taken for new ones.
const RECALLED: usize = 4096;

/// First frames of flows, each with its flow.
#[derive(Clone, Debug)]
pub struct FirstFrames {
    /// Flows of the frames, one for each of them.
    pub flows: Vec<Flow>,
    /// The frames. Times are nanoseconds of `CLOCK_MONOTONIC`.
    pub frames: Frames,
}

/// Which frames are copied.
#[derive(Clone, Debug)]
pub enum Copied {
    /// All, and go to be written at once.
    All(Inlet),
    /// The first ones of each flow, and once more of those that are named here.
    First(broadcast::Sender<Flow>),
}

/// What is copied of frames, and which.
#[derive(Clone, Debug)]
pub(super) struct Copying {
    copied: Copied,
    settings: Settings,
}

/// The copying of a queue.
pub(super) enum Recording {
    All { frames: Frames, inlet: Inlet, settings: Settings },
    First { first: FirstFrames, newcomers: Box<Newcomers>, recalled: broadcast::Receiver<Flow>, settings: Settings },
}

impl Copied {
    /// The first frames of each flow.
    pub fn first() -> (Self, broadcast::Sender<Flow>) {
        let (sender, _) = broadcast::channel(RECALLED);
        (Self::First(sender.clone()), sender)
    }
}

impl Copying {
    pub(super) fn new(copied: Copied, settings: Settings) -> Self {
        Self { copied, settings }
    }

    /// Begins at a NIC.
    pub(super) fn begin(&self, interface: &str) -> Recording {
        let (frames, settings) = (Frames::new(interface.into()), self.settings.clone());
        match &self.copied {
            Copied::All(inlet) => Recording::All { frames, inlet: inlet.clone(), settings },
            Copied::First(recall) => Recording::First {
                first: FirstFrames { flows: Vec::new(), frames },
                newcomers: Box::default(),
                recalled: recall.subscribe(),
                settings,
            },
        }
    }
}

impl Recording {
    /// Takes some of the frames that are there, counts them and copies those that are to be. Returns as
    /// [`Socket::receive`] does.
    pub(super) fn receive(&mut self, socket: &mut Socket, intake: &mut Intake, empty: FrameRef<'_>) -> usize {
        match self {
            Self::All { frames, inlet, settings } => {
                let buffers = socket.receive(|received| {
                    let frame = FrameRef { data: received.data, orig_len: received.len, ..empty };
                    intake.count(&frame);
                    frames.push(&cut(&frame, settings));
                });
                if frames.size() >= BUNCH {
                    inlet.record(frames.take());
                }
                buffers
            }
            Self::First { first, newcomers, settings, .. } => socket.receive(|received| {
                let frame = FrameRef { data: received.data, orig_len: received.len, ..empty };
                if first.frames.size() >= MOST_FIRST {
                    // Flows that come only now are new in the next batch.
                    return intake.count(&frame);
                }
                if let Some(flow) = intake.count_noting(&frame, newcomers) {
                    first.flows.push(flow);
                    first.frames.push(&cut(&frame, settings));
                }
            }),
        }
    }

    /// Ends a batch. Returns the frames that go with it.
    pub(super) fn end_batch(&mut self) -> Option<FirstFrames> {
        match self {
            Self::All { frames, inlet, .. } => {
                inlet.record(frames.take());
                None
            }
            Self::First { first, newcomers, recalled, .. } => {
                loop {
                    match recalled.try_recv() {
                        Ok(flow) => newcomers.forget(&flow),
                        // Of those that were missed no more frames are copied.
                        Err(TryRecvError::Lagged(_)) => {}
                        Err(TryRecvError::Empty | TryRecvError::Closed) => break,
                    }
                }
                if first.flows.is_empty() {
                    return None;
                }
                let none = FirstFrames { flows: Vec::new(), frames: Frames::new(Arc::clone(first.frames.interface())) };
                Some(std::mem::replace(first, none))
            }
        }
    }
}

/// What of a frame is copied.
fn cut<'a>(frame: &FrameRef<'a>, settings: &Settings) -> Frame<'a> {
    let &FrameRef { at, data, orig_len, .. } = frame;
    Frame { at, orig_len, data: &data[..settings.kept(data.len())] }
}
