//! One text with several outputs: how it is taken apart, and all readers of its parts.

#![no_main]

use std::path::Path;

use analyzer::capture::Options;
use analyzer::inputs::load::load;
use analyzer::inputs::paths::Paths;
use analyzer::inputs::ticket;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let Ok(Some(ticket)) = ticket::take_apart(Path::new("fuzz"), &analyzer_fuzz::file(), text) else { return };
    let mut end = 0;
    for block in &ticket.blocks {
        assert!(block.lines.start <= block.lines.end && block.lines.start >= end, "blocks stand behind one another");
        end = block.lines.end;
    }
    for capture in ticket.captures() {
        let options = Options { without_times: true, ..Options::default() };
        let Ok(mut reader) = capture.open(&options) else { continue };
        while let Ok(true) = reader.advance() {}
    }
    let loaded = load(&Paths { tickets: vec![ticket], ..Paths::default() }, &mut |_| {});
    assert!(loaded.is_ok(), "what cannot be read of a ticket does not end the run: {:?}", loaded.err());
});
