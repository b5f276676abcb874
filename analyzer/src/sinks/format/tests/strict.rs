//! Readers that take nothing but what the grammar allows.

/// A message of RFC 5424 section 6.
pub(super) struct Message {
    pub(super) pri: u8,
    pub(super) timestamp: String,
    pub(super) msg_id: String,
    pub(super) structured_data: Vec<(String, Vec<(String, String)>)>,
    pub(super) has_mark: bool,
    pub(super) text: String,
}

struct Cursor<'a>(&'a str);

impl Cursor<'_> {
    fn literal(&mut self, expected: &str) -> Result<(), String> {
        self.0 = self.0.strip_prefix(expected).ok_or_else(|| format!("no {expected:?} at {:?}", self.0))?;
        Ok(())
    }

    /// The longest run of characters of a class, of which there must be 1 to `max`.
    fn run(&mut self, max: usize, class: impl Fn(char) -> bool) -> Result<String, String> {
        let end = self.0.find(|c| !class(c)).unwrap_or(self.0.len());
        let (run, rest) = self.0.split_at(end);
        if run.is_empty() || run.len() > max {
            return Err(format!("{} characters at {:?}", run.len(), self.0));
        }
        self.0 = rest;
        Ok(run.to_owned())
    }

    fn header_field(&mut self, max: usize) -> Result<String, String> {
        let field = self.run(max, |c| ('\x21'..='\x7e').contains(&c))?;
        self.literal(" ")?;
        Ok(field)
    }

    fn sd_name(&mut self) -> Result<String, String> {
        self.run(32, |c| ('\x21'..='\x7e').contains(&c) && !matches!(c, '=' | ']' | '"'))
    }

    fn pri(&mut self) -> Result<u8, String> {
        self.literal("<")?;
        let digits = self.run(3, |c| c.is_ascii_digit())?;
        self.literal(">")?;
        let pri: u8 = digits.parse().map_err(|_| digits.clone())?;
        // No leading zeros, 0 to 191.
        if pri > 191 || pri.to_string() != digits { Err(digits) } else { Ok(pri) }
    }

    fn quoted(&mut self) -> Result<String, String> {
        self.literal("\"")?;
        let mut value = String::new();
        let mut chars = self.0.chars();
        loop {
            match chars.next().ok_or("a value without end")? {
                '"' => break,
                ']' => return Err(format!("`]` not escaped behind {value:?}")),
                '\\' => match chars.next() {
                    Some(c @ ('"' | '\\' | ']')) => value.push(c),
                    other => return Err(format!("{other:?} is escaped")),
                },
                c => value.push(c),
            }
        }
        self.0 = chars.as_str();
        Ok(value)
    }
}

impl Message {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
        let mut cursor = Cursor(text);
        let pri = cursor.pri()?;
        cursor.literal("1 ")?;
        let timestamp = cursor.header_field(32)?;
        // FULL-DATE "T" TIME-HOUR ":" TIME-MINUTE ":" TIME-SECOND "." 6DIGIT "Z"
        let shape: String = timestamp.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
        if shape != "9999-99-99T99:99:99.999999Z" {
            return Err(timestamp);
        }
        cursor.header_field(255)?;
        cursor.header_field(48)?;
        cursor.header_field(128)?;
        let msg_id = cursor.header_field(32)?;
        let mut structured_data = Vec::new();
        if cursor.literal("-").is_err() {
            while cursor.literal("[").is_ok() {
                let id = cursor.sd_name()?;
                let mut parameters = Vec::new();
                while cursor.literal(" ").is_ok() {
                    let name = cursor.sd_name()?;
                    cursor.literal("=")?;
                    parameters.push((name, cursor.quoted()?));
                }
                cursor.literal("]")?;
                if structured_data.iter().any(|(known, _)| *known == id) {
                    return Err(format!("{id} comes twice"));
                }
                structured_data.push((id, parameters));
            }
            if structured_data.is_empty() {
                return Err("no structured data and no NILVALUE".to_owned());
            }
        }
        cursor.literal(" ")?;
        let has_mark = cursor.literal("\u{feff}").is_ok();
        Ok(Self { pri, timestamp, msg_id, structured_data, has_mark, text: cursor.0.to_owned() })
    }
}

