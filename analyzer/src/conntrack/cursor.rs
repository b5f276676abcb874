//! A place in a line of `key=value` fields.

use std::net::IpAddr;

use super::text::LineError;

/// A place in a line. White space before a token is passed over.
pub(super) struct Cursor<'a> {
    line: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(line: &'a str, at: usize) -> Self {
        Self { line, at }
    }

    /// Offset of the next token.
    pub(super) fn position(&mut self) -> usize {
        let bytes = self.line.as_bytes();
        while bytes.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
        self.at
    }

    /// The place, to come back to by [`Cursor::reset`].
    pub(super) fn mark(&self) -> usize {
        self.at
    }

    pub(super) fn reset(&mut self, mark: usize) {
        self.at = mark;
    }

    pub(super) fn at_end(&mut self) -> bool {
        self.position() == self.line.len()
    }

    /// Passes over `byte` where it is next.
    pub(super) fn eat(&mut self, byte: u8) -> bool {
        let at = self.position();
        let found = self.line.as_bytes().get(at) == Some(&byte);
        self.at += usize::from(found);
        found
    }

    pub(super) fn expect(&mut self, byte: u8) -> Result<(), LineError> {
        if self.eat(byte) {
            return Ok(());
        }
        Err(self.error(&match self.line[self.at..].chars().next() {
            Some(found) => format!("expected {:?}, found {found:?}", char::from(byte)),
            None => format!("expected {:?}, the line ends", char::from(byte)),
        }))
    }

    /// Reads a field's name and the `=` behind it.
    pub(super) fn key(&mut self) -> Result<&'a str, LineError> {
        let start = self.position();
        let bytes = &self.line.as_bytes()[start..];
        let len = bytes.iter().position(|byte| !matches!(byte, b'a'..=b'z' | b'_' | b'A'..=b'Z' | b'0'..=b'9'));
        let len = len.unwrap_or(bytes.len());
        self.at = start + len;
        if len == 0 || !self.eat(b'=') {
            return Err(self.error_at(start, "expected a field such as zone=35"));
        }
        Ok(&self.line[start..start + len])
    }

    /// Reads a value that holds no comma and no parenthesis.
    pub(super) fn value(&mut self) -> &'a str {
        let start = self.position();
        let bytes = &self.line.as_bytes()[start..];
        let len = bytes.iter().position(|byte| matches!(byte, b',' | b'(' | b')')).unwrap_or(bytes.len());
        self.at = start + len;
        self.line[start..start + len].trim_ascii_end()
    }

    /// Passes over a value with parentheses in it, up to the comma behind it or the end of the line.
    pub(super) fn skip_value(&mut self) {
        let mut depth = 0_usize;
        for byte in self.line.as_bytes()[self.at..].iter() {
            match byte {
                b',' | b')' if depth == 0 => return,
                b'(' => depth += 1,
                b')' => depth -= 1,
                _ => {}
            }
            self.at += 1;
        }
    }

    /// Reads an address, of the family of `like` where that is given.
    pub(super) fn address(&mut self, like: Option<IpAddr>) -> Result<IpAddr, LineError> {
        let at = self.position();
        let address = match dotted_quad(&self.line.as_bytes()[at..]) {
            Some((address, len)) => {
                self.at = at + len;
                Ok(address)
            }
            None => self.value().parse(),
        };
        let Ok(address) = address else {
            let value = self.line[at..self.at].trim_ascii_end();
            let masked = value.bytes().any(|byte| matches!(byte, b'x' | b'X' | b'*'));
            let remedy = if masked { "; digits that were masked have to be put back" } else { "" };
            return Err(self.error_at(at, &format!("{value:?} is no IP address{remedy}")));
        };
        if like.is_some_and(|like| like.is_ipv4() != address.is_ipv4()) {
            return Err(self.error_at(at, "src and dst are of different address families"));
        }
        Ok(address)
    }

    /// Reads a decimal or, with `0x`, a hexadecimal number.
    pub(super) fn number<T: TryFrom<u64> + TryFrom<u128>>(&mut self, what: &str) -> Result<T, LineError> {
        let at = self.position();
        if let Some((number, len)) = decimal(&self.line.as_bytes()[at..])
            && let Ok(number) = T::try_from(number)
        {
            self.at = at + len;
            return Ok(number);
        }
        let value = self.value();
        self.to_number(at, value, what)
    }

    /// Reads a number that may be followed by `/mask`, as matches are written. The mask says nothing of the value.
    pub(super) fn masked_number<T: TryFrom<u128>>(&mut self, what: &str) -> Result<T, LineError> {
        let at = self.position();
        let value = self.value();
        let value = value.split_once('/').map_or(value, |(value, _)| value);
        self.to_number(at, value, what)
    }

    fn to_number<T: TryFrom<u128>>(&self, at: usize, text: &str, what: &str) -> Result<T, LineError> {
        unsigned(text)
            .and_then(|number| T::try_from(number).ok())
            .ok_or_else(|| self.error_at(at, &format!("{text:?} is not {what}")))
    }

    /// An error at the next token.
    pub(super) fn error(&mut self, message: &str) -> LineError {
        let at = self.position();
        self.error_at(at, message)
    }

    /// An error at an offset.
    pub(super) fn error_at(&self, at: usize, message: &str) -> LineError {
        LineError { column: at + 1, message: message.to_owned() }
    }
}

