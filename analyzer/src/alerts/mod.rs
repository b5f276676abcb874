//! What is told to people on call, when, and how often: one alert for each cause. No I/O, no clock.

mod alert;

pub use alert::{Alert, Field, Kind};
