//! Where a JSON object ends in a stream that has nothing between its texts.

/// Reads a stream up to the end of its first object. Whether that is JSON, a parser says afterwards.
#[derive(Default, Debug)]
pub(super) struct Framing {
    /// Braces and brackets that are open.
    depth: usize,
    in_string: bool,
    is_escaped: bool,
}

impl Framing {
    /// Takes the next bytes. `Some` with how many of them belong to the object, where it ends in them.
    ///
    /// # Errors
    /// What comes is no object.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<Option<usize>, &'static str> {
        for (at, &byte) in bytes.iter().enumerate() {
            if self.in_string {
                match byte {
                    _ if self.is_escaped => self.is_escaped = false,
                    b'\\' => self.is_escaped = true,
                    b'"' => self.in_string = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'{' => self.depth += 1,
                _ if byte.is_ascii_whitespace() => {}
                _ if self.depth == 0 => return Err("it does not start with {"),
                b'[' => self.depth += 1,
                b'"' => self.in_string = true,
                b'}' | b']' => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        return Ok(Some(at + 1));
                    }
                }
                _ => {}
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn end_is_found_wherever_the_stream_is_cut() {
        let text = br#" {"id":0,"result":"a \"}]\\","more":[{},[{"x":"{"}]]}"#;
        let stream = [&text[..], b"{\"id\":1}"].concat();
        for cut in 0..=stream.len() {
            let mut framing = Framing::default();
            let end = match framing.feed(&stream[..cut]).unwrap() {
                Some(end) => end,
                None => cut + framing.feed(&stream[cut..]).unwrap().unwrap(),
            };
            assert_eq!(end, text.len(), "cut at {cut}");
        }
        let mut framing = Framing::default();
        assert!(text[..text.len() - 1].iter().all(|&byte| framing.feed(&[byte]) == Ok(None)));
    }

    #[test]
    fn what_is_no_object() {
        for text in ["HTTP/1.1 400", "[]", "}", "\"", "0"] {
            assert!(Framing::default().feed(text.as_bytes()).is_err(), "{text}");
        }
    }
}