/// Whether a plain value ends before `next`. Where white space or something strange follows, it is read the long way.
fn ends_before(next: Option<&u8>) -> bool {
    matches!(next, None | Some(b',' | b')'))
}

/// The IPv4 address that `bytes` start with, and its length. Most of a dump is addresses, and this is quicker than the
/// standard library; `None` leaves it to that.
fn dotted_quad(bytes: &[u8]) -> Option<(IpAddr, usize)> {
    let mut octets = [0_u8; 4];
    let mut at = 0;
    for (index, octet) in octets.iter_mut().enumerate() {
        if index > 0 {
            if bytes.get(at) != Some(&b'.') {
                return None;
            }
            at += 1;
        }
        let start = at;
        let mut value = 0_u16;
        while let Some(digit @ b'0'..=b'9') = bytes.get(at) {
            value = value * 10 + u16::from(digit - b'0');
            at += 1;
            if at - start > 3 {
                return None;
            }
        }
        if at == start || (bytes[start] == b'0' && at - start > 1) {
            return None;
        }
        *octet = u8::try_from(value).ok()?;
    }
    ends_before(bytes.get(at)).then_some((octets.into(), at))
}

/// The decimal number that `bytes` start with, and its length. `None` where it is none of at most 19 digits.
fn decimal(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut number = 0_u64;
    let mut at = 0;
    while let Some(digit @ b'0'..=b'9') = bytes.get(at) {
        if at == 19 {
            return None;
        }
        number = number * 10 + u64::from(digit - b'0');
        at += 1;
    }
    (at > 0 && ends_before(bytes.get(at))).then_some((number, at))
}

/// The number that `text` stands for: decimal digits, or hexadecimal ones after `0x`.
fn unsigned(text: &str) -> Option<u128> {
    let (digits, radix) = match text.as_bytes() {
        [b'0', b'x' | b'X', ..] => (&text[2..], 16),
        _ => (text, 10),
    };
    // from_str_radix would take a sign.
    if digits.starts_with('+') {
        return None;
    }
    u128::from_str_radix(digits, radix).ok()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn dotted_quads_are_those_of_the_standard_library(text in "([0-9]{0,4}[.x]){2,4}[0-9]{0,4}", bits: u32) {
            let read = |text: &str| dotted_quad(text.as_bytes());
            let expected = |text: &str| text.parse::<Ipv4Addr>().ok().map(|address| (address.into(), text.len()));
            prop_assert_eq!(read(&text), expected(&text));
            let address = IpAddr::from(bits.to_be_bytes()).to_string();
            prop_assert_eq!(read(&address), expected(&address));
            prop_assert_eq!(read(&format!("{address},dst=")), expected(&address));
            prop_assert_eq!(read(&format!("{address}/32")), None);
        }

        #[test]
        fn numbers(number: u128, word in "[0-9]{0,42}|0x[0-9a-f]{0,34}|[+]?[0-9]{0,3}") {
            prop_assert_eq!(unsigned(&number.to_string()), Some(number));
            prop_assert_eq!(unsigned(&format!("{number:#x}")), Some(number));
            let expected = match word.strip_prefix("0x") {
                Some(digits) => u128::from_str_radix(digits, 16).ok(),
                None => word.parse().ok().filter(|_| !word.starts_with('+')),
            };
            prop_assert_eq!(unsigned(&word), expected);
            if let Some((number, len)) = decimal(word.as_bytes()) {
                prop_assert_eq!((Some(u128::from(number)), len), (expected, word.len()));
            }
        }
    }
}
