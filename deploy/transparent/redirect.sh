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
    "$1" -w -t nat -N ORGFENCE
    # What orgfence itself dials has been judged.
    "$1" -w -t nat -A ORGFENCE -m owner --uid-owner "$uid" -j RETURN
    # What stays on this machine goes to no API: health checks, databases beside the app, orgfence's own ports.
    "$1" -w -t nat -A ORGFENCE -m addrtype --dst-type LOCAL -j RETURN
    if [ -n "$ports" ]; then
        "$1" -w -t nat -A ORGFENCE -p tcp -m multiport --dports "$ports" -j REDIRECT --to-ports "$port"
    else
        "$1" -w -t nat -A ORGFENCE -p tcp -j REDIRECT --to-ports "$port"
    fi
    "$1" -w -t nat -A OUTPUT -j ORGFENCE

    # QUIC cannot be redirected. Clients to whom it is refused take TCP at once; dropped, they would wait first.
    "$1" -w -t filter -N ORGFENCE
    "$1" -w -t filter -A ORGFENCE -p udp --dport 443 -m owner ! --uid-owner "$uid" -j REJECT
    "$1" -w -t filter -A OUTPUT -j ORGFENCE
}

families=iptables
# Where there is no IPv6 nothing can pass by it; where there is, rules for IPv4 alone would leave a way past.
if [ -e /proc/net/if_inet6 ]; then
    families="iptables ip6tables"
fi

for family in $families; do
    remove "$family"
    if [ "${1:-}" != remove ]; then
        redirect "$family"
    fi
done
