# Makes a system of the root that init.sh has put together, runs /run/vm/command.sh, tells its status, and ends.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 TERM=dumb
. /run/vm/variables.sh
ln -sf /proc/self/fd /dev/fd
ln -sf fd/0 /dev/stdin
ln -sf fd/1 /dev/stdout
ln -sf fd/2 /dev/stderr
mkdir -p /dev/shm /dev/pts "/lib/modules/$RELEASE"
mount -t tmpfs shm /dev/shm
mount -t devpts pts /dev/pts
mount -t bpf bpf /sys/fs/bpf
mount -t tracefs tracing /sys/kernel/tracing
mount --bind "$MODULES" "/lib/modules/$RELEASE"
mount --make-rshared /
# What the kernel does not load by itself when it is asked for.
modprobe -a openvswitch sch_ingress cls_bpf nf_conntrack_netlink
ip link set lo up
hostname guest
stty -F /dev/ttyS1 raw
setsid -w /bin/sh /run/vm/command.sh </dev/null >/dev/ttyS1 2>&1
status=$?
# The port takes its time: what it was given must be out before the machine is off.
stty -F /dev/ttyS1 >/dev/null
sleep 0.2
echo "$status" >/dev/ttyS2
sleep 0.2
sync
echo o >/proc/sysrq-trigger
sleep 60
