#!/bin/sh
# Sends what the programs of this network namespace dial to an `orgfence run --mode transparent` in it.
#
# Run it once, as root with CAP_NET_ADMIN, before the app starts: as an init container, or as ExecStartPre. Running it
# again changes nothing; `redirect.sh remove` takes all of it away. Set by the environment:
#
#   ORGFENCE_UID     the user that orgfence runs as, and nothing else does: its own connections pass (1337)
#   ORGFENCE_PORT    the port that orgfence listens on, at 127.0.0.1 and at ::1 (15001)
#   ORGFENCE_PORTS   the ports whose traffic it gets, as in `80,443`, fifteen at most; without it every port
set -eu

uid=${ORGFENCE_UID:-1337}
port=${ORGFENCE_PORT:-15001}
ports=${ORGFENCE_PORTS:-}

remove() {
    for table in nat filter; do
        while "$1" -w -t "$table" -D OUTPUT -j ORGFENCE 2>/dev/null; do :; done
        "$1" -w -t "$table" -F ORGFENCE 2>/dev/null || continue
        "$1" -w -t "$table" -X ORGFENCE
    done
}

redirect() {
    # Each chain is filled in one step, also where it was there before: no connection meets half of it.
    "$1-restore" -w --noflush <<END
*nat
:ORGFENCE - [0:0]
# What orgfence itself dials has been judged.
-A ORGFENCE -m owner --uid-owner $uid -j RETURN
# What stays on this machine goes to no API: health checks, databases beside the app, orgfence's own ports.
-A ORGFENCE -m addrtype --dst-type LOCAL -j RETURN
-A ORGFENCE -p tcp ${ports:+-m multiport --dports $ports} -j REDIRECT --to-ports $port
COMMIT
*filter
:ORGFENCE - [0:0]
# QUIC cannot be redirected. Clients to whom it is refused take TCP at once; dropped, they would wait first.
-A ORGFENCE -p udp --dport 443 -m owner ! --uid-owner $uid -j REJECT
COMMIT
END
    for table in nat filter; do
        "$1" -w -t "$table" -C OUTPUT -j ORGFENCE 2>/dev/null || "$1" -w -t "$table" -A OUTPUT -j ORGFENCE
    done
}

families=iptables
# Where there is no IPv6 nothing can pass by it; where there is, rules for IPv4 alone would leave a way past.
if [ -e /proc/net/if_inet6 ]; then
    families="iptables ip6tables"
fi

for family in $families; do
    if [ "${1:-}" = remove ]; then
        remove "$family"
    else
        redirect "$family"
    fi
done
