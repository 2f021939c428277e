#!/bin/sh
# What systemd does with the units of Debian's packages, as far as recipes need it, where no systemd runs:
# systemctl start|restart|reload UNIT, systemctl daemon-reload, with drop-ins of /etc/systemd/system.
set -eu
verb=$1
[ "$verb" = daemon-reload ] && exit
unit=$2
pid=$machine/$unit.pid

# The values of a key of [Service]; an empty one takes those before it back.
values() {
    cat "/lib/systemd/system/$unit.service" "/etc/systemd/system/$unit.service.d"/*.conf 2>/dev/null |
        sed -e ':join' -e '/\\$/{N;s/\\\n/ /;b join' -e '}' |
        awk -v key="$1=" 'index($0, key) == 1 {
            value = substr($0, length(key) + 1)
            if (value == "") count = 0; else kept[count++] = value
        } END { for (i = 0; i < count; i++) print kept[i] }'
}

# Runs each command of a key, in the unit's environment and as its user.
run() {
    before=
    user=$(values User)
    if [ -n "$user" ]; then
        before="setpriv --reuid=$user --regid=$user --init-groups --inh-caps=+net_bind_service --ambient-caps=+net_bind_service"
    fi
    environment=$(values Environment | tr '\n' ' ')
    values "$1" | while read -r command; do
        MAINPID=$(cat "$pid" 2>/dev/null || true)
        export MAINPID HOME=/
        eval "${environment:+export $environment}
            $2 $before ${command#[-+!@:]}"
    done
}

case $verb in
start | restart)
    if [ "$verb" = restart ]; then
        run ExecStop ''
        if [ -e "$pid" ]; then
            # It may have ended by itself.
            kill "$(cat "$pid")" || true
            while kill -0 "$(cat "$pid")" 2>/dev/null; do
                sleep 0.05
            done
            rm "$pid"
        fi
    fi
    run ExecStartPre ''
    if [ "$(values Type)" = forking ]; then
        run ExecStart ''
    else
        # The shell becomes the process whose number it writes.
        run ExecStart "exec setsid sh -c 'echo \$\$ >$pid; exec \"\$@\"' sh" >>"$machine/$unit.log" 2>&1 &
        until [ -s "$pid" ]; do
            sleep 0.05
        done
    fi
    ;;
reload)
    # What has been started a moment ago may not take orders yet.
    until run ExecReload ''; do
        sleep 0.05
    done
    ;;
esac
