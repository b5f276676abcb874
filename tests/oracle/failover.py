#!/usr/bin/env python3
"""Counts conforming, grace and violating packets per flow of a case in which a gateway comes back with another MAC.

It shares nothing with the analyzer: its own few lines read the capture (classic pcap, Ethernet, untagged IPv4) and the
southbound database (stand-alone). Output: a line a flow, `src sport dst dport conforming grace violating`, sorted.

usage: failover.py CASE_DIR GRACE_SECONDS
"""
import collections
import json
import os
import struct
import sys


def transactions(path):
    """The transactions of a stand-alone database file: header line, then a line of JSON."""
    with open(path, "rb") as file:
        while header := file.readline():
            length = int(header.split()[2])
            yield json.loads(file.read(length))


def bindings(path):
    """(time in seconds, address, MAC) of every change of a MAC binding."""
    rows = {}
    for transaction in transactions(path):
        for uuid, row in (transaction.get("MAC_Binding") or {}).items():
            when = transaction["_date"] / 1000
            if row is None:
                ip, _ = rows.pop(uuid)
                yield when, ip, None
                continue
            ip, mac = rows.get(uuid, (None, None))
            ip, new = row.get("ip", ip), row.get("mac", mac)
            rows[uuid] = ip, new
            if new != mac:
                yield when, ip, new


def frames(path):
    """(time, frame) of each record."""
    with open(path, "rb") as file:
        magic, = struct.unpack("<I", file.read(24)[:4])
        unit = {0xA1B2C3D4: 1e-6, 0xA1B23C4D: 1e-9}[magic]
        while header := file.read(16):
            seconds, fraction, length, _ = struct.unpack("<IIII", header)
            frame = file.read(length)
            yield seconds + fraction * unit, frame


def address(octets):
    return ".".join(str(octet) for octet in octets)


def mac_text(octets):
    return ":".join(f"{octet:02x}" for octet in octets)


def packets(path):
    """(time, destination MAC, source, source port, destination, destination port) of each UDP packet."""
    for when, frame in frames(path):
        if frame[12:14] == b"\x08\x00" and frame[23] == 17:
            sport, dport = struct.unpack("!HH", frame[34:38])
            yield when, mac_text(frame[:6]), address(frame[26:30]), sport, address(frame[30:34]), dport


def announced(path, ip):
    """(time, address, MAC) of the first ARP packet that the address sent."""
    for when, frame in frames(path):
        if frame[12:14] == b"\x08\x06" and address(frame[28:32]) == ip:
            return when, ip, mac_text(frame[22:28])


def main():
    case, grace = sys.argv[1], float(sys.argv[2])
    capture = os.path.join(case, "egress.pcap")
    nexthops = ("198.19.3.15", "198.19.3.16")
    changes = [change for change in bindings(os.path.join(case, "ovnsb.db")) if change[1] in nexthops]
    with open(os.path.join(case, "failover.epoch")) as file:
        failover = float(file.read())
    # The pinned packets start some milliseconds before OVN writes the gateway's binding; its ARP tells the MAC already.
    for ip in nexthops:
        first = announced(capture, ip)
        if first and first[0] < min(when for when, told, _ in changes if told == ip):
            changes.insert(0, first)
    changes.sort()
    died = [when for when, _, mac in changes if when > failover]
    assert died and died[0] - failover < 1, "the database follows the failover within a second"

    counts = collections.defaultdict(lambda: [0, 0, 0])
    for when, mac, src, sport, dst, dport in packets(capture):
        if src != "10.168.16.230":
            continue
        current, legal_until = {}, None
        for changed, ip, new in changes:
            if changed > when:
                break
            if current.get(ip) == mac:
                legal_until = changed
            current[ip] = new
        if mac in current.values():
            verdict = 0
        elif legal_until is not None and when - legal_until < grace:
            verdict = 1
        else:
            verdict = 2
        counts[src, sport, dst, dport][verdict] += 1
    for flow, verdicts in sorted(counts.items()):
        print(*flow, *verdicts)


main()
