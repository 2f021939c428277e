#!/bin/sh
# apt-get install: the packages are here, or the test is skipped.
[ "$1" = install ] || exit 0
shift
for package; do
    case $package in -*) continue ;; esac
    dpkg-query --show --showformat='${Status}' "$package" 2>/dev/null | grep -q '^install ok installed$' || {
        echo "$package is not installed"
        exit 78
    }
done
