//! What of an alert fits into a message.

/// Ends a text that was cut.
pub(super) const ELLIPSIS: char = '…';

/// Parts of a message, ready to be written.
pub(super) struct Parts {
    /// Bytes that are there whatever is left out, the text apart.
    pub(super) fixed: usize,
    /// Bytes more that a text takes which is not ASCII.
    pub(super) mark: usize,
    /// The text.
    pub(super) text: String,
    /// The fields, each as it is written, with what separates it from its neighbours.
    pub(super) fields: Vec<String>,
    /// Writes the field that tells how many were left out.
    pub(super) omitted: fn(usize) -> String,
}

/// What of them is written.
pub(super) struct Fitting {
    /// The text, cut where even without fields it does not fit.
    pub(super) text: String,
    /// All fields that are written, in one.
    pub(super) fields: String,
    /// Fields that are not.
    pub(super) left_out: usize,
    /// Whether the text was cut.
    pub(super) is_cut: bool,
}

impl Parts {
    /// Leaves out fields from the end until the whole has at most `max` bytes, and then cuts the text.
    pub(super) fn fit(self, max: usize) -> Fitting {
        let mark = if self.text.is_ascii() { 0 } else { self.mark };
        let room = max.saturating_sub(self.fixed.saturating_add(mark));
        let mut used = self.text.len() + self.fields.iter().map(String::len).sum::<usize>();
        for kept in (0..=self.fields.len()).rev() {
            let left_out = self.fields.len() - kept;
            if left_out > 0 {
                used -= self.fields[kept].len();
            }
            let omitted = if left_out > 0 { (self.omitted)(left_out) } else { String::new() };
            if used + omitted.len() <= room {
                let fields = self.fields[..kept].concat() + &omitted;
                return Fitting { text: self.text, fields, left_out, is_cut: false };
            }
        }
        let left_out = self.fields.len();
        let omitted = if left_out > 0 { (self.omitted)(left_out) } else { String::new() };
        // The ellipsis is not ASCII.
        let taken = self.fixed + self.mark + omitted.len() + ELLIPSIS.len_utf8();
        let end = self.text.floor_char_boundary(max.saturating_sub(taken));
        let mut text = self.text;
        text.truncate(end);
        text.push(ELLIPSIS);
        Fitting { text, fields: omitted, left_out, is_cut: true }
    }
}
