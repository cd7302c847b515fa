//! What kinds of addresses there are.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What an address is that is not for everybody; `None` for a public one. IPv6 addresses that stand for an IPv4
/// address are what that is.
pub(crate) fn kind(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => kind_v4(address),
        IpAddr::V6(address) => match embedded(address) {
            Some(inner) => kind_v4(inner),
            None => kind_v6(address),
        },
    }
}

/// Where clouds keep their metadata.
pub(crate) fn is_link_local(address: IpAddr) -> bool {
    kind(address) == Some(LINK_LOCAL)
}

const LINK_LOCAL: &str = "an address of the local link";
const THIS_MACHINE: &str = "an address of this machine";
const PRIVATE: &str = "an address of a private network";
const RESERVED: &str = "an address that is reserved";

fn kind_v4(address: Ipv4Addr) -> Option<&'static str> {
    match address.octets() {
        [127, ..] | [0, ..] => Some(THIS_MACHINE),
        [169, 254, ..] => Some(LINK_LOCAL),
        // Private use (RFC 1918), and what carriers share (RFC 6598).
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] => Some(PRIVATE),
        // Protocol assignments, documentation, benchmarks, multicast and the rest (RFC 6890).
        [192, 0, 0 | 2, _]
        | [192, 88, 99, _]
        | [198, 18 | 19, ..]
        | [198, 51, 100, _]
        | [203, 0, 113, _]
        | [224..=255, ..] => Some(RESERVED),
        _ => None,
    }
}

fn kind_v6(address: Ipv6Addr) -> Option<&'static str> {
    let segments = address.segments();
    match segments {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => Some(THIS_MACHINE),
        [0xfe80..=0xfebf, ..] => Some(LINK_LOCAL),
        // Unique local (RFC 4193), and site local before it.
        [0xfc00..=0xfdff, ..] | [0xfec0..=0xfeff, ..] => Some(PRIVATE),
        // Teredo, benchmarks, ORCHID and documentation, inside of what else is public.
        [0x2001, 0..=0x1ff, ..] | [0x2001, 0xdb8, ..] | [0x3fff, ..] => Some(RESERVED),
        [0x2000..=0x3fff, ..] => None,
        _ => Some(RESERVED),
    }
}

/// The IPv4 address that an IPv6 address stands for: mapped, compatible, NAT64 and 6to4.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let four = |high: u16, low: u16| Some(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)));
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0, 0, 0, 0, 0xffff, 0, high, low] => four(high, low),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => four(high, low),
        [0x2002, high, low, ..] => four(high, low),
        _ => None,
    }
}
