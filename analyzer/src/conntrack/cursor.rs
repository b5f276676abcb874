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
        let rest = &self.line[self.at..];
        if rest.as_bytes().first().is_some_and(u8::is_ascii_whitespace) {
            self.at += rest.len() - rest.trim_ascii_start().len();
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
        let rest = &self.line[start..];
        let len = rest.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
        self.at = start + len;
        if len == 0 || !self.eat(b'=') {
            return Err(self.error_at(start, "expected a field such as zone=35"));
        }
        Ok(&rest[..len])
    }

    /// Reads a value that holds no comma and no parenthesis.
    pub(super) fn value(&mut self) -> &'a str {
        let start = self.position();
        let rest = &self.line[start..];
        let len = rest.bytes().take_while(|byte| !matches!(byte, b',' | b'(' | b')')).count();
        self.at = start + len;
        rest[..len].trim_ascii_end()
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
        let value = self.value();
        let Ok(address) = value.parse::<IpAddr>() else {
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
    pub(super) fn number<T: TryFrom<u128>>(&mut self, what: &str) -> Result<T, LineError> {
        let at = self.position();
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

/// The number that `text` stands for: decimal digits, or hexadecimal ones after `0x`.
fn unsigned(text: &str) -> Option<u128> {
    let (digits, radix) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None => (text, 10),
    };
    if radix == 10 && digits.len() <= 19 {
        // Nearly every number in a dump; 19 digits fit into 64 bits.
        let mut number = 0_u64;
        for byte in digits.bytes() {
            number = number * 10 + u64::from(byte.checked_sub(b'0').filter(|digit| *digit <= 9)?);
        }
        return (!digits.is_empty()).then_some(u128::from(number));
    }
    // from_str_radix would take a sign.
    if digits.starts_with('+') {
        return None;
    }
    u128::from_str_radix(digits, radix).ok()
}
