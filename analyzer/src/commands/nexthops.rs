//! nexthops
