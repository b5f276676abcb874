//! The conntrack tables as we read them, against what other programs print of them: conntrack(8) of the kernel's,
//! ovs-appctl of that of ovs-vswitchd. Entry by entry, with every field that is printed, and none missing on either side.

#[path = "common/ctnetlink.rs"]
mod ctnetlink;
#[path = "common/netns.rs"]
mod netns;
#[path = "common/ovs.rs"]
mod ovs;

#[path = "conntrack_differential/kernel.rs"]
mod kernel;
#[path = "conntrack_differential/printed.rs"]
mod printed;
#[path = "conntrack_differential/userspace.rs"]
mod userspace;
