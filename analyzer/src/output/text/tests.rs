use super::*;
use crate::output::escape::is_unprintable;
use crate::output::fixtures::{hostile, incident, nothing_found, undetermined};

fn text(report: &Report) -> String {
    styled(report, &Style::default())
}

fn styled(report: &Report, style: &Style) -> String {
    let mut out = Vec::new();
    write_text(&mut out, report, style).expect("memory takes it");
    String::from_utf8(out).expect("text is UTF-8")
}

#[test]
fn show() {
    for report in [incident(), nothing_found(), undetermined(), hostile()] {
        println!("{}\n=======", text(&report));
    }
}