/// A line of RFC 3164 section 4.1, with or without hostname: tag and process id, and what is behind them.
pub(super) fn bsd(line: &str, has_hostname: bool) -> Result<((String, u32), &str), String> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut cursor = Cursor(line);
    cursor.pri()?;
    let month = MONTHS.into_iter().find(|month| cursor.literal(month).is_ok()).ok_or("no month")?;
    cursor.literal(" ")?;
    let (day, rest) = cursor.0.split_at_checked(2).ok_or("no day")?;
    let number: u8 = day.trim_start().parse().map_err(|_| format!("{month} {day}"))?;
    if format!("{number:2}") != day || !(1..=31).contains(&number) {
        return Err(format!("day {day:?}"));
    }
    cursor.0 = rest;
    for (before, limit) in [(" ", 24), (":", 60), (":", 60)] {
        cursor.literal(before)?;
        let (two, rest) = cursor.0.split_at_checked(2).ok_or("no time")?;
        two.parse::<u8>().ok().filter(|&number| number < limit).ok_or_else(|| format!("time {two:?}"))?;
        cursor.0 = rest;
    }
    cursor.literal(" ")?;
    if has_hostname {
        cursor.header_field(255)?;
    }
    let tag = cursor.run(32, |c| c.is_ascii_alphanumeric() || "-_./".contains(c))?;
    cursor.literal("[")?;
    let process_id = cursor.run(10, |c| c.is_ascii_digit())?.parse().map_err(|_| "no process id")?;
    cursor.literal("]: ")?;
    Ok(((tag, process_id), cursor.0))
}

/// ` key=value key="a value"` to the end.
pub(super) fn pairs(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut cursor = Cursor(text);
    let mut pairs = Vec::new();
    while !cursor.0.is_empty() {
        cursor.literal(" ")?;
        let name = cursor.run(32, |c| c.is_ascii_alphanumeric() || c == '_')?;
        cursor.literal("=")?;
        if cursor.literal("\"").is_err() {
            pairs.push((name, cursor.run(usize::MAX, |c| !c.is_whitespace() && !matches!(c, '"' | '\\' | '='))?));
            continue;
        }
        let mut value = String::new();
        let mut chars = cursor.0.chars();
        loop {
            match chars.next().ok_or("a value without end")? {
                '"' => break,
                '\\' => value.push(chars.next().filter(|c| matches!(c, '"' | '\\')).ok_or("a wrong escape")?),
                c => value.push(c),
            }
        }
        cursor.0 = chars.as_str();
        pairs.push((name, value));
    }
    Ok(pairs)
}

/// journald's export form: `NAME=value`, or `NAME`, 64 bits of length in little-endian order, and the value.
pub(super) fn journald(mut bytes: &[u8]) -> Result<Vec<(String, String)>, String> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let is_of_name = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_';
        let end = bytes.iter().position(|byte| !is_of_name(byte)).ok_or("no end of a name")?;
        let name = String::from_utf8_lossy(&bytes[..end]).into_owned();
        if !(1..=64).contains(&end) || name.starts_with(|c: char| c == '_' || c.is_ascii_digit()) {
            return Err(format!("name {name:?}"));
        }
        let (value, rest) = match bytes[end] {
            b'=' => {
                let rest = &bytes[end + 1..];
                let end = rest.iter().position(|&byte| byte == b'\n').ok_or("no end of a line")?;
                (&rest[..end], &rest[end..])
            }
            b'\n' => {
                let (len, rest) = bytes[end + 1..].split_first_chunk::<8>().ok_or("no length")?;
                rest.split_at_checked(u64::from_le_bytes(*len) as usize).ok_or("a length beyond the end")?
            }
            other => return Err(format!("byte {other} behind {name}")),
        };
        bytes = rest.strip_prefix(b"\n").ok_or("no line break behind a value")?;
        fields.push((name, String::from_utf8(value.to_vec()).map_err(|error| error.to_string())?));
    }
    Ok(fields)
}
