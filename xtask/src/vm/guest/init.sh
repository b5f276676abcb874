#!/bin/busybox sh
# First process of the guest, from its initramfs: the host's root, read-only, below a tmpfs that takes what is written.
b=/bin/busybox
$b mount -t proc proc /proc
$b mount -t sysfs sys /sys
$b mount -t devtmpfs dev /dev
give_up() {
    echo "guest: $1" >/dev/ttyS0
    echo "guest: $1" >/dev/ttyS1
    $b poweroff -f
}
for module in /modules/*; do
    $b insmod "$module" || echo "guest: insmod $module failed"
done
$b mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,ro,cache=loose root /lower || give_up 'the root of the host cannot be mounted'
$b mount -t tmpfs -o size=75% written /written
$b mkdir /written/upper /written/work
$b mount -t overlay -o lowerdir=/lower,upperdir=/written/upper,workdir=/written/work overlay /new || give_up 'no overlay'
for folder in proc sys dev; do
    $b mount -o move /$folder /new/$folder
done
$b mount -t tmpfs run /new/run
$b mkdir -p /new/run/vm /new/run/lock
$b cp /guest/* /new/run/vm/
# By switch_root, so that the kernel finds /sbin/modprobe when it wants a module.
exec $b switch_root -c /dev/ttyS0 /new /bin/sh /run/vm/system.sh
