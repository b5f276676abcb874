//! What tshark reads of captures, against what the analyzer reads: headers frame by frame, and counts flow by flow.
//!
//! tshark dissects with link, network and transport protocols only. All others are switched off, so that nothing is
//! guessed from ports or payloads, and datagrams are put together only where a test asks for it.

mod common;
#[path = "common/frames.rs"]
#[expect(dead_code, reason = "shared with tests that read captures by it")]
mod frames;
#[path = "common/seen.rs"]
mod seen;

#[path = "tshark_differential/dissection.rs"]
mod dissection;
#[path = "tshark_differential/files.rs"]
mod files;
#[path = "tshark_differential/findings.rs"]
mod findings;
#[path = "tshark_differential/flows.rs"]
mod flows;
#[path = "tshark_differential/headers.rs"]
mod headers;
#[path = "tshark_differential/tshark.rs"]
mod tshark;
