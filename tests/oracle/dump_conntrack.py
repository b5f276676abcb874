#!/usr/bin/env python3
"""Reads the text of `ovs-appctl dpctl/dump-conntrack -m` and writes each entry as words.

It shares nothing with the analyzer. Output: a line an entry,
`protocol src dst sport dport src dst sport dport zone N mark N label N`, the original tuple before that of the reply.
ICMP has its identifier as source port, and type and code, one octet each, as destination port.

usage: ovs-appctl dpctl/dump-conntrack -m | dump_conntrack.py
"""
import ipaddress
import re
import sys

PROTOCOLS = {"icmp": 1, "tcp": 6, "udp": 17, "icmpv6": 58, "sctp": 132}


def pairs(text):
    return dict(pair.split("=", 1) for pair in text.split(","))


def tuple_words(text):
    fields = pairs(text)
    src, dst = (ipaddress.ip_address(fields[name]) for name in ("src", "dst"))
    if "type" in fields:
        ports = int(fields["id"]), int(fields["type"]) << 8 | int(fields["code"])
    else:
        ports = int(fields["sport"]), int(fields["dport"])
    return f"{src} {dst} {ports[0]} {ports[1]}"


for line in sys.stdin:
    protocol, orig, reply, rest = re.fullmatch(r"(\w+),orig=\(([^)]*)\),reply=\(([^)]*)\)(.*)", line.strip()).groups()
    rest = dict(re.findall(r",(zone|mark|labels)=([^,]*)", rest))
    zone, mark, label = (int(rest.get(name, "0"), 0) for name in ("zone", "mark", "labels"))
    words = f"{PROTOCOLS[protocol]} {tuple_words(orig)} {tuple_words(reply)}"
    print(f"{words} zone {zone} mark {mark} label {label}")
