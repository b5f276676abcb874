//! Foreign strings on a terminal.
//!
//! Router names, owners and file names come from outside. A terminal obeys control characters in them, and bidirectional
//! overrides (CVE-2021-42574) make text read as what it is not.

use std::fmt::{self, Write as _};

/// Whether a character must not reach a terminal or a log as it is: it moves the cursor, changes the order of what is
/// around it, or is not to be seen.
pub fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c,
            // Soft hyphen; Arabic letter mark; Mongolian vowel separator.
            '\u{ad}' | '\u{61c}' | '\u{180e}'
            // Zero-width characters and direction marks; line and paragraph separators; embeddings and overrides.
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            // Invisible operators and isolates; byte order mark; interlinear annotations; language tags.
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// A foreign string, shown with each unprintable character as `\u{1b}`.
#[derive(Clone, Copy, Debug)]
pub struct Escaped<'a>(pub &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some(at) = rest.find(is_unprintable) {
            let (clean, from) = rest.split_at(at);
            f.write_str(clean)?;
            let mut chars = from.chars();
            if let Some(c) = chars.next() {
                write!(f, "\\u{{{:x}}}", u32::from(c))?;
            }
            rest = chars.as_str();
        }
        f.write_str(rest)
    }
}

/// [`Escaped`], as a string.
pub fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    write!(shown, "{}", Escaped(text)).expect("writing to a String does not fail");
    shown
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hostile_names() {
        let cases = [
            ("GR_worker-08", "GR_worker-08"),
            ("Zürich-東京", "Zürich-東京"),
            ("\x1b]0;pwned\x07", "\\u{1b}]0;pwned\\u{7}"),
            ("a\r\nb\tc\x7f", "a\\u{d}\\u{a}b\\u{9}c\\u{7f}"),
            // CSI as a single C1 character.
            ("\u{9b}31m", "\\u{9b}31m"),
            ("worker\u{202e}80\u{2066}", "worker\\u{202e}80\\u{2066}"),
            ("\u{feff}a\u{200b}b", "\\u{feff}a\\u{200b}b"),
        ];
        for (name, shown) in cases {
            assert_eq!(escaped(name), shown);
        }
    }

    proptest! {
        #[test]
        fn nothing_unprintable_is_left(text: String) {
            prop_assert!(!escaped(&text).contains(is_unprintable));
        }
    }
}
