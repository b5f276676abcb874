//! Captures: files of packets, and the text of `tcpdump -e`.

pub mod pcap;
