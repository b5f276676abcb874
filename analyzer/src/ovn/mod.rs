//! ovn.
