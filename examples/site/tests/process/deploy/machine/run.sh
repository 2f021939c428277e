# Runs the steps of one recipe on a Debian machine of its own. Called in new network, mount and process namespaces:
# whatever the recipe changes, starts or listens on ends with them.
#
# run.sh STEPS CHECKOUT SITE: a folder of steps, one that has `deploy`, and the program.
set -eu
steps=$1 checkout=$2 site=$3
here=$checkout/examples/site/tests/process/deploy/machine
machine=/run/machine

# As many open files as a small machine allows: whatever a recipe starts must do with these.
ulimit -n 20000 2>/dev/null || true

# Nothing that a step does may reach the machine below, whatever it deletes: every file system becomes read-only here,
# and all that is written goes into memory.
mount --make-rprivate /
while read -r _ point _; do
    case $point in
    /proc | /proc/*) ;;
    *) mount -o remount,bind,ro "$point" 2>/dev/null || true ;;
    esac
done </proc/self/mounts
mount -t tmpfs none /run
mkdir -p /run/lock "$machine/bin" "$machine/checkout/target/release"
for folder in etc srv usr/local var; do
    mkdir -p "$machine/upper/$folder" "$machine/work/$folder"
    mount -t overlay overlay \
        -o "lowerdir=/$folder,upperdir=$machine/upper/$folder,workdir=$machine/work/$folder" "/$folder" || exit 77
done
mount -t tmpfs none /dev/shm

# The top folder of the repository, as a reader has it after `cargo build`. Another user may not be able to reach the
# program where it was built.
cp -R "$steps" "$machine/steps"
cp -R "$checkout/deploy" "$checkout/README.md" "$machine/checkout"
touch "$machine/site"
mount --bind "$site" "$machine/site"
printf '#!/bin/sh\nexec %s "$@"\n' "$machine/site" >"$machine/checkout/target/release/site"
cp "$here/apt-get.sh" "$machine/bin/apt-get"
cp "$here/systemctl.sh" "$machine/bin/systemctl"
chmod 755 "$machine"/bin/* "$machine/checkout/target/release/site"
ln -s /bin/true "$machine/bin/cargo"
PATH=$machine/bin:$PATH
export PATH machine

# From here on nothing of the repository is needed, which may be in /tmp.
cd "$machine/checkout"
mount -t tmpfs -o mode=1777 none /tmp
# Folders in /run that packages want to have when the machine starts.
systemd-tmpfiles --create --prefix=/run 2>/dev/null || true
ip link set lo up

# Until a command succeeds.
soon() {
    timeout 20 sh -c 'until "$@"; do sleep 0.05; done' sh "$@"
}

# What somebody types in a terminal of its own: the command does not end by itself. One at the same operators' address
# is ended first.
in_a_terminal() {
    admin=$(sed -n 's/.*--admin=\([0-9.:]*\).*/\1/p' "$1")
    admin=${admin:-127.0.0.1:8081}
    if [ -e "$machine/$admin" ]; then
        kill "$(cat "$machine/$admin")"
        wait "$(cat "$machine/$admin")" || true
    fi
    sh -e "$1" </dev/null >>"$machine/site.log" 2>&1 &
    echo $! >"$machine/$admin"
    soon curl -sfo /dev/null "http://$admin/readyz"
}

# The command prints these lines, at once or when a reload has come into effect.
prints() {
    timeout 10 sh -c 'until sh -e "$1" 2>&1 </dev/null | cmp -s - "$2"; do sleep 0.05; done' sh "$1" "$2" && return
    cat "$1"
    echo "prints"
    sh -e "$1" 2>&1 </dev/null || true
    echo "in place of"
    cat "$2"
    exit 1
}

trap 'code=$?; [ $code = 0 ] || tail -n 30 "$machine"/*.log /var/log/*/error.log 2>/dev/null; exit $code' EXIT
for step in "$machine"/steps/*; do
    case $step in
    *.sh)
        echo "== $(cat "$step")"
        # The password that a command asks for.
        echo PASSWORD | sh -e "$step"
        ;;
    *.terminal)
        echo "== $(cat "$step")"
        in_a_terminal "$step"
        ;;
    *.command)
        echo "== $(cat "$step")"
        prints "$step" "${step%.command}.output"
        ;;
    esac
done
echo "all steps are done"
