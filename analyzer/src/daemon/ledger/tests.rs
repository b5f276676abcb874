//! What the books hold, whatever happens in which order.

mod better_evidence;
mod losses;
