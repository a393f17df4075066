# A small network for one node: an interface, DHCP, TFTP and NFS, then the node itself. It is run as the first
# process of namespaces of its own (lan.ts), so that nothing of the host is touched and nothing outlives it.
#
# From the environment: LAN_TFTP (dnsmasq or tftpd-hpa), LAN_TFTP_ROOT, LAN_BOOT_FILE, LAN_LOGS (a directory),
# LAN_NFS_ROOT (a directory to be served by NFS; empty for none), LAN_NFS_2 (Kiln's server for NFS 2; empty: NFS 3 by
# nfs-ganesha), LAN_NODE (what runs it), LAN_ARGUMENTS (option 129), LAN_HOST_NAME.
# Its arguments are the command that the node is. Lines that start with `lan: ` are for Kiln.
set -u
ADDRESS=10.99.0.1

not_shown() {
  echo "lan: not shown: $1"
  exit 3
}

# Waits until a command succeeds, or a server that was started is gone.
wait_for() {
  what=$1 server=$2
  shift 2
  tries=0
  until "$@" >/dev/null 2>&1; do
    tries=$((tries + 1))
    kill -0 "$server" 2>/dev/null || not_shown "$what ended: $(cat "$LAN_LOGS/$what.out" "$LAN_LOGS/$what.log" 2>/dev/null | grep . | tail -n 1)"
    [ "$tries" -lt 150 ] || not_shown "$what does not answer after 30 s"
    sleep 0.2
  done
}

# Servers keep their sockets, process ids and state in here.
mount -t tmpfs none /run 2>/dev/null || not_shown 'this user may not mount in a namespace of its own'
ip link set lo up
ip tuntap add dev tap0 mode tap 2>/dev/null || not_shown 'this user may not make a tap interface (/dev/net/tun)'
ip addr add "$ADDRESS/24" dev tap0
ip link set tap0 up

if [ "$LAN_TFTP" = tftpd-hpa ]; then
  in.tftpd -L -s -u root -a "$ADDRESS:69" "$LAN_TFTP_ROOT" >"$LAN_LOGS/tftpd-hpa.log" 2>&1 &
  # Port 69, in hexadecimal.
  wait_for tftpd-hpa $! grep -q ':0045 ' /proc/net/udp
  tftp=
else
  tftp="--enable-tftp --tftp-root=$LAN_TFTP_ROOT"
fi

root_path=
if [ -n "$LAN_NFS_ROOT" ] && [ -n "$LAN_NFS_2" ]; then
  "$LAN_NODE" "$LAN_NFS_2" "$ADDRESS" "$LAN_NFS_ROOT" >"$LAN_LOGS/nfs2.out" 2>&1 &
  wait_for nfs2 $! grep -q '^serving ' "$LAN_LOGS/nfs2.out"
  echo "lan: NFS 2 by Kiln's own server: nothing in Debian 12 serves it any more"
elif [ -n "$LAN_NFS_ROOT" ]; then
  mkdir -p /run/rpcbind /run/ganesha
  rpcbind -f >"$LAN_LOGS/rpcbind.log" 2>&1 &
  wait_for rpcbind $! rpcinfo -p "$ADDRESS"
  cat >/run/ganesha.conf <<END
NFS_CORE_PARAM { NFS_Protocols = 3; Enable_NLM = false; Enable_RQUOTA = false; }
NFSV4 { RecoveryRoot = /run/ganesha; }
EXPORT {
  Export_Id = 1; Path = "$LAN_NFS_ROOT"; Pseudo = /root; Access_Type = RO; Protocols = 3;
  Transports = UDP, TCP; PrivilegedPort = false; Squash = No_Root_Squash; SecType = sys;
  FSAL { Name = VFS; }
}
END
  ganesha.nfsd -F -L "$LAN_LOGS/nfs-ganesha.log" -f /run/ganesha.conf -p /run/ganesha.pid \
    >"$LAN_LOGS/nfs-ganesha.out" 2>&1 &
  nfs=$!
  wait_for nfs-ganesha "$nfs" rpcinfo -u "$ADDRESS" 100005 3
  wait_for nfs-ganesha "$nfs" rpcinfo -u "$ADDRESS" 100003 3
fi
[ -z "$LAN_NFS_ROOT" ] || root_path=--dhcp-option=option:root-path,$ADDRESS:$LAN_NFS_ROOT

# No pings before an offer: nobody else is here. Option 128 is Etherboot's magic, without which 129 is nothing.
dnsmasq --keep-in-foreground --conf-file=/dev/null --port=0 --interface=tap0 --bind-interfaces --user=root \
  --log-dhcp --log-facility="$LAN_LOGS/dnsmasq.log" --pid-file=/run/dnsmasq.pid --dhcp-leasefile=/run/leases \
  --dhcp-range=10.99.0.50,10.99.0.99,255.255.255.0,1h --dhcp-authoritative --no-ping \
  --dhcp-boot="$LAN_BOOT_FILE,,$ADDRESS" --dhcp-option=12,"$LAN_HOST_NAME" \
  --dhcp-option=128,e4:45:74:68:00:00 --dhcp-option=129,"$LAN_ARGUMENTS" $tftp $root_path >"$LAN_LOGS/dnsmasq.out" 2>&1 &
wait_for dnsmasq $! test -s /run/dnsmasq.pid

echo "lan: up"
exec "$@"
